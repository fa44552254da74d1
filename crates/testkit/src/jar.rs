//! Cookies as a browser keeps them (RFC 6265bis), for one host.

use claviger_kernel::{Clock as _, ManualClock, Timestamp};
use cookie::{Cookie, SameSite};

#[derive(Clone, Debug)]
struct Kept {
    name: String,
    value: String,
    lax: bool,
    until: Option<Timestamp>,
}

/// The cookies of one browser for our host.
#[derive(Clone, Debug)]
pub(crate) struct Jar {
    kept: Vec<Kept>,
    clock: ManualClock,
    secure: bool,
}

impl Jar {
    pub(crate) const fn new(clock: ManualClock, secure: bool) -> Self {
        Self { kept: Vec::new(), clock, secure }
    }

    /// Takes a `Set-Cookie` in, or refuses it for the reasons for which browsers do.
    ///
    /// # Panics
    /// If the cookie breaks a rule: that is a fault of the server and shall be seen.
    pub(crate) fn take(&mut self, line: &str) {
        assert!(line.len() <= 4096, "a cookie of {} bytes", line.len());
        let cookie = Cookie::parse(line.to_owned()).expect("a readable cookie");
        let name = cookie.name().to_owned();
        let secure = cookie.secure() == Some(true);
        assert!(self.secure || !secure, "a Secure cookie over http: {name}");
        if name.starts_with("__Host-") {
            let bound = secure && cookie.path() == Some("/") && cookie.domain().is_none();
            assert!(bound, "a browser refuses the cookie {name}: it is not Secure, Path=/ and without Domain");
        }
        assert_eq!(
            self.secure,
            name.starts_with("__Host-"),
            "over https, and only there, our cookies are bound: {name}"
        );
        assert_eq!(cookie.http_only(), Some(true), "scripts have no business with {name}");
        assert!(cookie.same_site().is_some(), "{name} leaves it to the browser when it is sent");
        let none = cookie.same_site() == Some(SameSite::None);
        assert!(!none || secure, "a browser refuses SameSite=None without Secure: {name}");
        self.kept.retain(|kept| kept.name != name);
        let now = self.clock.now();
        let until = cookie.max_age().map(|age| now.plus(age.try_into().unwrap_or_default()));
        if until.is_none_or(|until| until > now) {
            self.kept.push(Kept { name, value: cookie.value().to_owned(), lax: !none, until });
        }
    }

    /// The `Cookie` header for a request; `cross_site_post` leaves out what is not `SameSite=None`.
    pub(crate) fn header(&self, cross_site_post: bool) -> Option<String> {
        let now = self.clock.now();
        let fresh = self.kept.iter().filter(|kept| kept.until.is_none_or(|until| until > now));
        let sent = fresh.filter(|kept| !(cross_site_post && kept.lax));
        let pairs: Vec<String> = sent.map(|kept| format!("{}={}", kept.name, kept.value)).collect();
        (!pairs.is_empty()).then(|| pairs.join("; "))
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.kept.iter().find(|kept| kept.name == name).map(|kept| kept.value.as_str())
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = (&str, &str)> {
        self.kept.iter().map(|kept| (kept.name.as_str(), kept.value.as_str()))
    }

    pub(crate) fn plant(&mut self, name: &str, value: &str) {
        self.kept.push(Kept { name: name.to_owned(), value: value.to_owned(), lax: true, until: None });
    }

    pub(crate) fn forget(&mut self) {
        self.kept.clear();
    }
}
