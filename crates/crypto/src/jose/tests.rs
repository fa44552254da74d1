//! Against the RFCs' own examples, and against an independent implementation in both directions.

use std::sync::OnceLock;

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::rsa::KeyPairComponents;
use aws_lc_rs::signature::{RsaKeyPair, RsaPublicKeyComponents};
use claviger_kernel::Secret;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::{base64url, base64url_decode};

/// RFC 7515 §A.2 and §A.3: the same payload under RS256 and ES256.
const PAYLOAD: &str = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
const RS256_HEADER: &str = "eyJhbGciOiJSUzI1NiJ9";
const RS256_SIGNATURE: &str = "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5\
    jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN93\
    83LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrB\
    p0igcN_IoypGlUPQGe77Rw";
const RS256_N: &str = "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-\
    yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTB\
    EMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW\
    9gb54h4FRWyuXpoQ";
const ES256_HEADER: &str = "eyJhbGciOiJFUzI1NiJ9";
const ES256_SIGNATURE: &str = "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
const ES256_X: &str = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU";
const ES256_Y: &str = "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0";

/// RFC 7638 §3.1, also RFC 7517 §A.1.
const THUMBPRINT_N: &str = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPeb\
    WKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9\
    c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCu\
    r-kEgU8awapJzKnqDKgw";

fn decoded(text: &str) -> Vec<u8> {
    base64url_decode(text).unwrap()
}

fn parsed(jwk: &Value, algorithm: Algorithm) -> Result<VerifyingKey, KeyError> {
    VerifyingKey::new(&PublicJwk::parse(jwk.to_string().as_bytes(), algorithm)?)
}

fn es256_jwk() -> Value {
    json!({"kty": "EC", "crv": "P-256", "x": ES256_X, "y": ES256_Y})
}

fn rs256_jwk() -> Value {
    json!({"kty": "RSA", "n": RS256_N, "e": "AQAB"})
}

/// The private key of RFC 7515 §A.2.
fn rs256_private() -> Secret<Vec<u8>> {
    let pair = RsaKeyPair::from_components(&KeyPairComponents {
        public_key: RsaPublicKeyComponents { n: decoded(RS256_N), e: decoded("AQAB") },
        d: decoded(
            "Eq5xpGnNCivDflJsRQBXHx1hdR1k6Ulwe2JZD50LpXyWPEAeP88vLNO97IjlA7_GQ5sLKMgvfTeXZx9SE-7YwVol2NXOoAJe46sui395IW\
            _GO-pWJ1O0BkTGoVEn2bKVRUCgu-GjBVaYLU6f3l9kJfFNS3E0QbVdxzubSu3Mkqzjkn439X0M_V51gfpRLI9JYanrC4D4qAdGcopV_0ZHHzQlB\
            judU2QvXt4ehNYTCBr6XCLQUShb1juUO1ZdiYoFaFQT5Tw8bGUl_x_jTj3ccPDVZFD9pIuhLhBOneufuBiB4cS98l2SR_RQyGWSeWjnczT0QU91\
            p1DhOVRuOopznQ",
        ),
        p: decoded(
            "4BzEEOtIpmVdVEZNCqS7baC4crd0pqnRH_5IB3jw3bcxGn6QLvnEtfdUdiYrqBdss1l58BQ3KhooKeQTa9AB0Hw_Py5PJdTJNPY8cQn7ou\
            Z2KKDcmnPGBY5t7yLc1QlQ5xHdwW1VhvKn-nXqhJTBgIPgtldC-KDV5z-y2XDwGUc",
        ),
        q: decoded(
            "uQPEfgmVtjL0Uyyx88GZFF1fOunH3-7cepKmtH4pxhtCoHqpWmT8YAmZxaewHgHAjLYsp1ZSe7zFYHj7C6ul7TjeLQeZD_YwD66t62wDmp\
            e_HlB-TnBA-njbglfIsRLtXlnDzQkv5dTltRJ11BKBBypeeF6689rjcJIDEz9RWdc",
        ),
        dP: decoded(
            "BwKfV3Akq5_MFZDFZCnW-wzl-CCo83WoZvnLQwCTeDv8uzluRSnm71I3QCLdhrqE2e9YkxvuxdBfpT_PI7Yz-FOKnu1R6HsJeDCjn12Sk3\
            vmAktV2zb34MCdy7cpdTh_YVr7tss2u6vneTwrA86rZtu5Mbr1C1XsmvkxHQAdYo0",
        ),
        dQ: decoded(
            "h_96-mK1R_7glhsum81dZxjTnYynPbZpHziZjeeHcXYsXaaMwkOlODsWa7I9xXDoRwbKgB719rrmI2oKr6N3Do9U0ajaHF-NKJnwgjMd2w\
            9cjz3_-kyNlxAr2v4IKhGNpmM5iIgOS1VZnOZ68m6_pbLBSp3nssTdlqvd0tIiTHU",
        ),
        qInv: decoded(
            "IYd7DHOhrWvxkwPQsRM2tOgrjbcrfvtQJipd-DlcxyVuuM9sQLdgjVk2oy26F0EmpScGLq2MowX7fhd_QJQ3ydy5cY7YIBi87w93IKLEdf\
            nbJtoOPLUW0ITrJReOgo1cq9SbsxYawBgfp_gh6A5603k2-ZQwVK0JKSHuLFkuQ3U",
        ),
    })
    .unwrap();
    let der: Pkcs8V1Der<'_> = pair.as_der().unwrap();
    Secret::new(der.as_ref().to_vec())
}

/// One key per algorithm for the whole test run; RSA keys take a while to make.
fn key(algorithm: Algorithm) -> &'static SigningKey {
    static KEYS: OnceLock<[SigningKey; 2]> = OnceLock::new();
    let keys = KEYS.get_or_init(|| Algorithm::ALL.map(|algorithm| SigningKey::generate(algorithm).unwrap()));
    &keys[algorithm as usize]
}

fn claims() -> Value {
    json!({"iss": "https://id.test", "sub": "ünïcode \"quoted\"", "exp": 4_000_000_000_u64})
}

#[test]
fn the_signatures_of_rfc_7515_appendix_a_verify() {
    for (jwk, algorithm, header, signature) in [
        (rs256_jwk(), Algorithm::Rs256, RS256_HEADER, RS256_SIGNATURE),
        (es256_jwk(), Algorithm::Es256, ES256_HEADER, ES256_SIGNATURE),
    ] {
        let key = parsed(&jwk, algorithm).unwrap();
        let message = format!("{header}.{PAYLOAD}");
        let signature = decoded(signature);
        assert_eq!(key.verify(message.as_bytes(), &signature), Ok(()));
        assert_eq!(key.verify(&message.as_bytes()[1..], &signature), Err(BadSignature));
        for bit in 0..signature.len() * 8 {
            let mut changed = signature.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(key.verify(message.as_bytes(), &changed), Err(BadSignature), "{algorithm:?} bit {bit}");
        }
        for length in 0..signature.len() {
            assert_eq!(key.verify(message.as_bytes(), &signature[..length]), Err(BadSignature));
        }
    }
}

#[test]
fn the_rs256_signature_of_rfc_7515_is_reproduced_with_an_imported_2048_bit_key() {
    let key = SigningKey::from_pkcs8(Algorithm::Rs256, &rs256_private()).unwrap();
    let signature = key.sign(format!("{RS256_HEADER}.{PAYLOAD}").as_bytes()).unwrap();
    assert_eq!(base64url(&signature), RS256_SIGNATURE);
    assert_eq!(serde_json::to_value(key.public()).unwrap()["n"], RS256_N);
}

#[test]
fn an_es256_signature_is_r_and_s_in_64_bytes_and_never_der() {
    let key = key(Algorithm::Es256);
    let signature = key.sign(b"message").unwrap();
    assert_eq!(signature.len(), 64);
    let verifying = key.verifying_key();
    assert_eq!(verifying.verify(b"message", &signature), Ok(()));
    // All zero: the class of "psychic signatures".
    assert_eq!(verifying.verify(b"message", &[0; 64]), Err(BadSignature));
}

#[test]
fn the_thumbprint_of_rfc_7638_is_reproduced_and_stands_in_for_a_missing_kid() {
    let jwk = json!({"kty": "RSA", "n": THUMBPRINT_N, "e": "AQAB", "alg": "RS256", "kid": "2011-04-29"});
    let key = PublicJwk::parse(jwk.to_string().as_bytes(), Algorithm::Rs256).unwrap();
    assert_eq!(base64url(&key.thumbprint()), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
    assert_eq!(key.kid(), "2011-04-29");
    let bare = json!({"kty": "RSA", "n": THUMBPRINT_N, "e": "AQAB"});
    let bare = PublicJwk::parse(bare.to_string().as_bytes(), Algorithm::Rs256).unwrap();
    assert_eq!(bare.kid(), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
}

#[test]
fn the_keys_of_rfc_7517_appendix_a_are_read_for_their_own_use_only() {
    let ec = json!({"kty": "EC", "crv": "P-256", "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
        "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM", "use": "enc", "kid": "1"});
    assert_eq!(parsed(&ec, Algorithm::Es256).unwrap_err(), KeyError::Purpose(Algorithm::Es256));
    let mut signing = ec;
    signing["use"] = json!("sig");
    assert_eq!(parsed(&signing, Algorithm::Es256).unwrap().kid(), "1");
}

#[test]
fn a053_a_jwk_is_read_for_the_configured_algorithm_or_not_at_all() {
    assert_eq!(parsed(&es256_jwk(), Algorithm::Es256).unwrap().algorithm(), Algorithm::Es256);
    assert!(parsed(&es256_jwk(), Algorithm::Rs256).is_err());
    assert!(parsed(&rs256_jwk(), Algorithm::Es256).is_err());
    for alg in ["RS384", "PS256", "HS256", "none", "rs256", ""] {
        let mut jwk = rs256_jwk();
        jwk["alg"] = json!(alg);
        assert_eq!(parsed(&jwk, Algorithm::Rs256).unwrap_err(), KeyError::Purpose(Algorithm::Rs256), "{alg}");
    }
    let mut jwk = rs256_jwk();
    jwk["key_ops"] = json!(["encrypt"]);
    assert_eq!(parsed(&jwk, Algorithm::Rs256).unwrap_err(), KeyError::Purpose(Algorithm::Rs256));
}

#[test]
fn malformed_weak_and_off_curve_keys_are_refused() {
    let changed = |mut jwk: Value, member: &str, value: Value| {
        jwk[member] = value;
        jwk
    };
    let flipped = base64url(&decoded(ES256_Y).iter().rev().copied().collect::<Vec<u8>>());
    for jwk in [
        changed(es256_jwk(), "y", json!(flipped)),
        changed(es256_jwk(), "y", json!(base64url(&[0; 32]))),
        changed(es256_jwk(), "y", json!(format!("{ES256_Y}="))),
        changed(es256_jwk(), "y", json!(&ES256_Y[..42])),
        changed(es256_jwk(), "y", Value::Null),
        changed(es256_jwk(), "crv", json!("P-384")),
        changed(es256_jwk(), "crv", json!("secp256k1")),
        changed(es256_jwk(), "kty", json!("OKP")),
        changed(es256_jwk(), "kid", json!("")),
        changed(es256_jwk(), "kid", json!("a\"b")),
        changed(es256_jwk(), "kid", json!("x".repeat(129))),
        json!([]),
        json!([
            "EC", null, null, null, null, "P-256", ES256_X, ES256_Y, null, null, null, null, null, null, null, null,
            null, null
        ]),
    ] {
        assert!(parsed(&jwk, Algorithm::Es256).is_err(), "{jwk}");
    }
    for jwk in [
        changed(rs256_jwk(), "n", json!(base64url(&[0xff; 128]))),
        changed(rs256_jwk(), "n", json!(base64url(&[0x7f; 256]))),
        changed(rs256_jwk(), "n", json!(base64url(&[0xff; 513]))),
        changed(rs256_jwk(), "n", json!(format!("AA{RS256_N}"))),
        changed(rs256_jwk(), "n", json!("")),
        changed(rs256_jwk(), "n", json!(base64url(&[0xfe; 256]))),
        changed(rs256_jwk(), "e", json!("AQ")),
        changed(rs256_jwk(), "e", json!("Aw")),
        changed(rs256_jwk(), "e", json!("AQAA")),
        changed(rs256_jwk(), "e", json!("AAEAAQ")),
        changed(rs256_jwk(), "e", json!(base64url(&[0xff; 9]))),
    ] {
        assert!(parsed(&jwk, Algorithm::Rs256).is_err(), "{jwk}");
    }
    let twice = format!(r#"{{"kty":"EC","kty":"EC","crv":"P-256","x":"{ES256_X}","y":"{ES256_Y}"}}"#);
    assert_eq!(PublicJwk::parse(twice.as_bytes(), Algorithm::Es256), Err(KeyError::Malformed));
}

#[test]
fn a072_no_private_member_is_ever_written_or_read() {
    let set = JwkSet { keys: Algorithm::ALL.map(|algorithm| key(algorithm).public().clone()).to_vec() };
    let written = serde_json::to_value(&set).unwrap();
    for jwk in written["keys"].as_array().unwrap() {
        let mut members: Vec<&str> = jwk.as_object().unwrap().keys().map(String::as_str).collect();
        members.sort_unstable();
        let allowed: &[&str] = match jwk["kty"].as_str().unwrap() {
            "EC" => &["alg", "crv", "kid", "kty", "use", "x", "y"],
            _ => &["alg", "e", "kid", "kty", "n", "use"],
        };
        assert_eq!(members, allowed);
    }
    for member in ["d", "p", "q", "dp", "dq", "qi", "oth", "k"] {
        let mut jwk = rs256_jwk();
        jwk[member] = json!("AQ");
        assert_eq!(parsed(&jwk, Algorithm::Rs256).unwrap_err(), KeyError::Private, "{member}");
    }
    for algorithm in Algorithm::ALL {
        let shown = format!("{:?}", key(algorithm));
        assert!(!shown.contains(&crate::hex(&key(algorithm).to_pkcs8().unwrap().expose()[40..72])), "{shown}");
    }
}

#[test]
fn a_key_survives_its_sealed_form_and_is_no_key_of_the_other_algorithm() {
    for algorithm in Algorithm::ALL {
        let pkcs8 = key(algorithm).to_pkcs8().unwrap();
        let again = SigningKey::from_pkcs8(algorithm, &pkcs8).unwrap();
        assert_eq!(again.public(), key(algorithm).public());
        let signature = again.sign(b"message").unwrap();
        assert_eq!(key(algorithm).verifying_key().verify(b"message", &signature), Ok(()));
        for other in Algorithm::ALL.into_iter().filter(|other| *other != algorithm) {
            assert_eq!(SigningKey::from_pkcs8(other, &pkcs8).unwrap_err(), KeyError::Rejected(other));
        }
        let cut = Secret::new(pkcs8.expose()[..pkcs8.expose().len() - 1].to_vec());
        assert_eq!(SigningKey::from_pkcs8(algorithm, &cut).unwrap_err(), KeyError::Rejected(algorithm));
    }
    assert_eq!(key(Algorithm::Rs256).sign(b"").unwrap().len(), 384);
}

#[test]
fn a_signed_token_has_the_header_of_its_key_and_type() {
    for algorithm in Algorithm::ALL {
        for typ in Typ::ALL {
            let token = key(algorithm).sign_claims(typ, &claims()).unwrap();
            let parts: Vec<&str> = token.split('.').collect();
            let header: Value = serde_json::from_slice(&decoded(parts[0])).unwrap();
            let kid = key(algorithm).kid();
            assert_eq!(header, json!({"alg": algorithm.as_str(), "kid": kid, "typ": typ.as_str()}));
            assert_eq!(serde_json::from_slice::<Value>(&decoded(parts[1])).unwrap(), claims());
            let message = format!("{}.{}", parts[0], parts[1]);
            let verifying = key(algorithm).verifying_key();
            assert_eq!(verifying.verify(message.as_bytes(), &decoded(parts[2])), Ok(()));
        }
    }
}

#[test]
fn a_chosen_kid_stands_in_header_and_jwk() {
    let pkcs8 = key(Algorithm::Es256).to_pkcs8().unwrap();
    let import = || SigningKey::from_pkcs8(Algorithm::Es256, &pkcs8).unwrap();
    let named = import().with_kid("2011-04-29").unwrap();
    let token = named.sign_claims(Typ::Jwt, &claims()).unwrap();
    let header: Value = serde_json::from_slice(&decoded(token.split('.').next().unwrap())).unwrap();
    assert_eq!((&header["kid"], named.verifying_key().kid()), (&json!("2011-04-29"), "2011-04-29"));
    for wrong in ["", "a b", "a\"", "a\\", "a\n", "ä", &"x".repeat(129)] {
        assert_eq!(import().with_kid(wrong).unwrap_err(), KeyError::Kid, "{wrong:?}");
    }
}

#[test]
fn another_implementation_verifies_our_tokens() {
    for algorithm in Algorithm::ALL {
        let token = key(algorithm).sign_claims(Typ::AccessToken, &claims()).unwrap();
        let jwk = serde_json::from_value(serde_json::to_value(key(algorithm).public()).unwrap()).unwrap();
        let decoding = jsonwebtoken::DecodingKey::from_jwk(&jwk).unwrap();
        let validation = jsonwebtoken::Validation::new(algorithm.as_str().parse().unwrap());
        let decoded = jsonwebtoken::decode::<Value>(&token, &decoding, &validation).unwrap();
        assert_eq!(decoded.claims, claims());
        assert_eq!(decoded.header.kid.as_deref(), Some(key(algorithm).kid()));
        assert_eq!(decoded.header.typ.as_deref(), Some("at+jwt"));
    }
}

#[test]
fn we_verify_the_tokens_of_another_implementation() {
    for algorithm in Algorithm::ALL {
        let pkcs8 = key(algorithm).to_pkcs8().unwrap();
        let pem = format!(
            "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
            base64::Engine::encode(&base64::engine::general_purpose::STANDARD, pkcs8.expose())
        );
        let encoding = match algorithm {
            Algorithm::Es256 => jsonwebtoken::EncodingKey::from_ec_pem(pem.as_bytes()).unwrap(),
            Algorithm::Rs256 => jsonwebtoken::EncodingKey::from_rsa_pem(pem.as_bytes()).unwrap(),
        };
        let header = jsonwebtoken::Header::new(algorithm.as_str().parse().unwrap());
        let token = jsonwebtoken::encode(&header, &claims(), &encoding).unwrap();
        let (message, signature) = token.rsplit_once('.').unwrap();
        let verifying = key(algorithm).verifying_key();
        assert_eq!(verifying.verify(message.as_bytes(), &decoded(signature)), Ok(()));
    }
}

proptest! {
    #[test]
    fn every_message_verifies_under_its_key_and_no_changed_one_does(message: Vec<u8>, at: usize, bit in 0..8u8) {
        let key = key(Algorithm::Es256);
        let verifying = key.verifying_key();
        let signature = key.sign(&message).unwrap();
        prop_assert_eq!(verifying.verify(&message, &signature), Ok(()));
        let mut changed = message.clone();
        changed.push(0);
        let index = at % changed.len();
        changed[index] ^= 1 << bit;
        prop_assert_eq!(verifying.verify(&changed, &signature), Err(BadSignature));
    }

    #[test]
    fn reading_a_jwk_never_panics(json: Vec<u8>, n: Vec<u8>, e: Vec<u8>) {
        let jwk = json!({"kty": "RSA", "n": base64url(&n), "e": base64url(&e)});
        let _ = PublicJwk::parse(&json, Algorithm::Es256);
        prop_assert!(n.len() > 255 || parsed(&jwk, Algorithm::Rs256).is_err());
    }
}
