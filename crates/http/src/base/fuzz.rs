//! Entry points for fuzzing: each takes any bytes, and must neither panic nor break what it promises.

use super::{Fields, json};

/// Decodes a form; what is accepted holds each name once and no NUL.
pub fn form(bytes: &[u8]) {
    let Ok(fields) = Fields::decode(bytes, 100, &["resource"]) else { return };
    let names: Vec<&str> = fields.names().filter(|name| *name != "resource").collect();
    for (place, name) in names.iter().enumerate() {
        assert!(!names[..place].contains(name), "{name:?} stands twice");
        assert!(!name.contains('\0') && fields.get(name).is_none_or(|value| !value.contains('\0')));
    }
}

/// Decodes a query as it stands in a request's target.
pub fn query(bytes: &[u8]) {
    let Ok(target) = http::Uri::try_from([b"/?", bytes].concat()) else { return };
    form(target.query().unwrap_or_default().as_bytes());
}

/// Reads JSON; what our rules accept, the common reader accepts as well.
pub fn json(bytes: &[u8]) {
    if json::check(bytes).is_ok() {
        assert!(serde_json::from_slice::<serde_json::Value>(bytes).is_ok(), "accepted what is no JSON");
    }
}
