//! The operator's way to a store: over the socket of the server that holds it, or, if none does, by opening the store and
//! asking the very same routes in this process. There is no second, private protocol.

use core::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, anyhow, bail};
use bytes::Bytes;
use claviger_http::base::HeadFacts;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::UnixStream;

use crate::config::Settings;
use crate::serve::public_url;
use crate::server::{database_file, open_store};
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
    /// Looks for a running server, and opens the store itself if there is none. Only a command that `makes` the store
    /// makes one: any other would be about the wrong folder.
    pub(crate) async fn reach(settings: &Settings, makes: bool) -> anyhow::Result<Self> {
        let path = socket(settings);
        if UnixStream::connect(&path).await.is_ok() {
            return Ok(Self::Running(path));
        }
        if !makes && settings.database.url.is_none() && !database_file(settings).exists() {
            let folder = settings.data.display();
            bail!(
                "no server runs on the data folder {folder}, and it holds no store; name the right one with --data or \
                 --config, or make a store with `claviger init`"
            );
        }
        let store = open_store(settings).await?;
        let ambient = surroundings::ambient(settings, Arc::new(Held))?;
        let public_url = public_url(settings, settings.listen)?;
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
        if status.is_success() { Ok(value) } else { Err(problem(status, path, &value)) }
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
fn problem(status: StatusCode, path: &str, body: &Value) -> anyhow::Error {
    if status == StatusCode::NOT_FOUND
        && let Some(absent) = absent(path)
    {
        return anyhow!(absent);
    }
    let detail = body["detail"].as_str().unwrap_or_else(|| status.canonical_reason().unwrap_or("refused"));
    let pointers = body["errors"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|error| Some(format!("\n  {}: {}", error["pointer"].as_str()?, error["detail"].as_str()?)));
    anyhow!("{detail}{}", pointers.collect::<String>())
}

/// What there is none of, if nothing is at `path`.
fn absent(path: &str) -> Option<String> {
    let (within, path) = path.split_once("/api/v1/")?;
    let realm = within.strip_prefix("/realms/").unwrap_or("main");
    let mut parts = path.split(['/', '?']);
    match (parts.next()?, parts.next(), parts.next(), parts.next()) {
        ("realms", Some(name), ..) => Some(format!("there is no realm {name}; `claviger realm list` shows them")),
        ("users", Some(user), Some("sessions"), Some(session)) if session.starts_with("ses_") => Some(format!(
            "the user {user} has no session {session}; `claviger session list` shows those that there are"
        )),
        (kind, Some(id), ..) => {
            let (thing, command) = match kind {
                "clients" => ("client", "client"),
                "resource-servers" => ("API", "resource-server"),
                "keys" => ("key", "key"),
                "users" => ("user", "user"),
                _ => return None,
            };
            Some(format!(
                "there is no {thing} {id} in the realm {realm}; `claviger {command} list` shows those that there are"
            ))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::absent;

    #[test]
    fn what_is_absent_is_named() {
        for (path, sentence) in [
            ("/api/v1/realms/acme", "there is no realm acme; "),
            (
                "/api/v1/clients/notes/revocations",
                "there is no client notes in the realm main; `claviger client list` ",
            ),
            (
                "/realms/acme/api/v1/keys/key_1?force=true",
                "there is no key key_1 in the realm acme; `claviger key list` ",
            ),
            ("/api/v1/users/usr_1/sign-out", "there is no user usr_1 in the realm main; "),
            ("/api/v1/users/usr_1/sessions?filter=alive", "there is no user usr_1 in the realm main; "),
            ("/api/v1/users/usr_1/sessions/ses_1", "the user usr_1 has no session ses_1; "),
        ] {
            assert!(absent(path).unwrap().starts_with(sentence), "{path}: {:?}", absent(path));
        }
        assert_eq!(absent("/api/v1/keys"), None);
    }
}
