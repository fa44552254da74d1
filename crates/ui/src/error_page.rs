//! What went wrong, what to do, and a reference that an administrator can look up. Never more.

use std::borrow::Cow;

use claviger_i18n::Texts;

use crate::Application;
use crate::page::page;

/// The kinds of trouble that a person can do something about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ErrorKind {
    /// 404.
    NotFound,
    /// 400: parameters missing, malformed or doubled.
    BadRequest,
    /// The flow has expired or was finished elsewhere.
    FlowExpired,
    /// 403: the CSRF token or the origin of a form is not ours.
    FormExpired,
    /// A mailed or one-time link that is used, expired or cut off.
    Link,
    /// 403: the permission is lacking.
    Denied,
    /// The client or its redirect address is unknown: nothing may be sent there.
    Client,
    /// 429.
    TooMany,
    /// 503.
    Unavailable,
    /// 500.
    Internal,
}

/// The error page.
#[derive(Clone, Debug)]
pub struct ErrorPage {
    /// What kind of trouble.
    pub kind: ErrorKind,
    /// The request's id.
    pub reference: String,
    /// One line for whoever builds the application, such as the OAuth error and its description; no secrets, and
    /// nothing that tells whether an account exists.
    pub detail: Option<String>,
    /// The application that the person came from; without one, the way leads to the start page.
    pub application: Option<Application>,
}

impl ErrorPage {
    fn title(&self, t: &'static Texts) -> Cow<'static, str> {
        match self.kind {
            ErrorKind::NotFound => t.error_not_found_title(),
            ErrorKind::BadRequest => t.error_bad_request_title(),
            ErrorKind::FlowExpired => t.error_expired_title(),
            ErrorKind::FormExpired => t.error_form_expired_title(),
            ErrorKind::Link => t.error_link_title(),
            ErrorKind::Denied => t.error_denied_title(),
            ErrorKind::Client => t.error_client_title(),
            ErrorKind::TooMany => t.error_too_many_title(),
            ErrorKind::Unavailable => t.error_unavailable_title(),
            ErrorKind::Internal => t.error_internal_title(),
        }
    }

    fn lead(&self, t: &'static Texts) -> Cow<'static, str> {
        match self.kind {
            ErrorKind::NotFound => t.error_not_found_lead(),
            ErrorKind::BadRequest => t.error_bad_request_lead(),
            ErrorKind::FlowExpired => t.error_expired_lead(),
            ErrorKind::FormExpired => t.error_form_expired_lead(),
            ErrorKind::Link => t.error_link_lead(),
            ErrorKind::Denied => t.error_denied_lead(),
            ErrorKind::Client => t.error_client_lead(),
            ErrorKind::TooMany => t.error_too_many_lead(),
            ErrorKind::Unavailable => t.error_unavailable_lead(),
            ErrorKind::Internal => t.error_internal_lead(),
        }
    }
}

page!(ErrorPage, "error.html", |p, c| p.title(c.texts));
