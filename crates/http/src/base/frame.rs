//! The frame around every handler: what must be the same everywhere, in one visible order.

use core::net::{IpAddr, SocketAddr};
use core::panic::AssertUnwindSafe;
use core::sync::atomic::{AtomicU64, Ordering};
use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use claviger_kernel::{Clock, Entropy, ErrorClass, RequestId, Timestamp};
use claviger_tenancy::{PublicUrl, Realm, Tenancy};
use futures_util::FutureExt as _;
use http::header::{ACCEPT, ACCEPT_LANGUAGE, ALLOW, CONNECTION, CONTENT_LENGTH, COOKIE, HeaderName, HeaderValue};
use http::request::Parts;
use http::{HeaderMap, Method, StatusCode};
use http_body::Body;
use http_body_util::Full;
use tracing::Instrument as _;

use super::headers::{Traits, complete};
use super::origin::Origin;
use super::problem::Ground;
use super::route::Handler;
use super::{
    BodyKind, Fields, HeadFacts, Kind, Limits, Refusal, Reply, Request, Response, Route, Routes, TrustedProxies, body,
    csrf, fields, head, realm, request,
};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What a frame is made of.
pub struct FrameOptions {
    /// Under which address we are known.
    pub public_url: PublicUrl,
    /// Whether every host that a request names is answered: on listeners that the outside does not reach.
    pub any_host: bool,
    /// Whose word about client addresses is taken.
    pub proxies: TrustedProxies,
    /// What a request may cost.
    pub limits: Limits,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness, for request ids and nonces.
    pub entropy: Arc<dyn Entropy>,
    /// The realms; without them only server-wide routes answer.
    pub realms: Option<Arc<Tenancy>>,
    /// The routes.
    pub routes: Routes,
}

/// Answers requests.
pub struct Frame {
    public: Arc<Origin>,
    any_host: bool,
    proxies: TrustedProxies,
    limits: Limits,
    room: body::Room,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    realms: Option<Arc<Tenancy>>,
    server_wide: matchit::Router<Node>,
    within_realm: matchit::Router<Node>,
    panics: AtomicU64,
}

/// The routes of one path.
#[derive(Clone)]
struct Node {
    path: &'static str,
    routes: Vec<(Route, Handler)>,
}

/// What has become known of a request, for its answer's form and its log line.
struct Seen {
    id: RequestId,
    at: Timestamp,
    client: IpAddr,
    method: Method,
    kind: Kind,
    route: Option<&'static str>,
    cross_origin: bool,
    nonce: Arc<str>,
    realm: Option<Arc<Realm>>,
    accept_language: Option<String>,
}

impl Frame {
    /// Builds the tables.
    ///
    /// # Panics
    /// At start, if two routes contradict each other.
    pub fn new(options: FrameOptions) -> Self {
        let (server_wide, within_realm): (Vec<_>, Vec<_>) =
            options.routes.0.into_iter().partition(|(route, _)| route.server_wide);
        Self {
            public: Arc::new(Origin::new(options.public_url)),
            any_host: options.any_host,
            proxies: options.proxies,
            room: body::Room::new(&options.limits),
            limits: options.limits,
            clock: options.clock,
            entropy: options.entropy,
            realms: options.realms,
            server_wide: table(server_wide),
            within_realm: table(within_realm),
            panics: AtomicU64::new(0),
        }
    }

    /// The bounds that its listener keeps as well.
    pub const fn limits(&self) -> &Limits {
        &self.limits
    }

    /// How many handlers have panicked.
    pub fn panics(&self) -> u64 {
        self.panics.load(Ordering::Relaxed)
    }

    /// Answers one request that came from `peer` with a head as counted in `facts`.
    pub async fn answer<B>(&self, peer: SocketAddr, facts: HeadFacts, request: http::Request<B>) -> Response
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let (mut parts, body) = request.into_parts();
        let at = self.clock.now();
        let kind = kind_of_unknown(&parts);
        let mut seen = Seen {
            id: RequestId::new(at, &*self.entropy),
            at,
            client: peer.ip(),
            method: parts.method.clone(),
            kind,
            route: None,
            cross_origin: false,
            nonce: self.nonce(kind),
            realm: None,
            accept_language: request::single(&parts.headers, &ACCEPT_LANGUAGE).ok().flatten().map(str::to_owned),
        };
        let result = self.checked(peer, facts, &mut parts, body, &mut seen).await;
        self.finish(&parts, &seen, result)
    }

    async fn checked<B>(
        &self,
        peer: SocketAddr,
        facts: HeadFacts,
        parts: &mut Parts,
        body: B,
        seen: &mut Seen,
    ) -> Result<Reply, Refusal>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        head::unambiguous(parts, facts)?;
        seen.client = self.proxies.client(peer, &parts.headers)?;
        let path = parts.uri.path().to_owned();
        let found = self.find(&path);
        if let Some(found) = &found {
            self.take_note_of(found.node, &parts.method, seen);
        }
        let told = found.as_ref().is_some_and(|found| found.node.routes.iter().all(|(route, _)| route.any_host));
        if !(self.any_host || told) {
            self.public.accept(parts)?;
        }
        let found = found.ok_or_else(Refusal::not_found)?;
        let (route, handler) = match select(found.node, &parts.method)? {
            Selected::Route(entry) => entry,
            Selected::Options(reply) => return Ok(reply),
        };
        if route.reads_cookie {
            if !matches!(route.method, Method::GET) {
                csrf::guard(route.same_site, &parts.headers, &self.public.url)?;
            }
        } else {
            parts.headers.remove(COOKIE);
        }
        let query = self.query(route, parts)?;
        seen.realm = self.realm(found.realm)?;
        // Its room is taken up until the answer is there.
        let held = body::read(route.body, &parts.headers, body, &self.limits, &self.room).await?;
        let form = self.form(route, &held.bytes, &query)?;
        let request = Request {
            id: seen.id,
            at: seen.at,
            client: seen.client,
            method: route.method.clone(),
            path: found.path.to_owned(),
            parameters: found.parameters?,
            headers: core::mem::take(&mut parts.headers),
            query,
            raw_query: parts.uri.query().map(str::to_owned),
            form,
            body: held.bytes.clone(),
            realm: seen.realm.clone(),
            nonce: Arc::clone(&seen.nonce),
            origin: Arc::clone(&self.public),
        };
        self.run(handler, request, seen.id).await
    }

    fn find<'p>(&self, path: &'p str) -> Option<Found<'_, 'p>> {
        if let Ok(found) = self.server_wide.at(path) {
            return Some(Found { node: found.value, path, realm: None, parameters: parts_of(&found.params) });
        }
        let (realm, inner) = realm::split(path)?;
        let found = self.within_realm.at(inner).ok()?;
        Some(Found { node: found.value, path: inner, realm: Some(realm), parameters: parts_of(&found.params) })
    }

    fn take_note_of(&self, node: &Node, method: &Method, seen: &mut Seen) {
        let asked = if *method == Method::HEAD { &Method::GET } else { method };
        let by_method = node.routes.iter().find(|(route, _)| route.method == *asked);
        let Some((route, _)) = by_method.or_else(|| node.routes.first()) else { return };
        seen.kind = route.kind;
        seen.route = Some(node.path);
        seen.cross_origin = route.cross_origin;
        if seen.nonce.is_empty() {
            seen.nonce = self.nonce(route.kind);
        }
    }

    /// The nonce of a page; other kinds have no use for one.
    fn nonce(&self, kind: Kind) -> Arc<str> {
        use base64::Engine as _;
        if kind != Kind::Page {
            return Arc::from("");
        }
        let mut bytes = [0; 16];
        self.entropy.fill(&mut bytes);
        base64::engine::general_purpose::STANDARD_NO_PAD.encode(bytes).into()
    }

    fn query(&self, route: &Route, parts: &Parts) -> Result<Fields, Refusal> {
        let Some(text) = parts.uri.query().filter(|_| route.kind != Kind::Asset) else { return Ok(Fields::default()) };
        let query = Fields::decode(text.as_bytes(), self.limits.fields, route.repeats)?;
        // Addresses end up in histories, logs and Referer headers (A069, RFC 9700 §4.3.2).
        if query.names().any(|name| name == "access_token") {
            return Err(Refusal::malformed("token_in_query", "Send the token in the Authorization header."));
        }
        Ok(query)
    }

    fn form(&self, route: &Route, body: &[u8], query: &Fields) -> Result<Fields, Refusal> {
        if route.body != BodyKind::Form {
            return Ok(Fields::default());
        }
        let form = Fields::decode(body, self.limits.fields, route.repeats)?;
        form.apart_from(query, route.repeats)?;
        Ok(form)
    }

    fn realm(&self, name: Option<&str>) -> Result<Option<Arc<Realm>>, Refusal> {
        let Some(name) = name else { return Ok(None) };
        let found = self.realms.as_ref().and_then(|realms| realms.by_name(name));
        found.map(Some).ok_or_else(Refusal::not_found)
    }

    /// Runs the handler: a panic is a 500 for this request alone (F08), too long a run is a 503.
    async fn run(&self, handler: &Handler, request: Request, id: RequestId) -> Result<Reply, Refusal> {
        let span = tracing::info_span!("request", %id);
        let work = AssertUnwindSafe(async { handler(request).await }).catch_unwind().instrument(span.clone());
        match tokio::time::timeout(self.limits.request_timeout, work).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => {
                self.panics.fetch_add(1, Ordering::Relaxed);
                span.in_scope(|| tracing::error!("a handler panicked; its place stands in the line before"));
                Err(Refusal::internal())
            }
            Err(_) => {
                span.in_scope(|| tracing::warn!("a handler took too long and was stopped"));
                Err(Refusal::new(
                    ErrorClass::Unavailable,
                    "timed_out",
                    "The server took too long. Try again in a moment.",
                ))
            }
        }
    }

    fn finish(&self, parts: &Parts, seen: &Seen, result: Result<Reply, Refusal>) -> Response {
        let (reply, code, closes) = match result {
            Ok(reply) => (reply, None, false),
            Err(refusal) => {
                let ground = Ground {
                    id: seen.id,
                    nonce: &seen.nonce,
                    realm: seen.realm.as_deref(),
                    accept_language: seen.accept_language.as_deref(),
                };
                (refusal.render(seen.kind, &ground), Some(refusal.code()), refusal.closes())
            }
        };
        let Reply { status, mut headers, body, page } = reply;
        let length = body.len();
        complete(
            &mut headers,
            &Traits { page, nonce: &seen.nonce, secure: self.public.url.is_secure(), cross_origin: seen.cross_origin },
        );
        headers.insert(REQUEST_ID, visible(&seen.id.to_string()));
        if closes && parts.version < http::Version::HTTP_2 {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        let body = if seen.method == Method::HEAD {
            headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
            Bytes::new()
        } else {
            body
        };
        self.log(parts, seen, status, length, code);
        let mut response = Response::new(Full::new(body));
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        response
    }

    /// One line for each request: never a query, a cookie, an `Authorization` or a body.
    fn log(&self, parts: &Parts, seen: &Seen, status: StatusCode, length: usize, code: Option<&str>) {
        tracing::info!(
            target: "claviger::access",
            request = %seen.id,
            client = %seen.client,
            method = ?seen.method,
            path = ?seen.route.map_or_else(|| request::clipped(parts.uri.path()), Into::into),
            realm = seen.realm.as_ref().map(|realm| realm.name.as_str()),
            status = status.as_u16(),
            code,
            bytes = length,
            micros = u64::try_from(self.clock.now().since(seen.at).as_micros()).unwrap_or(u64::MAX),
        );
    }
}

fn visible(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).expect("ids and method names are visible ASCII")
}

struct Found<'f, 'p> {
    node: &'f Node,
    path: &'p str,
    realm: Option<&'p str>,
    parameters: Result<Vec<(String, String)>, Refusal>,
}

fn parts_of(params: &matchit::Params<'_, '_>) -> Result<Vec<(String, String)>, Refusal> {
    let part = |(name, value): (&str, &str)| Ok((name.to_owned(), fields::decode_path_part(value)?));
    params.iter().map(part).collect()
}

enum Selected<'a> {
    Route(&'a (Route, Handler)),
    Options(Reply),
}

fn select<'a>(node: &'a Node, method: &Method) -> Result<Selected<'a>, Refusal> {
    let asked = if *method == Method::HEAD { &Method::GET } else { method };
    if let Some(entry) = node.routes.iter().find(|(route, _)| route.method == *asked) {
        return Ok(Selected::Route(entry));
    }
    let mut allowed: Vec<&str> = node.routes.iter().map(|(route, _)| route.method.as_str()).collect();
    if allowed.contains(&"GET") {
        allowed.push("HEAD");
    }
    allowed.push("OPTIONS");
    let allow = visible(&allowed.join(", "));
    if *method == Method::OPTIONS {
        return Ok(Selected::Options(Reply::empty(StatusCode::NO_CONTENT).header(ALLOW, allow)));
    }
    Err(Refusal::malformed("method_not_allowed", "This address does not take that method.")
        .status(StatusCode::METHOD_NOT_ALLOWED)
        .header(ALLOW, allow))
}

fn table(entries: Vec<(Route, Handler)>) -> matchit::Router<Node> {
    let mut nodes: HashMap<&'static str, Node> = HashMap::new();
    for (route, handler) in entries {
        let path = route.path;
        let node = nodes.entry(path).or_insert_with(|| Node { path, routes: Vec::new() });
        assert!(
            node.routes.iter().all(|(known, _)| known.method != route.method),
            "two routes {} {path}",
            route.method
        );
        node.routes.push((route, handler));
    }
    let mut router = matchit::Router::new();
    for (path, node) in nodes {
        router.insert(path, node).expect("declared paths do not contradict each other");
    }
    router
}

/// How errors read where no route says so: a page for who takes one.
fn kind_of_unknown(parts: &Parts) -> Kind {
    let headers: &HeaderMap = &parts.headers;
    let takes_html =
        headers.get(ACCEPT).and_then(|accept| accept.to_str().ok()).is_some_and(|accept| accept.contains("text/html"));
    if takes_html { Kind::Page } else { Kind::Api }
}
