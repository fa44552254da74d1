//! The provider's endpoints: discovery, keys, authorization, token, introspection, revocation, userinfo, logout.
//! Translation between HTTP and `claviger_oauth`, which knows the rules.

use std::sync::Arc;

use http::Method;

use crate::Surfaces;
use crate::base::{Access, Kind, Route, Routes};

pub(crate) mod authorize;
mod client;
pub(crate) mod cors;
mod discovery;
mod introspect;
mod logout;
mod refusals;
mod revoke;
mod token;
mod userinfo;

/// The routes of the provider.
pub(crate) fn routes(surfaces: &Arc<Surfaces>) -> Routes {
    let document = |path| Route::get(path, Kind::OAuth, Access::Public).cross_origin();
    let introspect = Route::post("/oauth2/introspect", Kind::OAuth, Access::Client);
    let userinfo = Route::get("/oauth2/userinfo", Kind::OAuth, Access::Bearer);
    let preflight = Route { method: Method::OPTIONS, ..userinfo.clone() };
    Routes::new()
        .add(document("/.well-known/openid-configuration"), surfaces, discovery::metadata)
        .add(document("/.well-known/oauth-authorization-server"), surfaces, discovery::metadata)
        .add(document("/.well-known/jwks.json"), surfaces, discovery::jwks)
        .add(Route::get("/oauth2/authorize", Kind::Page, Access::Public).reads_cookie(), surfaces, authorize::by_get)
        .add(Route::post("/oauth2/authorize", Kind::Page, Access::Public), surfaces, authorize::by_post)
        .add(Route::post("/oauth2/token", Kind::OAuth, Access::Client), surfaces, token::token)
        .add(introspect.reads_only(), surfaces, introspect::introspect)
        .add(Route::post("/oauth2/revoke", Kind::OAuth, Access::Client), surfaces, revoke::revoke)
        .add(userinfo, surfaces, userinfo::userinfo)
        .add(Route::post("/oauth2/userinfo", Kind::OAuth, Access::Bearer).reads_only(), surfaces, userinfo::userinfo)
        .add(preflight, surfaces, userinfo::preflight)
        .add(Route::get("/oauth2/logout", Kind::Page, Access::Public), surfaces, logout::park)
        .add(Route::post("/oauth2/logout", Kind::Page, Access::Public), surfaces, logout::park)
}
