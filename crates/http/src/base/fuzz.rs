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

#[cfg(test)]
mod tests {
    use claviger_crypto::fuzz::mutate;

    const ROUNDS: u32 = 20_000;

    fn seeds(texts: &[&str]) -> Vec<Vec<u8>> {
        texts.iter().map(|text| text.as_bytes().to_vec()).collect()
    }

    #[test]
    fn forms_and_queries_hold_their_promises_under_mutation() {
        let seeds = seeds(&[
            "client_id=app&redirect_uri=https%3A%2F%2Fapp.test%2Fcb&scope=openid+email&state=x%2By",
            "resource=a&resource=b&empty=&flag",
            "a=%C3%A9&%61=1&b=%00&c=%zz",
        ]);
        mutate(&seeds, ROUNDS, super::form);
        mutate(&seeds, ROUNDS, super::query);
    }

    #[test]
    fn json_holds_its_promises_under_mutation() {
        let seeds = seeds(&[
            r#"{"name":"x","list":[1,-2.5e3,true,null],"inner":{"a":{"b":"\u00e9\ud83d\ude00"}}}"#,
            r#"[[[[[[[["deep"]]]]]]]]"#,
            r#"{"a":1,"a":2}"#,
        ]);
        mutate(&seeds, ROUNDS, super::json);
    }
}
