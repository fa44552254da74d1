//! The address under which the world reaches the server, and the issuers that follow from it.

use core::fmt;
use core::str::FromStr;

use url::{Host, Url};

use crate::RealmName;

/// `public_url` of the configuration: scheme, host and port, nothing else. Every issuer begins with it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PublicUrl {
    origin: String,
    secure: bool,
}

/// The address cannot be a server's public URL.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PublicUrlError {
    /// It does not parse as an absolute address.
    #[error("the public URL is not an address like https://id.example.com")]
    Malformed,
    /// It carries more than scheme, host and port.
    #[error("the public URL has a path, a query, a fragment or credentials; give scheme, host and port only")]
    TooMuch,
    /// It is neither https nor, on this machine, http.
    #[error("the public URL must be https; http is for localhost and loopback addresses only")]
    Insecure,
}

impl PublicUrl {
    /// The address without a slash at its end: the issuer of the realm `main` (OpenID Connect Discovery 1.0 §4.3 compares
    /// it byte by byte).
    pub fn as_str(&self) -> &str {
        &self.origin
    }

    /// Whether the world comes by https: decides the form of cookies.
    pub const fn is_secure(&self) -> bool {
        self.secure
    }

    /// What stands before every path of the realm: nothing for `main`, `/realms/{name}` for any other.
    pub fn base_path(&self, realm: &RealmName) -> String {
        if realm.is_main() { String::new() } else { format!("/realms/{realm}") }
    }

    /// The realm's issuer.
    pub fn issuer(&self, realm: &RealmName) -> String {
        format!("{}{}", self.origin, self.base_path(realm))
    }
}

impl FromStr for PublicUrl {
    type Err = PublicUrlError;

    fn from_str(text: &str) -> Result<Self, PublicUrlError> {
        let url = Url::parse(text).map_err(|_| PublicUrlError::Malformed)?;
        let host = url.host().ok_or(PublicUrlError::Malformed)?;
        let loopback = match host {
            Host::Domain(name) => name == "localhost" || name.ends_with(".localhost"),
            Host::Ipv4(address) => address.is_loopback(),
            Host::Ipv6(address) => address.is_loopback(),
        };
        let secure = match url.scheme() {
            "https" => true,
            "http" if loopback => false,
            _ => return Err(PublicUrlError::Insecure),
        };
        let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
        if !bare || !url.username().is_empty() || url.password().is_some() {
            return Err(PublicUrlError::TooMuch);
        }
        Ok(Self { origin: url.origin().ascii_serialization(), secure })
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.origin)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_issuer_follows_from_the_public_url_and_the_realm() {
        let url: PublicUrl = "https://id.test/".parse().unwrap();
        assert_eq!(url.issuer(&RealmName::main()), "https://id.test");
        assert_eq!(url.issuer(&"acme".parse().unwrap()), "https://id.test/realms/acme");
        assert_eq!((url.base_path(&RealmName::main()), url.is_secure()), (String::new(), true));
    }

    #[test]
    fn one_address_has_one_spelling() {
        for (given, kept) in [
            ("https://ID.Test:443", "https://id.test"),
            ("https://id.test:8443/", "https://id.test:8443"),
            ("http://localhost:8080", "http://localhost:8080"),
            ("http://127.0.0.1", "http://127.0.0.1"),
            ("http://[::1]:9000", "http://[::1]:9000"),
            ("https://bücher.example", "https://xn--bcher-kva.example"),
        ] {
            assert_eq!(given.parse::<PublicUrl>().unwrap().as_str(), kept);
        }
    }

    #[test]
    fn what_is_no_bare_secure_origin_is_refused() {
        for (given, error) in [
            ("id.test", PublicUrlError::Malformed),
            ("", PublicUrlError::Malformed),
            ("http://id.test", PublicUrlError::Insecure),
            ("http://localhost.evil.test", PublicUrlError::Insecure),
            ("ftp://localhost", PublicUrlError::Insecure),
            ("https://id.test/sso", PublicUrlError::TooMuch),
            ("https://id.test/?a=b", PublicUrlError::TooMuch),
            ("https://id.test/#a", PublicUrlError::TooMuch),
            ("https://me@id.test", PublicUrlError::TooMuch),
            ("https://me:pw@id.test", PublicUrlError::TooMuch),
        ] {
            assert_eq!(given.parse::<PublicUrl>(), Err(error), "{given}");
        }
    }
}
