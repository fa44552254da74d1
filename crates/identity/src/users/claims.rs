//! The standard profile claims of a user (OpenID Connect Core §5.1), checked once at the border.

use std::collections::BTreeMap;

use serde_json::Value;

/// Names that may be set, and whether their value is text. E-mail claims are rows of their own and not set here (A129).
const TEXT: &[&str] = &[
    "name",
    "given_name",
    "family_name",
    "middle_name",
    "nickname",
    "preferred_username",
    "profile",
    "picture",
    "website",
    "gender",
    "birthdate",
    "zoneinfo",
    "locale",
    "phone_number",
];
const ADDRESS: &[&str] = &["formatted", "street_address", "locality", "region", "postal_code", "country"];
const LONGEST: usize = 1_000;

/// Profile claims by their standard names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claims(BTreeMap<String, Value>);

/// A claim was refused.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ClaimsError {
    /// The name is not one of the standard claims that can be set.
    #[error("{0:?} is not a profile claim that can be set")]
    Unknown(String),
    /// The value is of the wrong kind, too long, or holds control characters.
    #[error("{0:?} must be text of at most 1000 characters without control characters")]
    Value(String),
}

impl Claims {
    /// Sets one claim; empty text removes it.
    pub fn set(&mut self, name: &str, value: Value) -> Result<(), ClaimsError> {
        let good = match (name, &value) {
            ("address", Value::Object(parts)) => {
                parts.iter().all(|(part, value)| ADDRESS.contains(&part.as_str()) && plain(value, true))
            }
            ("phone_number_verified", Value::Bool(_)) => true,
            (name, value) if TEXT.contains(&name) => plain(value, false),
            ("address" | "phone_number_verified", _) => false,
            _ => return Err(ClaimsError::Unknown(name.to_owned())),
        };
        if !good {
            return Err(ClaimsError::Value(name.to_owned()));
        }
        if value.as_str() == Some("") {
            self.0.remove(name);
        } else {
            self.0.insert(name.to_owned(), value);
        }
        Ok(())
    }

    /// One claim.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// One claim that is text.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(Value::as_str)
    }

    /// Every claim, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    pub(crate) fn to_json(&self) -> String {
        serde_json::to_string(&self.0).expect("a map of JSON values is JSON")
    }

    /// Reads what [`Claims::to_json`] wrote; a row that does not parse is a user without profile, and is logged.
    pub(crate) fn from_json(text: &str) -> Self {
        serde_json::from_str(text).map_or_else(
            |error| {
                tracing::error!(%error, "a user's claims are not JSON");
                Self::default()
            },
            Self,
        )
    }
}

fn plain(value: &Value, lines: bool) -> bool {
    value.as_str().is_some_and(|text| {
        text.chars().count() <= LONGEST && !text.chars().any(|letter| letter.is_control() && !(lines && letter == '\n'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a129_nobody_sets_the_verified_flag_of_an_address_through_the_profile() {
        let mut claims = Claims::default();
        for name in ["email", "email_verified", "sub", "roles", "updated_at"] {
            assert_eq!(claims.set(name, Value::Bool(true)), Err(ClaimsError::Unknown(name.to_owned())));
        }
    }

    #[test]
    fn claims_survive_their_column() {
        let mut claims = Claims::default();
        claims.set("name", "Ada \"the\" Lovelace".into()).unwrap();
        claims.set("address", serde_json::json!({"street_address": "1 St\n2nd floor", "country": "UK"})).unwrap();
        claims.set("nickname", "x".into()).unwrap();
        claims.set("nickname", "".into()).unwrap();
        assert_eq!(Claims::from_json(&claims.to_json()), claims);
        assert_eq!(claims.get("nickname"), None);
        assert!(claims.set("name", "two\r\nlines".into()).is_err());
        assert!(claims.set("name", "x".repeat(1_001).into()).is_err());
        assert!(claims.set("address", "no object".into()).is_err());
    }
}
