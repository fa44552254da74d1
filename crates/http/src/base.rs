//! The ground under every HTTP surface.
//!
//! A surface declares its [`Route`]s and gives each a handler from [`Request`] to [`Reply`] or [`Refusal`]; the
//! [`Frame`] does everything that must be the same everywhere, in one visible order: framing, client address, host, route,
//! cross-site guard, realm, query, body, handler, headers, log. The [`accept`](serve) loop bounds what a connection may
//! cost.

mod accept;
mod address;
mod assets;
mod body;
mod connection;
mod cookies;
mod csrf;
mod fields;
mod frame;
pub mod fuzz;
mod head;
mod headers;
mod health;
mod json;
mod limits;
mod local;
mod origin;
mod problem;
mod realm;
mod reply;
mod request;
mod route;

pub use accept::{Listener, Shutdown, serve};
pub use address::{ForwardedHeader, TrustedProxies};
pub use assets::{Asset, assets};
pub use cookies::{SetCookie, SiteRule};
pub use fields::{FieldError, Fields};
pub use frame::{Frame, FrameOptions};
pub use head::HeadFacts;
pub use headers::Csp;
pub use health::{Check, Health, health_routes};
pub use limits::Limits;
pub use local::{listen_local, serve_local};
pub use problem::{Pointer, Refusal};
pub use reply::{Reply, Response};
pub use request::{Credentials, Request};
pub use route::{Access, BodyKind, Kind, Route, Routes};
