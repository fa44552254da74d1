//! The names of realms: they stand in addresses and in cookie names, so they are short, lower-case and final.

use core::fmt;
use core::str::FromStr;

use crate::TenancyError;

/// Names that a person could mistake for the server itself, or that an address of ours could come to bear.
const RESERVED: &[&str] = &[
    "account",
    "admin",
    "api",
    "auth",
    "claviger",
    "console",
    "default",
    "edge",
    "gate",
    "global",
    "internal",
    "login",
    "logout",
    "master",
    "new",
    "null",
    "oauth2",
    "operator",
    "realm",
    "realms",
    "root",
    "saml",
    "scim",
    "setup",
    "system",
    "undefined",
    "well-known",
];

/// A well-formed name: 1 to 40 of `a-z`, `0-9` and `-`, neither first nor last a `-`.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct RealmName(String);

impl RealmName {
    /// The longest name, in characters.
    pub const LONGEST: usize = 40;

    /// The name of the realm that every server has.
    pub const MAIN: &'static str = "main";

    /// The realm that every server has.
    pub fn main() -> Self {
        Self(Self::MAIN.to_owned())
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is the realm that every server has.
    pub fn is_main(&self) -> bool {
        self.0 == Self::MAIN
    }

    /// Refuses the names that nobody may give to a new realm. (`main` is refused as taken: it always exists.)
    pub(crate) fn not_reserved(&self) -> Result<(), TenancyError> {
        if RESERVED.contains(&self.as_str()) { Err(TenancyError::Reserved(self.0.clone())) } else { Ok(()) }
    }
}

impl FromStr for RealmName {
    type Err = TenancyError;

    fn from_str(text: &str) -> Result<Self, TenancyError> {
        let known = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
        let fits = (1..=Self::LONGEST).contains(&text.len()) && text.bytes().all(known);
        if fits && !text.starts_with('-') && !text.ends_with('-') {
            Ok(Self(text.to_owned()))
        } else {
            Err(TenancyError::Name)
        }
    }
}

impl fmt::Display for RealmName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_only_in_its_one_spelling() {
        let longest = "x".repeat(40);
        for good in ["a", "main", "acme-2", "0", longest.as_str()] {
            assert_eq!(good.parse::<RealmName>().unwrap().as_str(), good);
        }
        let too_long = "x".repeat(41);
        for bad in ["", "-a", "a-", "-", "Acme", "a_b", "a b", "a/b", "..", "ä", "a\n", "%61", too_long.as_str()] {
            assert_eq!(bad.parse::<RealmName>(), Err(TenancyError::Name), "{bad:?}");
        }
    }

    #[test]
    fn reserved_names_are_well_formed_and_refused() {
        for name in RESERVED {
            let parsed: RealmName = name.parse().unwrap();
            assert_eq!(parsed.not_reserved(), Err(TenancyError::Reserved((*name).to_owned())));
        }
        assert!(RESERVED.is_sorted());
        "acme".parse::<RealmName>().unwrap().not_reserved().unwrap();
    }
}
