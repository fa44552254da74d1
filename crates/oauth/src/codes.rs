//! Authorization codes: used once, within a minute, by the client they were made for.
//!
//! A code carries the id of the token family that it will open, so that a second redemption can revoke that family
//! whether it exists or not (A017). A refused redemption burns the code (A019).

use claviger_audit::{Cx, Event, Unit};
use claviger_crypto::opaque::{self, OpaqueKeys};
use claviger_kernel::{ClientId, CodeId, FamilyId, GrantId, Secret, SessionId, Timestamp, Unavailable, UserId, kind};
use claviger_session::families;
use claviger_storage::{CommitError, Expect, args};

pub(crate) mod sql;

/// What a code stands for.
#[derive(Clone, Debug)]
#[allow(clippy::struct_field_names, reason = "code_challenge is the parameter's name (RFC 7636)")]
pub struct Code {
    pub(crate) id: CodeId,
    pub(crate) secret_hash: [u8; 32],
    pub(crate) client: ClientId,
    pub(crate) client_epoch: i64,
    pub(crate) user: UserId,
    pub(crate) user_epoch: i64,
    pub(crate) session: SessionId,
    pub(crate) grant: GrantId,
    pub(crate) family: FamilyId,
    pub(crate) redirect_uri: String,
    pub(crate) audience: String,
    pub(crate) scope: String,
    pub(crate) nonce: Option<String>,
    pub(crate) code_challenge: Option<String>,
    pub(crate) acr: String,
    pub(crate) amr: String,
    pub(crate) authenticated_at: Timestamp,
    pub(crate) device: String,
    pub(crate) expires_at: Timestamp,
    pub(crate) used: bool,
}

/// Why a code is not taken. Outside every one is `invalid_grant`.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodeError {
    /// Forged, unknown, or long gone.
    #[error("the code is unknown")]
    Unknown,
    /// Too late.
    #[error("the code has expired")]
    Expired,
    /// Redeemed before: whoever has it may have stolen it.
    #[error("the code was used before")]
    Used(FamilyId),
    /// The store cannot say.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// Adds a code to the unit and gives its text.
pub(crate) fn issue(unit: &mut Unit, cx: &Cx, keys: &OpaqueKeys, code: &Code) -> Secret<String> {
    let secret = Secret::new(cx.random::<32>());
    let args = args![
        unit.realm(),
        code.id,
        opaque::secret_hash(opaque::Kind::AuthorizationCode, &secret),
        code.client,
        code.client_epoch,
        code.user,
        code.user_epoch,
        code.session,
        code.grant,
        code.family,
        code.redirect_uri.as_str(),
        code.audience.as_str(),
        code.scope.as_str(),
        code.nonce.clone(),
        code.code_challenge.clone(),
        code.acr.as_str(),
        code.amr.as_str(),
        code.authenticated_at,
        code.device.as_str(),
        unit.now(),
        code.expires_at
    ];
    unit.one("code", &sql::INSERT, args);
    opaque::mint(opaque::Kind::AuthorizationCode, keys, code.id, 0, &secret)
}

/// Reads a code and says whether it may be redeemed.
pub(crate) async fn present(cx: &Cx, keys: &OpaqueKeys, text: &str) -> Result<Code, CodeError> {
    let opaque = opaque::parse(opaque::Kind::AuthorizationCode, text, keys).map_err(|_| CodeError::Unknown)?;
    let found = cx.db.get(&sql::BY_ID, args![cx.realm(), opaque.id::<kind::Code>()], sql::code).await?;
    let code = found.ok_or(CodeError::Unknown)?;
    if !claviger_kernel::constant_time_eq(&opaque.hash(), &code.secret_hash) {
        return Err(CodeError::Unknown);
    }
    if code.used {
        return Err(CodeError::Used(code.family));
    }
    if cx.now() >= code.expires_at { Err(CodeError::Expired) } else { Ok(code) }
}

/// Marks the code used in the unit of its redemption. Conflict `code` if somebody was faster: then it was used twice.
pub(crate) fn redeem(unit: &mut Unit, code: &Code) {
    unit.one("code", &sql::MARK_USED, args![unit.realm(), code.id, unit.now()]);
}

/// A refused redemption: the code is dead, and whoever comes next with it is a thief's victim at worst.
pub(crate) async fn burn(cx: &Cx, code: &Code, why: &'static str) -> Result<(), Unavailable> {
    let mut unit = claviger_audit::unit(cx, Event::new("authorization_code_burnt", code.id).with("why", why));
    unit.any("code", &sql::MARK_USED, args![unit.realm(), code.id, unit.now()]);
    written(cx.commit(unit).await)
}

/// A code came twice: the family that it opened, or is about to open, is revoked.
pub(crate) async fn revoke_family(cx: &Cx, family: FamilyId) -> Result<(), Unavailable> {
    let mut unit = claviger_audit::unit(cx, Event::new("authorization_code_reused", family));
    families::revoke(&mut unit, family, "authorization code used twice");
    written(cx.commit(unit).await)
}

/// Drops up to `batch` codes that expired before `before`.
pub async fn expire(cx: &Cx, before: Timestamp, batch: u32) -> Result<u64, CommitError> {
    let mut unit = claviger_audit::quiet(cx, "expiry of codes");
    unit.returning("codes", &sql::EXPIRE, args![cx.realm(), before, batch], Expect::Any);
    let done = cx.commit(unit).await?;
    Ok(done.rows("codes").len() as u64)
}

fn written(outcome: Result<claviger_storage::Committed, CommitError>) -> Result<(), Unavailable> {
    match outcome {
        Ok(_) | Err(CommitError::Conflict(_)) => Ok(()),
        Err(CommitError::Unavailable(fault)) => Err(fault),
    }
}
