//! `/api/v1/auth`: the JSON surface for the operator's own user interfaces. The same engine, states and rules as the hosted
//! pages; only the form of question and answer is another.
//!
//! A browser gets its session and its refresh token in cookies that no script can read, and the access token in the body.
//! Scripts of the origins that the client has registered may call, from this site alone: the refresh cookie is
//! `SameSite=Strict`. A program that is no browser asks for the refresh token in the body and keeps it.

use std::sync::Arc;

use http::Method;

use crate::Surfaces;
use crate::base::{Access, Kind, Route, Routes};

mod answers;
mod door;
mod problems;
mod sessions;
mod steps;
mod tokens;

/// The routes of the surface.
pub(crate) fn routes(surfaces: &Arc<Surfaces>) -> Routes {
    let post = |path| Route::post(path, Kind::Api, Access::Public).same_site();
    let session = |path| Route::get(path, Kind::Api, Access::Session).same_site();
    let end = |path| Route::delete(path, Kind::Api, Access::Session).same_site();
    let password = Route::post("/api/v1/auth/password", Kind::Api, Access::Session).same_site();
    let routes = Routes::new()
        .add(post("/api/v1/auth/sign-up"), surfaces, steps::sign_up)
        .add(post("/api/v1/auth/sign-in"), surfaces, steps::sign_in)
        .add(post("/api/v1/auth/verify"), surfaces, steps::verify)
        .add(post("/api/v1/auth/resend"), surfaces, steps::resend)
        .add(post("/api/v1/auth/recover"), surfaces, steps::recover)
        .add(post("/api/v1/auth/reset"), surfaces, steps::reset)
        .add(post("/api/v1/auth/refresh"), surfaces, tokens::refresh)
        .add(post("/api/v1/auth/sign-out"), surfaces, tokens::sign_out)
        .add(session("/api/v1/auth/session"), surfaces, sessions::show)
        .add(session("/api/v1/auth/sessions"), surfaces, sessions::list)
        .add(end("/api/v1/auth/sessions"), surfaces, sessions::end_others)
        .add(end("/api/v1/auth/sessions/{id}"), surfaces, sessions::end)
        .add(password, surfaces, sessions::change_password);
    let mut paths: Vec<&'static str> = routes.declared().map(|route| route.path).collect();
    paths.dedup();
    paths.into_iter().fold(routes, |routes, path| {
        let preflight = Route { method: Method::OPTIONS, ..Route::get(path, Kind::Api, Access::Public) };
        routes.add(preflight, surfaces, door::preflight)
    })
}
