//! `/livez`: the process runs. `/readyz`: it may be given requests; not while a check fails or while it drains.

use core::future::Future;
use core::pin::Pin;
use core::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;

use claviger_kernel::Unavailable;
use http::StatusCode;
use serde::Serialize;

use super::{Access, Kind, Reply, Route, Routes};

type Outcome = Pin<Box<dyn Future<Output = Result<(), Unavailable>> + Send>>;

/// Something that must be in order before requests come.
#[derive(Clone)]
pub struct Check {
    name: &'static str,
    look: Arc<dyn Fn() -> Outcome + Send + Sync>,
}

impl Check {
    /// A check called `name`; `look` answers quickly and tells the fault.
    pub fn new<F, A>(name: &'static str, look: F) -> Self
    where
        F: Fn() -> A + Send + Sync + 'static,
        A: Future<Output = Result<(), Unavailable>> + Send + 'static,
    {
        Self { name, look: Arc::new(move || Box::pin(look())) }
    }
}

/// Whether the process may be given requests.
pub struct Health {
    checks: Vec<Check>,
    draining: AtomicBool,
}

#[derive(Serialize)]
struct Report {
    status: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    failing: Vec<&'static str>,
}

impl Health {
    /// Ready when every one of `checks` passes.
    pub const fn new(checks: Vec<Check>) -> Self {
        Self { checks, draining: AtomicBool::new(false) }
    }

    /// From now on not ready: balancers shall look elsewhere.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    async fn failing(&self) -> Vec<&'static str> {
        let mut failing = Vec::new();
        if self.draining.load(Ordering::Relaxed) {
            failing.push("draining");
        }
        for check in &self.checks {
            if let Err(fault) = (check.look)().await {
                tracing::warn!(check = check.name, reason = fault.reason(), "not ready");
                failing.push(check.name);
            }
        }
        failing
    }

    async fn readiness(&self) -> Reply {
        let failing = self.failing().await;
        if failing.is_empty() {
            return Reply::json(&Report { status: "ready", failing });
        }
        Reply::json(&Report { status: "unavailable", failing }).status(StatusCode::SERVICE_UNAVAILABLE)
    }
}

/// `/livez` and `/readyz`, on whatever host is named: a balancer asks by address.
pub fn health_routes(health: &Arc<Health>) -> Routes {
    let route = |path| Route::get(path, Kind::Api, Access::Public).server_wide().any_host();
    Routes::new()
        .add(route("/livez"), health, |_, _| async {
            Ok(Reply::json(&Report { status: "alive", failing: Vec::new() }))
        })
        .add(route("/readyz"), health, |health, _| async move { Ok(health.readiness().await) })
}
