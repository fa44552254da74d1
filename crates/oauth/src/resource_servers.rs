//! Resource servers: APIs, each an audience with its scopes and the life of its access tokens.

use core::time::Duration;

use claviger_audit::{Cx, Event};
use claviger_kernel::{ResourceServerId, Timestamp, Unavailable};
use claviger_storage::{CommitError, args};

use crate::OAuth;
use crate::scope::Scopes;

pub(crate) mod sql;

/// An API.
#[derive(Clone, Debug)]
pub struct ResourceServer {
    /// The row.
    pub id: ResourceServerId,
    /// The audience: an absolute address by which clients name it (RFC 8707).
    pub audience: String,
    /// The name that people see.
    pub name: String,
    /// The scopes that it knows.
    pub scopes: Scopes,
    /// The life of its access tokens, where it differs from the realm's.
    pub access_life: Option<Duration>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// A resource server was not made or changed.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResourceServerError {
    /// The audience is malformed.
    #[error(
        "an audience is an absolute address without a fragment, such as https://api.example.com, of at most 500 bytes"
    )]
    BadAudience,
    /// The name is empty, too long, or holds control characters.
    #[error("a name is 1 to 100 characters without control characters")]
    BadName,
    /// The life is out of bounds.
    #[error("access tokens of this API live between 5 seconds and the realm's tokens.access_longest")]
    BadLife,
    /// Another has the audience.
    #[error("another resource server has this audience")]
    AudienceTaken,
    /// Somebody changed it meanwhile.
    #[error("the resource server was changed or removed meanwhile; read it again")]
    Changed,
    /// Try later.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

impl From<CommitError> for ResourceServerError {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::Conflict("audience") => Self::AudienceTaken,
            CommitError::Conflict(_) => Self::Changed,
            CommitError::Unavailable(fault) => Self::Unavailable(fault),
        }
    }
}

impl OAuth {
    /// Makes a resource server.
    pub async fn create_resource_server(
        &self,
        cx: &Cx,
        audience: &str,
        name: &str,
        scopes: Scopes,
        access_life: Option<Duration>,
    ) -> Result<ResourceServer, ResourceServerError> {
        let url = url::Url::parse(audience).map_err(|_| ResourceServerError::BadAudience)?;
        let issuer = &self.realm(cx)?.issuer;
        if audience.len() > 500
            || url.fragment().is_some()
            || url.cannot_be_a_base() && url.scheme() != "urn"
            || audience == issuer
        {
            return Err(ResourceServerError::BadAudience);
        }
        if name.trim().is_empty() || name.chars().count() > 100 || name.chars().any(char::is_control) {
            return Err(ResourceServerError::BadName);
        }
        let longest = self.realm(cx)?.settings.tokens.access_longest;
        if access_life.is_some_and(|life| life < Duration::from_secs(5) || life > longest) {
            return Err(ResourceServerError::BadLife);
        }
        let id: ResourceServerId = cx.id();
        let mut unit = claviger_audit::unit(cx, Event::new("resource_server_created", id).with("audience", audience));
        let seconds = access_life.map(|life| i64::try_from(life.as_secs()).unwrap_or(i64::MAX));
        let args = args![cx.realm(), id, audience, name, scopes.to_string(), seconds, unit.now()];
        unit.one("audience", &sql::INSERT, args);
        unit.changed("resource_server", id.as_bytes());
        let now = unit.now();
        cx.commit(unit).await?;
        let (audience, name) = (audience.to_owned(), name.to_owned());
        Ok(ResourceServer { id, audience, name, scopes, access_life, created_at: now, updated_at: now })
    }

    /// The resource server of this audience.
    pub async fn resource_server(&self, cx: &Cx, audience: &str) -> Result<Option<ResourceServer>, Unavailable> {
        cx.db.get(&sql::BY_AUDIENCE, args![cx.realm(), audience], sql::resource_server).await
    }

    /// A page of resource servers after `after`; at most `limit` (1 to 200).
    pub async fn resource_servers(
        &self,
        cx: &Cx,
        after: Option<ResourceServerId>,
        limit: u32,
    ) -> Result<Vec<ResourceServer>, Unavailable> {
        let after = after.unwrap_or(ResourceServerId::from_bytes([0; 16]));
        cx.db.list(cx.realm(), &sql::PAGE, args![cx.realm(), after, limit.clamp(1, 200)], sql::resource_server).await
    }

    /// Removes a resource server: no token is issued for it any more.
    pub async fn remove_resource_server(&self, cx: &Cx, id: ResourceServerId) -> Result<(), ResourceServerError> {
        let mut unit = claviger_audit::unit(cx, Event::new("resource_server_removed", id));
        unit.one("resource_server", &sql::REMOVE, args![cx.realm(), id]);
        unit.changed("resource_server", id.as_bytes());
        cx.commit(unit).await?;
        Ok(())
    }
}
