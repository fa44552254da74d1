//! Which application asks, from which origin, and how it gets its refresh token.

use claviger_audit::Cx;
use claviger_crypto::{hex, opaque, sha256};
use claviger_kernel::{ErrorClass, Secret};
use claviger_oauth::first_party::FirstParty;
use http::StatusCode;
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, HeaderName, HeaderValue,
    ORIGIN, VARY,
};
use serde::Deserialize;
use std::sync::Arc;

use crate::Surfaces;
use crate::base::{Refusal, Reply, Request};
use crate::oidc::cors;

const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// How an application gets and sends its refresh token.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Delivery {
    /// In a cookie that no script can read: for browsers.
    #[default]
    Cookie,
    /// In the body: for programs that keep it themselves, and never for a browser.
    Body,
}

/// One request of an application.
pub(super) struct Door<'a> {
    pub(super) surfaces: &'a Surfaces,
    pub(super) request: &'a Request,
    pub(super) cx: Cx,
    pub(super) app: FirstParty,
    /// The origin whose script may read the answer.
    pub(super) readable: Option<HeaderValue>,
}

impl<'a> Door<'a> {
    /// Lets an application in: one of the operator's own, from an origin that it has registered.
    ///
    /// # Errors
    /// 403 `unknown_client`, `origin_not_registered`.
    pub(super) async fn open(surfaces: &'a Surfaces, request: &'a Request, client_id: &str) -> Result<Self, Refusal> {
        let cx = surfaces.cx(request);
        let Some(app) = surfaces.oauth.first_party(&cx, client_id).await? else {
            let detail = "client_id must name a public first-party client of this realm that may refresh.";
            return Err(Refusal::new(ErrorClass::Denied, "unknown_client", detail));
        };
        let readable = match request.header(&ORIGIN)? {
            None => None,
            Some(origin) if origin == request.public_url().as_str() => None,
            Some(origin) if cors::registered(app.client(), origin) => HeaderValue::from_str(origin).ok(),
            Some(_) => {
                let detail = "This origin is not one of the client's redirect addresses.";
                return Err(Refusal::new(ErrorClass::Denied, "origin_not_registered", detail));
            }
        };
        Ok(Self { surfaces, request, cx, app, readable })
    }

    /// Lets the asking script read the answer. That it depends on the origin is always said.
    pub(super) fn tell(&self, answer: Result<Reply, Refusal>) -> Result<Reply, Refusal> {
        match answer {
            Ok(reply) => Ok(self.headers().fold(reply, |reply, (name, value)| reply.header(name, value))),
            Err(refusal) => Err(self.refuse(refusal)),
        }
    }

    /// A refusal that the asking script may read.
    pub(super) fn refuse(&self, refusal: Refusal) -> Refusal {
        self.headers().fold(refusal, |refusal, (name, value)| refusal.header(name, value))
    }

    fn headers(&self) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
        let readable = self.readable.clone().map(|origin| {
            [
                (ACCESS_CONTROL_ALLOW_ORIGIN, origin),
                (ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true")),
                (
                    ACCESS_CONTROL_EXPOSE_HEADERS,
                    HeaderValue::from_static("retry-after, www-authenticate, x-request-id"),
                ),
            ]
        });
        [(VARY, HeaderValue::from_static("Origin"))].into_iter().chain(readable.into_iter().flatten())
    }

    /// Refuses a browser that wants its refresh token where scripts can read it. Every browser names the origin of a POST.
    pub(super) fn deliver(&self, delivery: Delivery) -> Result<(), Refusal> {
        let browser = self.request.header(&ORIGIN)?.is_some() || self.request.header(&FETCH_SITE)?.is_some();
        if delivery == Delivery::Body && browser {
            let detail = "In a browser the refresh token goes in its cookie; leave delivery out.";
            return Err(Refusal::new(ErrorClass::Denied, "cookie_required", detail));
        }
        Ok(())
    }

    /// The names of the cookies that keep this application's refresh token: the first for a token of even generation, the
    /// second for one of odd. So an answer that comes late puts a token back beside the one that has followed it, and not
    /// in its place. Two applications of one site keep theirs apart.
    pub(super) fn refresh_cookies(&self) -> [String; 2] {
        let even = format!("refresh-{}", hex(&sha256(self.app.client().client_id.as_bytes())[..6]));
        let odd = format!("{even}.odd");
        [even, odd]
    }

    /// The name of the cookie for this token.
    pub(super) fn refresh_cookie_for(&self, token: &Secret<String>) -> String {
        let [even, odd] = self.refresh_cookies();
        let generation = opaque::place(token.expose()).map_or(0, |(_, generation)| generation);
        if generation.is_multiple_of(2) { even } else { odd }
    }

    /// The refresh token that the browser sends: the newer one where it keeps two.
    pub(super) fn refresh_token(&self) -> Option<Secret<String>> {
        let kept = self.refresh_cookies().into_iter().filter_map(|name| self.request.cookie(&name));
        kept.max_by_key(|token| opaque::place(token.expose()))
    }
}

/// OPTIONS: before a script sends JSON. It tells nothing; whether the script may call at all is decided when the client is
/// named.
pub(super) async fn preflight(_: Arc<Surfaces>, request: Request) -> Result<Reply, Refusal> {
    let reply = Reply::empty(StatusCode::NO_CONTENT).header(VARY, HeaderValue::from_static("Origin"));
    let Some(origin) = request.header(&ORIGIN)?.and_then(|origin| HeaderValue::from_str(origin).ok()) else {
        return Ok(reply);
    };
    Ok(reply
        .header(ACCESS_CONTROL_ALLOW_ORIGIN, origin)
        .header(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"))
        .header(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST, DELETE"))
        .header(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("authorization, content-type"))
        .header(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600")))
}
