//! The rows of the attack catalogue that a verifier must stand, with the reason that each meets.

use std::sync::OnceLock;

use claviger_crypto::jose::{Algorithm, SigningKey};
use claviger_crypto::{MacKey, base64url, opaque};
use claviger_kernel::{FamilyId, OrganizationId, Secret, SessionId};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::{AccessToken, Epochs, ExtraClaims, IdToken, LogoutToken, Revocation, RevokedBy};

mod forged;
mod order;

const ISSUER: &str = "https://id.test";
const API: &str = "https://api.test";
const CLIENT: &str = "shop";
const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);
const MINUTE: Duration = Duration::from_mins(1);

fn key(algorithm: Algorithm) -> &'static SigningKey {
    static KEYS: OnceLock<[SigningKey; 2]> = OnceLock::new();
    let keys = KEYS.get_or_init(|| Algorithm::ALL.map(|algorithm| SigningKey::generate(algorithm).unwrap()));
    &keys[algorithm as usize]
}

fn es256() -> &'static SigningKey {
    key(Algorithm::Es256)
}

fn keys_of(issuer: &str) -> KeySet {
    KeySet::new(issuer, Algorithm::ALL.map(|algorithm| key(algorithm).verifying_key().clone()))
}

fn api() -> Expectation {
    Expectation::access_token([API]).unwrap()
}

fn verify_at(token: &str, expect: &Expectation, now: Timestamp) -> Result<VerifiedToken, Refusal> {
    Verifier::new(&keys_of(ISSUER), &RevocationSet::new()).verify(token, expect, now)
}

fn ring() -> opaque::OpaqueKeys {
    opaque::OpaqueKeys::new(1, MacKey::new(&Secret::new([9; 32])))
}

fn verify_sealed_at(token: &str, expect: &Expectation, now: Timestamp) -> Result<VerifiedToken, Refusal> {
    Verifier::new(&keys_of(ISSUER), &RevocationSet::new()).verify_sealed(&ring(), token, expect, now)
}

fn refusal(token: &str) -> Refusal {
    verify_at(token, &api(), NOW).unwrap_err()
}

/// Signs whatever header and payload, as only a thief of the key or a fool could.
fn signed(key: &SigningKey, header: &str, payload: &str) -> String {
    let message = format!("{}.{}", base64url(header.as_bytes()), base64url(payload.as_bytes()));
    let signature = base64url(&key.sign(message.as_bytes()).unwrap());
    format!("{message}.{signature}")
}

fn header(alg: &str, typ: &str) -> Value {
    json!({"alg": alg, "kid": es256().kid(), "typ": typ})
}

fn payload() -> Value {
    json!({
        "iss": ISSUER, "sub": "usr_1", "aud": API, "exp": NOW.seconds() + 300, "iat": NOW.seconds(), "jti": "t1",
        "client_id": CLIENT, "scope": "openid invoices:read", "sid": "ses_1", "fam": "fam_1", "org_id": "org_1",
        "ep": {"u": 3, "c": 2, "o": 1},
    })
}

/// An access token with `payload` signed by the right key under the right header.
fn with_payload(payload: &Value) -> String {
    signed(es256(), &header("ES256", "at+jwt").to_string(), &payload.to_string())
}

fn changed(name: &str, value: Value) -> Value {
    let mut payload = payload();
    payload[name] = value;
    payload
}

fn without(name: &str) -> Value {
    let mut payload = payload();
    payload.as_object_mut().unwrap().remove(name);
    payload
}

fn access_token(session: SessionId, family: FamilyId) -> AccessToken<'static> {
    AccessToken {
        iss: ISSUER,
        sub: "usr_1",
        aud: API,
        exp: NOW.plus(5 * MINUTE),
        iat: NOW,
        jti: "t1",
        client_id: CLIENT,
        scope: "openid invoices:read",
        sid: Some(session),
        fam: Some(family),
        org_id: Some(OrganizationId::from_bytes([3; 16])),
        auth_time: Some(NOW),
        acr: Some("urn:claviger:acr:1"),
        ep: Epochs { user: Some(3), client: Some(2), organization: Some(1) },
        extra: None,
    }
}

fn an_access_token() -> AccessToken<'static> {
    access_token(SessionId::from_bytes([1; 16]), FamilyId::from_bytes([2; 16]))
}

fn an_id_token(profile: &ExtraClaims, audience: &'static str) -> String {
    let token = IdToken {
        iss: ISSUER,
        sub: "usr_1",
        aud: audience,
        exp: NOW.plus(5 * MINUTE),
        iat: NOW,
        auth_time: NOW,
        nonce: Some("n"),
        acr: Some("1"),
        amr: &["pwd".to_owned()],
        azp: None,
        at_hash: Some("h"),
        sid: Some(SessionId::from_bytes([1; 16])),
        profile,
    };
    token.sign(key(Algorithm::Rs256)).unwrap()
}

fn a_logout_token(audience: &str) -> String {
    let token = LogoutToken {
        iss: ISSUER,
        aud: audience,
        exp: NOW.plus(2 * MINUTE),
        iat: NOW,
        jti: "l1",
        sub: "usr_1",
        sid: Some(SessionId::from_bytes([1; 16])),
    };
    token.sign(es256()).unwrap()
}

#[test]
fn what_is_issued_is_verified_and_says_the_same() {
    let mut extra = ExtraClaims::default();
    extra.insert("roles", json!(["clerk"])).unwrap();
    let issued = AccessToken { extra: Some(&extra), ..an_access_token() };
    let signed = Algorithm::ALL.map(|algorithm| issued.sign(key(algorithm)).unwrap());
    let verified = signed.map(|token| verify_at(&token, &api(), NOW).unwrap());
    let sealed = verify_sealed_at(issued.seal(&ring()).expose(), &api(), NOW).unwrap();
    for verified in verified.into_iter().chain([sealed]) {
        let claims = verified.claims();
        assert_eq!(verified.token_type(), TokenType::Access);
        assert_eq!(
            (claims.iss.as_str(), claims.sub.as_deref(), claims.aud.as_slice()),
            (ISSUER, Some("usr_1"), &[API.to_owned()][..])
        );
        assert_eq!((claims.iat, claims.exp, claims.ep), (issued.iat, issued.exp, issued.ep));
        assert_eq!((claims.auth_time, claims.acr.as_deref()), (issued.auth_time, issued.acr));
        assert_eq!(claims.sid, issued.sid.map(|id| id.to_string()));
        assert_eq!(claims.fam, issued.fam.map(|id| id.to_string()));
        assert_eq!(claims.org_id, issued.org_id.map(|id| id.to_string()));
        assert_eq!(claims.scopes().collect::<Vec<_>>(), ["openid", "invoices:read"]);
        assert_eq!(claims.other["roles"], json!(["clerk"]));
    }
}

#[test]
fn an_id_token_carries_its_profile_and_a_logout_token_its_event() {
    let mut profile = ExtraClaims::default();
    profile.insert("email", "ada@example.com").unwrap();
    profile.insert("email_verified", true).unwrap();
    let expect = Expectation::id_token(CLIENT).unwrap();
    let verified = verify_at(&an_id_token(&profile, CLIENT), &expect, NOW).unwrap();
    assert_eq!(verified.claims().other, *profile.as_map());
    assert_eq!(verified.claims().auth_time, Some(NOW));
    assert_eq!(
        (verified.claims().amr.as_slice(), verified.claims().nonce.as_deref()),
        (&["pwd".to_owned()][..], Some("n"))
    );
    let expect = Expectation::logout_token(CLIENT).unwrap();
    let verified = verify_at(&a_logout_token(CLIENT), &expect, NOW).unwrap();
    assert_eq!(verified.claims().sid, Some(SessionId::from_bytes([1; 16]).to_string()));
}

#[test]
fn no_extra_claim_takes_the_place_of_one_that_decides() {
    let mut extra = ExtraClaims::default();
    for name in Claims::NAMES {
        assert_eq!(extra.insert(name, "x"), Err(crate::ClaimRefused::Reserved), "{name}");
    }
    let nested = (0..33).fold(json!(1), |inner, _| json!([inner]));
    assert_eq!(extra.insert("x", nested), Err(crate::ClaimRefused::TooDeep));
    assert!(extra.as_map().is_empty());
}

#[test]
fn the_at_hash_is_that_of_openid_connect_core() {
    // The example of OpenID Connect Core 1.0 §A.3, the access token of the code "id_token token".
    assert_eq!(crate::at_hash("jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y"), "77QmUPtjPfzWtF2AnpK9RQ");
}

#[test]
fn a060_no_kind_of_token_is_ever_taken_for_another() {
    // The worst case: one issuer, one key, one name for API and client alike.
    const NAME: &str = "https://everything.test";
    let secret = Secret::new([5; 32]);
    let ring = ring();
    let jwt = |typ: Option<&str>, mut claims: Value| {
        let mut header = header("ES256", "");
        match typ {
            Some(typ) => header["typ"] = json!(typ),
            None => drop(header.as_object_mut().unwrap().remove("typ")),
        }
        for (name, value) in payload().as_object().unwrap() {
            claims.as_object_mut().unwrap().entry(name.clone()).or_insert(value.clone());
        }
        claims["aud"] = json!(NAME);
        claims["events"] = json!({"http://schemas.openid.net/event/backchannel-logout": {}});
        signed(es256(), &header.to_string(), &claims.to_string())
    };
    let mut tokens = vec![
        ("access", AccessToken { aud: NAME, ..an_access_token() }.sign(es256()).unwrap()),
        ("id", an_id_token(&ExtraClaims::default(), NAME)),
        ("logout", a_logout_token(NAME)),
        ("client assertion", jwt(Some("client-authentication+jwt"), json!({"iss": NAME, "sub": NAME}))),
        ("client assertion of old", jwt(Some("JWT"), json!({"iss": NAME, "sub": NAME}))),
        ("untyped", jwt(None, json!({}))),
        ("DPoP proof", jwt(Some("dpop+jwt"), json!({"htm": "POST", "htu": ISSUER, "ath": "h"}))),
        ("request object", jwt(Some("oauth-authz-req+jwt"), json!({}))),
        ("opaque access", AccessToken { aud: NAME, ..an_access_token() }.seal(&ring).expose().clone()),
        ("introspection", jwt(Some("token-introspection+jwt"), json!({}))),
        ("security event", jwt(Some("secevent+jwt"), json!({}))),
    ];
    let minted = opaque::Kind::ALL.map(|kind| opaque::mint(kind, &ring, FamilyId::from_bytes([1; 16]), 1, &secret));
    tokens
        .extend(opaque::Kind::ALL.map(opaque::Kind::prefix).into_iter().zip(minted.map(|text| text.expose().clone())));
    assert_eq!(tokens.len(), 11 + opaque::Kind::ALL.len());

    let expectations = [
        ("access", Expectation::access_token([NAME]).unwrap()),
        ("access", Expectation::access_token_at_issuer()),
        ("id", Expectation::id_token(NAME).unwrap()),
        ("logout", Expectation::logout_token(NAME).unwrap()),
    ];
    for (presented, token) in &tokens {
        for (expected, expectation) in &expectations {
            let accepted = verify_at(token, expectation, NOW).is_ok();
            assert_eq!(accepted, presented == expected, "{presented} presented as {expected}");
            let accepted = verify_sealed_at(token, expectation, NOW).is_ok();
            let opaque = *presented == "opaque access" && *expected == "access";
            assert_eq!(accepted, opaque, "{presented} presented as opaque {expected}");
        }
        let (keys, revoked) = (keys_of(ISSUER), RevocationSet::new());
        let hint = Verifier::new(&keys, &revoked).verify_hint(token, NOW).is_ok();
        assert_eq!(hint, *presented == "id", "{presented} presented as hint");
        for kind in opaque::Kind::ALL {
            let accepted = opaque::parse(kind, token, &ring).is_ok();
            assert_eq!(accepted, *presented == kind.prefix(), "{presented} presented as {kind:?}");
        }
    }
}

#[test]
fn a060_a_type_may_be_spelled_as_its_whole_media_type_and_in_any_case() {
    for typ in ["at+jwt", "AT+JWT", "application/at+jwt", "Application/AT+jwt"] {
        let token = signed(es256(), &header("ES256", typ).to_string(), &payload().to_string());
        assert!(verify_at(&token, &api(), NOW).is_ok(), "{typ}");
    }
    for typ in
        ["", "jwt", "at+jwt ", "at", "application/", "application/JWT", "text/at+jwt", "application/application/at+jwt"]
    {
        let token = signed(es256(), &header("ES256", typ).to_string(), &payload().to_string());
        assert_eq!(refusal(&token), Refusal::Type, "{typ}");
    }
}

#[test]
fn a061_a_token_for_another_audience_or_for_none_is_refused() {
    for aud in [
        json!("https://other.test"),
        json!(["https://other.test"]),
        json!([]),
        json!(""),
        json!([""]),
        json!("https://api.test/"),
    ] {
        assert_eq!(refusal(&with_payload(&changed("aud", aud.clone()))), Refusal::Audience, "{aud}");
    }
    assert_eq!(refusal(&with_payload(&without("aud"))), Refusal::Audience);
    for aud in [Value::Null, json!(1), json!({}), json!([[API]])] {
        assert_eq!(refusal(&with_payload(&changed("aud", aud))), Refusal::Claims);
    }
    assert!(verify_at(&with_payload(&changed("aud", json!(["https://other.test", API]))), &api(), NOW).is_ok());
    // The issuer asks for tokens of whatever audience, but of one.
    let at_issuer = Expectation::access_token_at_issuer();
    assert!(verify_at(&with_payload(&changed("aud", json!("https://other.test"))), &at_issuer, NOW).is_ok());
    for payload in [without("aud"), changed("aud", json!([])), changed("aud", json!(""))] {
        assert_eq!(verify_at(&with_payload(&payload), &at_issuer, NOW), Err(Refusal::Audience));
    }
}

#[test]
fn a061_nobody_can_expect_a_token_without_naming_an_audience() {
    assert_eq!(Expectation::access_token::<&str>([]), Err(NoAudience));
    assert_eq!(Expectation::access_token([API, ""]), Err(NoAudience));
    assert_eq!(Expectation::id_token(""), Err(NoAudience));
    assert_eq!(Expectation::logout_token(""), Err(NoAudience));
}

#[test]
fn a062_a_token_of_one_realm_is_worth_nothing_in_another_even_under_a_shared_key() {
    let (other, revoked) = (keys_of("https://id.test/realms/other"), RevocationSet::new());
    let token = with_payload(&payload());
    assert_eq!(Verifier::new(&other, &revoked).verify(&token, &api(), NOW), Err(Refusal::Issuer));
    let stranger = SigningKey::generate(Algorithm::Es256).unwrap();
    let separate = KeySet::new(ISSUER, [stranger.verifying_key().clone()]);
    assert_eq!(Verifier::new(&separate, &revoked).verify(&token, &api(), NOW), Err(Refusal::Key));
    for iss in ["https://id.test/", "https://ID.test", "https://id.test/realms/other", ""] {
        assert_eq!(refusal(&with_payload(&changed("iss", json!(iss)))), Refusal::Issuer, "{iss}");
    }
    assert_eq!(refusal(&with_payload(&without("iss"))), Refusal::Issuer);
}

#[test]
fn a063_times_out_of_range_and_out_of_reach_are_refused() {
    assert_eq!(refusal(&with_payload(&without("exp"))), Refusal::Missing("exp"));
    assert_eq!(refusal(&with_payload(&without("iat"))), Refusal::Missing("iat"));
    for exp in [json!("1900000000"), json!(1e308), json!(-1), json!(1.5), Value::Null, json!(u64::MAX)] {
        assert_eq!(refusal(&with_payload(&changed("exp", exp.clone()))), Refusal::Claims, "{exp}");
    }
    let ahead = |name: &str, seconds: i64| {
        verify_at(&with_payload(&changed(name, json!(NOW.seconds() + seconds))), &api(), NOW).map(drop)
    };
    for name in ["nbf", "iat"] {
        for good in [-3600, 0, 10, 60] {
            assert_eq!(ahead(name, good), Ok(()), "{name} {good}");
        }
        for wrong in [61, 365 * 86_400] {
            assert_eq!(ahead(name, wrong), Err(Refusal::NotYet), "{name} {wrong}");
        }
    }
    let (keys, revoked) = (keys_of(ISSUER), RevocationSet::new());
    let strict = Verifier::new(&keys, &revoked).clock_skew(Duration::ZERO);
    let token = with_payload(&changed("nbf", json!(NOW.seconds() + 1)));
    assert_eq!(strict.verify(&token, &api(), NOW), Err(Refusal::NotYet));
}

#[test]
fn a063_a_token_ends_on_the_second_and_the_skew_does_not_lengthen_it() {
    let token = with_payload(&payload());
    let end = NOW.plus(5 * MINUTE);
    assert!(verify_at(&token, &api(), end.minus(Duration::from_micros(1))).is_ok());
    assert_eq!(verify_at(&token, &api(), end), Err(Refusal::Expired));
    assert!(Refusal::Expired.is_expired());
}
