//! What the server answered.

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use serde::de::DeserializeOwned;

/// A whole answer.
#[derive(Clone, Debug)]
pub struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    /// The status as a number.
    pub fn status(&self) -> u16 {
        self.status.as_u16()
    }

    /// Every header.
    pub const fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The one value of a header.
    ///
    /// # Panics
    /// If the header stands twice, or is no text.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.get_all(name).iter();
        let value = values.next().map(|value| value.to_str().expect("a header is text"));
        assert!(values.next().is_none(), "{name} stands twice");
        value
    }

    /// Where a redirect leads.
    pub fn location(&self) -> Option<&str> {
        self.header("location")
    }

    /// Every `Set-Cookie`, as sent.
    pub fn set_cookies(&self) -> Vec<&str> {
        self.headers.get_all("set-cookie").iter().map(|value| value.to_str().expect("a cookie is text")).collect()
    }

    /// The bytes of the body.
    pub const fn bytes(&self) -> &Bytes {
        &self.body
    }

    /// The body as text.
    ///
    /// # Panics
    /// If it is no text.
    pub fn text(&self) -> &str {
        core::str::from_utf8(&self.body).expect("the body is text")
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// If it is no `T`.
    pub fn json<T: DeserializeOwned>(&self) -> T {
        let told = self.header("content-type").unwrap_or_default();
        assert!(told.contains("json"), "expected JSON, got {told}: {}", self.text());
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// The stable code of a problem, or the `error` of an OAuth answer.
    pub fn code(&self) -> String {
        let body: serde_json::Value = self.json();
        let code = body.get("code").or_else(|| body.get("error"));
        code.and_then(|code| code.as_str()).expect("an error has a code").to_owned()
    }
}
