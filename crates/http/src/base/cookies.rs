//! Cookies: read strictly, set in one form.
//!
//! Over https a cookie's name bears `__Host-`, so that no other host can plant it; over plain http on a loopback host it
//! bears neither prefix nor `Secure`. A realm other than `main` has names of its own: `__Host-sid-acme`.

use core::time::Duration;

use claviger_kernel::Secret;
use cookie::{Cookie, SameSite};
use http::HeaderMap;
use http::header::{COOKIE, HeaderValue};

/// When a browser sends the cookie along with requests that another site starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum SiteRule {
    /// With navigations only (`SameSite=Lax`).
    #[default]
    Lax,
    /// Never (`SameSite=Strict`).
    Strict,
    /// Always (`SameSite=None`): for a short-lived flow key that must survive a cross-site POST, never for a session.
    /// Over plain http browsers refuse that, so it is `Lax` there.
    CrossSite,
}

/// A cookie to set: `Path=/`, `HttpOnly`, no `Domain`; lives as long as the browser unless told otherwise.
#[derive(Clone, Debug)]
pub struct SetCookie {
    name: String,
    value: Secret<String>,
    secure: bool,
    max_age: Option<Duration>,
    site: SiteRule,
}

impl SetCookie {
    pub(super) fn new(name: String, value: Secret<String>, secure: bool) -> Self {
        Self { name, value, secure, max_age: None, site: SiteRule::Lax }
    }

    /// How long the browser keeps it; zero removes it.
    #[must_use]
    pub const fn max_age(mut self, span: Duration) -> Self {
        self.max_age = Some(span);
        self
    }

    /// Another rule for requests from other sites.
    #[must_use]
    pub const fn site(mut self, rule: SiteRule) -> Self {
        self.site = rule;
        self
    }

    pub(super) fn header(&self) -> HeaderValue {
        let same_site = match self.site {
            SiteRule::CrossSite if self.secure => SameSite::None,
            SiteRule::Strict => SameSite::Strict,
            SiteRule::Lax | SiteRule::CrossSite => SameSite::Lax,
        };
        let mut cookie = Cookie::build((self.name.as_str(), self.value.expose().as_str()))
            .path("/")
            .http_only(true)
            .same_site(same_site)
            .build();
        if self.secure {
            cookie.set_secure(true);
        }
        let mut text = cookie.encoded().to_string();
        if let Some(span) = self.max_age {
            text.push_str("; Max-Age=");
            text.push_str(&span.as_secs().to_string());
        }
        let mut value = HeaderValue::from_str(&text).expect("an encoded cookie is visible ASCII");
        value.set_sensitive(true);
        value
    }
}

/// The name under which the browser knows our cookie `name` of `realm`.
pub(super) fn name_of(name: &str, realm: Option<&str>, secure: bool) -> String {
    let prefix = if secure { "__Host-" } else { "" };
    match realm {
        None | Some("main") => format!("{prefix}{name}"),
        Some(realm) => format!("{prefix}{name}-{realm}"),
    }
}

/// The value of the cookie called exactly `name`. Sent twice it is nobody's: whoever planted the second is not us (A033).
pub(super) fn find(headers: &HeaderMap, name: &str) -> Option<String> {
    let mut found = None;
    for line in headers.get_all(COOKIE) {
        // One unreadable byte in another site's cookie must not hide ours, hence cookie by cookie.
        for piece in line.as_bytes().split(|byte| *byte == b';') {
            let Ok(piece) = core::str::from_utf8(piece) else { continue };
            // No space but the separator's own is dropped: for a browser a name that begins with U+2000 has no prefix, so a
            // neighbouring host may set it (A033).
            let piece = piece.trim_matches([' ', '\t']);
            let Some((found_name, _)) = piece.split_once('=') else { continue };
            if found_name != name {
                continue;
            }
            let value = Cookie::parse_encoded(piece.to_owned()).ok()?.value().to_owned();
            if found.replace(value).is_some() {
                return None;
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(lines: &[&[u8]], name: &str) -> Option<String> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(COOKIE, HeaderValue::from_bytes(line).unwrap());
        }
        find(&headers, name)
    }

    #[test]
    fn a033_a_cookie_sent_twice_is_ignored() {
        assert_eq!(sent(&[b"__Host-sid=a"], "__Host-sid").as_deref(), Some("a"));
        assert_eq!(sent(&[b"__Host-sid=a; __Host-sid=b"], "__Host-sid"), None);
        assert_eq!(sent(&[b"__Host-sid=a", b"__Host-sid=a"], "__Host-sid"), None);
        assert_eq!(sent(&[b"sid=planted; __host-sid=planted"], "__Host-sid"), None);
    }

    #[test]
    fn a033_a_name_that_only_looks_like_ours_is_anothers() {
        for space in ["\u{2000}", "\u{85}", "\u{a0}", "\u{3000}", "\u{feff}"] {
            for planted in [format!("{space}__Host-sid=b"), format!("__Host-sid{space}=b")] {
                assert_eq!(sent(&[planted.as_bytes()], "__Host-sid"), None, "{planted:?}");
                let both = format!("{planted}; __Host-sid=a");
                assert_eq!(sent(&[both.as_bytes()], "__Host-sid").as_deref(), Some("a"), "{both:?}");
            }
        }
    }

    #[test]
    fn other_cookies_do_not_hide_ours() {
        assert_eq!(sent(&[b"x=\xff\xfe; ; noequals; __Host-sid=a%20b; y=1"], "__Host-sid").as_deref(), Some("a b"));
        assert_eq!(sent(&[b"x=1", b"__Host-sid=a"], "__Host-sid").as_deref(), Some("a"));
    }

    #[test]
    fn a092_the_form_of_a_cookie_follows_the_public_scheme() {
        let cookie = |secure| SetCookie::new(name_of("sid", Some("acme"), secure), Secret::from("v;1"), secure);
        assert_eq!(cookie(true).header(), "__Host-sid-acme=v%3B1; HttpOnly; SameSite=Lax; Secure; Path=/");
        assert_eq!(cookie(false).header(), "sid-acme=v%3B1; HttpOnly; SameSite=Lax; Path=/");
        let short = cookie(true).site(SiteRule::CrossSite).max_age(Duration::from_mins(10));
        assert_eq!(short.header(), "__Host-sid-acme=v%3B1; HttpOnly; SameSite=None; Secure; Path=/; Max-Age=600");
        let strict = cookie(false).site(SiteRule::Strict).max_age(Duration::from_hours(1));
        assert_eq!(strict.header(), "sid-acme=v%3B1; HttpOnly; SameSite=Strict; Path=/; Max-Age=3600");
        assert_eq!(name_of("sid", Some("main"), true), "__Host-sid");
    }
}
