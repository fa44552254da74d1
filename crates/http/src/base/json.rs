//! JSON bodies, read strictly: bounded depth, no member twice (RFC 8259 §4 leaves that to chance), no NUL in text.

use core::fmt;

use serde::Deserialize;
use serde::de::{DeserializeOwned, DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};

use super::Refusal;

/// How deep arrays and objects may nest.
pub(super) const DEPTH: usize = 64;

/// Reads `body`, an object, as a `T`. Errors name the member by a JSON pointer and never repeat its value.
pub(super) fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    check(body).map_err(|detail| {
        Refusal::malformed("malformed_json", format!("The body is not acceptable JSON: {detail}."))
    })?;
    // A derived reader would take `[]` for an object whose members may all be left out.
    if body.trim_ascii_start().first() != Some(&b'{') {
        return Err(Refusal::malformed("malformed_json", "The body must be a JSON object."));
    }
    let mut json = serde_json::Deserializer::from_slice(body);
    serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let detail = describe(error.inner());
        Refusal::malformed("invalid_body", "A member of the body is not what it must be.")
            .at(pointer(error.path()), detail)
    })
}

/// Whether `body` is one JSON value within our rules.
pub(super) fn check(body: &[u8]) -> Result<(), String> {
    let mut json = serde_json::Deserializer::from_slice(body);
    Strict { depth: 0 }.deserialize(&mut json).map_err(|error| describe(&error))?;
    json.end().map_err(|error| describe(&error))
}

/// The error without the value: serde quotes what it did not expect, and that may be a secret.
fn describe(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let plain = ["missing field", "unknown field", "member given twice", "nested deeper", "NUL character"];
    if plain.iter().any(|start| text.starts_with(start)) {
        let end = text.find(" at line").unwrap_or(text.len());
        let end = text[..end].find(", expected").unwrap_or(end);
        return text[..end].replace('`', "\"");
    }
    match error.classify() {
        serde_json::error::Category::Data => "it has the wrong type or value".to_owned(),
        _ => format!("a syntax error in line {}, column {}", error.line(), error.column()),
    }
}

fn pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    let mut pointer = String::new();
    for segment in path {
        let part = match segment {
            Segment::Seq { index } => index.to_string(),
            Segment::Map { key } => key.clone(),
            Segment::Enum { variant } => variant.clone(),
            Segment::Unknown => continue,
        };
        pointer.push('/');
        pointer.push_str(&part.replace('~', "~0").replace('/', "~1"));
    }
    pointer
}

#[derive(Clone, Copy)]
struct Strict {
    depth: usize,
}

impl Strict {
    fn deeper<E: serde::de::Error>(self) -> Result<Self, E> {
        if self.depth == DEPTH {
            return Err(E::custom(format_args!("nested deeper than {DEPTH} levels")));
        }
        Ok(Self { depth: self.depth + 1 })
    }
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }
    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }
    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }
    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<(), E> {
        if text.contains('\0') { Err(E::custom("NUL character in a text")) } else { Ok(()) }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let inner = self.deeper()?;
        while items.next_element_seed(inner)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let inner = self.deeper()?;
        let mut seen = std::collections::HashSet::new();
        while let Some(Name(name)) = members.next_key()? {
            self.visit_str::<A::Error>(&name)?;
            if !seen.insert(name) {
                return Err(A::Error::custom("member given twice"));
            }
            members.next_value_seed(inner)?;
        }
        Ok(())
    }
}

#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] std::borrow::Cow<'a, str>);

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Body {
        #[allow(dead_code, reason = "only whether it can be read matters here")]
        names: Vec<String>,
    }

    #[test]
    fn a058_a_member_given_twice_is_refused_at_every_depth() {
        for body in [r#"{"a":1,"a":1}"#, r#"[{"b":{"a":1,"\u0061":2}}]"#] {
            assert_eq!(check(body.as_bytes()), Err("member given twice".to_owned()), "{body}");
        }
        assert_eq!(check(br#"[{"a":1},{"a":2}]"#), Ok(()));
    }

    #[test]
    fn a224_depth_is_bounded_and_a_hundred_thousand_levels_do_not_overflow() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert_eq!(check(nested(DEPTH).as_bytes()), Ok(()));
        assert!(check(nested(DEPTH + 1).as_bytes()).is_err());
        assert!(check("[".repeat(100_000).as_bytes()).is_err());
        assert!(check("{\"a\":".repeat(40_000).as_bytes()).is_err());
    }

    #[test]
    fn errors_name_the_member_and_never_its_value() {
        let refusal = read::<Body>(br#"{"names":["x",42]}"#).unwrap_err();
        let reply = format!("{refusal:?}");
        assert!(reply.contains("/names/1") && !reply.contains("42"), "{reply}");
        let unknown = read::<Body>(br#"{"names":[],"nmes":"hunter2"}"#).unwrap_err();
        let reply = format!("{unknown:?}");
        assert!(reply.contains("unknown field") && reply.contains("nmes") && !reply.contains("hunter2"), "{reply}");
    }

    #[test]
    fn a_body_is_an_object() {
        #[derive(Debug, Deserialize)]
        struct Empty {}
        for body in [&b"[]"[..], b" [] ", b"null", b"7", b"\"x\""] {
            assert_eq!(read::<Empty>(body).unwrap_err().code(), "malformed_json");
        }
        read::<Empty>(b" {} ").unwrap();
    }

    #[test]
    fn broken_json_is_refused() {
        for body in [&b""[..], b"{", b"{}x", b"{'a':1}", b"\xff", b"[1,]", b"\"\\u0000\"", b"NaN", b"\"\\ud800\""] {
            assert!(check(body).is_err(), "{body:?}");
        }
    }
}
