//! Scopes: sets of case-sensitive words (RFC 6749 §3.3).

use core::fmt;

use serde::{Deserialize, Serialize};

/// The most scopes in one request.
pub const MOST: usize = 100;
/// The longest scope parameter in bytes.
pub const LONGEST: usize = 2_000;

/// The scope under which `/api/v1` is called with a user's token: for first-party clients that an administrator has given it.
pub const MANAGE: &str = "claviger:manage";
/// Scopes that begin so are the server's own.
const RESERVED: &str = "claviger:";

/// A set of scopes, in the order in which they were asked for, each once.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Scopes(Vec<String>);

/// The text is not a list of scopes, or a list too long.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("scopes are at most 100 words of printable ASCII characters other than quotes and backslashes")]
pub struct ScopeError;

impl Scopes {
    /// Reads a `scope` parameter; words are separated by single spaces, a repeated word counts once.
    pub fn parse(text: &str) -> Result<Self, ScopeError> {
        let mut words: Vec<String> = Vec::new();
        if text.len() > LONGEST {
            return Err(ScopeError);
        }
        for word in text.split(' ').filter(|word| !word.is_empty()) {
            if !word.bytes().all(|byte| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e)) {
                return Err(ScopeError);
            }
            if !words.iter().any(|known| known == word) {
                words.push(word.to_owned());
            }
        }
        if words.len() > MOST { Err(ScopeError) } else { Ok(Self(words)) }
    }

    /// Whether `word` is among them.
    pub fn contains(&self, word: &str) -> bool {
        self.0.iter().any(|known| known == word)
    }

    /// Whether every one of these is among `others`.
    pub fn within(&self, others: &Self) -> bool {
        self.0.iter().all(|word| others.contains(word))
    }

    /// These and `others`.
    #[must_use]
    pub fn with(&self, others: &Self) -> Self {
        let added = others.0.iter().filter(|word| !self.contains(word));
        Self(self.0.iter().chain(added).cloned().collect())
    }

    /// Those that satisfy `keep`.
    #[must_use]
    pub fn filtered(&self, keep: impl Fn(&str) -> bool) -> Self {
        Self(self.0.iter().filter(|word| keep(word)).cloned().collect())
    }

    /// Whether one of them is the server's own, which only the operator's own clients may ask for.
    pub fn any_reserved(&self) -> bool {
        self.0.iter().any(|word| word.starts_with(RESERVED))
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// One by one.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(" "))
    }
}

impl TryFrom<String> for Scopes {
    type Error = ScopeError;
    fn try_from(text: String) -> Result<Self, ScopeError> {
        Self::parse(&text)
    }
}

impl From<Scopes> for String {
    fn from(scopes: Scopes) -> Self {
        scopes.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a044_a_flood_of_scopes_is_refused() {
        assert!(Scopes::parse(&"a ".repeat(5_000)).is_err());
        let many: Vec<String> = (0..101).map(|number| format!("s{number}")).collect();
        assert!(Scopes::parse(&many.join(" ")).is_err());
        assert!(Scopes::parse("open\"id").is_err());
        assert!(Scopes::parse("öffne").is_err());
    }

    #[test]
    fn a_repeated_scope_counts_once_and_order_is_kept() {
        let scopes = Scopes::parse("openid email  openid").unwrap();
        assert_eq!(scopes.to_string(), "openid email");
        assert!(Scopes::parse("email").unwrap().within(&scopes));
        assert!(!Scopes::parse("Email").unwrap().within(&scopes));
    }
}
