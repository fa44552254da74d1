//! What is read, and what is not.

use proptest::prelude::*;
use serde_json::json;

use super::*;

/// Members that every payload needs, without the closing brace.
const NEEDED: &str = r#"{"iss":"i","aud":"a","exp":20,"iat":10"#;

fn read(more: &str) -> Result<Claims, Refusal> {
    Claims::read(format!("{NEEDED}{more}}}").as_bytes())
}

#[test]
fn every_claim_lands_where_it_belongs() {
    let claims = read(
        r#","sub":"s","nbf":11,"jti":"j","client_id":"c","scope":"openid  profile","sid":"ses","fam":"fam",
        "org_id":"org","cnf":{"jkt":"t"},"ep":{"u":1,"c":2,"o":3,"later":[{}]},"auth_time":9,"nonce":"n","acr":"2",
        "amr":["pwd","otp"],"azp":"z","at_hash":"h","events":{},"ro\u006ces":["a"]"#,
    )
    .unwrap();
    let text = |text: &str| Some(text.to_owned());
    let expected = Claims {
        iss: "i".to_owned(),
        sub: text("s"),
        aud: vec!["a".to_owned()],
        exp: Timestamp::from_seconds(20),
        iat: Timestamp::from_seconds(10),
        nbf: Some(Timestamp::from_seconds(11)),
        jti: text("j"),
        client_id: text("c"),
        scope: text("openid  profile"),
        sid: text("ses"),
        fam: text("fam"),
        org_id: text("org"),
        cnf: Some(json!({"jkt": "t"})),
        ep: Epochs { user: Some(1), client: Some(2), organization: Some(3) },
        auth_time: Some(Timestamp::from_seconds(9)),
        nonce: text("n"),
        acr: text("2"),
        amr: vec!["pwd".to_owned(), "otp".to_owned()],
        azp: text("z"),
        at_hash: text("h"),
        events: Some(json!({})),
        other: [("roles".to_owned(), json!(["a"]))].into_iter().collect(),
    };
    assert_eq!(claims, expected);
    assert_eq!(claims.scopes().collect::<Vec<_>>(), ["openid", "profile"]);
}

#[test]
fn a058_a_member_that_comes_twice_is_refused_whatever_its_name_and_spelling() {
    for name in Claims::NAMES.into_iter().chain(["roles", "é"]) {
        let value = match name {
            "exp" | "iat" | "nbf" | "auth_time" => "10",
            "amr" => "[]",
            "cnf" | "ep" | "events" => "{}",
            _ => "\"x\"",
        };
        let once = if NEEDED.contains(&format!("\"{name}\"")) { String::new() } else { format!(",\"{name}\":{value}") };
        assert!(read(&once).is_ok(), "{name}");
        let mut letters = name.chars();
        let first = letters.next().map_or(0, u32::from);
        let spelled = format!("\\u{first:04x}{}", letters.as_str());
        for again in [name, &spelled] {
            assert_eq!(read(&format!("{once},\"{again}\":{value}")), Err(Refusal::Claims), "{again}");
        }
    }
    assert_eq!(read(r#","ep":{"u":1,"u":2}"#), Err(Refusal::Claims));
}

#[test]
fn a058_invalid_utf_8_and_broken_escapes_are_refused_wherever_they_stand() {
    for bytes in [&b"\xff"[..], b"\xc0\xaf", b"\xed\xa0\x80", b"\xf8\x88\x80\x80\x80"] {
        for (before, after) in [(",\"sub\":\"", "\"}"), (",\"", "\":1}"), (",\"x\":[\"", "\"]}")] {
            let payload = [NEEDED.as_bytes(), before.as_bytes(), bytes, after.as_bytes()].concat();
            assert_eq!(Claims::read(&payload), Err(Refusal::Claims), "{bytes:?}");
        }
    }
    assert_eq!(read(r#","sub":"\ud800""#), Err(Refusal::Claims));
    assert_eq!(read(",\"sub\":\"\0\""), Err(Refusal::Claims));
}

#[test]
fn a058_deep_nesting_is_refused_without_a_deep_stack() {
    let nested = |depth: usize| format!(",\"x\":{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(read(&nested(32)).is_ok());
    for depth in [33, 127, 128, 129, 8_000, 100_000] {
        assert_eq!(read(&nested(depth)), Err(Refusal::Claims), "{depth}");
        let objects = format!(",\"x\":{}1{}", "{\"a\":".repeat(depth), "}".repeat(depth));
        assert_eq!(read(&objects), Err(Refusal::Claims), "{depth}");
        assert_eq!(read(&format!(",\"cnf\":{}", "[".repeat(depth))), Err(Refusal::Claims), "{depth}");
        assert_eq!(read(&format!(",\"ep\":{{\"x\":{}", "[".repeat(depth))), Err(Refusal::Claims), "{depth}");
    }
}

#[test]
fn a063_a_time_is_a_whole_number_of_seconds_within_reach_and_nothing_else() {
    let with = |name: &str, value: &str| {
        let claims = [("exp", "20"), ("iat", "10"), ("nbf", "10"), ("auth_time", "10")];
        let members: Vec<String> = claims
            .iter()
            .map(|(known, usual)| format!("\"{known}\":{}", if *known == name { value } else { usual }))
            .collect();
        Claims::read(format!("{{\"iss\":\"i\",\"aud\":\"a\",{}}}", members.join(",")).as_bytes())
    };
    for name in ["exp", "iat", "nbf", "auth_time"] {
        for good in ["0", "10", "4000000000", "253402300799"] {
            assert!(with(name, good).is_ok(), "{name} {good}");
        }
        for wrong in [
            "\"20\"",
            "1e308",
            "1e400",
            "1e1",
            "20.0",
            "20.5",
            "-1",
            "-0.5",
            "253402300800",
            "9223372036854775808",
            "18446744073709551616",
            "null",
            "true",
            "[20]",
            "{}",
            "020",
            "+20",
            "0x14",
            "NaN",
            "Infinity",
            "",
        ] {
            assert_eq!(with(name, wrong), Err(Refusal::Claims), "{name} {wrong}");
        }
    }
    assert_eq!(Claims::read(br#"{"iss":"i","aud":"a","iat":10}"#), Err(Refusal::Missing("exp")));
    assert_eq!(Claims::read(br#"{"iss":"i","aud":"a","exp":10}"#), Err(Refusal::Missing("iat")));
}

#[test]
fn claims_of_the_wrong_type_are_refused() {
    for name in ["sub", "jti", "client_id", "scope", "sid", "fam", "org_id", "nonce", "acr", "azp", "at_hash"] {
        for wrong in ["1", "null", "true", "[\"x\"]", "{}"] {
            assert_eq!(read(&format!(",\"{name}\":{wrong}")), Err(Refusal::Claims), "{name} {wrong}");
        }
    }
    for (name, wrong) in [("amr", "\"pwd\""), ("amr", "[1]"), ("ep", "[1,2,3]"), ("ep", "1"), ("ep", r#"{"u":-1}"#)] {
        assert_eq!(read(&format!(",\"{name}\":{wrong}")), Err(Refusal::Claims), "{name} {wrong}");
    }
    for aud in ["1", "null", "{}", "[1]", "[[\"a\"]]"] {
        let payload = format!(r#"{{"iss":"i","aud":{aud},"exp":20,"iat":10}}"#);
        assert_eq!(Claims::read(payload.as_bytes()), Err(Refusal::Claims), "{aud}");
    }
    for payload in ["", "null", "[]", "\"x\"", "[\"i\",\"a\"]", "{}x", &format!("{NEEDED}}} {{}}"), "\u{feff}{}"] {
        assert_eq!(Claims::read(payload.as_bytes()), Err(Refusal::Claims), "{payload}");
    }
}

#[test]
fn epochs_are_written_without_what_is_absent() {
    let epochs = Epochs { user: Some(3), client: None, organization: Some(2) };
    assert_eq!(serde_json::to_string(&epochs).unwrap(), r#"{"u":3,"o":2}"#);
    assert_eq!(serde_json::from_str::<Epochs>(r#"{"o":2,"u":3}"#).unwrap(), epochs);
}

proptest! {
    #[test]
    fn no_payload_makes_the_reader_panic(payload: Vec<u8>) {
        prop_assert!(Claims::read(&payload).is_err());
    }

    #[test]
    fn strings_come_through_as_they_are(sub: String, name: String, value: String) {
        let mut payload = json!({"iss": "i", "aud": ["a", "b"], "exp": 20, "iat": 10, "sub": sub});
        prop_assume!(!Claims::NAMES.contains(&name.as_str()));
        payload[&name] = json!(value);
        let claims = Claims::read(payload.to_string().as_bytes()).unwrap();
        prop_assert_eq!(claims.sub, Some(sub));
        prop_assert_eq!(&claims.other[&name], &json!(value));
        prop_assert_eq!(claims.aud, ["a", "b"]);
    }
}
