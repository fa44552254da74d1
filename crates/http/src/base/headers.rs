//! The headers that every response bears unless its handler says otherwise (security.md, defaults, *browser*).

use http::HeaderMap;
use http::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderName, HeaderValue, REFERRER_POLICY,
    STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS, X_XSS_PROTECTION,
};

const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
const PERMISSIONS_POLICY: HeaderName = HeaderName::from_static("permissions-policy");

/// The content security policy of a page, by what its forms may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Csp {
    /// A page without forms.
    Plain,
    /// A page whose forms end here.
    Form,
    /// A page whose POST may end at a client: `form-action` would stop the client's own next redirect.
    FormToClient,
}

impl Csp {
    pub(super) fn header(self, nonce: &str) -> HeaderValue {
        let form_action = if self == Self::FormToClient { "" } else { "; form-action 'self'" };
        let policy = format!(
            "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; img-src 'self' data:; \
             connect-src 'self'; font-src 'self'; base-uri 'none'; object-src 'none'; frame-ancestors 'none'{form_action}"
        );
        HeaderValue::from_str(&policy).expect("a nonce is base64")
    }

    /// With `no-referrer` a browser sends `Origin: null` from a form.
    const fn referrer(self) -> &'static str {
        match self {
            Self::Plain => "no-referrer",
            Self::Form | Self::FormToClient => "same-origin",
        }
    }
}

/// What of a response decides its headers.
pub(super) struct Traits<'a> {
    pub(super) page: Option<Csp>,
    pub(super) nonce: &'a str,
    pub(super) secure: bool,
    pub(super) cross_origin: bool,
}

/// Adds what is missing; what a handler has set stays.
pub(super) fn complete(headers: &mut HeaderMap, traits: &Traits<'_>) {
    let mut add = |name: HeaderName, value: &'static str| {
        if !headers.contains_key(&name) {
            headers.insert(name, HeaderValue::from_static(value));
        }
    };
    add(X_CONTENT_TYPE_OPTIONS, "nosniff");
    add(X_FRAME_OPTIONS, "DENY");
    add(X_XSS_PROTECTION, "0");
    add(REFERRER_POLICY, traits.page.map_or("no-referrer", Csp::referrer));
    add(OPENER_POLICY, "same-origin");
    add(RESOURCE_POLICY, if traits.cross_origin { "cross-origin" } else { "same-origin" });
    add(
        PERMISSIONS_POLICY,
        "camera=(), geolocation=(), microphone=(), payment=(), usb=(), \
         publickey-credentials-create=(self), publickey-credentials-get=(self)",
    );
    add(CACHE_CONTROL, "no-store");
    if traits.secure {
        add(STRICT_TRANSPORT_SECURITY, "max-age=63072000; includeSubDomains");
    }
    if traits.cross_origin {
        add(ACCESS_CONTROL_ALLOW_ORIGIN, "*");
    }
    if !headers.contains_key(CONTENT_SECURITY_POLICY) {
        let policy = traits.page.map_or_else(
            || HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"),
            |page| page.header(traits.nonce),
        );
        headers.insert(CONTENT_SECURITY_POLICY, policy);
    }
}
