//! Refusals, and the one table from an error to an answer.
//!
//! A handler returns a [`Refusal`]; the kind of its route decides how it reads: problem details (RFC 9457) for the API,
//! the OAuth form (RFC 6749 §5.2) for protocol endpoints, a page for people. The `code` is stable; texts are not.

use core::time::Duration;
use std::borrow::Cow;

use claviger_i18n::{Texts, wanted};
use claviger_kernel::{ErrorClass, RequestId, Unavailable};
use claviger_tenancy::Realm;
use claviger_ui::{Chrome, ErrorKind, ErrorPage, Page as _};
use http::StatusCode;
use http::header::{HeaderName, HeaderValue, RETRY_AFTER};
use serde::Serialize;

use super::{Csp, Kind, Reply};

/// A field that is wrong, as in RFC 9457 §3.1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Pointer {
    /// A JSON pointer into the body, such as `/redirect_uris/0`.
    pub pointer: String,
    /// What is wrong with it, in one sentence.
    pub detail: String,
}

/// Why a request is not answered as asked.
#[derive(Clone, Debug)]
pub struct Refusal(Box<Details>);

#[derive(Clone, Debug)]
struct Details {
    class: ErrorClass,
    code: &'static str,
    detail: Cow<'static, str>,
    status: Option<StatusCode>,
    oauth: Option<&'static str>,
    page: Option<ErrorKind>,
    pointers: Vec<Pointer>,
    retry_after: Option<Duration>,
    headers: Vec<(HeaderName, HeaderValue)>,
    internal: bool,
    closes: bool,
}

impl Refusal {
    /// A refusal of `class`. `code` is stable and part of the interface; `detail` says what to do, without secrets and
    /// without telling whether an account exists.
    pub fn new(class: ErrorClass, code: &'static str, detail: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Details {
            class,
            code,
            detail: detail.into(),
            status: None,
            oauth: None,
            page: None,
            pointers: Vec::new(),
            retry_after: None,
            headers: Vec::new(),
            internal: false,
            closes: false,
        }))
    }

    /// The request is malformed: 400.
    pub fn malformed(code: &'static str, detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorClass::Invalid, code, detail)
    }

    /// There is no such thing for who asks: 404.
    pub fn not_found() -> Self {
        Self::new(ErrorClass::NotFound, "not_found", "There is nothing at this address.")
    }

    /// A fault of ours: 500. The reason goes to the log, not to the caller.
    pub(super) fn internal() -> Self {
        let mut refusal = Self::new(
            ErrorClass::Unavailable,
            "internal_error",
            "Something went wrong on our side. Report the reference if it happens again.",
        );
        refusal.0.internal = true;
        refusal
    }

    /// Another status than that of the class.
    #[must_use]
    pub fn status(mut self, status: StatusCode) -> Self {
        self.0.status = Some(status);
        self
    }

    /// The `error` of the OAuth form, where it is not the class's own.
    #[must_use]
    pub fn oauth(mut self, error: &'static str) -> Self {
        self.0.oauth = Some(error);
        self
    }

    /// Another page than that of the class, such as [`ErrorKind::FlowExpired`].
    #[must_use]
    pub fn page_kind(mut self, kind: ErrorKind) -> Self {
        self.0.page = Some(kind);
        self
    }

    /// Names a member of the body that is wrong.
    #[must_use]
    pub fn at(mut self, pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        self.0.pointers.push(Pointer { pointer: pointer.into(), detail: detail.into() });
        self
    }

    /// When to come back.
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.0.retry_after = Some(wait);
        self
    }

    /// A further header, such as `WWW-Authenticate`.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers.push((name, value));
        self
    }

    /// The connection cannot be trusted or is not worth keeping after this.
    #[must_use]
    pub(super) fn close(mut self) -> Self {
        self.0.closes = true;
        self
    }

    pub(super) fn closes(&self) -> bool {
        self.0.closes
    }

    /// The class.
    pub fn class(&self) -> ErrorClass {
        self.0.class
    }

    /// The stable code.
    pub fn code(&self) -> &'static str {
        self.0.code
    }

    /// The text for the caller.
    pub fn detail(&self) -> &str {
        &self.0.detail
    }

    /// The status: the table from class to status stands here and nowhere else.
    pub fn status_code(&self) -> StatusCode {
        if self.0.internal {
            return StatusCode::INTERNAL_SERVER_ERROR;
        }
        self.0.status.unwrap_or(match self.0.class {
            ErrorClass::Invalid => StatusCode::BAD_REQUEST,
            ErrorClass::Unauthenticated => StatusCode::UNAUTHORIZED,
            ErrorClass::Denied => StatusCode::FORBIDDEN,
            ErrorClass::NotFound => StatusCode::NOT_FOUND,
            ErrorClass::Conflict => StatusCode::CONFLICT,
            ErrorClass::Limited => StatusCode::TOO_MANY_REQUESTS,
            ErrorClass::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        })
    }

    /// The `error` value of the OAuth form: the one given, else that of the class (RFC 6749 §5.2, §4.1.2.1).
    pub fn oauth_error(&self) -> &'static str {
        if self.0.internal {
            return "server_error";
        }
        self.0.oauth.unwrap_or(match self.0.class {
            ErrorClass::Invalid | ErrorClass::NotFound | ErrorClass::Conflict => "invalid_request",
            ErrorClass::Unauthenticated => "invalid_client",
            ErrorClass::Denied => "access_denied",
            ErrorClass::Limited | ErrorClass::Unavailable => "temporarily_unavailable",
        })
    }

    /// Renders the refusal for a route of `kind`.
    pub(super) fn render(&self, kind: Kind, ground: &Ground<'_>) -> Reply {
        let status = self.status_code();
        let reply = match kind {
            Kind::Api => Reply::json_as(
                "application/problem+json",
                &Problem {
                    title: status.canonical_reason().unwrap_or("Error"),
                    status: status.as_u16(),
                    code: self.0.code,
                    detail: &self.0.detail,
                    request_id: ground.id,
                    errors: &self.0.pointers,
                },
            ),
            Kind::OAuth => Reply::json(&OAuthError {
                error: self.oauth_error(),
                error_description: &oauth_text(&self.0.detail),
                request_id: ground.id,
            }),
            Kind::Page => Reply::page(self.page(ground), Csp::Plain),
            Kind::Asset => Reply::text(format!("{} ({})\n", self.0.detail, ground.id)),
        };
        let mut reply = reply.status(status);
        let wait = self
            .0
            .retry_after
            .or_else(|| (status == StatusCode::SERVICE_UNAVAILABLE).then_some(Duration::from_secs(1)));
        if let Some(wait) = wait {
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            reply = reply.header(RETRY_AFTER, HeaderValue::from(seconds.max(1)));
        }
        for (name, value) in &self.0.headers {
            reply = reply.header(name.clone(), value.clone());
        }
        reply
    }
}

impl Refusal {
    /// The page of the refusal: the texts are those of its kind, the detail is for whoever builds the application.
    fn page(&self, ground: &Ground<'_>) -> String {
        let kind = self.0.page.unwrap_or(match self.0.class {
            _ if self.0.internal => ErrorKind::Internal,
            ErrorClass::Invalid | ErrorClass::Conflict => ErrorKind::BadRequest,
            ErrorClass::Unauthenticated | ErrorClass::Denied => ErrorKind::Denied,
            ErrorClass::NotFound => ErrorKind::NotFound,
            ErrorClass::Limited => ErrorKind::TooMany,
            ErrorClass::Unavailable => ErrorKind::Unavailable,
        });
        let page = ErrorPage {
            kind,
            reference: ground.id.to_string(),
            detail: Some(self.0.detail.clone().into_owned()),
            application: None,
        };
        let mut chrome = Chrome::new(ground.realm.map_or("Claviger", |realm| &realm.display_name));
        chrome.texts = Texts::negotiate(ground.accept_language.map(wanted).unwrap_or_default());
        chrome.base = ground.realm.map(|realm| realm.base_path.clone()).unwrap_or_default();
        ground.nonce.clone_into(&mut chrome.nonce);
        page.render(&chrome)
    }
}

impl From<Unavailable> for Refusal {
    /// 503 with Retry-After; never an authentication error. The reason is for the log alone.
    fn from(fault: Unavailable) -> Self {
        tracing::warn!(reason = fault.reason(), "unavailable");
        Self::new(ErrorClass::Unavailable, "unavailable", "The server cannot answer right now. Try again in a moment.")
            .retry_after(fault.wait())
    }
}

/// What a rendered refusal needs to know of its request.
pub(super) struct Ground<'a> {
    pub(super) id: RequestId,
    pub(super) nonce: &'a str,
    pub(super) realm: Option<&'a Realm>,
    pub(super) accept_language: Option<&'a str>,
}

#[derive(Serialize)]
struct Problem<'a> {
    title: &'a str,
    status: u16,
    code: &'a str,
    detail: &'a str,
    request_id: RequestId,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [Pointer],
}

#[derive(Serialize)]
struct OAuthError<'a> {
    error: &'a str,
    error_description: &'a str,
    request_id: RequestId,
}

/// The characters that RFC 6749 §5.2 allows in a description.
fn oauth_text(text: &str) -> Cow<'_, str> {
    let allowed = |letter: char| matches!(letter, ' '..='~') && letter != '"' && letter != '\\';
    if text.chars().all(allowed) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().map(|letter| if allowed(letter) { letter } else { '\'' }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_has_one_status_and_one_oauth_error() {
        for (class, status, oauth) in [
            (ErrorClass::Invalid, 400, "invalid_request"),
            (ErrorClass::Unauthenticated, 401, "invalid_client"),
            (ErrorClass::Denied, 403, "access_denied"),
            (ErrorClass::NotFound, 404, "invalid_request"),
            (ErrorClass::Conflict, 409, "invalid_request"),
            (ErrorClass::Limited, 429, "temporarily_unavailable"),
            (ErrorClass::Unavailable, 503, "temporarily_unavailable"),
        ] {
            let refusal = Refusal::new(class, "x", "y");
            assert_eq!((refusal.status_code().as_u16(), refusal.oauth_error()), (status, oauth), "{class:?}");
        }
        assert_eq!(Refusal::internal().status_code().as_u16(), 500);
    }

    #[test]
    fn a_fault_below_is_never_shown_outside() {
        let refusal = Refusal::from(Unavailable::new("connection to db7 refused"));
        assert!(!refusal.detail().contains("db7"));
        assert_eq!(refusal.status_code(), StatusCode::SERVICE_UNAVAILABLE);
    }

    #[test]
    fn an_oauth_description_keeps_to_its_alphabet() {
        assert_eq!(oauth_text("a \"quoted\"\n\\é"), "a 'quoted''''");
    }
}
