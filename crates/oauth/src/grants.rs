//! Grants: what a user has allowed a client, remembered until it is withdrawn.

use claviger_audit::{Cx, Event, Unit};
use claviger_kernel::{ClientId, GrantId, Timestamp, Unavailable, UserId};
use claviger_session::families;
use claviger_storage::{CommitError, args};

use crate::scope::Scopes;

pub(crate) mod sql {
    use claviger_storage::{ColumnError, Row};

    use super::{Grant, Standing};
    use crate::scope::Scopes;

    claviger_storage::statements! {
        /// What a user has allowed a client.
        pub(crate) OF: "select id, scope, revoked_at from grants where realm_id = $1 and user_id = $2 and client_id = $3";
        /// Allows; what was withdrawn is allowed anew. The row must still be the one that was read ($7 scope, $8 when it
        /// was withdrawn), or absent if none was.
        pub(crate) ALLOW: "insert into grants (realm_id, id, user_id, client_id, scope, created_at, updated_at) \
            values ($1, $2, $3, $4, $5, $6, $6) on conflict (realm_id, user_id, client_id) do update set \
            scope = excluded.scope, updated_at = excluded.updated_at, revoked_at = null \
            where grants.id = excluded.id and grants.scope = $7 and coalesce(grants.revoked_at, 0) = $8";
        /// One of a user's.
        pub(crate) OF_USER: "select id, scope, revoked_at from grants where realm_id = $1 and id = $2 and user_id = $3";
        /// What stands of a user's, and for whom.
        pub(crate) STANDING: "select g.id, c.client_id, c.name, g.scope, g.created_at, g.updated_at from grants g \
            join clients c on c.realm_id = g.realm_id and c.id = g.client_id \
            where g.realm_id = $1 and g.user_id = $2 and g.revoked_at is null and g.id > $3 order by g.id limit $4";
        /// It stands.
        pub(crate) LIVE: "select 1 from grants where realm_id = $1 and id = $2 and revoked_at is null";
        /// Withdraws.
        pub(crate) WITHDRAW: "update grants set revoked_at = $3, updated_at = $3 \
            where realm_id = $1 and id = $2 and revoked_at is null";
    }

    pub(crate) fn standing(row: &Row<'_>) -> Result<Standing, ColumnError> {
        Ok(Standing {
            id: row.get(0)?,
            client_id: row.get(1)?,
            client_name: row.get(2)?,
            scope: row.get(3)?,
            created_at: row.get(4)?,
            updated_at: row.get(5)?,
        })
    }

    pub(crate) fn grant(row: &Row<'_>) -> Result<Grant, ColumnError> {
        let scope: String = row.get(1)?;
        let revoked: Option<i64> = row.get(2)?;
        let unreadable = ColumnError { index: 1, expected: "scopes", found: "text" };
        Ok(Grant {
            id: row.get(0)?,
            scopes: Scopes::parse(&scope).map_err(|_| unreadable)?,
            live: revoked.is_none(),
            revoked_at: revoked.unwrap_or(0),
        })
    }
}

/// What a user has allowed a client.
#[derive(Clone, Debug)]
pub struct Grant {
    /// The row.
    pub id: GrantId,
    /// The scopes allowed.
    pub scopes: Scopes,
    /// Whether it stands.
    pub live: bool,
    /// When it was withdrawn, as the row has it; 0 while it stands.
    revoked_at: i64,
}

impl Grant {
    /// Whether it covers these scopes (A028).
    pub fn covers(&self, scopes: &Scopes) -> bool {
        self.live && scopes.within(&self.scopes)
    }
}

/// A grant that stands, as its user sees it.
#[derive(Clone, Debug)]
pub struct Standing {
    /// The row.
    pub id: GrantId,
    /// The name by which the client asks.
    pub client_id: String,
    /// The name that people see.
    pub client_name: String,
    /// The scopes allowed, separated by spaces.
    pub scope: String,
    /// When the first of them was allowed.
    pub created_at: Timestamp,
    /// When the last of them was.
    pub updated_at: Timestamp,
}

/// A page of what stands of a user's grants after `after`; at most `limit` (1 to 200).
pub async fn standing(cx: &Cx, user: UserId, after: Option<GrantId>, limit: u32) -> Result<Vec<Standing>, Unavailable> {
    let after = after.unwrap_or(GrantId::from_bytes([0; 16]));
    cx.db.list(cx.realm(), &sql::STANDING, args![cx.realm(), user, after, limit.clamp(1, 200)], sql::standing).await
}

/// Withdraws a grant of `user`, and with it every sign-in that the client holds by it (A082); `false` if there is none.
pub async fn end(cx: &Cx, user: UserId, grant: GrantId) -> Result<bool, Unavailable> {
    let found = cx.db.get(&sql::OF_USER, args![cx.realm(), grant, user], sql::grant).await?;
    if !found.is_some_and(|grant| grant.live) {
        return Ok(false);
    }
    let mut unit = claviger_audit::unit(cx, Event::new("consent_withdrawn", user).with("grant", grant));
    withdraw(&mut unit, grant);
    match cx.commit(unit).await {
        Ok(_) => Ok(true),
        Err(CommitError::Conflict(_)) => Ok(false),
        Err(CommitError::Unavailable(fault)) => Err(fault),
    }
}

/// What `user` has allowed `client`.
pub async fn of(cx: &Cx, user: UserId, client: ClientId) -> Result<Option<Grant>, Unavailable> {
    cx.db.get(&sql::OF, args![cx.realm(), user, client], sql::grant).await
}

/// Makes the commit depend on the grant still standing: conflict `grant`.
pub(crate) fn require_live(unit: &mut Unit, grant: GrantId) {
    unit.require("grant", &sql::LIVE, args![unit.realm(), grant]);
}

/// Remembers that `user` allows `client` these scopes, beside what was allowed before. Conflict `grant` if it was allowed,
/// widened or withdrawn meanwhile.
pub(crate) fn allow(
    unit: &mut Unit,
    user: UserId,
    client: ClientId,
    standing: Option<&Grant>,
    scopes: &Scopes,
) -> GrantId {
    let id = standing.map_or_else(|| unit.id_of(user.shard()), |grant| grant.id);
    let all = standing.filter(|grant| grant.live).map_or_else(|| scopes.clone(), |grant| grant.scopes.with(scopes));
    unit.record(
        Event::new("grant_allowed", id).with("user", user).with("client", client).with("scope", all.to_string()),
    );
    let (before, revoked_at) =
        standing.map_or((String::new(), 0), |grant| (grant.scopes.to_string(), grant.revoked_at));
    let args = args![unit.realm(), id, user, client, all.to_string(), unit.now(), before, revoked_at];
    unit.one("grant", &sql::ALLOW, args);
    id
}

/// Withdraws a grant: the families under it are revoked in the same unit.
pub fn withdraw(unit: &mut Unit, grant: GrantId) {
    unit.record(Event::new("grant_withdrawn", grant));
    unit.any("grant", &sql::WITHDRAW, args![unit.realm(), grant, unit.now()]);
    families::revoke_of_grant(unit, grant, "consent withdrawn");
}
