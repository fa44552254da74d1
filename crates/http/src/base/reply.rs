//! What a handler answers. The frame adds the safe headers; a handler names only what is its own.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, LOCATION, SET_COOKIE};
use http::{HeaderMap, StatusCode};
use http_body_util::Full;
use serde::Serialize;

use super::{Csp, Refusal, SetCookie};

/// A whole response, as it goes to the connection.
pub type Response = http::Response<Full<Bytes>>;

/// An answer: status, headers, body.
#[derive(Clone, Debug)]
pub struct Reply {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    pub(super) page: Option<Csp>,
}

impl Reply {
    fn with(content_type: &'static str, body: impl Into<Bytes>) -> Self {
        let mut headers = HeaderMap::with_capacity(16);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        Self { status: StatusCode::OK, headers, body: body.into(), page: None }
    }

    /// An HTML page. Render it with [`super::Request::nonce`]; the policy in the header names the same nonce.
    pub fn page(html: impl Into<Bytes>, policy: Csp) -> Self {
        Self { page: Some(policy), ..Self::with("text/html; charset=utf-8", html) }
    }

    /// `value` as `application/json`.
    pub fn json<T: Serialize + ?Sized>(value: &T) -> Self {
        Self::json_as("application/json", value)
    }

    /// `value` as JSON under another media type, such as `application/jwk-set+json`.
    pub fn json_as<T: Serialize + ?Sized>(content_type: &'static str, value: &T) -> Self {
        let body = serde_json::to_vec(value).expect("replies have string keys and finite numbers");
        Self::with(content_type, body)
    }

    /// Bytes that are rendered already, such as a JWKS.
    pub fn bytes(content_type: &'static str, body: impl Into<Bytes>) -> Self {
        Self::with(content_type, body)
    }

    /// Plain text.
    pub fn text(text: impl Into<Bytes>) -> Self {
        Self::with("text/plain; charset=utf-8", text)
    }

    /// A status and nothing else, such as 204.
    pub fn empty(status: StatusCode) -> Self {
        Self { status, headers: HeaderMap::with_capacity(16), body: Bytes::new(), page: None }
    }

    /// 303: go there with GET. For every POST that was accepted, and for every other redirect too; `location` is
    /// percent-encoded ASCII.
    ///
    /// # Errors
    /// A location that no header can carry is a 500 of ours, not a header of the attacker's.
    pub fn see_other(location: &str) -> Result<Self, Refusal> {
        let location = HeaderValue::from_str(location).map_err(|_| Refusal::internal())?;
        Ok(Self::empty(StatusCode::SEE_OTHER).header(LOCATION, location))
    }

    /// Another status.
    #[must_use]
    pub const fn status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// A further header.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.append(name, value);
        self
    }

    /// Sets a cookie.
    #[must_use]
    pub fn cookie(self, cookie: &SetCookie) -> Self {
        self.header(SET_COOKIE, cookie.header())
    }

    /// Allows keeping the answer, which is `no-store` otherwise.
    #[must_use]
    pub fn cache(mut self, rule: &'static str) -> Self {
        self.headers.insert(CACHE_CONTROL, HeaderValue::from_static(rule));
        self
    }
}
