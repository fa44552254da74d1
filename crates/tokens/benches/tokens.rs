//! What issuing and verifying cost beside the bare signature. `cargo bench -p claviger-tokens` prints rates per second
//! of one core and ratios; slices of all cases alternate, and of each the best counts, so that other load on the
//! machine hits all alike.
#![allow(clippy::print_stdout, missing_docs)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use claviger_crypto::jose::{Algorithm, SigningKey};
use claviger_crypto::opaque::{self, Kind, OpaqueKeys};
use claviger_crypto::{AeadKey, Context, MacKey, SystemEntropy, random_secret, sha256};
use claviger_kernel::{FamilyId, SessionId, Timestamp};
use claviger_tokens::{AccessToken, Epochs, Expectation, KeySet, Revocation, RevocationSet, Verifier};

const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);
const ROUNDS: u32 = 200;
/// Shorter than a scheduler's turn, so that some slices of each case run undisturbed on a busy machine.
const SLICE: Duration = Duration::from_millis(2);

struct Case<'a> {
    name: &'static str,
    work: Box<dyn FnMut() + 'a>,
    best: f64,
}

fn case<'a, T>(name: &'static str, mut work: impl FnMut() -> T + 'a) -> Case<'a> {
    Case { name, work: Box::new(move || drop(black_box(work()))), best: 0.0 }
}

#[allow(clippy::disallowed_methods)] // a benchmark measures real time
fn measure(cases: &mut [Case<'_>]) {
    for _ in 0..ROUNDS {
        for case in &mut *cases {
            let (start, mut calls) = (Instant::now(), 0u32);
            while start.elapsed() < SLICE {
                (case.work)();
                calls += 1;
            }
            case.best = case.best.max(f64::from(calls) / start.elapsed().as_secs_f64());
        }
    }
}

fn rate(cases: &[Case<'_>], name: &str) -> f64 {
    cases.iter().find(|case| case.name == name).map_or(f64::NAN, |case| case.best)
}

fn access_token() -> AccessToken<'static> {
    AccessToken {
        iss: "https://id.example.com/realms/customers",
        sub: "usr_01kbxf7p2heq3t4m5n6v7w8x9y",
        aud: "https://api.example.com/invoices",
        exp: NOW.plus(Duration::from_mins(5)),
        iat: NOW,
        jti: "0Yp2vN6rT8sQ1wE3xR5tYQ",
        client_id: "cli_01kbxf7p2heq3t4m5n6v7w8x9z",
        scope: "openid profile email invoices:read invoices:approve",
        sid: Some(SessionId::from_bytes([1; 16])),
        fam: Some(FamilyId::from_bytes([2; 16])),
        org_id: None,
        auth_time: None,
        acr: None,
        ep: Epochs { user: Some(3), client: Some(1), organization: None },
        extra: None,
    }
}

/// A set of `count` revoked sessions, none of them ours.
fn revoked(count: u32) -> RevocationSet {
    let set = RevocationSet::new();
    for number in 0..count {
        set.insert(Revocation::Session(&format!("ses_{number:026}")), NOW.plus(Duration::from_mins(15)));
    }
    set
}

fn main() {
    let entropy = SystemEntropy;
    let es256 = SigningKey::generate(Algorithm::Es256).expect("a key");
    let rs256 = SigningKey::generate(Algorithm::Rs256).expect("a key");
    let keys = KeySet::new(access_token().iss, [es256.verifying_key().clone(), rs256.verifying_key().clone()]);
    let (none, many) = (RevocationSet::new(), revoked(1_000_000));
    let expect = Expectation::access_token([access_token().aud]).expect("an audience");
    let [es_token, rs_token] = [&es256, &rs256].map(|key| access_token().sign(key).expect("a token"));
    let message = es_token.rsplit_once('.').expect("a signature").0.as_bytes().to_vec();
    let [es_signature, rs_signature] = [&es256, &rs256].map(|key| key.sign(&message).expect("a signature"));

    let mac = MacKey::new(&random_secret(&entropy));
    let ring = OpaqueKeys::new(1, mac.clone());
    let opaque_token = access_token().seal(&ring);
    let secret = random_secret(&entropy);
    let value = opaque::mint(Kind::RefreshToken, &ring, FamilyId::from_bytes([2; 16]), 1, &secret);
    let forged = format!("{}AAAA", &value.expose()[..value.expose().len() - 4]);
    let seal = AeadKey::new(&random_secret(&entropy));
    let context = Context::new("bench", &[&[0; 24]]);
    let sealed = seal.seal(&entropy, &context, &[7; 200]);

    let mut cases = [
        case("ES256 sign, bare", || es256.sign(&message)),
        case("ES256 access token, issue", || access_token().sign(&es256)),
        case("ES256 verify, bare", || es256.verifying_key().verify(&message, &es_signature)),
        case("ES256 access token, verify", || Verifier::new(&keys, &none).verify(&es_token, &expect, NOW)),
        case("ES256 access token, verify, 1M revoked", || Verifier::new(&keys, &many).verify(&es_token, &expect, NOW)),
        case("opaque access token, issue", || access_token().seal(&ring)),
        case("opaque access token, verify", || {
            Verifier::new(&keys, &none).verify_sealed(&ring, opaque_token.expose(), &expect, NOW)
        }),
        case("opaque access token, verify, 1M revoked", || {
            Verifier::new(&keys, &many).verify_sealed(&ring, opaque_token.expose(), &expect, NOW)
        }),
        case("RS256 sign, bare", || rs256.sign(&message)),
        case("RS256 access token, issue", || access_token().sign(&rs256)),
        case("RS256 verify, bare", || rs256.verifying_key().verify(&message, &rs_signature)),
        case("RS256 access token, verify", || Verifier::new(&keys, &none).verify(&rs_token, &expect, NOW)),
        case("opaque value, mint", || {
            opaque::mint(Kind::RefreshToken, &ring, FamilyId::from_bytes([2; 16]), 1, &secret)
        }),
        case("opaque value, parse", || {
            opaque::parse(Kind::RefreshToken, value.expose(), &ring).map(|value| value.hash())
        }),
        case("opaque value, forged", || opaque::parse(Kind::RefreshToken, &forged, &ring).is_err()),
        case("HMAC tag", || mac.tag("bench", &[&[7; 32]])),
        case("SHA-256, 32 bytes", || sha256(&[7; 32])),
        case("AES-256-GCM seal, 200 bytes", || seal.seal(&entropy, &context, &[7; 200])),
        case("AES-256-GCM open, 200 bytes", || seal.open(&context, &sealed)),
    ];
    measure(&mut cases);
    println!("access token: {} bytes; revoked: {} entries", es_token.len(), many.len());
    for case in &cases {
        println!("{:<42}{:>12.0} /s{:>10.2} us", case.name, case.best, 1e6 / case.best);
    }
    for (bare, full, what) in [
        ("ES256 sign, bare", "ES256 access token, issue", "issue ES256"),
        ("ES256 verify, bare", "ES256 access token, verify", "verify ES256"),
        ("ES256 verify, bare", "ES256 access token, verify, 1M revoked", "verify ES256, 1M revoked"),
        ("ES256 sign, bare", "opaque access token, issue", "issue opaque, beside ES256"),
        ("ES256 verify, bare", "opaque access token, verify", "verify opaque, beside ES256"),
        ("ES256 verify, bare", "opaque access token, verify, 1M revoked", "verify opaque, 1M revoked, beside ES256"),
        ("RS256 sign, bare", "RS256 access token, issue", "issue RS256"),
        ("RS256 verify, bare", "RS256 access token, verify", "verify RS256"),
    ] {
        println!("{what}: {:.3} x the time of the bare signature", rate(&cases, bare) / rate(&cases, full));
    }
}
