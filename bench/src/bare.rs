//! The limit: reads the request, hashes the secret, signs a token, answers. No routing, no store, no checks.

use std::sync::Arc;

use anyhow::Context as _;
use bytes::Bytes;
use claviger_crypto::jose::{Algorithm, SigningKey};
use claviger_crypto::sha256;
use claviger_kernel::Timestamp;
use claviger_tokens::{AccessToken, Epochs};
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use tokio::net::TcpListener;

use crate::load::announce;

pub(crate) async fn serve() -> anyhow::Result<()> {
    let key = Arc::new(SigningKey::generate(Algorithm::Es256).context("a key")?);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    announce(listener.local_addr()?, "localhost", "bench", "unused")?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let key = Arc::clone(&key);
        tokio::spawn(async move {
            let service = service_fn(move |request| answer(Arc::clone(&key), request));
            let _ = Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn answer(key: Arc<SigningKey>, request: Request<Incoming>) -> anyhow::Result<Response<Full<Bytes>>> {
    let body = request.into_body().collect().await?.to_bytes();
    let id = claviger_crypto::base64url(&sha256(&body)[..16]);
    let token = AccessToken {
        iss: "https://id.example.com",
        sub: "svc_00000000000000000000000000",
        aud: "https://api.example.com",
        exp: Timestamp::from_seconds(2_000_000_300),
        iat: Timestamp::from_seconds(2_000_000_000),
        jti: &id,
        client_id: "bench",
        scope: "notes:read",
        sid: None,
        fam: None,
        org_id: None,
        ep: Epochs::default(),
        extra: None,
    };
    let token = token.sign(&key)?;
    let json =
        serde_json::json!({ "access_token": token, "token_type": "Bearer", "expires_in": 300, "scope": "notes:read" });
    Ok(Response::builder()
        .header(http::header::CONTENT_TYPE, "application/json")
        .body(Full::new(json.to_string().into()))?)
}
