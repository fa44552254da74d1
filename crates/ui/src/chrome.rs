//! What surrounds every page: language, realm, nonce, CSRF token and the realm's base path.

use core::fmt::Write as _;
use std::borrow::Cow;

use claviger_i18n::Texts;

use crate::WebAddress;
use crate::assets::STYLESHEET;

/// The page of a signed-in user, below the realm's base path.
pub const HOME: &str = "/account";

/// What a page needs beside its own content; made once for a request.
#[derive(Clone, Debug)]
pub struct Chrome {
    /// The language.
    pub texts: &'static Texts,
    /// The realm or organization, as people know it.
    pub place: String,
    /// The path before every link of the realm: empty for `main`, `/realms/{name}` for any other.
    pub base: String,
    /// The nonce of the response's content security policy.
    pub nonce: String,
    /// The token that every form posts back as `csrf`.
    pub csrf: String,
    /// Where the realm's help stands.
    pub help: Option<WebAddress>,
    /// Where the realm's privacy notice stands.
    pub privacy: Option<WebAddress>,
}

impl Chrome {
    /// The surroundings of a page in the realm `main`, in English, without nonce and token.
    pub fn new(place: impl Into<String>) -> Self {
        Self {
            texts: Texts::english(),
            place: place.into(),
            base: String::new(),
            nonce: String::new(),
            csrf: String::new(),
            help: None,
            privacy: None,
        }
    }

    pub(crate) const fn stylesheet() -> &'static str {
        STYLESHEET
    }

    /// The title in the tab: the page's own, and the place unless the title names it already.
    pub(crate) fn document_title<'a>(&'a self, title: &'a str) -> Cow<'a, str> {
        if title.contains(&self.place) { title.into() } else { self.texts.document_title(title, &self.place) }
    }

    /// A path of this realm.
    pub(crate) fn path(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// A path of this realm that stays in the flow.
    pub(crate) fn link(&self, path: &str, flow: Option<&str>) -> String {
        let mut link = self.path(path);
        if let Some(flow) = flow {
            link.push_str("?flow=");
            for byte in flow.bytes() {
                if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                    link.push(char::from(byte));
                } else {
                    write!(link, "%{byte:02X}").expect("writing to a String");
                }
            }
        }
        link
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_stay_in_the_realm_and_the_flow() {
        let mut chrome = Chrome::new("Acme");
        assert_eq!(chrome.link("/signup", None), "/signup");
        chrome.base = "/realms/acme".to_owned();
        assert_eq!(chrome.link("/signup", Some("a&b=\"c\" é")), "/realms/acme/signup?flow=a%26b%3D%22c%22%20%C3%A9");
    }

    #[test]
    fn the_tab_names_the_place_once() {
        let chrome = Chrome::new("Acme");
        assert_eq!(chrome.document_title("Sign in to Acme"), "Sign in to Acme");
        assert_eq!(chrome.document_title("Check your email"), "Check your email · Acme");
    }
}
