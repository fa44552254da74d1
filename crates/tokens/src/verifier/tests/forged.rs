//! What somebody writes into the header, the form or the algorithm of a token, and that it is refused before it is read.

use super::*;

#[test]
fn a051_no_spelling_of_none_is_an_algorithm() {
    for alg in ["none", "None", "NONE", "nOnE", "", "es256", "ES256 ", "ES384", "HS256"] {
        for signature in ["", "AA", "e30"] {
            let message = format!(
                "{}.{}",
                base64url(header(alg, "at+jwt").to_string().as_bytes()),
                base64url(payload().to_string().as_bytes())
            );
            assert_eq!(refusal(&format!("{message}.{signature}")), Refusal::Algorithm, "{alg:?}");
        }
        let signed = signed(es256(), &header(alg, "at+jwt").to_string(), &payload().to_string());
        assert_eq!(refusal(&signed), Refusal::Algorithm, "{alg:?}");
    }
    for header in
        [json!({"kid": es256().kid(), "typ": "at+jwt"}), json!({"alg": null, "kid": es256().kid(), "typ": "at+jwt"})]
    {
        assert_eq!(refusal(&signed(es256(), &header.to_string(), &payload().to_string())), Refusal::Header);
    }
}

#[test]
fn a052_a_public_key_used_as_hmac_secret_opens_nothing() {
    for algorithm in Algorithm::ALL {
        let public = serde_json::to_value(key(algorithm).public()).unwrap();
        let der = key(algorithm).to_pkcs8().unwrap();
        let secrets = [
            public.to_string().into_bytes(),
            public["x"].as_str().or(public["n"].as_str()).unwrap().as_bytes().to_vec(),
            claviger_crypto::base64url_decode(public["x"].as_str().or(public["n"].as_str()).unwrap()).unwrap(),
            der.expose()[..].to_vec(),
            Vec::new(),
        ];
        for secret in secrets {
            let header = jsonwebtoken::Header {
                kid: Some(key(algorithm).kid().to_owned()),
                typ: Some("at+jwt".to_owned()),
                ..jsonwebtoken::Header::new(jsonwebtoken::Algorithm::HS256)
            };
            let secret = jsonwebtoken::EncodingKey::from_secret(&secret);
            assert_eq!(refusal(&jsonwebtoken::encode(&header, &payload(), &secret).unwrap()), Refusal::Algorithm);
        }
    }
}

#[test]
fn a053_the_token_never_chooses_between_the_algorithms_that_we_know() {
    for (signer, other) in [(Algorithm::Es256, "RS256"), (Algorithm::Rs256, "ES256")] {
        let header = json!({"alg": other, "kid": key(signer).kid(), "typ": "at+jwt"});
        let token = signed(key(signer), &header.to_string(), &payload().to_string());
        assert_eq!(refusal(&token), Refusal::Algorithm);
    }
}

#[test]
fn a054_a_key_brought_along_is_neither_used_nor_fetched() {
    let thief = SigningKey::generate(Algorithm::Es256).unwrap();
    for (member, value) in [
        ("jwk", serde_json::to_value(thief.public()).unwrap()),
        ("jku", json!("https://evil.test/jwks.json")),
        ("x5u", json!("https://evil.test/cert.pem")),
        ("x5c", json!(["MIIB"])),
        ("x5t", json!("AA")),
    ] {
        for kid in [es256().kid(), thief.kid()] {
            let mut header = json!({"alg": "ES256", "kid": kid, "typ": "at+jwt"});
            header[member] = value.clone();
            assert_eq!(refusal(&signed(&thief, &header.to_string(), &payload().to_string())), Refusal::Header);
        }
    }
    let header = header("ES256", "at+jwt").to_string();
    assert_eq!(refusal(&signed(&thief, &header, &payload().to_string())), Refusal::Signature);
}

#[test]
fn a055_no_secret_found_by_the_token_makes_a_symmetric_token_good() {
    for (kid, secret) in [(es256().kid(), es256().kid()), ("secret", "secret"), ("", "")] {
        for algorithm in
            [jsonwebtoken::Algorithm::HS256, jsonwebtoken::Algorithm::HS384, jsonwebtoken::Algorithm::HS512]
        {
            let header = jsonwebtoken::Header {
                kid: Some(kid.to_owned()),
                typ: Some("at+jwt".to_owned()),
                ..jsonwebtoken::Header::new(algorithm)
            };
            let secret = jsonwebtoken::EncodingKey::from_secret(secret.as_bytes());
            let refused = refusal(&jsonwebtoken::encode(&header, &payload(), &secret).unwrap());
            assert!(matches!(refused, Refusal::Key | Refusal::Algorithm), "{refused:?}");
        }
    }
}

#[test]
fn a056_no_kid_reaches_further_than_one_look_up() {
    let long = "k".repeat(10_000);
    for (kid, expected) in [
        ("../../../../dev/null", Refusal::Key),
        ("' OR 1=1 --", Refusal::Key),
        ("\0", Refusal::Key),
        ("a\0b\"\\", Refusal::Key),
        ("|/usr/bin/id", Refusal::Key),
        ("", Refusal::Key),
        (long.as_str(), Refusal::Header),
    ] {
        let header = json!({"alg": "ES256", "kid": kid, "typ": "at+jwt"});
        assert_eq!(refusal(&signed(es256(), &header.to_string(), &payload().to_string())), expected, "{kid:.20}");
    }
    let header = json!({"alg": "ES256", "kid": [es256().kid()], "typ": "at+jwt"});
    assert_eq!(refusal(&signed(es256(), &header.to_string(), &payload().to_string())), Refusal::Header);
}

#[test]
fn a057_critical_extensions_unencoded_payloads_and_json_serialisation_are_refused() {
    for (member, value) in [("crit", json!(["exp"])), ("crit", json!([])), ("b64", json!(false)), ("b64", json!(true))]
    {
        let mut header = header("ES256", "at+jwt");
        header[member] = value;
        assert_eq!(refusal(&signed(es256(), &header.to_string(), &payload().to_string())), Refusal::Header);
    }
    let token = with_payload(&payload());
    let parts: Vec<&str> = token.split('.').collect();
    let flattened = json!({"protected": parts[0], "payload": parts[1], "signature": parts[2]});
    let general = json!({"payload": parts[1], "signatures": [{"protected": parts[0], "signature": parts[2]}]});
    for json in [flattened, general] {
        assert_eq!(refusal(&json.to_string()), Refusal::Shape);
    }
    // Detached payload (RFC 7515 appendix F).
    assert_eq!(refusal(&format!("{}..{}", parts[0], parts[2])), Refusal::Signature);
}

#[test]
fn a058_repeated_members_and_what_is_no_object_are_refused_in_header_and_payload() {
    let kid = es256().kid();
    for header in [
        format!(r#"{{"alg":"ES256","alg":"ES256","kid":"{kid}","typ":"at+jwt"}}"#),
        format!(r#"{{"alg":"ES256","kid":"{kid}","k\u0069d":"{kid}","typ":"at+jwt"}}"#),
        format!(r#"["ES256","{kid}","at+jwt"]"#),
        format!(r#"{{"alg":"ES256","kid":"{kid}","typ":"at+jwt"}}{{}}"#),
        format!("{{\"alg\":\"ES256\",\"kid\":\"{kid}\",\"typ\":\"at+jwt\",\"x\":{}", "[".repeat(10_000)),
        String::new(),
    ] {
        assert_eq!(refusal(&signed(es256(), &header, &payload().to_string())), Refusal::Header);
    }
    let good = header("ES256", "at+jwt").to_string();
    let twice = payload().to_string().replacen('{', r#"{"sub":"usr_2","#, 1);
    assert_eq!(refusal(&signed(es256(), &good, &twice)), Refusal::Claims);
    let deep = payload().to_string().replacen('{', &format!("{{\"x\":{}{},", "[".repeat(3000), "]".repeat(3000)), 1);
    assert_eq!(refusal(&signed(es256(), &good, &deep)), Refusal::Claims);
}

#[test]
fn a058_only_three_segments_of_canonical_base64url_are_a_token() {
    let token = with_payload(&payload());
    let parts: Vec<&str> = token.split('.').collect();
    let loose = {
        // 64 bytes leave four loose bits in the last of 86 characters: A, Q, g, w are canonical, B is not.
        let mut signature = parts[2].to_owned();
        signature.pop();
        signature + "B"
    };
    for malformed in [
        String::new(),
        "..".to_owned() + ".",
        parts[0].to_owned(),
        format!("{}.{}", parts[0], parts[1]),
        format!("{token}."),
        format!(".{token}"),
        format!("{token}.{}", parts[2]),
        format!(" {token}"),
        format!("{token}\n"),
        format!("{token}="),
        format!("{}.{}.{loose}", parts[0], parts[1]),
        format!("{}=.{}.{}", parts[0], parts[1], parts[2]),
        token.replace('.', "%2E"),
    ] {
        assert_eq!(refusal(&malformed), Refusal::Shape, "{malformed}");
    }
}

#[test]
fn a059_encrypted_compressed_and_huge_tokens_are_refused_before_any_work() {
    assert_eq!(refusal(&"A".repeat(250_000)), Refusal::Size);
    assert_eq!(refusal(&format!("{}.e30.AA", "e".repeat(16 * 1024 - 6))), Refusal::Size);
    let jwe = base64url(br#"{"alg":"PBES2-HS256+A128KW","enc":"A128GCM","p2c":2147483648,"p2s":"AA","zip":"DEF"}"#);
    assert_eq!(refusal(&format!("{jwe}.AA.AA.AA.AA")), Refusal::Shape);
    assert_eq!(refusal(&format!("{jwe}.AA.AA")), Refusal::Header);
    let mut zipped = header("ES256", "at+jwt");
    zipped["zip"] = json!("DEF");
    assert_eq!(refusal(&signed(es256(), &zipped.to_string(), &payload().to_string())), Refusal::Header);
}
