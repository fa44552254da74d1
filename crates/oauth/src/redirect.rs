//! Redirect addresses: registered in full, compared byte by byte (RFC 9700 §2.1). There is no pattern of any kind.
//!
//! The one exception is the port of a loopback address of a native client (RFC 8252 §7.3).

use core::fmt;

use serde::{Deserialize, Serialize};
use url::Url;

/// A registered redirect address.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RedirectUri(String);

/// The text cannot be registered.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RedirectError {
    /// Not an absolute address in its plain form.
    #[error("a redirect address is absolute and in its plain form, such as https://app.example.com/callback")]
    Malformed,
    /// `http:` away from loopback, or a scheme that a browser runs.
    #[error(
        "a redirect address uses https, http on 127.0.0.1 or [::1], or a private scheme with a dot such as com.example.app"
    )]
    Scheme,
    /// With a fragment, user information or a wildcard.
    #[error("a redirect address has no fragment, no user name and no wildcard")]
    Part,
    /// Over 2,000 bytes.
    #[error("a redirect address has at most 2000 bytes")]
    Long,
}

impl RedirectUri {
    /// Checks an address for registration.
    pub fn register(text: &str) -> Result<Self, RedirectError> {
        if text.len() > 2_000 {
            return Err(RedirectError::Long);
        }
        if text.contains(['*', '#']) {
            return Err(RedirectError::Part);
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic() && !b"\\\"<>^`{|}".contains(&byte)) {
            return Err(RedirectError::Malformed);
        }
        let url = Url::parse(text).map_err(|_| RedirectError::Malformed)?;
        if !url.username().is_empty() || url.password().is_some() || authority(text).contains('@') {
            return Err(RedirectError::Part);
        }
        match url.scheme() {
            "https" if url.host_str().is_some_and(|host| !host.ends_with('.')) => {}
            "http" if loopback(&url) || url.host_str() == Some("localhost") => {}
            "https" | "http" => return Err(RedirectError::Scheme),
            private if private.contains('.') && !text.contains("..") => return Ok(Self(text.to_owned())),
            _ => return Err(RedirectError::Scheme),
        }
        // What a browser would rewrite on its way (case, default port, dot segments, percent forms) is not plain.
        let plain = url.as_str() == text || url.as_str().strip_suffix('/') == Some(text) && url.path() == "/";
        if plain { Ok(Self(text.to_owned())) } else { Err(RedirectError::Malformed) }
    }

    /// Whether a request's `redirect_uri` is this one.
    pub fn matches(&self, asked: &str) -> bool {
        self.0 == asked || self.matches_loopback(asked)
    }

    fn matches_loopback(&self, asked: &str) -> bool {
        let (Some(mine), Some(theirs)) = (loopback_parts(&self.0), loopback_parts(asked)) else { return false };
        mine == theirs
    }

    /// The address.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The host, or the scheme of a private one: what the consent page shows.
    pub fn shown_host(&self) -> String {
        shown_host(&self.0)
    }
}

/// The host of an address, or its scheme where it has none.
pub fn shown_host(address: &str) -> String {
    Url::parse(address).map_or_else(|_| String::new(), |url| url.host_str().unwrap_or_else(|| url.scheme()).to_owned())
}

fn authority(text: &str) -> &str {
    let rest = text.split_once("://").map_or("", |(_, rest)| rest);
    rest.split(['/', '?']).next().unwrap_or("")
}

fn loopback(url: &Url) -> bool {
    matches!(url.host_str(), Some("127.0.0.1" | "[::1]"))
}

/// Host and path of `http://127.0.0.1[:port]/…` or `http://[::1][:port]/…`, read as text so that no parser can be fooled.
fn loopback_parts(text: &str) -> Option<(&'static str, &str)> {
    let rest = text.strip_prefix("http://")?;
    let (host, rest) = ["127.0.0.1", "[::1]"].into_iter().find_map(|host| Some((host, rest.strip_prefix(host)?)))?;
    let path = match rest.strip_prefix(':') {
        Some(rest) => {
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            let port = rest[..digits].parse::<u16>().ok()?;
            (port > 0 && !rest.starts_with('0')).then(|| &rest[digits..])?
        }
        None => rest,
    };
    let good =
        path.starts_with('/') && path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\' && byte != b'#');
    good.then_some((host, path))
}

impl fmt::Display for RedirectUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for RedirectUri {
    type Error = RedirectError;
    fn try_from(text: String) -> Result<Self, RedirectError> {
        Self::register(&text)
    }
}

impl From<RedirectUri> for String {
    fn from(uri: RedirectUri) -> Self {
        uri.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registered(text: &str) -> RedirectUri {
        RedirectUri::register(text).unwrap()
    }

    #[test]
    fn a001_a_longer_host_is_another_host() {
        let uri = registered("https://app.example.com");
        for asked in
            ["https://app.example.com.evil.tld/", "https://app.example.com.evil.tld", "https://app.example.com/x"]
        {
            assert!(!uri.matches(asked), "{asked}");
        }
    }

    #[test]
    fn a002_user_information_does_not_pass_for_a_host() {
        assert!(!registered("https://app.example.com/cb").matches("https://app.example.com@evil.tld/cb"));
        assert_eq!(RedirectUri::register("https://app.example.com@evil.tld/cb"), Err(RedirectError::Part));
        assert_eq!(RedirectUri::register("https://@evil.tld/cb"), Err(RedirectError::Part));
    }

    #[test]
    fn a003_a_dot_is_a_dot_and_a_star_cannot_be_registered() {
        assert!(!registered("https://foo.example.com/cb").matches("https://fooaexample.com/cb"));
        for wrong in ["https://*.example.com/cb", "https://example.com/*", "*", ".*"] {
            assert!(RedirectUri::register(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a005_no_variant_that_a_parser_may_read_otherwise_is_taken() {
        let uri = registered("https://app.example.com/cb");
        let variants = [
            "https://app.example.com\\@evil.tld/cb",
            "https://app.example.com/cb\t",
            "https://app.example.com/cb\n",
            " https://app.example.com/cb",
            "https://app.example.com/cb ",
            "https://app.example.com/%2e%2e/cb",
            "https://app.example.com/x/../cb",
            "https://app.example.com/./cb",
            "https://app.example.com//cb",
            "https://app.example.com/cb;x",
            "https://app.example.com/cb#",
            "https://app.example.com/cb#x",
            "https://APP.example.com/cb",
            "HTTPS://app.example.com/cb",
            "https://app.example.com./cb",
            "https://app.example.com:443/cb",
            "https://app.example.com:80/cb",
            "https://app.example.com:/cb",
            "https://app。example.com/cb",
            "https://xn--app.example.com/cb",
            "https://app.example.com/cb/",
            "https://app.example.com/cb?",
            "https://app.example.com/cb?x=1",
            "https://app.example.com/CB",
            "https://app.example.com/c%62",
            "https:/app.example.com/cb",
            "https:app.example.com/cb",
            "//app.example.com/cb",
            "http://app.example.com/cb",
            "https://app.example.com/cb%00",
            "https://app.example.com/cb\0",
            "https://app.example.com%2f@evil.tld/cb",
            "https://evil.tld/https://app.example.com/cb",
            "https://app.example.com%00.evil.tld/cb",
            "https://app.example.com,evil.tld/cb",
            "https://[app.example.com]/cb",
            "https://app.example.com/cb\u{200b}",
            "https://app.example.com\u{2f}cb/",
            "javascript://app.example.com/cb",
            "https://app.example.com@app.example.com/cb",
            "https://app.example.com/\\cb",
            "https://app%2eexample.com/cb",
            "https://app.example.com\u{3002}/cb",
            "https://[::1%25eth0]/cb",
            "",
        ];
        assert!(variants.len() >= 40);
        for asked in variants {
            assert!(!uri.matches(asked), "{asked:?}");
        }
    }

    #[test]
    fn a006_only_safe_schemes_are_registered() {
        for wrong in [
            "javascript:alert(1)",
            "data:text/html,x",
            "http://app.example.com/cb",
            "file:///etc/passwd",
            "vbscript:x",
            "myapp:/cb",
            "about:blank",
        ] {
            assert!(RedirectUri::register(wrong).is_err(), "{wrong}");
        }
        assert!(RedirectUri::register("com.example.app:/cb").is_ok());
    }

    #[test]
    fn a007_only_the_port_of_a_loopback_address_may_differ() {
        let uri = registered("http://127.0.0.1/cb");
        for good in ["http://127.0.0.1/cb", "http://127.0.0.1:1/cb", "http://127.0.0.1:65535/cb"] {
            assert!(uri.matches(good), "{good}");
        }
        for wrong in [
            "http://127.0.0.1.evil.tld/cb",
            "http://localhost.evil.tld/cb",
            "http://127.0.0.1:80/other",
            "http://localhost/cb",
            "https://127.0.0.1:80/cb",
            "http://127.0.0.1:80@evil.tld/cb",
            "http://127.0.0.1:/cb",
            "http://127.0.0.1:0/cb",
            "http://127.0.0.1:99999/cb",
            "http://127.0.0.1:08/cb",
            "http://[::1]:80/cb",
            "http://127.0.0.1:80/cb#x",
            "http://127.1/cb",
        ] {
            assert!(!uri.matches(wrong), "{wrong}");
        }
        assert!(registered("http://[::1]:9/cb").matches("http://[::1]:1234/cb"));
        assert!(!registered("http://localhost:9/cb").matches("http://localhost:10/cb"));
    }

    #[test]
    fn a009_a_fragment_cannot_be_registered_and_the_query_counts() {
        assert_eq!(RedirectUri::register("https://app.example.com/cb#x"), Err(RedirectError::Part));
        let uri = registered("https://app.example.com/cb?a=1");
        assert!(uri.matches("https://app.example.com/cb?a=1"));
        assert!(!uri.matches("https://app.example.com/cb?a=1&b=2"));
        assert!(!uri.matches("https://app.example.com/cb"));
    }
}
