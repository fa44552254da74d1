//! Introspection of access tokens, uniform over many: signed ones, and those that say nothing to anybody but the issuer.
//!
//! The bare programs do what cannot be avoided: one signature verified, or one seal opened, and the claims read.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use claviger_crypto::jose::VerifyingKey;
use claviger_crypto::opaque::OpaqueKeys;
use claviger_crypto::{MacKey, base64url_decode, sealed, sha256};
use claviger_kernel::Secret;
use serde::Deserialize;

use crate::Found;
use crate::bare::{Signer, Work, serve};
use crate::callers::Draw;
use crate::figure::{Comparison, Goal, Rate};
use crate::load::{Ask, Caller, Program};

/// Live tokens.
const TOKENS: usize = 1_000_000;
const CONNECTIONS: usize = 64;
const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_secs(2);
/// An endpoint with one ES256 verification, served on one core of a quiet machine.
const KNOWN: f64 = 19_627.0;

/// Both formats.
pub(crate) async fn row() -> anyhow::Result<Vec<Found>> {
    let signed = one("signed (ES256)", "https://signed.example.com", "bare-introspect-signed", Some(KNOWN)).await?;
    let opaque = one("opaque", "https://opaque.example.com", "bare-introspect-opaque", None).await?;
    Ok(vec![signed, opaque])
}

async fn one(format: &str, audience: &'static str, bare: &str, known: Option<f64>) -> anyhow::Result<Found> {
    let (bare, ours) = (Program::start(bare).await?, Program::start("ours-introspect").await?);
    let mut found = Comparison {
        title: format!(
            "introspection, {format}, {CONNECTIONS} connections, {TOKENS} live tokens, uniform, median of {ROUNDS} rounds"
        ),
        rate: Rate::Cpu,
        bare: Vec::new(),
        ours: Vec::new(),
        known,
        goal: Some(Goal::Ratio(0.6)),
    };
    let bare_tokens = Arc::new(bare.material()?);
    let our_tokens = Arc::new(issued(&ours, audience).await?);
    for _ in 0..ROUNDS {
        found.bare.push(bare.round(askers(&bare_tokens), ROUND).await?.0);
        found.ours.push(ours.round(askers(&our_tokens), ROUND).await?.0);
    }
    Ok(Found::comparison(&found))
}

/// Tokens of the server itself, by client credentials.
async fn issued(ours: &Program, audience: &'static str) -> anyhow::Result<Vec<String>> {
    let mut collectors: Vec<_> = (0..CONNECTIONS).map(|_| Collector { audience, tokens: Vec::new() }).collect();
    loop {
        collectors = ours.round(collectors, ROUND).await?.1;
        if collectors.iter().map(|collector| collector.tokens.len()).sum::<usize>() >= TOKENS {
            return Ok(collectors.into_iter().flat_map(|collector| collector.tokens).take(TOKENS).collect());
        }
    }
}

struct Collector {
    audience: &'static str,
    tokens: Vec<String>,
}

#[derive(Deserialize)]
struct Issued {
    access_token: String,
}

const CREDENTIALS: &str = "client_id=bench&client_secret=a-secret-for-the-benchmark-and-nothing-else";

impl Caller for Collector {
    fn ask(&mut self) -> Ask {
        let form = format!("grant_type=client_credentials&{CREDENTIALS}&resource={}", self.audience);
        Ask { path: "/oauth2/token", authorization: None, form: form.into() }
    }

    fn answered(&mut self, body: &[u8]) -> anyhow::Result<()> {
        self.tokens.push(serde_json::from_slice::<Issued>(body)?.access_token);
        Ok(())
    }
}

fn askers(tokens: &Arc<Vec<String>>) -> Vec<Asker> {
    (0..CONNECTIONS as u64).map(|seed| Asker { tokens: Arc::clone(tokens), draw: Draw::new(seed) }).collect()
}

struct Asker {
    tokens: Arc<Vec<String>>,
    draw: Draw,
}

impl Caller for Asker {
    #[allow(clippy::cast_possible_truncation, reason = "the place of a token in memory")]
    fn ask(&mut self) -> Ask {
        let token = &self.tokens[self.draw.below(self.tokens.len() as u64) as usize];
        let form = format!("{CREDENTIALS}&token={token}");
        Ask { path: "/oauth2/introspect", authorization: None, form: form.into() }
    }

    fn answered(&mut self, body: &[u8]) -> anyhow::Result<()> {
        ensure!(body.starts_with(b"{\"active\":true"), "{}", String::from_utf8_lossy(body));
        Ok(())
    }
}

/// What the bare programs read of a token's claims.
#[derive(Deserialize)]
struct Claims {
    sub: String,
    aud: String,
    exp: u64,
    iat: u64,
    jti: String,
    scope: String,
}

fn told(payload: &[u8]) -> anyhow::Result<String> {
    let Claims { sub, aud, exp, iat, jti, scope } = serde_json::from_slice(payload)?;
    let json = serde_json::json!({
        "active": true, "aud": aud, "exp": exp, "iat": iat, "jti": jti, "scope": scope, "sub": sub, "token_type": "Bearer",
    });
    Ok(json.to_string())
}

fn presented(body: &[u8]) -> anyhow::Result<&str> {
    Ok(core::str::from_utf8(body)?.rsplit_once("token=").context("no token")?.1)
}

fn numbered(number: usize) -> [u8; 16] {
    let mut id = [0; 16];
    id[..8].copy_from_slice(&number.to_be_bytes());
    id
}

struct Signed(VerifyingKey);

impl Work for Signed {
    async fn answer(&self, body: Bytes) -> anyhow::Result<String> {
        sha256(&body);
        let token = presented(&body)?;
        let (message, signature) = token.rsplit_once('.').context("not a token")?;
        self.0.verify(message.as_bytes(), &base64url_decode(signature)?)?;
        let payload = message.split_once('.').context("not a token")?.1;
        told(&base64url_decode(payload)?)
    }
}

/// The bare program for signed tokens.
pub(crate) async fn bare_signed() -> anyhow::Result<()> {
    let folder = crate::place::folder()?;
    let signer = Signer::new()?;
    let tokens: anyhow::Result<Vec<String>> = (0..TOKENS).map(|number| signer.token(&numbered(number))).collect();
    let path = folder.path().join("material");
    std::fs::write(&path, tokens?.join("\n"))?;
    serve(Signed(signer.verifying_key()), Some(path)).await
}

struct Sealed(OpaqueKeys);

impl Work for Sealed {
    async fn answer(&self, body: Bytes) -> anyhow::Result<String> {
        sha256(&body);
        told(sealed::open(&self.0, presented(&body)?)?.expose())
    }
}

/// The bare program for opaque tokens.
pub(crate) async fn bare_opaque() -> anyhow::Result<()> {
    let folder = crate::place::folder()?;
    let ring = OpaqueKeys::new(1, MacKey::new(&Secret::new([7; 32])));
    let tokens: anyhow::Result<Vec<String>> = (0..TOKENS)
        .map(|number| Ok(sealed::seal(&ring, &Signer::claims(&numbered(number))?).expose().clone()))
        .collect();
    let path = folder.path().join("material");
    std::fs::write(&path, tokens?.join("\n"))?;
    serve(Sealed(ring), Some(path)).await
}
