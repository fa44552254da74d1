//! One request over one connection, and its whole answer; nothing if the other side dies over it.

use std::net::SocketAddr;
use std::path::Path;

use bytes::Bytes;
use claviger_crypto::base64url_decode;
use http::{HeaderMap, Method, Request};
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

/// The host of the public address.
pub(crate) const HOST: &str = "id.test";

/// A whole answer.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().expect("a header is text"))
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// A member of the JSON body that is text.
    pub(crate) fn member(&self, name: &str) -> String {
        self.json()[name].as_str().unwrap_or_else(|| panic!("no {name} in {self:?}")).to_owned()
    }

    /// The `error` of an OAuth answer or the `code` of a problem; nothing if the body is neither.
    pub(crate) fn code(&self) -> Option<String> {
        let body: Value = serde_json::from_str(&self.text).ok()?;
        body.get("error").or_else(|| body.get("code"))?.as_str().map(str::to_owned)
    }

    /// Whether the server says that it cannot answer now, and that the client shall come back.
    pub(crate) fn is_busy(&self) -> bool {
        self.status == 503 && self.header("retry-after").is_some_and(|wait| wait.parse::<u32>().is_ok())
    }

    /// The value of a hidden field.
    pub(crate) fn field(&self, name: &str) -> Option<String> {
        let start = self.text.find(&format!("name=\"{name}\" value=\""))? + name.len() + 15;
        self.text[start..].split('"').next().map(str::to_owned)
    }
}

/// A request as it will be sent.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    method: Method,
    path: String,
    headers: Vec<(&'static str, String)>,
    body: String,
}

impl Ask {
    pub(crate) fn get(path: impl Into<String>) -> Self {
        Self { method: Method::GET, path: path.into(), headers: Vec::new(), body: String::new() }
    }

    pub(crate) fn delete(path: impl Into<String>) -> Self {
        Self { method: Method::DELETE, ..Self::get(path) }
    }

    /// A form.
    pub(crate) fn post<V: AsRef<str>>(path: impl Into<String>, fields: &[(&str, V)]) -> Self {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let headers = vec![("content-type", "application/x-www-form-urlencoded".to_owned())];
        Self { method: Method::POST, path: path.into(), headers, body }
    }

    /// JSON.
    pub(crate) fn json(method: Method, path: impl Into<String>, body: &Value) -> Self {
        let headers = vec![("content-type", "application/json".to_owned())];
        Self { method, path: path.into(), headers, body: body.to_string() }
    }

    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Asks the server at `address` under the public host.
    pub(crate) async fn of(self, address: SocketAddr) -> Option<Answer> {
        self.over(TcpStream::connect(address).await.ok()?, HOST).await
    }

    /// Asks over the operator's socket.
    pub(crate) async fn of_socket(self, path: &Path) -> Option<Answer> {
        self.over(UnixStream::connect(path).await.ok()?, "localhost").await
    }

    async fn over<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(self, stream: S, host: &str) -> Option<Answer> {
        let mut request = Request::builder().method(self.method).uri(self.path).header("host", host);
        for (name, value) in self.headers {
            request = request.header(name, value);
        }
        let request = request.body(Full::new(Bytes::from(self.body))).expect("a request");
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.ok()?;
        let connection = tokio::spawn(connection);
        let (parts, body) = sender.send_request(request).await.ok()?.into_parts();
        let body = body.collect().await.ok()?.to_bytes();
        connection.abort();
        let text = String::from_utf8(body.to_vec()).expect("an answer is text");
        Some(Answer { status: parts.status.as_u16(), headers: parts.headers, text })
    }
}

/// The claims of a signed token, unverified.
pub(crate) fn claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).expect("a signed token has three parts");
    serde_json::from_slice(&base64url_decode(payload).expect("base64url")).expect("claims are JSON")
}
