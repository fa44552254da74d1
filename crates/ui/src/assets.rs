//! The files that pages refer to: one stylesheet, named after its content and therefore kept by browsers for good.

/// Where the stylesheet is served.
pub(crate) const STYLESHEET: &str = include!(concat!(env!("OUT_DIR"), "/stylesheet.rs"));
const CSS: &str = include_str!(concat!(env!("OUT_DIR"), "/claviger.css"));
/// The script of every page with a form. It stands in the page, under the page's nonce: a request less.
pub(crate) const PAGE_SCRIPT: &str = include_str!(concat!(env!("OUT_DIR"), "/page.js"));
/// The script that sends a form_post answer.
pub(crate) const SUBMIT_SCRIPT: &str = include_str!(concat!(env!("OUT_DIR"), "/submit.js"));

/// A file to serve beside the pages. Its path changes with its content: `Cache-Control: public, max-age=31536000,
/// immutable`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Asset {
    /// The absolute path, the same for every realm.
    pub path: &'static str,
    /// The value of `Content-Type`.
    pub content_type: &'static str,
    /// The content.
    pub bytes: &'static [u8],
}

/// Every file that pages refer to.
pub const fn assets() -> &'static [Asset] {
    const ALL: &[Asset] = &[Asset { path: STYLESHEET, content_type: "text/css; charset=utf-8", bytes: CSS.as_bytes() }];
    ALL
}
