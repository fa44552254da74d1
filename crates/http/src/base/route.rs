//! Routes say what they are: how they answer, what they read, who may ask. Sweeps over all of them are generated from
//! this table (A096, A188), so what a route does not declare it does not get: no cookie, no body, no realm.

use core::future::Future;
use core::pin::Pin;
use std::sync::Arc;

use http::Method;

use super::{Refusal, Reply, Request};

/// For whom a route answers; decides how its errors read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A page for a person.
    Page,
    /// Our own JSON: RFC 9457 problems.
    Api,
    /// An OAuth or OpenID Connect endpoint: `error` and `error_description`.
    OAuth,
    /// A file; its query is ignored.
    Asset,
}

/// Who may ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Anybody.
    Public,
    /// A user with a session in the browser.
    Session,
    /// A client that authenticates in the request itself.
    Client,
    /// The bearer of a token of the protocol.
    Bearer,
    /// Whoever has been granted this permission.
    Permission(&'static str),
}

/// What a route takes as its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyKind {
    /// Nothing.
    Nothing,
    /// `application/x-www-form-urlencoded`, within [`super::Limits::form_bytes`]. An empty body needs no type.
    Form,
    /// `application/json`, within [`super::Limits::json_bytes`].
    Json,
}

/// One route, declared.
#[derive(Clone, Debug)]
#[allow(clippy::struct_excessive_bools, reason = "a declaration is a list of yes and no")]
pub struct Route {
    /// The method. GET answers HEAD too.
    pub method: Method,
    /// The path within the realm, or within the server where [`Route::server_wide`]; `{name}` stands for one part.
    pub path: &'static str,
    /// For whom it answers.
    pub kind: Kind,
    /// Who may ask.
    pub access: Access,
    /// What it takes as its body.
    pub body: BodyKind,
    /// Whether it sees cookies. One that does not gets none and is exempt from the cross-site guard.
    pub reads_cookie: bool,
    /// Whether it changes anything that lasts.
    pub changes_state: bool,
    /// Whether it stands outside the realms.
    pub server_wide: bool,
    /// Whether it answers whatever host the request names.
    pub any_host: bool,
    /// Whether scripts of every origin may read it, without credentials.
    pub cross_origin: bool,
    /// Whether scripts of registered origins of the same site may call it with cookies. Its handler looks at the origin.
    pub same_site: bool,
    /// Parameters that may be repeated (RFC 8707 `resource`).
    pub repeats: &'static [&'static str],
}

impl Route {
    const fn new(method: Method, path: &'static str, kind: Kind, access: Access, body: BodyKind) -> Self {
        let changes_state = !matches!(method, Method::GET);
        Self {
            method,
            path,
            kind,
            access,
            body,
            reads_cookie: false,
            changes_state,
            server_wide: false,
            any_host: false,
            cross_origin: false,
            same_site: false,
            repeats: &[],
        }
    }

    /// A route that only reads.
    pub const fn get(path: &'static str, kind: Kind, access: Access) -> Self {
        Self::new(Method::GET, path, kind, access, BodyKind::Nothing)
    }

    /// A route that takes a form, or JSON if it is of the API.
    pub const fn post(path: &'static str, kind: Kind, access: Access) -> Self {
        let body = if matches!(kind, Kind::Api) { BodyKind::Json } else { BodyKind::Form };
        Self::new(Method::POST, path, kind, access, body)
    }

    /// Replaces a thing; takes JSON.
    pub const fn put(path: &'static str, kind: Kind, access: Access) -> Self {
        Self::new(Method::PUT, path, kind, access, BodyKind::Json)
    }

    /// Changes a thing; takes JSON.
    pub const fn patch(path: &'static str, kind: Kind, access: Access) -> Self {
        Self::new(Method::PATCH, path, kind, access, BodyKind::Json)
    }

    /// Removes a thing; takes no body.
    pub const fn delete(path: &'static str, kind: Kind, access: Access) -> Self {
        Self::new(Method::DELETE, path, kind, access, BodyKind::Nothing)
    }

    /// It takes another body.
    #[must_use]
    pub const fn body(mut self, body: BodyKind) -> Self {
        self.body = body;
        self
    }

    /// It sees cookies and is guarded against requests from other sites.
    #[must_use]
    pub const fn reads_cookie(mut self) -> Self {
        self.reads_cookie = true;
        self
    }

    /// It changes nothing although its method could (introspection, userinfo by POST).
    #[must_use]
    pub const fn reads_only(mut self) -> Self {
        self.changes_state = false;
        self
    }

    /// It stands once, outside the realms.
    #[must_use]
    pub const fn server_wide(mut self) -> Self {
        self.server_wide = true;
        self
    }

    /// It answers for every host: only what tells nothing and links nowhere.
    #[must_use]
    pub const fn any_host(mut self) -> Self {
        self.any_host = true;
        self
    }

    /// Scripts of every origin may read it, without credentials (discovery, JWKS).
    #[must_use]
    pub const fn cross_origin(mut self) -> Self {
        self.cross_origin = true;
        self
    }

    /// It sees cookies, and registered origins of the same site may call it: the frame refuses other sites, and the
    /// handler every origin that the client has not registered.
    #[must_use]
    pub const fn same_site(mut self) -> Self {
        self.reads_cookie = true;
        self.same_site = true;
        self
    }

    /// These parameters may be repeated.
    #[must_use]
    pub const fn repeats(mut self, names: &'static [&'static str]) -> Self {
        self.repeats = names;
        self
    }
}

/// What a handler returns, boxed.
pub(super) type Answer = Pin<Box<dyn Future<Output = Result<Reply, Refusal>> + Send>>;
pub(super) type Handler = Arc<dyn Fn(Request) -> Answer + Send + Sync>;

/// Routes and their handlers.
#[derive(Clone, Default)]
pub struct Routes(pub(super) Vec<(Route, Handler)>);

impl Routes {
    /// No routes.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Adds a route. The handler gets its service and the request, and is called once for each request.
    ///
    /// # Panics
    /// At start, if a GET route was made to change state or a method cannot be routed.
    #[must_use]
    pub fn add<S, F, A>(mut self, route: Route, service: &Arc<S>, handler: F) -> Self
    where
        S: ?Sized + Send + Sync + 'static,
        F: Fn(Arc<S>, Request) -> A + Send + Sync + 'static,
        A: Future<Output = Result<Reply, Refusal>> + Send + 'static,
    {
        assert!(!(route.method == Method::GET && route.changes_state), "{} would change state by GET", route.path);
        let service = Arc::clone(service);
        self.0.push((route, Arc::new(move |request| Box::pin(handler(Arc::clone(&service), request)))));
        self
    }

    /// Adds the routes of another surface.
    #[must_use]
    pub fn merge(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    /// Every declaration, in order.
    pub fn declared(&self) -> impl Iterator<Item = &Route> {
        self.0.iter().map(|(route, _)| route)
    }
}
