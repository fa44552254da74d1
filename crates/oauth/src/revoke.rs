//! Revocation (RFC 7009): a client gives a token back.
//!
//! An access token goes alone, by its `jti`; a refresh token takes its whole family along, and every access token of that
//! (§2.1). What is no token of ours, or no longer good, is answered as if it had just been revoked (§2.2); a good token of
//! another client is refused and stays as it is (A068).

use core::time::Duration;

use claviger_audit::{Cx, Event, Unit, refused};
use claviger_crypto::opaque;
use claviger_kernel::{Secret, Timestamp, Unavailable, kind};
use claviger_session::families::{self, Family, FamilyError};
use claviger_session::revocations;
use claviger_storage::CommitError;

use crate::introspect::is_refresh_token;
use crate::{AuthenticatedClient, Client, OAuth, TokenError};

/// How far the clocks of two nodes that serve may be apart: what another may take is revoked, whatever this one's says.
const CLOCKS_APART: Duration = Duration::from_mins(1);

const FOREIGN: TokenError = TokenError::InvalidGrant("the token was issued to another client");

impl OAuth {
    /// Revokes a token of the client. When this returns, the next request on this node is refused. Twice is once.
    ///
    /// # Errors
    /// `InvalidGrant` for another client's token, `InvalidRequest` without a token; `Unavailable` if it may not have been
    /// revoked: ask again.
    pub async fn revoke(
        &self,
        cx: &Cx,
        client: &AuthenticatedClient,
        token: Option<&Secret<String>>,
    ) -> Result<(), TokenError> {
        let client = client.client();
        let token = token.ok_or(TokenError::InvalidRequest("token is missing"))?.expose();
        if is_refresh_token(token) {
            self.revoke_refresh_token(cx, client, token).await
        } else {
            self.revoke_access_token(cx, client, token).await
        }
    }

    async fn revoke_refresh_token(&self, cx: &Cx, client: &Client, token: &str) -> Result<(), TokenError> {
        let keys = self.opaque_for(cx, token).await?;
        let Ok(opaque) = opaque::parse(opaque::Kind::RefreshToken, token, &keys) else {
            return nothing_to_revoke(cx, client, "not one of ours");
        };
        // Every token that the family ever had names it: whoever gives back a used one wants the sign-in to end.
        let Some(family) = families::by_id(cx, opaque.id::<kind::Family>()).await? else {
            return nothing_to_revoke(cx, client, "unknown");
        };
        its_own(cx, client, family.client == client.id)?;
        if !to_end(&family, cx.now()) {
            ended_here_too(cx).await?;
            return nothing_to_revoke(cx, client, "over already");
        }
        let mut unit =
            claviger_audit::unit(cx, Event::new("refresh_token_revoked", family.id).with("client", client.id));
        families::revoke(&mut unit, family.id, "revoked by its client");
        committed(cx, unit).await
    }

    async fn revoke_access_token(&self, cx: &Cx, client: &Client, token: &str) -> Result<(), TokenError> {
        let verified = match self.own_access_token(cx, token, CLOCKS_APART).await? {
            Ok(verified) => verified,
            Err(reason) => return nothing_to_revoke(cx, client, &reason.to_string()),
        };
        let claims = verified.claims();
        its_own(cx, client, claims.client_id.as_deref() == Some(&client.client_id))?;
        let jti = claims.jti.as_deref().unwrap_or_default();
        let mut unit = claviger_audit::unit(cx, Event::new("access_token_revoked", client.id).with("token", jti));
        revocations::token(&mut unit, jti);
        committed(cx, unit).await
    }
}

/// Whether there is anything left to end. A family that has expired may have left access tokens that have not, and by
/// another node's clock it may not have expired yet.
pub(crate) fn to_end(family: &Family, now: Timestamp) -> bool {
    matches!(families::alive(family, now), Ok(()) | Err(FamilyError::Expired))
}

/// What has ended by its row is told to have ended only once this node's views have it: another node may have ended it a
/// moment ago, and the answer to that was lost.
pub(crate) async fn ended_here_too(cx: &Cx) -> Result<(), Unavailable> {
    cx.db.catch_up().await
}

fn its_own(cx: &Cx, client: &Client, own: bool) -> Result<(), TokenError> {
    if own {
        return Ok(());
    }
    refused(cx, &Event::new("revocation_refused", client.id).with("why", "another client's token"));
    Err(FOREIGN)
}

#[allow(clippy::unnecessary_wraps)] // the end of a request that has nothing left to do
fn nothing_to_revoke(cx: &Cx, client: &Client, why: &str) -> Result<(), TokenError> {
    refused(cx, &Event::new("nothing_revoked", client.id).with("why", why));
    Ok(())
}

async fn committed(cx: &Cx, unit: Unit) -> Result<(), TokenError> {
    match cx.commit(unit).await {
        // A conflict: somebody else has just ended it.
        Ok(_) | Err(CommitError::Conflict(_)) => Ok(()),
        Err(CommitError::Unavailable(fault)) => Err(fault.into()),
    }
}
