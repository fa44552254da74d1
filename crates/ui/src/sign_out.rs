//! `/logout`.

use crate::WebAddress;
use crate::page::page;

/// An application outside, and the way back to it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Application {
    /// As people know it.
    pub name: String,
    /// Its own address.
    pub address: WebAddress,
}

/// Asks before signing out, where a request from elsewhere started it. Posts to `/logout`.
#[derive(Clone, Default, Debug)]
pub struct LogoutConfirm {
    /// Ties the form to a flow; posted back as `flow`.
    pub flow: Option<String>,
    /// Who is signed in.
    pub account: String,
}

page!(LogoutConfirm, "logout_confirm.html", |_, c| c.texts.sign_out_title(&c.place));

/// Signed out; one way onward.
#[derive(Clone, Default, Debug)]
pub struct SignedOut {
    /// The application that the person came from; without one, the way leads to the sign-in page.
    pub application: Option<Application>,
}

page!(SignedOut, "signed_out.html", |_, c| c.texts.signed_out_title());
