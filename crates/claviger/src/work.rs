//! What the server does without anybody asking: following the change log, key rotation, delivery of messages, expiry. Each
//! loop waits for its next due time, and none polls.

use core::time::Duration;

use claviger_audit::Cx;
use claviger_identity::attempts;
use claviger_kernel::{SystemReason, Unavailable};
use claviger_oauth::codes;
use claviger_session::{Revocations, families, revocations, sessions};
use claviger_storage::{CommitError, LOG_REACH, Outage, forget_changes, forget_quiet_units};

use crate::Services;

/// How often what has expired is dropped. Nothing depends on it: everything expired is refused at once.
const SWEEP: Duration = Duration::from_mins(10);
/// How soon keys are looked at again that could not be brought on.
const AFTER_FAULT: Duration = Duration::from_secs(15);
/// For how long ended sessions and families stay, for the account page and for support.
const KEPT: Duration = Duration::from_hours(7 * 24);
/// For how long entries of the change log stay: twice as long as it must reach, for this node's clock may be wrong.
const LOG_KEPT: Duration = Duration::from_hours(2 * 24);
const _: () = assert!(LOG_KEPT.as_secs() >= 2 * LOG_REACH.as_secs());
/// For how long the outcome of a unit can be looked up; it is within seconds, or never.
const QUIET_KEPT: Duration = Duration::from_hours(1);
/// Rows dropped in one unit.
const BATCH: u32 = 500;

/// Everything, until the future is dropped.
pub(crate) async fn all(services: &Services) {
    let Some(main) = services.tenancy.main() else { return };
    let delivery = services.system(main.id, SystemReason::DELIVERY);
    tokio::join!(
        services.store.follow_changes(&*services.ambient.clock),
        services.nodes.run(),
        rotate_keys(services),
        services.notifier.run(&delivery),
        sweep(services)
    );
}

/// Brings keys on whenever something is due, unless another node does; after a fault the store is given a while.
async fn rotate_keys(services: &Services) {
    let clock = &services.ambient.clock;
    let Some(main) = services.tenancy.main() else { return };
    let mut outage = Outage::default();
    loop {
        let cx = services.system(main.id, SystemReason::KEY_ROTATION);
        // By a clock that is wrong keys would come and go too early (F20).
        let ticked = match services.nodes.check_clock().await {
            Ok(()) => services.keys.tick(&cx).await,
            Err(fault) => Err(fault),
        };
        match ticked {
            Ok(_) => {
                if let Some(failures) = outage.over() {
                    tracing::info!(failures, "keys are brought on again");
                }
                services.keys.until_due(&**clock).await;
            }
            Err(fault) => {
                if outage.failed().is_some() {
                    log_fault("key rotation", &fault);
                }
                clock.wake_at(clock.now().plus(AFTER_FAULT)).await;
            }
        }
    }
}

/// Drops what has expired, realm by realm, by small batches.
async fn sweep(services: &Services) {
    let clock = &services.ambient.clock;
    loop {
        clock.wake_at(clock.now().plus(SWEEP)).await;
        // What another node has just made may look long expired (F20).
        if let Err(fault) = services.nodes.check_clock().await {
            log_fault("expiry", &fault);
            continue;
        }
        for realm in services.tenancy.all() {
            let cx = services.system(realm.id, SystemReason::EXPIRY);
            if let Err(fault) = sweep_realm(&cx, &services.revocations).await {
                log_fault("expiry", &fault);
            }
        }
        if let Err(fault) = sweep_log(services).await {
            log_fault("expiry of the change log", &fault);
        }
    }
}

/// Drops what the engine keeps for itself, by small batches.
async fn sweep_log(services: &Services) -> Result<(), Unavailable> {
    let Services { store, ambient, .. } = services;
    let (clock, entropy) = (&*ambient.clock, &*ambient.entropy);
    let now = clock.now();
    loop {
        let dropped = forget_changes(store, clock, entropy, now.minus(LOG_KEPT), BATCH).await?
            + forget_quiet_units(store, clock, entropy, now.minus(QUIET_KEPT), BATCH).await?;
        if dropped < u64::from(BATCH) {
            return Ok(());
        }
    }
}

async fn sweep_realm(cx: &Cx, revocations: &Revocations) -> Result<(), Unavailable> {
    loop {
        let dropped = dropped(sessions::expire(cx, KEPT, BATCH).await)?
            + dropped(families::expire(cx, KEPT, BATCH).await)?
            + dropped(codes::expire(cx, cx.now().minus(KEPT), BATCH).await)?
            + dropped(attempts::expire(cx, BATCH).await)?
            + dropped(revocations::expire(cx, revocations, BATCH).await)?
            + cx.ephemeral.expire(BATCH).await?;
        if dropped < u64::from(BATCH) {
            return Ok(());
        }
    }
}

fn dropped(outcome: Result<u64, CommitError>) -> Result<u64, Unavailable> {
    match outcome {
        Ok(rows) => Ok(rows),
        Err(CommitError::Conflict(_)) => Ok(0),
        Err(CommitError::Unavailable(fault)) => Err(fault),
    }
}

fn log_fault(work: &str, fault: &Unavailable) {
    tracing::warn!(work, reason = fault.reason(), "work was put off");
}
