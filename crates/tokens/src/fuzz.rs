//! Fuzz targets as plain functions: `cargo test` runs them over seeds and seeded mutations, libFuzzer over all else.

use std::sync::OnceLock;

use claviger_crypto::base64url;
use claviger_crypto::jose::{Algorithm, SigningKey};
use claviger_kernel::Timestamp;
use serde_json::{Map, Value};

use crate::{AccessToken, Epochs, Expectation, KeySet, RevocationSet, Verifier};

const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

struct Fixture {
    key: SigningKey,
    keys: KeySet,
    valid: String,
}

fn fixture() -> &'static Fixture {
    static FIXTURE: OnceLock<Fixture> = OnceLock::new();
    FIXTURE.get_or_init(|| {
        let key = SigningKey::generate(Algorithm::Es256).expect("the machine can make a key");
        let keys = KeySet::new("https://id.test", [key.verifying_key().clone()]);
        let token = AccessToken {
            iss: "https://id.test",
            sub: "usr_1",
            aud: "api",
            exp: Timestamp::from_seconds(NOW.seconds() + 300),
            iat: NOW,
            jti: "t1",
            client_id: "shop",
            scope: "openid",
            sid: None,
            fam: None,
            org_id: None,
            auth_time: None,
            acr: None,
            ep: Epochs { user: Some(1), ..Epochs::default() },
            extra: None,
        };
        let valid = token.sign(&key).expect("the key signs");
        Fixture { key, keys, valid }
    })
}

/// An access token that [`fuzz_jwt`] accepts.
pub fn valid_token() -> &'static str {
    &fixture().valid
}

/// Tokens from outside, and the payloads of thieves: nothing panics, nothing but the one good token passes, and what
/// the strict reader accepts an independent lenient one understands in the same way.
pub fn fuzz_jwt(data: &[u8]) {
    let Fixture { key, keys, valid } = fixture();
    let revoked = RevocationSet::new();
    let verifier = Verifier::new(keys, &revoked);
    let expect = Expectation::access_token_at_issuer();
    if let Ok(text) = core::str::from_utf8(data)
        && verifier.verify(text, &expect, NOW).is_ok()
    {
        assert_eq!(text, valid, "a second spelling of a token");
    }
    let header = valid.split('.').next().expect("a token has a header");
    let message = format!("{header}.{}", base64url(data));
    let signature = base64url(&key.sign(message.as_bytes()).expect("the key signs"));
    let token = format!("{message}.{signature}");
    if let Ok(verified) = verifier.verify(&token, &expect, NOW) {
        let lenient: Map<String, Value> = serde_json::from_slice(data).expect("a verified payload is an object");
        let claims = verified.claims();
        assert_eq!(lenient["iss"], claims.iss.as_str());
        assert_eq!(lenient["exp"], claims.exp.seconds());
        assert_eq!(lenient.get("sub").and_then(Value::as_str), claims.sub.as_deref());
        assert_eq!(lenient.get("scope").and_then(Value::as_str), claims.scope.as_deref());
        assert!(claims.other.iter().all(|(name, value)| lenient.get(name) == Some(value)));
    }
}

#[cfg(test)]
mod tests {
    use claviger_crypto::fuzz::mutate;

    use super::*;

    #[test]
    fn tokens_stand_seeded_mutation() {
        let header = valid_token().split('.').next().expect("a token has a header");
        let seeds = [valid_token().to_owned(), format!("{header}.e30.AA"), "eyJhbGciOiJub25lIn0.e30.".to_owned()];
        mutate(&seeds.map(String::into_bytes), 20_000, fuzz_jwt);
    }

    #[test]
    fn payloads_stand_seeded_mutation() {
        let full = r#"{"iss":"https://id.test","sub":"usr_1","aud":["api","b"],"exp":1800000300,"iat":1800000000,
            "nbf":1800000000,"jti":"t","client_id":"c","scope":"openid a","sid":"s","fam":"f","org_id":"o",
            "ep":{"u":1,"c":2,"o":3},"auth_time":1,"nonce":"n","acr":"1","amr":["pwd"],"roles":[{"a":[1.5,null]}]}"#;
        let least =
            r#"{"iss":"https://id.test","sub":"u","aud":"a","exp":1800000300,"iat":1,"jti":"t","client_id":"c"}"#;
        mutate(&[full.into(), least.into()], 20_000, fuzz_jwt);
    }
}
