//! Resource servers: APIs, each an audience with its scopes and the form and life of its access tokens.

use core::time::Duration;
use std::sync::Arc;

use claviger_audit::{Cx, Event};
use claviger_kernel::{ResourceServerId, Timestamp, Unavailable};
use claviger_storage::{CommitError, args};
use claviger_tenancy::Realm;
use serde::{Deserialize, Serialize};

use crate::OAuth;
use crate::authenticate::keeps_up;
use crate::scope::Scopes;

pub(crate) mod sql;

/// What an API's access tokens look like.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TokenFormat {
    /// Signed claims that the API reads and verifies by itself (RFC 9068).
    #[default]
    Jwt,
    /// A text that says nothing to anybody but the issuer: the API asks introspection each time.
    Opaque,
}

impl TokenFormat {
    /// Every format.
    pub const ALL: [Self; 2] = [Self::Jwt, Self::Opaque];

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Jwt => "jwt",
            Self::Opaque => "opaque",
        }
    }
}

/// An API.
#[derive(Clone, Debug)]
pub struct ResourceServer {
    /// The row.
    pub id: ResourceServerId,
    /// The audience: an absolute address by which clients name it (RFC 8707). It never changes.
    pub audience: String,
    /// What may change.
    pub settings: ResourceServerSettings,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// What may change about an API.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ResourceServerSettings {
    /// The name that people see; 1 to 100 characters.
    pub name: String,
    /// The scopes that it knows.
    pub scopes: Scopes,
    /// The life of its access tokens, where it differs from the realm's; 5 seconds to `tokens.access_longest`.
    pub access_life: Option<Duration>,
    /// What its access tokens look like.
    pub token_format: TokenFormat,
    /// Whether it learns of revocations: it asks introspection, or follows the feed. Then its tokens may live longer
    /// (`tokens.access_revocation_aware`). An API with opaque tokens always does.
    pub revocation_aware: bool,
}

impl ResourceServerSettings {
    fn checked(mut self, realm: &Realm) -> Result<Self, ResourceServerError> {
        let name = &self.name;
        if name.trim().is_empty() || name.chars().count() > 100 || name.chars().any(char::is_control) {
            return Err(ResourceServerError::BadName);
        }
        let longest = realm.settings.tokens.access_longest;
        if self.access_life.is_some_and(|life| life < Duration::from_secs(5) || life > longest) {
            return Err(ResourceServerError::BadLife);
        }
        self.revocation_aware |= self.token_format == TokenFormat::Opaque;
        Ok(self)
    }

    /// How long a token lives that is issued now.
    pub(crate) fn life(&self, realm: &Realm) -> Duration {
        let tokens = &realm.settings.tokens;
        let usual = if self.revocation_aware { tokens.access_revocation_aware } else { tokens.access };
        self.access_life.unwrap_or(usual).min(tokens.access_longest)
    }

    fn seconds(&self) -> Option<i64> {
        self.access_life.map(|life| i64::try_from(life.as_secs()).unwrap_or(i64::MAX))
    }
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
        settings: ResourceServerSettings,
    ) -> Result<ResourceServer, ResourceServerError> {
        let url = url::Url::parse(audience).map_err(|_| ResourceServerError::BadAudience)?;
        let realm = self.realm(cx)?;
        if audience.len() > 500
            || url.fragment().is_some()
            || url.cannot_be_a_base() && url.scheme() != "urn"
            || audience == realm.issuer
        {
            return Err(ResourceServerError::BadAudience);
        }
        let settings = settings.checked(&realm)?;
        let id: ResourceServerId = cx.id();
        let event = Event::new("resource_server_created", id)
            .with("audience", audience)
            .with("token_format", settings.token_format.as_str());
        let mut unit = claviger_audit::unit(cx, event);
        let args = args![
            cx.realm(),
            id,
            audience,
            settings.name.as_str(),
            settings.scopes.to_string(),
            settings.seconds(),
            settings.token_format.as_str(),
            settings.revocation_aware,
            unit.now()
        ];
        unit.one("audience", &sql::INSERT, args);
        unit.changed("resource_server", id.as_bytes());
        let now = unit.now();
        cx.commit(unit).await?;
        Ok(ResourceServer { id, audience: audience.to_owned(), settings, created_at: now, updated_at: now })
    }

    /// Changes a resource server. Tokens that were issued before keep their form and their life.
    pub async fn update_resource_server(
        &self,
        cx: &Cx,
        server: &ResourceServer,
        settings: ResourceServerSettings,
    ) -> Result<(), ResourceServerError> {
        let settings = settings.checked(&*self.realm(cx)?)?;
        let event = Event::new("resource_server_changed", server.id)
            .with("audience", &server.audience)
            .with("token_format", settings.token_format.as_str());
        let mut unit = claviger_audit::unit(cx, event);
        let args = args![
            cx.realm(),
            server.id,
            settings.name.as_str(),
            settings.scopes.to_string(),
            settings.seconds(),
            settings.token_format.as_str(),
            settings.revocation_aware,
            unit.now(),
            server.updated_at
        ];
        unit.one("resource_server", &sql::UPDATE, args);
        unit.changed("resource_server", server.id.as_bytes());
        cx.commit(unit).await?;
        Ok(())
    }

    /// The resource server of this audience.
    pub async fn resource_server(&self, cx: &Cx, audience: &str) -> Result<Option<ResourceServer>, Unavailable> {
        cx.db.get(&sql::BY_AUDIENCE, args![cx.realm(), audience], sql::resource_server).await
    }

    /// The same, from memory where this node has seen it: for the issue of tokens.
    pub(crate) async fn known_resource_server(
        &self,
        cx: &Cx,
        audience: &str,
    ) -> Result<Option<Arc<ResourceServer>>, Unavailable> {
        let key = (cx.realm(), audience.to_owned());
        if let Some(server) = self.known.resource_servers.get(&key)
            && keeps_up(cx)
        {
            return Ok(Some(server));
        }
        let begun = self.known.resource_servers.begin();
        let Some(server) = self.resource_server(cx, audience).await? else { return Ok(None) };
        let server = Arc::new(server);
        self.known.resource_servers.keep(begun, key, Arc::clone(&server));
        Ok(Some(server))
    }

    /// The resource server of this row.
    pub async fn resource_server_by_id(
        &self,
        cx: &Cx,
        id: ResourceServerId,
    ) -> Result<Option<ResourceServer>, Unavailable> {
        cx.db.get(&sql::BY_ID, args![cx.realm(), id], sql::resource_server).await
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
