//! Forms and queries, decoded strictly (`application/x-www-form-urlencoded`).
//!
//! A name that stands twice is refused, because two readers may pick two values (A008); so are bad percent escapes,
//! text that is not UTF-8, NUL, which one of our databases cannot store, and too many fields.

use claviger_kernel::Secret;

use super::Refusal;

/// Why a form or a query cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FieldError {
    /// `%` without two hexadecimal digits.
    #[error("a percent sign is not followed by two hexadecimal digits")]
    Escape,
    /// Bytes that are no text.
    #[error("the text is not valid UTF-8")]
    Encoding,
    /// A NUL character.
    #[error("the text contains a NUL character")]
    Nul,
    /// More fields than allowed.
    #[error("there are more than {0} fields")]
    TooMany(usize),
    /// One name, two values.
    #[error("`{0}` is given more than once")]
    Duplicate(String),
}

impl From<FieldError> for Refusal {
    fn from(error: FieldError) -> Self {
        let code = match error {
            FieldError::Duplicate(_) => "duplicate_parameter",
            FieldError::TooMany(_) => "too_many_parameters",
            FieldError::Escape | FieldError::Encoding | FieldError::Nul => "malformed_parameters",
        };
        Self::malformed(code, format!("The parameters cannot be read: {error}."))
    }
}

/// The fields of a form or a query, each name once.
#[derive(Clone, Debug, Default)]
pub struct Fields(Vec<(String, Secret<String>)>);

impl Fields {
    /// Decodes `text`; names in `repeats` may stand several times.
    pub fn decode(text: &[u8], most: usize, repeats: &[&str]) -> Result<Self, FieldError> {
        let mut fields: Vec<(String, Secret<String>)> = Vec::new();
        for pair in text.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()) {
            if fields.len() == most {
                return Err(FieldError::TooMany(most));
            }
            let cut = pair.iter().position(|byte| *byte == b'=').unwrap_or(pair.len());
            let name = decode(&pair[..cut], true)?;
            let value = decode(pair.get(cut + 1..).unwrap_or_default(), true)?;
            if !repeats.contains(&name.as_str()) && fields.iter().any(|(known, _)| *known == name) {
                return Err(FieldError::Duplicate(name.chars().take(40).collect()));
            }
            fields.push((name, Secret::new(value)));
        }
        Ok(Self(fields))
    }

    /// The value of `name`; an empty one counts as left out (RFC 6749 §3.1).
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(known, value)| known == name && !value.expose().is_empty())
            .map(|(_, value)| value.expose().as_str())
    }

    /// Every value of a name that may be repeated, in order, without empty ones.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0
            .iter()
            .filter(move |(known, value)| known == name && !value.expose().is_empty())
            .map(|(_, value)| value.expose().as_str())
    }

    /// The value of `name`, taken into custody: a password, a code, a client secret.
    pub fn secret(&self, name: &str) -> Option<Secret<String>> {
        self.get(name).map(Secret::from)
    }

    /// The value of `name`.
    ///
    /// # Errors
    /// 400 `missing_parameter`, which names it.
    pub fn require(&self, name: &'static str) -> Result<&str, Refusal> {
        self.get(name)
            .ok_or_else(|| Refusal::malformed("missing_parameter", format!("The parameter {name} is missing.")))
    }

    /// The names in the order of the text, empty fields included.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }

    /// Refuses a name that stands in both (A008: one in the query and one in the body).
    pub(super) fn apart_from(&self, other: &Self, repeats: &[&str]) -> Result<(), FieldError> {
        let twice = |name: &&str| !repeats.contains(name) && other.names().any(|known| known == *name);
        self.names().find(twice).map_or(Ok(()), |name| Err(FieldError::Duplicate(name.chars().take(40).collect())))
    }
}

/// Decodes one half of a client's credentials (RFC 6749 §2.3.1).
pub(super) fn decode_form_part(text: &str) -> Result<String, FieldError> {
    decode(text.as_bytes(), true)
}

/// Decodes percent escapes in a part of a path.
pub(super) fn decode_path_part(text: &str) -> Result<String, FieldError> {
    decode(text.as_bytes(), false)
}

fn decode(text: &[u8], plus_is_space: bool) -> Result<String, FieldError> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.iter();
    while let Some(byte) = rest.next() {
        decoded.push(match byte {
            b'+' if plus_is_space => b' ',
            b'%' => {
                let mut digit =
                    || rest.next().and_then(|digit| char::from(*digit).to_digit(16)).ok_or(FieldError::Escape);
                let (high, low) = (digit()?, digit()?);
                u8::try_from(high * 16 + low).expect("two hexadecimal digits are a byte")
            }
            0 => return Err(FieldError::Nul),
            plain => *plain,
        });
    }
    if decoded.contains(&0) {
        return Err(FieldError::Nul);
    }
    String::from_utf8(decoded).map_err(|_| FieldError::Encoding)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<(String, String)>, FieldError> {
        let fields = Fields::decode(text.as_bytes(), 4, &["resource"])?;
        Ok(fields.0.into_iter().map(|(name, value)| (name, value.expose().clone())).collect())
    }

    #[test]
    fn fields_are_decoded_as_browsers_encode_them() {
        let pairs = |list: &[(&str, &str)]| Ok(list.iter().map(|(a, b)| ((*a).into(), (*b).into())).collect());
        assert_eq!(read("a=1&b=x+y%2b%C3%A9&c"), pairs(&[("a", "1"), ("b", "x y+é"), ("c", "")]));
        assert_eq!(read("a=b=c&&"), pairs(&[("a", "b=c")]));
        assert_eq!(read(""), pairs(&[]));
        assert_eq!(read("resource=a&resource=b"), pairs(&[("resource", "a"), ("resource", "b")]));
    }

    #[test]
    fn a008_a_name_that_stands_twice_is_refused() {
        assert_eq!(read("state=1&state=1"), Err(FieldError::Duplicate("state".into())));
        assert_eq!(read("state=1&st%61te=2"), Err(FieldError::Duplicate("state".into())));
        assert_eq!(read("state=&state=2"), Err(FieldError::Duplicate("state".into())));
        let query = Fields::decode(b"state=1", 4, &[]).unwrap();
        let body = Fields::decode(b"code=1&state=1", 4, &[]).unwrap();
        assert_eq!(body.apart_from(&query, &[]), Err(FieldError::Duplicate("state".into())));
    }

    #[test]
    fn what_is_not_text_is_refused() {
        for (text, error) in [
            ("a=%", FieldError::Escape),
            ("a=%4", FieldError::Escape),
            ("a=%zz", FieldError::Escape),
            ("a=%+1", FieldError::Escape),
            ("a=%ff", FieldError::Encoding),
            ("%c0%80=1", FieldError::Encoding),
            ("a=%00", FieldError::Nul),
            ("a=\0", FieldError::Nul),
            ("a&b&c&d&e", FieldError::TooMany(4)),
        ] {
            assert_eq!(read(text), Err(error), "{text:?}");
        }
    }

    #[test]
    fn an_empty_value_counts_as_left_out() {
        let fields = Fields::decode(b"a=&b=1", 4, &[]).unwrap();
        assert_eq!((fields.get("a"), fields.get("b"), fields.get("c")), (None, Some("1"), None));
        assert_eq!(fields.require("a").unwrap_err().code(), "missing_parameter");
    }
}
