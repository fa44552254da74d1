//! `/consent`, and the page that carries a form_post answer to the application.

use std::borrow::Cow;

use claviger_i18n::Texts;

use crate::WebAddress;
use crate::page::page;

/// One scope that a client asks for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RequestedScope {
    /// The scope token.
    pub name: String,
    /// What its resource server says of it; scopes of OpenID Connect have words of their own.
    pub description: Option<String>,
}

impl RequestedScope {
    /// The words that a person reads; `None` if there is nothing but the token.
    pub(crate) fn words<'a>(&'a self, t: &'a Texts) -> Option<Cow<'a, str>> {
        match self.name.as_str() {
            "openid" => Some(t.scope_openid()),
            "profile" => Some(t.scope_profile()),
            "email" => Some(t.scope_email()),
            "address" => Some(t.scope_address()),
            "phone" => Some(t.scope_phone()),
            "offline_access" => Some(t.scope_offline_access()),
            _ => self.description.as_deref().map(Cow::from),
        }
    }
}

/// Asks the person to allow a client what it wants. Posts `decision` (`allow` or `deny`) to `/consent`.
#[derive(Clone, Default, Debug)]
pub struct Consent {
    /// Ties the form to a flow; posted back as `flow`.
    pub flow: Option<String>,
    /// The client's name.
    pub client: String,
    /// The host of the redirect address: what the client cannot lie about.
    pub host: String,
    /// Nobody has checked who runs the client.
    pub unverified: bool,
    /// Who is signed in.
    pub account: String,
    /// What the client asks for.
    pub scopes: Vec<RequestedScope>,
}

page!(Consent, "consent.html", |p, c| c.texts.consent_title(&p.client));

/// Carries an authorization response to the client by POST (OAuth 2.0 Form Post Response Mode). Its nonce'd script
/// sends it at once; without scripts the visible button does. Bears no CSRF token: the form leaves the house.
#[derive(Clone, Debug)]
pub struct FormPost {
    /// The redirect address. Its type keeps `javascript:` out (A023).
    pub action: WebAddress,
    /// The response's parameters.
    pub fields: Vec<(String, String)>,
    /// The client's name.
    pub client: String,
}

page!(FormPost, "form_post.html", |p, c| c.texts.form_post_title(&p.client));
