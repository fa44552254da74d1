//! The operator's way to a store: over the socket of the server that holds it, or, if none does, by opening the store and
//! asking the very same routes in this process. There is no second, private protocol.

use core::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use bytes::Bytes;
use claviger_http::base::HeadFacts;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::UnixStream;

use crate::config::Settings;
use crate::server::{OPERATOR_URL, open_store};
use crate::{Held, Server, surroundings};

/// Where the server that holds `settings.data` listens for its operator.
pub(crate) fn socket(settings: &Settings) -> PathBuf {
    settings.data.join("operator.sock")
}

/// A way to the management routes, as the operator.
pub(crate) enum Operator {
    /// A running server.
    Running(PathBuf),
    /// No server runs: the routes stand in this process.
    Here(Box<Server>),
}

impl Operator {
    /// Looks for a running server, and opens the store itself if there is none.
    pub(crate) async fn reach(settings: &Settings) -> anyhow::Result<Self> {
        let path = socket(settings);
        if UnixStream::connect(&path).await.is_ok() {
            return Ok(Self::Running(path));
        }
        let store = open_store(settings).await?;
        let ambient = surroundings::ambient(settings, Arc::new(Held))?;
        let public_url = settings.public_url.as_deref().unwrap_or(OPERATOR_URL).parse().context("public_url")?;
        Ok(Self::Here(Box::new(Server::assemble(settings, public_url, store, ambient).await?)))
    }

    /// Asks one route; the answer's body is JSON or nothing.
    ///
    /// # Errors
    /// The problem's text if the route refuses, with the pointers that it names.
    pub(crate) async fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> anyhow::Result<Value> {
        let bytes = body.map(|value| Bytes::from(value.to_string()));
        let mut request = Request::builder().method(method).uri(path).header(header::HOST, "localhost");
        if bytes.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let request = request.body(Full::new(bytes.unwrap_or_default())).context("a path that no request can bear")?;
        let (status, body) = match self {
            Self::Running(path) => over_socket(path, request).await?,
            Self::Here(server) => {
                let peer = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
                let answer = server.operator.answer(peer, HeadFacts::default(), request).await;
                let status = answer.status();
                (status, answer.into_body().collect().await.map(http_body_util::Collected::to_bytes)?)
            }
        };
        let value = if body.is_empty() {
            Value::Null
        } else {
            serde_json::from_slice(&body).context("the answer is no JSON")?
        };
        if status.is_success() { Ok(value) } else { Err(problem(status, &value)) }
    }

    /// Answers every write that was asked for, then lets go of the store.
    pub(crate) async fn leave(self) {
        if let Self::Here(server) = self {
            server.services.store.close().await;
        }
    }
}

async fn over_socket(path: &PathBuf, request: Request<Full<Bytes>>) -> anyhow::Result<(StatusCode, Bytes)> {
    let stream = UnixStream::connect(path).await.with_context(|| format!("no server at {}", path.display()))?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    let answer = sender.send_request(request).await.context("the server closed the socket")?;
    let status = answer.status();
    let body = answer.into_body().collect().await?.to_bytes();
    drop(sender);
    let _ = connection.await;
    Ok((status, body))
}

/// A problem (RFC 9457) as one sentence for the command line.
fn problem(status: StatusCode, body: &Value) -> anyhow::Error {
    let detail = body["detail"].as_str().unwrap_or_else(|| status.canonical_reason().unwrap_or("refused"));
    let pointers = body["errors"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|error| Some(format!("\n  {}: {}", error["pointer"].as_str()?, error["detail"].as_str()?)));
    anyhow!("{detail}{}", pointers.collect::<String>())
}
