//! From a cookie to a session with a million of them: those that the node has seen lately, and any of all.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use claviger_crypto::opaque::{self, Kind};
use claviger_crypto::sha256;
use claviger_kernel::{Secret, SessionId};
use claviger_storage::{args, statements};

use crate::Found;
use crate::callers::round;
use crate::figure::Timing;
use crate::ours::Ours;
use crate::place::Engine;

statements! {
    /// A session, put there without a sign-in.
    ADD: "insert into sessions (realm_id, id, user_id, user_epoch, generation, secret_hash, acr, proofs, authenticated_at, \
        created_at, seen_at, idle_expires_at, expires_at, device) \
        values ($1, $2, $3, $4, 0, $5, 'urn:claviger:aal:1', '[]', $6, $6, $6, $7, $7, 'Firefox on Linux')";
}

const SESSIONS: u64 = 1_000_000;
const USERS: usize = 1_000;
/// So many fit into what a node keeps.
const FEW: u64 = 20_000;
/// As many callers as there are cores, so that no call waits for another.
const CALLERS: u64 = 2;
const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_secs(2);

pub(crate) async fn row() -> anyhow::Result<Vec<Found>> {
    let ours = Ours::make(Engine::Sqlite).await?;
    let ids = Arc::new(fill(&ours).await?);
    let services = ours.server.services.clone();
    let cx = ours.cx()?;
    let keys = services.keys.opaque(cx.realm())?;
    let check = move |number: u64| {
        let (accounts, keys, ids) = (services.accounts.clone(), Arc::clone(&keys), Arc::clone(&ids));
        let cx = services.system(cx.realm(), claviger_kernel::SystemReason::DEVELOPMENT);
        async move {
            let id = ids[usize::try_from(number)?];
            let cookie = opaque::mint(Kind::Session, &keys, id, 0, &secret(number));
            accounts.session(&cx, cookie.expose()).await?.context("the session is good").map(drop)
        }
    };
    for number in 0..FEW {
        check(number).await?;
    }
    let (mut lately, mut any) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        // Seen again, for the rounds between have driven some out.
        round(CALLERS, ROUND / 4, FEW, check.clone()).await?;
        lately.push(round(CALLERS, ROUND, FEW, check.clone()).await?);
        any.push(round(CALLERS, ROUND, SESSIONS, check.clone()).await?);
    }
    let title = |what: &str| {
        format!("session check, {what}, SQLite, {SESSIONS} sessions, making the cookie included, {ROUNDS} rounds")
    };
    let found = [
        Timing { title: title("seen lately"), rounds: lately, goal: (0.5, Duration::from_micros(20)) },
        Timing { title: title("uniform over all"), rounds: any, goal: (0.99, Duration::from_millis(1)) },
    ];
    Ok(found.iter().map(Found::timing).collect())
}

fn secret(number: u64) -> Secret<[u8; 32]> {
    Secret::new(sha256(&number.to_be_bytes()))
}

/// Puts the sessions into the store, a thousand in a unit.
async fn fill(ours: &Ours) -> anyhow::Result<Vec<SessionId>> {
    let cx = ours.cx()?;
    let users = ours.users(&cx, USERS).await?;
    let mut ids = Vec::new();
    let (now, end) = (cx.now(), cx.now().plus(Duration::from_hours(24)));
    for first in (0..SESSIONS).step_by(1000) {
        let mut unit = claviger_audit::quiet(&cx, "sessions of a measurement");
        for number in first..first + 1000 {
            let (id, user): (SessionId, _) = (cx.id(), &users[usize::try_from(number)? % USERS]);
            let hash = opaque::secret_hash(Kind::Session, &secret(number));
            unit.one("session", &ADD, args![cx.realm(), id, user.id(), user.epoch(), hash, now, end]);
            ids.push(id);
        }
        cx.commit(unit).await?;
    }
    Ok(ids)
}
