//! The limit: a program without routing, store or checks that reads the request, hashes the secret, signs a token, and
//! answers.

use std::sync::Arc;

use anyhow::Context as _;
use bytes::Bytes;
use claviger_crypto::jose::{Algorithm, SigningKey, VerifyingKey};
use claviger_crypto::{base64url, sha256};
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use serde::Serialize;
use tokio::net::TcpListener;

use crate::load::Ready;

/// What a bare program does with a request's body.
pub(crate) trait Work: Send + Sync + 'static {
    /// The answer's JSON.
    fn answer(&self, body: Bytes) -> impl Future<Output = anyhow::Result<String>> + Send;
}

/// Serves `work` until the process is ended.
pub(crate) async fn serve(work: impl Work, material: Option<std::path::PathBuf>) -> anyhow::Result<()> {
    let work = Arc::new(work);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    Ready { address: listener.local_addr()?, host: "localhost".to_owned(), material }.announce()?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let work = Arc::clone(&work);
        tokio::spawn(async move {
            let service = service_fn(move |request| answer(Arc::clone(&work), request));
            let _ = Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn answer(work: Arc<impl Work>, request: Request<Incoming>) -> anyhow::Result<Response<Full<Bytes>>> {
    let body = request.into_body().collect().await?.to_bytes();
    let json = work.answer(body).await?;
    Ok(Response::builder().header(http::header::CONTENT_TYPE, "application/json").body(Full::new(json.into()))?)
}

/// A key that signs access tokens, with the header that they all share.
pub(crate) struct Signer {
    key: SigningKey,
    header: String,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'static str,
    sub: &'static str,
    aud: &'static str,
    exp: u64,
    iat: u64,
    jti: &'a str,
    client_id: &'static str,
    scope: &'static str,
}

impl Signer {
    pub(crate) fn new() -> anyhow::Result<Self> {
        let key = SigningKey::generate(Algorithm::Es256).context("a key")?;
        let header = serde_json::json!({ "alg": "ES256", "kid": key.kid(), "typ": "at+jwt" });
        Ok(Self { header: base64url(header.to_string().as_bytes()), key })
    }

    /// The key by which its tokens are verified.
    pub(crate) fn verifying_key(&self) -> VerifyingKey {
        self.key.verifying_key().clone()
    }

    /// The claims of a machine's token, as JSON; `id` makes them others each time.
    pub(crate) fn claims(id: &[u8]) -> anyhow::Result<Vec<u8>> {
        let claims = Claims {
            iss: "https://id.example.com",
            sub: "svc_00000000000000000000000000",
            aud: "https://api.example.com",
            exp: 2_000_000_300,
            iat: 2_000_000_000,
            jti: &base64url(id),
            client_id: "bench",
            scope: "notes:read",
        };
        Ok(serde_json::to_vec(&claims)?)
    }

    /// A token with such claims.
    pub(crate) fn token(&self, id: &[u8]) -> anyhow::Result<String> {
        let mut token = format!("{}.{}", self.header, base64url(&Self::claims(id)?));
        let signature = self.key.sign(token.as_bytes())?;
        token.push('.');
        token.push_str(&base64url(&signature));
        Ok(token)
    }
}

struct Machines(Signer);

impl Work for Machines {
    async fn answer(&self, body: Bytes) -> anyhow::Result<String> {
        let token = self.0.token(&sha256(&body)[..16])?;
        let json = serde_json::json!({ "access_token": token, "token_type": "Bearer", "expires_in": 300, "scope": "notes:read" });
        Ok(json.to_string())
    }
}

/// Client credentials.
pub(crate) async fn tokens() -> anyhow::Result<()> {
    serve(Machines(Signer::new()?), None).await
}
