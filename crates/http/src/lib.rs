//! The HTTP surfaces of Claviger: translation only, in handlers of some 25 lines.
//!
//! [`base`] is what every surface stands on: the accept loop and its limits, declared routes, the parsed request, the
//! reply with its safe headers, and the one table from error to answer. The surfaces stand beside it, a folder each:
//! `pages` on which people sign in, `account` of whoever is signed in, `api` for applications that sign people in on pages
//! of their own, `oidc` for clients.

pub mod base;

mod account;
mod api;
mod oidc;
mod pages;
mod surfaces;

pub use surfaces::{Surfaces, routes};
