//! What a handler is given: a request that has passed every check of the frame.

use core::net::IpAddr;
use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use claviger_kernel::{Actor, Caller, ErrorClass, RealmId, RequestId, Secret, Source, Timestamp};
use claviger_tenancy::{PublicUrl, Realm};
use http::header::{AUTHORIZATION, HeaderName};
use http::{HeaderMap, Method};
use serde::de::DeserializeOwned;

use super::origin::Origin;
use super::{Fields, Refusal, SetCookie, cookies, json};

/// The credentials of an `Authorization` header.
#[derive(Clone, Debug)]
pub enum Credentials {
    /// RFC 6750 §2.1.
    Bearer(Secret<String>),
    /// RFC 6749 §2.3.1: both halves percent-decoded.
    Basic {
        /// The client's id.
        id: String,
        /// The client's secret.
        secret: Secret<String>,
    },
}

/// A request: parsed, bounded, of this origin, for a known realm.
#[derive(Debug)]
pub struct Request {
    pub(super) id: RequestId,
    pub(super) at: Timestamp,
    pub(super) client: IpAddr,
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) parameters: Vec<(String, String)>,
    pub(super) headers: HeaderMap,
    pub(super) query: Fields,
    pub(super) raw_query: Option<String>,
    pub(super) form: Fields,
    pub(super) body: Bytes,
    pub(super) realm: Option<Arc<Realm>>,
    pub(super) nonce: Arc<str>,
    pub(super) origin: Arc<Origin>,
}

impl Request {
    /// The id that people report and audit rows keep.
    pub const fn id(&self) -> RequestId {
        self.id
    }

    /// When it arrived.
    pub const fn at(&self) -> Timestamp {
        self.at
    }

    /// The client's address, as far as it can be trusted.
    pub const fn client(&self) -> IpAddr {
        self.client
    }

    /// The method; a HEAD request shows itself as GET.
    pub const fn method(&self) -> &Method {
        &self.method
    }

    /// The path within the realm.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The decoded part of the path that the route calls `{name}`.
    ///
    /// # Panics
    /// If the route declares no such part.
    pub fn part(&self, name: &str) -> &str {
        let part = self.parameters.iter().find(|(known, _)| known == name);
        part.map(|(_, value)| value.as_str()).expect("the route declares the part")
    }

    /// The realm.
    ///
    /// # Panics
    /// On a server-wide route, which has none.
    pub fn realm(&self) -> &Realm {
        self.realm.as_ref().expect("a route within a realm has one")
    }

    /// Who asks, before anybody has proved anything.
    pub fn caller(&self) -> Caller {
        self.caller_in(self.realm().id)
    }

    /// The same on a route outside the realms, where the surface says whose data it is about.
    pub fn caller_in(&self, realm: RealmId) -> Caller {
        Caller {
            realm,
            organization: None,
            actor: Actor::Anonymous,
            at: self.at,
            request: self.id,
            source: Some(Source::new(self.client)),
        }
    }

    /// The address under which the world reaches the server; issuers stand in [`Realm::issuer`].
    pub fn public_url(&self) -> &PublicUrl {
        &self.origin.url
    }

    /// The nonce of the page that answers; empty on routes that are no pages.
    pub fn nonce(&self) -> &str {
        &self.nonce
    }

    /// The query.
    pub const fn query(&self) -> &Fields {
        &self.query
    }

    /// The query as it was sent, for carrying it to a page of ours.
    pub fn raw_query(&self) -> Option<&str> {
        self.raw_query.as_deref()
    }

    /// The form, empty where the route takes none.
    pub const fn form(&self) -> &Fields {
        &self.form
    }

    /// The JSON body as a `T`, which should deny unknown fields.
    ///
    /// # Errors
    /// 400 `malformed_json`, or `invalid_body` with a pointer to the member.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Refusal> {
        json::read(&self.body)
    }

    /// A header that may stand once.
    ///
    /// # Errors
    /// 400 if it stands twice or is no text.
    pub fn header(&self, name: &HeaderName) -> Result<Option<&str>, Refusal> {
        single(&self.headers, name)
    }

    /// The credentials in the `Authorization` header.
    ///
    /// # Errors
    /// 400 if the header stands twice; 401 if it cannot be read.
    pub fn credentials(&self) -> Result<Option<Credentials>, Refusal> {
        self.header(&AUTHORIZATION)?.map(credentials).transpose()
    }

    /// The value of our cookie `name`, under the name that it bears in this realm and scheme.
    pub fn cookie(&self, name: &str) -> Option<Secret<String>> {
        cookies::find(&self.headers, &self.cookie_name(name)).map(Secret::new)
    }

    /// A cookie to set with [`super::Reply::cookie`], under the name that it bears in this realm and scheme.
    pub fn new_cookie(&self, name: &str, value: Secret<String>) -> SetCookie {
        SetCookie::new(self.cookie_name(name), value, self.origin.url.is_secure())
    }

    fn cookie_name(&self, name: &str) -> String {
        cookies::name_of(name, self.realm.as_ref().map(|realm| realm.name.as_str()), self.origin.url.is_secure())
    }
}

/// The value of a header that may stand once.
pub(super) fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, Refusal> {
    let mut values = headers.get_all(name).iter();
    let refused = || Refusal::malformed("malformed_header", format!("The header {name} must stand once, as text."));
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(Some).map_err(|_| refused()),
        (Some(_), Some(_)) => Err(refused()),
    }
}

fn credentials(header: &str) -> Result<Credentials, Refusal> {
    use base64::Engine as _;
    let refused = || {
        let detail = "The Authorization header cannot be read.";
        Refusal::new(ErrorClass::Unauthenticated, "malformed_credentials", detail)
    };
    let (scheme, rest) = header.split_once(' ').ok_or_else(refused)?;
    let rest = rest.trim_start_matches(' ');
    if scheme.eq_ignore_ascii_case("bearer") {
        let letter = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
        let good = !rest.is_empty() && rest.bytes().all(letter);
        return if good { Ok(Credentials::Bearer(Secret::from(rest))) } else { Err(refused()) };
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return Err(refused());
    }
    let pair = base64::engine::general_purpose::STANDARD.decode(rest).map_err(|_| refused())?;
    let pair = Secret::new(String::from_utf8(pair).map_err(|_| refused())?);
    let (id, secret) = pair.expose().split_once(':').ok_or_else(refused)?;
    let decoded = |text: &str| super::fields::decode_form_part(text).map_err(|_| refused());
    Ok(Credentials::Basic { id: decoded(id)?, secret: Secret::new(decoded(secret)?) })
}

/// Shortens what a log line quotes.
pub(super) fn clipped(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(64) {
        None => Cow::Borrowed(text),
        Some((end, _)) => Cow::Owned(format!("{}…", &text[..end])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_read_as_the_standards_write_them() {
        let Ok(Credentials::Bearer(token)) = credentials("bearer abc.DEF-_~+/==") else { panic!("a bearer") };
        assert_eq!(token.expose(), "abc.DEF-_~+/==");
        // app%3A1 : s+%2B é
        let Ok(Credentials::Basic { id, secret }) = credentials("Basic YXBwJTNBMTpzKyUyQsOp") else { panic!("basic") };
        assert_eq!((id.as_str(), secret.expose().as_str()), ("app:1", "s +é"));
        for wrong in [
            "",
            "Bearer",
            "Bearer ",
            "Bearer a b",
            "Basic",
            "Basic !",
            "Basic YQ==",
            "Basic //8=",
            "Digest x",
            "Basic JTp4",
        ] {
            assert_eq!(credentials(wrong).unwrap_err().status_code().as_u16(), 401, "{wrong}");
        }
    }
}
