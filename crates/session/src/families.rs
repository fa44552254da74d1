//! Token families: the chain of refresh tokens of one grant on one device, kept in one row and moved on by
//! compare-and-set. The table never grows with use.
//!
//! A successor is derived, not drawn: HMAC(key, family ‖ generation ‖ predecessor's secret ‖ nonce). A retry within the
//! window therefore gets the identical token, and a stolen database plus the server's key derives nothing without a live
//! token. Anything else that comes back used kills the family (RFC 9700 §4.14.2).

use core::time::Duration;

use claviger_audit::{Cx, Event, Unit};
use claviger_crypto::base64url;
use claviger_crypto::opaque::{self, Opaque, OpaqueKeys};
use claviger_identity::users::Standing;
use claviger_identity::{ActiveUser, users};
use claviger_kernel::{ClientId, FamilyId, GrantId, Secret, SessionId, Timestamp, Unavailable, UserId, kind};
use claviger_storage::args;

mod rules;
pub(crate) mod sql;

pub use rules::{Decision, RetryRule, decide};

/// A family as its row tells it.
#[derive(Clone, Debug)]
pub struct Family {
    /// The row; `fam` in access tokens.
    pub id: FamilyId,
    /// Whose grant it is, as they are now.
    pub user: Standing,
    /// The user's epoch under which it was opened.
    pub user_epoch: i64,
    /// The client that holds the token.
    pub client: ClientId,
    /// The client's epoch under which it was opened.
    pub client_epoch: i64,
    /// The grant (consent) behind it.
    pub grant: GrantId,
    /// The session in which it was opened; `sid` in tokens.
    pub session: Option<SessionId>,
    /// The audience of its access tokens.
    pub audience: String,
    /// Granted scopes, separated by spaces.
    pub scope: String,
    /// `nonce` of the first ID token.
    pub nonce: Option<String>,
    /// `acr` of the sign-in.
    pub acr: String,
    /// `amr` of the sign-in, separated by spaces.
    pub amr: String,
    /// `auth_time` of the sign-in.
    pub authenticated_at: Timestamp,
    /// The device to which it was given, as a person would name it.
    pub device: String,
    /// How often the token has been replaced.
    pub generation: u32,
    /// When it ends however often it is used.
    pub expires_at: Timestamp,
    pub(crate) secret_hash: [u8; 32],
    pub(crate) parent_hash: Option<[u8; 32]>,
    pub(crate) rotation_nonce: [u8; 16],
    pub(crate) rotation_key: u32,
    pub(crate) parent_used_at: Option<Timestamp>,
    pub(crate) repeats: u32,
    pub(crate) idle_expires_at: Timestamp,
    pub(crate) revoked: bool,
}

impl Family {
    /// When the present token ends unless it is used before.
    pub fn ends_at(&self) -> Timestamp {
        self.expires_at.min(self.idle_expires_at)
    }
}

/// What a new family is made of.
#[derive(Debug)]
pub struct NewFamily<'a> {
    /// The id, which the authorization code has carried since it was made.
    pub id: FamilyId,
    /// Whose grant it is.
    pub user: &'a ActiveUser,
    /// The client and the epoch under which it was read.
    pub client: (ClientId, i64),
    /// The grant.
    pub grant: GrantId,
    /// The session.
    pub session: Option<SessionId>,
    /// The audience of access tokens.
    pub audience: &'a str,
    /// Granted scopes.
    pub scope: &'a str,
    /// `nonce` of the request.
    pub nonce: Option<&'a str>,
    /// `acr`, `amr` (separated by spaces) and `auth_time` of the sign-in.
    pub authentication: (&'a str, &'a str, Timestamp),
    /// The device's label.
    pub device: &'a str,
    /// Idle and absolute life.
    pub lifetimes: (Duration, Duration),
}

/// What a use of the family gives: the token to hand out, and what the access token beside it must bear.
#[derive(Debug)]
pub struct Issued {
    /// The refresh token.
    pub token: Secret<String>,
    /// `jti` of the access token: the same for a repeat.
    pub jti: String,
    /// `iat` of the access token: the time of the first use for a repeat.
    pub issued_at: Timestamp,
}

/// Why a refresh token is not taken.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum FamilyError {
    /// Not a value of ours; found out without a look-up.
    #[error("the refresh token is not one of ours")]
    Forged,
    /// No such family.
    #[error("the refresh token is unknown")]
    Unknown,
    /// Unused for too long, or past its absolute end.
    #[error("the refresh token has expired")]
    Expired,
    /// The family was revoked.
    #[error("the refresh token was revoked")]
    Revoked,
    /// The user is disabled, or everything issued before was voided.
    #[error("the refresh token's user epoch is over")]
    Epoch,
    /// A used token came back: whoever presents it may have stolen it. The caller revokes the family.
    #[error("a used refresh token came back")]
    Reused(Box<Reuse>),
    /// A token that the row has not reached: the store was set back. Nobody is to blame for it.
    #[error("the refresh token is newer than its family")]
    Ahead,
    /// The same token was repeated too often within the window; the family lives.
    #[error("the refresh token was repeated too often")]
    TooOften,
    /// The store cannot say.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// A used token that came back, for whoever revokes the family and tells the user.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reuse {
    /// The family.
    pub family: FamilyId,
    /// Whose it is.
    pub user: UserId,
    /// The device to which the token was given.
    pub device: String,
    /// The generation of the token that came back.
    pub presented: u32,
    /// The generation of the present one.
    pub current: u32,
}

/// A live family as its user sees it: what an application holds on a device.
#[derive(Clone, Debug)]
pub struct Held {
    /// The row.
    pub id: FamilyId,
    /// The client that holds the token.
    pub client: ClientId,
    /// The grant behind it.
    pub grant: GrantId,
    /// The session in which it was opened, if it ends with it.
    pub session: Option<SessionId>,
    /// Granted scopes, separated by spaces.
    pub scope: String,
    /// The device's label.
    pub device: String,
    /// When it was opened.
    pub created_at: Timestamp,
    /// When its token was last replaced.
    pub used_at: Timestamp,
    /// When it ends however often it is used.
    pub expires_at: Timestamp,
}

/// Adds a family to the unit and gives its first token. The commit depends on the user being active.
pub fn open(unit: &mut Unit, cx: &Cx, keys: &OpaqueKeys, new: &NewFamily<'_>) -> Issued {
    let secret = Secret::new(cx.random::<32>());
    let now = unit.now();
    let expires_at = now.plus(new.lifetimes.1);
    unit.record(
        Event::new("token_family_opened", new.id)
            .with("user", new.user.id())
            .with("client", new.client.0)
            .with("scope", new.scope),
    );
    users::require_active(unit, new.user);
    let args = args![
        unit.realm(),
        new.id,
        new.user.id(),
        new.user.epoch(),
        new.client.0,
        new.client.1,
        new.grant,
        new.session,
        new.audience,
        new.scope,
        new.nonce,
        new.authentication.0,
        new.authentication.1,
        new.authentication.2,
        opaque::secret_hash(opaque::Kind::RefreshToken, &secret),
        cx.random::<16>(),
        keys.current(),
        new.device,
        now,
        now.plus(new.lifetimes.0).min(expires_at),
        expires_at
    ];
    unit.one("family", &sql::INSERT, args);
    let token = opaque::mint(opaque::Kind::RefreshToken, keys, new.id, 0, &secret);
    // The first token has no predecessor that could be repeated, so nothing of it need be derived.
    Issued { token, jti: base64url(&cx.random::<16>()), issued_at: now }
}

/// A refresh token that may be used now.
#[derive(Debug)]
pub struct Presented {
    /// The family.
    pub family: Family,
    /// Its user, who was active under the family's epoch when it was read.
    pub user: ActiveUser,
    opaque: Opaque,
    decision: Decision,
    /// How often the token may be repeated.
    most: u32,
}

/// A refresh token of ours beside its family, not judged yet.
#[derive(Debug)]
pub struct Found {
    /// The family, in whatever state.
    pub family: Family,
    opaque: Opaque,
}

/// Finds the family of a refresh token. One keyed read; writes nothing and judges nothing.
pub async fn find(cx: &Cx, keys: &OpaqueKeys, token: &str) -> Result<Found, FamilyError> {
    let opaque = opaque::parse(opaque::Kind::RefreshToken, token, keys).map_err(|_| FamilyError::Forged)?;
    let family = by_id(cx, opaque.id::<kind::Family>()).await?.ok_or(FamilyError::Unknown)?;
    Ok(Found { family, opaque })
}

impl Found {
    /// Whether the token may be used now. By the time that all nodes share: the answer that one lost is asked of another.
    pub fn judge(self, rule: &RetryRule, cx: &Cx) -> Result<Presented, FamilyError> {
        let Self { family, opaque } = self;
        let now = cx.db.shared_time(cx.now());
        let decision = decide(&family, opaque.generation(), &opaque.hash(), rule, now)?;
        let user = family.user.active().ok_or(FamilyError::Epoch)?;
        Ok(Presented { family, user, opaque, decision, most: rule.repeats })
    }
}

/// Judges a refresh token. One keyed read; writes nothing.
pub async fn present(cx: &Cx, keys: &OpaqueKeys, token: &str, rule: &RetryRule) -> Result<Presented, FamilyError> {
    find(cx, keys, token).await?.judge(rule, cx)
}

/// The family of this id, in whatever state.
pub async fn by_id(cx: &Cx, id: FamilyId) -> Result<Option<Family>, Unavailable> {
    cx.db.get(&sql::BY_ID, args![cx.realm(), id], sql::family).await
}

/// What applications hold of a user, newest first; at most `limit` (1 to 200).
pub async fn of_user(cx: &Cx, user: UserId, limit: u32) -> Result<Vec<Held>, Unavailable> {
    let args = args![cx.realm(), user, cx.now(), limit.clamp(1, 200)];
    cx.db.list(cx.realm(), &sql::OF_USER, args, sql::held).await
}

/// Whether a family is good now: for access tokens that bear a `fam`.
pub fn alive(family: &Family, now: Timestamp) -> Result<(), FamilyError> {
    rules::alive(family, now)
}

/// Adds the use of the token to the unit and gives the successor; `None` if a key is gone. Conflict `family` if another use
/// came first: find the token again, and it is a repeat.
///
/// `narrowed` are the access token's scopes where they are fewer than the family's: two uses of one token may ask for
/// different ones, and then their access tokens are two, each with a `jti` of its own.
pub fn advance(
    unit: &mut Unit,
    cx: &Cx,
    keys: &OpaqueKeys,
    presented: &Presented,
    idle: Duration,
    narrowed: Option<&str>,
) -> Option<Issued> {
    let family = &presented.family;
    let now = cx.db.shared_time(unit.now());
    users::require_active(unit, &presented.user);
    match presented.decision {
        Decision::Rotate => {
            let nonce = cx.random::<16>();
            let key = keys.current();
            let generation = family.generation.checked_add(1)?;
            let secret = successor(keys, key, family.id, generation, presented.opaque.secret(), nonce)?;
            let args = args![
                unit.realm(),
                family.id,
                family.generation,
                family.secret_hash,
                generation,
                opaque::secret_hash(opaque::Kind::RefreshToken, &secret),
                nonce,
                key,
                now,
                now.plus(idle).min(family.expires_at)
            ];
            unit.one("family", &sql::ROTATE, args);
            let token = opaque::mint_under(opaque::Kind::RefreshToken, keys, key, family.id, generation, &secret)?;
            Some(Issued { token, jti: jti(keys, key, family.id, generation, narrowed)?, issued_at: now })
        }
        Decision::Repeat { first_use } => {
            let (key, generation) = (family.rotation_key, family.generation);
            let secret = successor(keys, key, family.id, generation, presented.opaque.secret(), family.rotation_nonce)?;
            unit.one("family", &sql::REPEAT, args![unit.realm(), family.id, generation, presented.most]);
            let token = opaque::mint_under(opaque::Kind::RefreshToken, keys, key, family.id, generation, &secret)?;
            Some(Issued { token, jti: jti(keys, key, family.id, generation, narrowed)?, issued_at: first_use })
        }
    }
}

impl Presented {
    /// Whether this is the first use of the token, and not a repeat within the window.
    pub const fn first_use(&self) -> bool {
        matches!(self.decision, Decision::Rotate)
    }

    /// The id of the key with which the answer to be repeated was made; nothing for a first use, which takes the present one.
    pub const fn answered_under(&self) -> Option<u32> {
        match self.decision {
            Decision::Rotate => None,
            Decision::Repeat { .. } => Some(self.family.rotation_key),
        }
    }
}

fn successor(
    keys: &OpaqueKeys,
    key: u32,
    family: FamilyId,
    generation: u32,
    parent: &Secret<[u8; 32]>,
    nonce: [u8; 16],
) -> Option<Secret<[u8; 32]>> {
    let parts: [&[u8]; 4] = [family.as_bytes(), &generation.to_be_bytes(), parent.expose(), &nonce];
    keys.get(key).map(|key| key.derive("refresh/1", &parts))
}

fn jti(keys: &OpaqueKeys, key: u32, family: FamilyId, generation: u32, narrowed: Option<&str>) -> Option<String> {
    let generation = generation.to_be_bytes();
    let parts: [&[u8]; 3] = [family.as_bytes(), &generation, narrowed.unwrap_or_default().as_bytes()];
    let named = if narrowed.is_some() { &parts[..] } else { &parts[..2] };
    keys.get(key).map(|key| base64url(&key.tag("access/1", named)[..16]))
}

/// Revokes one family, whether it exists yet or not: a code redeemed twice names it before it is made (A017).
pub fn revoke(unit: &mut Unit, family: FamilyId, reason: &'static str) {
    unit.record(Event::new("token_family_revoked", family).with("reason", reason));
    unit.any("family", &sql::REVOKE, args![unit.realm(), family, unit.now(), reason]);
    crate::revocations::family(unit, family);
}

/// Revokes one family that lives: conflict `family` if it does not (any more).
pub fn revoke_living(unit: &mut Unit, family: FamilyId, reason: &'static str) {
    unit.record(Event::new("token_family_revoked", family).with("reason", reason));
    unit.one("family", &sql::REVOKE, args![unit.realm(), family, unit.now(), reason]);
    crate::revocations::family(unit, family);
}

/// Revokes the families of one grant: consent was withdrawn.
pub fn revoke_of_grant(unit: &mut Unit, grant: GrantId, reason: &'static str) {
    unit.any("families", &sql::REVOKE_OF_GRANT, args![unit.realm(), grant, unit.now(), reason]);
    crate::revocations::revoked_families_of_grant(unit, grant);
}

/// Revokes the families that were opened in a session; part of the session's end.
pub(crate) fn revoke_of_session(unit: &mut Unit, session: SessionId, reason: &'static str) {
    unit.any("families", &sql::REVOKE_OF_SESSION, args![unit.realm(), session, unit.now(), reason]);
}

/// Revokes the families of a user but those of one session; part of ending sessions.
pub(crate) fn revoke_of_user(unit: &mut Unit, user: UserId, keep: SessionId, reason: &'static str) {
    unit.any("families", &sql::REVOKE_OF_USER, args![unit.realm(), user, keep, unit.now(), reason]);
}

/// Revokes the families of a user's sessions that the unit has ended for a newer one.
pub(crate) fn revoke_of_limited(unit: &mut Unit, user: UserId) {
    unit.any("families", &sql::REVOKE_OF_LIMITED, args![unit.realm(), user, unit.now()]);
}

/// Drops up to `batch` families of the caller's realm that were over `kept` ago; returns how many.
pub async fn expire(cx: &Cx, kept: Duration, batch: u32) -> Result<u64, claviger_storage::CommitError> {
    let mut unit = claviger_audit::quiet(cx, "expiry of token families");
    let before = unit.now().minus(kept);
    unit.returning("families", &sql::EXPIRE, args![cx.realm(), before, batch], claviger_storage::Expect::Any);
    let done = cx.commit(unit).await?;
    Ok(done.rows("families").len() as u64)
}
