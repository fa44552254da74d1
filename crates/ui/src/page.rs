//! The one way from a page struct to HTML.

use crate::Chrome;

/// Something a person sees.
pub trait Page {
    /// The whole document, from its doctype on; `text/html; charset=utf-8`.
    fn render(&self, chrome: &Chrome) -> String;
}

/// Stands in a message for a value that the template writes itself, with emphasis.
pub(crate) const SLOT: &str = "\u{1}";

/// The text before and after [`SLOT`].
pub(crate) fn around_slot(text: &str) -> (String, String) {
    let (before, after) = text.split_once(SLOT).unwrap_or((text, ""));
    (before.to_owned(), after.to_owned())
}

/// Binds a page struct to its template and its title. The template sees the page as `p`, the surroundings as `c`, the
/// texts as `t`, and `title`.
macro_rules! page {
    ($page:ident, $template:literal, |$p:pat_param, $c:pat_param| $title:expr) => {
        const _: () = {
            #[derive(askama::Template)]
            #[template(path = $template)]
            #[allow(dead_code)] // not every page has something of its own to show
            struct View<'a> {
                c: &'a $crate::Chrome,
                t: &'static claviger_i18n::Texts,
                p: &'a $page,
                title: String,
            }

            impl $crate::Page for $page {
                fn render(&self, chrome: &$crate::Chrome) -> String {
                    let ($p, $c) = (self, chrome);
                    let title = $title.into_owned();
                    let view = View { c: chrome, t: chrome.texts, p: self, title };
                    askama::Template::render(&view).expect("writing to a String does not fail")
                }
            }
        };
    };
}
pub(crate) use page;
