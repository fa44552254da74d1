//! Addresses outside Claviger that a page may lead to.

use core::fmt;

/// An absolute `http` or `https` address. A page leads nowhere else, least of all to `javascript:`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WebAddress(String);

impl WebAddress {
    /// Takes `address` if it is absolute and of the web.
    pub fn parse(address: &str) -> Option<Self> {
        let scheme = address.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase())?;
        matches!(scheme.as_str(), "http" | "https").then(|| Self(address.to_owned()))
    }

    /// The address as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for WebAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_web_is_an_address() {
        for good in ["https://app.example/cb", "http://127.0.0.1:4000/cb", "HTTPS://app.example"] {
            assert!(WebAddress::parse(good).is_some(), "{good}");
        }
        for bad in [
            "javascript:alert(1)",
            "javascript://x/%0aalert(1)",
            "data:text/html,x",
            "/cb",
            " https://x",
            "",
            "com.app:/cb",
        ] {
            assert!(WebAddress::parse(bad).is_none(), "{bad}");
        }
    }
}
