//! The hosted pages: signing in, signing up, codes, recovery, consent, signing out, the first set-up.
//!
//! Each renders a state of the sign-in engine and hands it what the person typed. A GET changes nothing; a POST that was
//! taken is answered by 303 (A011), one that was not by the same page with what is wrong, never with the password.

use std::sync::Arc;

use crate::Surfaces;
use crate::base::{Access, Kind, Route, Routes};

mod consent;
mod flow;
mod language;
mod login;
mod logout;
mod problems;
mod recover;
mod set_up;
mod sign_up;
mod verify;
mod visit;

pub(crate) use flow::{Form, Onward, begin, gone, named_flow, turn_to};
pub(crate) use problems::{PATIENCE, new_password, patience};
pub(crate) use visit::Visit;

/// The name of the cookie that keeps the session.
pub(crate) const SESSION: &str = "sid";
/// The name of the cookie that ties flows to their browser.
pub(crate) const BINDING: &str = "flow";
/// The name of the cookie by which a browser is known to its user.
pub(crate) const KNOWN: &str = "known";
/// The name of the cookie that keeps the set-up link while its form is filled in.
pub(crate) const SET_UP: &str = "setup";

/// A page that reads.
pub(crate) const fn page(path: &'static str, access: Access) -> Route {
    Route::get(path, Kind::Page, access).reads_cookie()
}

/// A form of a page.
pub(crate) const fn form(path: &'static str, access: Access) -> Route {
    Route::post(path, Kind::Page, access).reads_cookie()
}

/// The routes of the pages.
pub(crate) fn routes(surfaces: &Arc<Surfaces>) -> Routes {
    Routes::new()
        .add(page("/login", Access::Public), surfaces, login::show)
        .add(form("/login", Access::Public), surfaces, login::take)
        .add(page("/signup", Access::Public), surfaces, sign_up::show)
        .add(form("/signup", Access::Public), surfaces, sign_up::take)
        .add(page("/verify", Access::Public), surfaces, verify::show)
        .add(form("/verify", Access::Public), surfaces, verify::take)
        .add(page("/recover", Access::Public), surfaces, recover::show)
        .add(form("/recover", Access::Public), surfaces, recover::take)
        .add(page("/setup", Access::Public), surfaces, set_up::show)
        .add(form("/setup", Access::Public), surfaces, set_up::take)
        .add(page("/consent", Access::Session), surfaces, consent::show)
        .add(form("/consent", Access::Session), surfaces, consent::take)
        .add(page("/logout", Access::Public), surfaces, logout::show)
        .add(form("/logout", Access::Public), surfaces, logout::take)
}
