//! A client that only asks: no cookies, no redirects.

use core::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use claviger_http::base::{Frame, HeadFacts};
use http::{Method, Request, Uri};
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use tokio::net::TcpStream;

use crate::Answer;

/// By which way requests reach the server.
#[derive(Clone)]
pub enum Wire {
    /// Over the listener at this address.
    Socket(SocketAddr),
    /// Straight into the frame, as if from this peer: for tests in which the address of the client matters.
    Direct(Arc<Frame>, SocketAddr),
}

/// Asks the server at its public address.
#[derive(Clone)]
pub struct Client {
    wire: Wire,
    public_url: String,
}

impl Client {
    pub(crate) const fn new(wire: Wire, public_url: String) -> Self {
        Self { wire, public_url }
    }

    /// A client straight into a frame, as if from this machine.
    pub fn direct(frame: Arc<Frame>) -> Self {
        let peer = SocketAddr::new(core::net::Ipv4Addr::LOCALHOST.into(), 40_000);
        Self::new(Wire::Direct(frame, peer), crate::PUBLIC_URL.to_owned())
    }

    /// The public address, without a slash at its end.
    pub fn public_url(&self) -> &str {
        &self.public_url
    }

    /// GET.
    pub async fn get(&self, path: &str) -> Answer {
        self.send(self.request(Method::GET, path).body(Bytes::new()).expect("a request")).await
    }

    /// POST of a form.
    pub async fn post_form(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let request = self.request(Method::POST, path).header("content-type", "application/x-www-form-urlencoded");
        self.send(request.body(body.into()).expect("a request")).await
    }

    /// POST of JSON.
    pub async fn post_json<T: Serialize>(&self, path: &str, value: &T) -> Answer {
        let body = serde_json::to_vec(value).expect("a value of JSON");
        let request = self.request(Method::POST, path).header("content-type", "application/json");
        self.send(request.body(body.into()).expect("a request")).await
    }

    /// PATCH of JSON.
    pub async fn patch_json<T: Serialize>(&self, path: &str, value: &T) -> Answer {
        let body = serde_json::to_vec(value).expect("a value of JSON");
        let request = self.request(Method::PATCH, path).header("content-type", "application/json");
        self.send(request.body(body.into()).expect("a request")).await
    }

    /// A request to build on; it names the public host.
    pub fn request(&self, method: Method, path: &str) -> http::request::Builder {
        let host: Uri = self.public_url.parse().expect("a public address");
        Request::builder().method(method).uri(path).header("host", host.authority().expect("a host").as_str())
    }

    /// Sends any request.
    ///
    /// # Panics
    /// If no answer comes.
    pub async fn send(&self, request: Request<Bytes>) -> Answer {
        let request = request.map(Full::new);
        match &self.wire {
            Wire::Socket(address) => send_over(*address, request).await,
            Wire::Direct(frame, peer) => {
                let facts = HeadFacts { seen: true, ..HeadFacts::default() };
                let (parts, body) = frame.answer(*peer, facts, request).await.into_parts();
                let body = body.collect().await.expect("a body in memory").to_bytes();
                Answer { status: parts.status, headers: parts.headers, body }
            }
        }
    }
}

async fn send_over(address: SocketAddr, request: Request<Full<Bytes>>) -> Answer {
    let stream = TcpStream::connect(address).await.expect("the server listens");
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.expect("a connection");
    let connection = tokio::spawn(connection);
    let (parts, body) = sender.send_request(request).await.expect("an answer").into_parts();
    let body = body.collect().await.expect("a whole body").to_bytes();
    drop(sender);
    connection.abort();
    Answer { status: parts.status, headers: parts.headers, body }
}
