//! Sessions: a signed-in browser or device.
//!
//! The cookie is an opaque value: the row's id, a generation and a 256-bit secret of which the row keeps the hash. The
//! secret is new at sign-in and at step-up, and the value before it is dead (A085). The server alone decides when a
//! session is over (A091): idle, absolute, ended, or the user's epoch raised.

use core::time::Duration;

use claviger_audit::{Cx, Event, Unit};
use claviger_crypto::opaque::{self, Opaque, OpaqueKeys};
use claviger_identity::{ActiveUser, users};
use claviger_kernel::{Secret, SessionId, Timestamp, Unavailable, UserId, kind};
use claviger_storage::args;

use crate::Complete;
use crate::complete::Proof;

mod cache;
mod device;
pub(crate) mod listed;
mod rules;
pub(crate) mod sql;

pub use cache::SessionCache;
pub use device::device_label;
pub use listed::{Filter, ListedSession, Sort, list, listed, owner, used};
pub use rules::Lifetimes;

/// A session that is good now: found by its cookie, neither over nor ended, its user's epoch unchanged.
#[derive(Clone, Debug)]
pub struct Session {
    /// The row; `sid` in tokens.
    pub id: SessionId,
    /// Whose it is.
    pub user: UserId,
    /// `sub` of the user.
    pub subject: String,
    /// The user's epoch under which it was opened.
    pub user_epoch: i64,
    /// How sure we are (`acr`).
    pub acr: String,
    /// What was proven and when.
    pub proofs: Vec<Proof>,
    /// When the freshest proof was given (`auth_time`).
    pub authenticated_at: Timestamp,
    /// When it was opened.
    pub created_at: Timestamp,
    /// The device as a person would name it.
    pub device: String,
    generation: u32,
    secret_hash: [u8; 32],
    seen_at: Timestamp,
    idle_expires_at: Timestamp,
    expires_at: Timestamp,
}

impl Session {
    /// `amr` (RFC 8176): every method once, in the order of proof.
    pub fn amr(&self) -> Vec<&'static str> {
        let mut seen = Vec::new();
        for proof in &self.proofs {
            if !seen.contains(&proof.method.as_str()) {
                seen.push(proof.method.as_str());
            }
        }
        seen
    }

    /// When it is over if nobody ends it and it is used until then.
    pub const fn expires_at(&self) -> Timestamp {
        self.expires_at
    }

    /// A key that is bound to this session's present secret: forms carry a MAC of it (CSRF).
    pub const fn binding(&self) -> &[u8; 32] {
        &self.secret_hash
    }
}

/// A session just opened, with the cookie's value, which is nowhere else.
#[derive(Debug)]
pub struct Opened {
    /// The row.
    pub id: SessionId,
    /// What the browser keeps.
    pub cookie: Secret<String>,
    /// When the cookie is over at the latest.
    pub expires_at: Timestamp,
}

/// What a browser tells of itself.
#[derive(Clone, Debug, Default)]
pub struct Device {
    /// A label such as “Firefox on Linux”, from [`device_label`].
    pub label: String,
}

/// Why a cookie opens nothing. Outside every one is simply "not signed in".
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PresentError {
    /// Not a value of ours, or forged; found out without a look-up.
    #[error("the cookie is not one of ours")]
    Forged,
    /// No such session, or a value from before the last sign-in or step-up.
    #[error("the session is unknown")]
    Unknown,
    /// Idle or absolute limit.
    #[error("the session has expired")]
    Expired,
    /// Signed out, or ended by the user or an administrator.
    #[error("the session was ended")]
    Ended,
    /// The user is disabled or everything issued to them was voided.
    #[error("the session's user epoch is over")]
    Epoch,
    /// The store cannot say.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// Opens a session: the only place where one comes into being.
///
/// The commit depends on the user still being active under the epoch that was read (conflict `user_active`).
///
/// # Panics
/// If `complete` speaks of another user: the engine that collected the proofs is broken.
pub fn open(
    unit: &mut Unit,
    cx: &Cx,
    keys: &OpaqueKeys,
    user: &ActiveUser,
    complete: &Complete,
    device: &Device,
    lifetimes: &Lifetimes,
) -> Opened {
    assert_eq!(user.id(), complete.user(), "a session is opened for the user who was proven");
    let now = unit.now();
    let id: SessionId = unit.id_of(user.shard());
    let secret = Secret::new(cx.random::<32>());
    let expires_at = now.plus(lifetimes.absolute);
    let source = unit.caller().source.map(|source| source.bucket().to_string());
    unit.record(
        Event::new("session_opened", id)
            .with("user", user.id())
            .with("acr", complete.level().acr())
            .with("device", &device.label),
    );
    users::require_active(unit, user);
    let args = args![
        unit.realm(),
        id,
        user.id(),
        user.epoch(),
        0i64,
        opaque::secret_hash(opaque::Kind::Session, &secret),
        complete.level().acr(),
        proofs_text(complete.proofs()),
        complete.authenticated_at(),
        now,
        now,
        now.plus(lifetimes.idle).min(expires_at),
        expires_at,
        device.label.as_str(),
        source
    ];
    unit.one("session", &sql::INSERT, args);
    let others = lifetimes.per_user.saturating_sub(1);
    unit.any("session_limit", &sql::END_OLDEST, args![unit.realm(), user.id(), now, others, id]);
    crate::revocations::limited_sessions_of(unit, user.id());
    crate::families::revoke_of_limited(unit, user.id());
    let cookie = opaque::mint(opaque::Kind::Session, keys, id, 0, &secret);
    Opened { id, cookie, expires_at }
}

/// Adds proofs to a session under a new secret; the value that the browser held before is dead.
///
/// Conflict `session` if it was ended or stepped up meanwhile.
pub fn step_up(
    unit: &mut Unit,
    cx: &Cx,
    keys: &OpaqueKeys,
    session: &Session,
    user: &ActiveUser,
    complete: &Complete,
) -> Opened {
    assert_eq!(session.user, complete.user(), "a session is stepped up by its own user");
    let secret = Secret::new(cx.random::<32>());
    let generation = session.generation.wrapping_add(1);
    unit.record(
        Event::new("session_stepped_up", session.id).with("user", session.user).with("acr", complete.level().acr()),
    );
    users::require_active(unit, user);
    let mut proofs = session.proofs.clone();
    proofs.retain(|old| complete.proofs().iter().all(|new| new.method != old.method));
    proofs.extend_from_slice(complete.proofs());
    let args = args![
        unit.realm(),
        session.id,
        i64::from(session.generation),
        i64::from(generation),
        opaque::secret_hash(opaque::Kind::Session, &secret),
        complete.level().acr(),
        proofs_text(&proofs),
        complete.authenticated_at(),
        unit.now()
    ];
    unit.one("session", &sql::STEP_UP, args);
    unit.changed("session", session.id.as_bytes());
    let cookie = opaque::mint(opaque::Kind::Session, keys, session.id, generation, &secret);
    Opened { id: session.id, cookie, expires_at: session.expires_at }
}

/// The session of this cookie, if it is good now. One keyed read.
pub async fn present(cx: &Cx, keys: &OpaqueKeys, cookie: &str) -> Result<Session, PresentError> {
    let opaque = opaque::parse(opaque::Kind::Session, cookie, keys).map_err(|_| PresentError::Forged)?;
    let row = cx.db.get(&sql::PRESENT, args![cx.realm(), opaque.id::<kind::Session>()], sql::row).await?;
    let row = row.ok_or(PresentError::Unknown)?;
    rules::good(&row, &opaque, cx.now())?;
    Ok(row.session)
}

/// The session of this id, if it is good now: for tokens that bear a `sid`.
pub async fn by_id(cx: &Cx, id: SessionId) -> Result<Session, PresentError> {
    let row = cx.db.get(&sql::PRESENT, args![cx.realm(), id], sql::row).await?.ok_or(PresentError::Unknown)?;
    rules::alive(&row, cx.now())?;
    Ok(row.session)
}

/// Makes the commit depend on the session still being alive: conflict `session_alive`.
pub fn require_alive(unit: &mut Unit, session: &Session) {
    let args = args![unit.realm(), session.id, unit.now()];
    unit.require("session_alive", &sql::ALIVE, args);
}

/// Keeps a session from idling out. Writes only when a tenth of the idle time has passed since the last write, and says
/// whether it did.
pub async fn touch(cx: &Cx, session: &Session, lifetimes: &Lifetimes) -> Result<bool, Unavailable> {
    let now = cx.now();
    if now.since(session.seen_at) < lifetimes.idle / 10 {
        return Ok(false);
    }
    let idle_expires_at = now.plus(lifetimes.idle).min(session.expires_at);
    let mut unit = claviger_audit::quiet(cx, "a session was used");
    unit.any("session", &sql::TOUCH, args![cx.realm(), session.id, now, idle_expires_at]);
    match cx.commit(unit).await {
        Ok(_) | Err(claviger_storage::CommitError::Conflict(_)) => Ok(true),
        Err(claviger_storage::CommitError::Unavailable(fault)) => Err(fault),
    }
}

/// Ends one session and the token families opened in it, if it has not ended yet.
pub fn end(unit: &mut Unit, session: SessionId, reason: &'static str) {
    unit.record(Event::new("session_ended", session).with("reason", reason));
    unit.any("session", &sql::END, args![unit.realm(), session, unit.now(), reason]);
    crate::families::revoke_of_session(unit, session, reason);
    crate::revocations::session(unit, session);
}

/// Ends every session of a user but `keep`, and the families that were opened in them.
pub fn end_all(unit: &mut Unit, user: UserId, keep: Option<SessionId>, reason: &'static str) {
    let keep = keep.unwrap_or(SessionId::from_bytes([0; 16]));
    unit.record(Event::new("sessions_ended", user).with("reason", reason));
    unit.any("sessions", &sql::END_ALL, args![unit.realm(), user, keep, unit.now(), reason]);
    crate::revocations::ended_sessions_of(unit, user);
    crate::families::revoke_of_user(unit, user, keep, reason);
    crate::revocations::revoked_families_of(unit, user);
}

/// Drops up to `batch` sessions of the caller's realm that were over `kept` ago; returns how many.
pub async fn expire(cx: &Cx, kept: Duration, batch: u32) -> Result<u64, claviger_storage::CommitError> {
    let mut unit = claviger_audit::quiet(cx, "expiry of sessions");
    let before = unit.now().minus(kept);
    unit.returning("sessions", &sql::EXPIRE, args![cx.realm(), before, batch], claviger_storage::Expect::Any);
    let done = cx.commit(unit).await?;
    Ok(done.rows("sessions").len() as u64)
}

fn proofs_text(proofs: &[Proof]) -> String {
    serde_json::to_string(proofs).expect("proofs are plain JSON")
}

pub(crate) fn opaque_matches(opaque: &Opaque, generation: u32, hash: &[u8; 32]) -> bool {
    opaque.generation() == generation && claviger_kernel::constant_time_eq(&opaque.hash(), hash)
}
