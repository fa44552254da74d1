//! The OpenID provider as the demo application sees it: an issuer's address and HTTP, nothing else.

use core::time::Duration;
use std::sync::Arc;

use base64::Engine as _;
use bytes::Bytes;
use claviger_crypto::base64url_decode;
use claviger_crypto::jose::{Algorithm, PublicJwk, VerifyingKey};
use claviger_kernel::{Clock, Secret, Timestamp};
use claviger_tokens::{Expectation, KeySet, RevocationSet, Verifier};
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

use super::visitors::Pending;
use crate::dev::seeds;

/// The longest answer that is read.
const LONGEST: usize = 256 * 1024;
/// A server that just started may still be making its RSA key.
const PAUSE: Duration = Duration::from_millis(250);
const PATIENCE: u32 = 60;

/// What went wrong, in words for the page.
#[derive(Debug, thiserror::Error)]
pub(super) enum ProviderError {
    #[error("the server cannot be reached: {0}")]
    Unreachable(String),
    #[error("{error}{description}")]
    Refused { error: String, description: String },
    #[error("the server's answer cannot be used: {0}")]
    Unusable(String),
}

#[allow(clippy::needless_pass_by_value, reason = "takes every kind of error as it comes")]
fn unusable(reason: impl ToString) -> ProviderError {
    ProviderError::Unusable(reason.to_string())
}

/// What a sign-in came to.
#[derive(Clone)]
pub(super) struct Tokens {
    /// The one that came with the code: it names the session, which a refreshed one need not.
    pub(super) of_sign_in: Secret<String>,
    id_token: Secret<String>,
    access_token: Secret<String>,
    refresh_token: Option<Secret<String>>,
}

impl Tokens {
    pub(super) fn id_claims(&self) -> Value {
        claims(self.id_token.expose())
    }

    pub(super) fn access_claims(&self) -> Value {
        claims(self.access_token.expose())
    }
}

/// The claims of a token, to be shown.
fn claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).and_then(|part| base64url_decode(part).ok());
    payload.and_then(|json| serde_json::from_slice(&json).ok()).unwrap_or(Value::Null)
}

pub(super) struct Provider {
    issuer: String,
    secret: Secret<String>,
    client: Client<HttpConnector, Full<Bytes>>,
    clock: Arc<dyn Clock>,
}

impl Provider {
    pub(super) fn new(issuer: &str, secret: Secret<String>, clock: Arc<dyn Clock>) -> Self {
        let client = Client::builder(TokioExecutor::new()).build_http();
        Self { issuer: issuer.to_owned(), secret, client, clock }
    }

    pub(super) fn issuer(&self) -> &str {
        &self.issuer
    }

    /// An address out of the metadata, which must be the issuer's own (OpenID Connect Discovery 1.0 §4.3).
    pub(super) async fn endpoint(&self, name: &str) -> Result<String, ProviderError> {
        let metadata = self.get(&format!("{}/.well-known/openid-configuration", self.issuer), None).await?;
        if metadata["issuer"].as_str() != Some(&self.issuer) {
            return Err(unusable("the metadata is of another issuer"));
        }
        metadata[name].as_str().map(str::to_owned).ok_or_else(|| unusable(format!("the metadata has no {name}")))
    }

    /// Exchanges a code, and checks the ID token against the keys, this client and the request's nonce.
    pub(super) async fn exchange(
        &self,
        code: &str,
        redirect_uri: &str,
        pending: &Pending,
        now: Timestamp,
    ) -> Result<Tokens, ProviderError> {
        let form = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", redirect_uri),
            ("code_verifier", &pending.verifier),
        ];
        let answer = self.token(&form).await?;
        let id_token = text(&answer, "id_token").ok_or_else(|| unusable("no ID token"))?;
        self.check(id_token.expose(), &pending.nonce, now).await?;
        let access_token = text(&answer, "access_token").ok_or_else(|| unusable("no access token"))?;
        Ok(Tokens {
            of_sign_in: id_token.clone(),
            id_token,
            access_token,
            refresh_token: text(&answer, "refresh_token"),
        })
    }

    /// New tokens for old. What the answer leaves out stays.
    pub(super) async fn refresh(&self, tokens: &Tokens) -> Result<Tokens, ProviderError> {
        let token = tokens.refresh_token.as_ref().ok_or_else(|| unusable("there is no refresh token"))?;
        let form = [("grant_type", "refresh_token"), ("refresh_token", token.expose().as_str())];
        let answer = self.token(&form).await?;
        Ok(Tokens {
            of_sign_in: tokens.of_sign_in.clone(),
            id_token: text(&answer, "id_token").unwrap_or_else(|| tokens.id_token.clone()),
            access_token: text(&answer, "access_token").ok_or_else(|| unusable("no access token"))?,
            refresh_token: text(&answer, "refresh_token").or_else(|| tokens.refresh_token.clone()),
        })
    }

    pub(super) async fn userinfo(&self, tokens: &Tokens) -> Result<Value, ProviderError> {
        let endpoint = self.endpoint("userinfo_endpoint").await?;
        self.get(&endpoint, Some(&tokens.access_token)).await
    }

    async fn check(&self, token: &str, nonce: &str, now: Timestamp) -> Result<(), ProviderError> {
        let set = self.get(&self.endpoint("jwks_uri").await?, None).await?;
        let keys = set["keys"].as_array().into_iter().flatten().filter_map(|jwk| {
            let algorithm = Algorithm::ALL.into_iter().find(|known| jwk["alg"].as_str() == Some(known.as_str()))?;
            VerifyingKey::new(&PublicJwk::parse(jwk.to_string().as_bytes(), algorithm).ok()?).ok()
        });
        let keys = KeySet::new(self.issuer.as_str(), keys);
        let nothing = RevocationSet::new();
        let expected = Expectation::id_token(seeds::CLIENT_ID).map_err(unusable)?;
        let verified = Verifier::new(&keys, &nothing).verify(token, &expected, now).map_err(unusable)?;
        if verified.claims().nonce.as_deref() == Some(nonce) { Ok(()) } else { Err(unusable("another nonce")) }
    }

    async fn token(&self, form: &[(&str, &str)]) -> Result<Value, ProviderError> {
        let endpoint = self.endpoint("token_endpoint").await?;
        let body = encoded(form);
        // RFC 6749 §2.3.1 has both halves form-encoded; neither of ours has anything to encode.
        let pair = format!("{}:{}", seeds::CLIENT_ID, self.secret.expose());
        let basic = format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair));
        let mut tries = 0;
        loop {
            let request = Request::builder()
                .method(Method::POST)
                .uri(&endpoint)
                .header(AUTHORIZATION, &basic)
                .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
                .body(Full::from(body.clone()))
                .map_err(unusable)?;
            let (status, answer) = self.send(request).await?;
            tries += 1;
            if status != StatusCode::SERVICE_UNAVAILABLE || tries == PATIENCE {
                return judged(status, answer);
            }
            self.clock.wake_at(self.clock.now().plus(PAUSE)).await;
        }
    }

    async fn get(&self, address: &str, token: Option<&Secret<String>>) -> Result<Value, ProviderError> {
        let mut request = Request::builder().uri(address).header(ACCEPT, "application/json");
        if let Some(token) = token {
            request = request.header(AUTHORIZATION, format!("Bearer {}", token.expose()));
        }
        let (status, answer) = self.send(request.body(Full::default()).map_err(unusable)?).await?;
        judged(status, answer)
    }

    async fn send(&self, request: Request<Full<Bytes>>) -> Result<(StatusCode, Value), ProviderError> {
        let unreachable = |error: &dyn ToString| ProviderError::Unreachable(error.to_string());
        let answer = self.client.request(request).await.map_err(|error| unreachable(&error))?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), LONGEST).collect().await.map_err(|error| unreachable(&error))?;
        Ok((status, serde_json::from_slice(&body.to_bytes()).unwrap_or(Value::Null)))
    }
}

fn judged(status: StatusCode, answer: Value) -> Result<Value, ProviderError> {
    if status.is_success() {
        return Ok(answer);
    }
    let error = answer["error"].as_str().map_or_else(|| status.to_string(), str::to_owned);
    let description = answer["error_description"].as_str().map(|text| format!(": {text}")).unwrap_or_default();
    Err(ProviderError::Refused { error, description })
}

fn text(answer: &Value, name: &str) -> Option<Secret<String>> {
    answer[name].as_str().map(Secret::from)
}

fn encoded(parameters: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish()
}

/// `address` with these parameters added.
pub(super) fn with_query(address: &str, parameters: &[(&str, &str)]) -> String {
    let joint = if address.contains('?') { '&' } else { '?' };
    format!("{address}{joint}{}", encoded(parameters))
}
