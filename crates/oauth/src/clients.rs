//! Clients: OAuth applications, confidential or public.
//!
//! `client_id` is a text column of its own and importable; a generated one begins with `cli_`, a prefix that no user's
//! subject can bear (A026). Secrets are 256-bit and kept as keyed SHA-256; at most two are live, so that one can replace
//! the other without a gap.

use core::time::Duration;

use claviger_audit::{Cx, Event};
use claviger_crypto::{MacKey, base64url};
use claviger_kernel::{ClientId, Secret, SecretId, Timestamp, Unavailable};
use claviger_session::revocations;
use claviger_storage::{CommitError, args};

use crate::OAuth;

mod settings;
pub(crate) mod sql;

pub use settings::{AuthMethod, ClientError, ClientSettings, GrantType, IdTokenAlg};

/// Whether a client can keep a secret (RFC 6749 §2.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClientKind {
    /// It can.
    Confidential,
    /// It cannot: a browser or native application.
    Public,
}

impl ClientKind {
    /// The text that the column holds.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Confidential => "confidential",
            Self::Public => "public",
        }
    }
}

/// An OAuth application.
#[derive(Clone, Debug)]
pub struct Client {
    /// The row.
    pub id: ClientId,
    /// The name by which it asks.
    pub client_id: String,
    /// The name that people see.
    pub name: String,
    /// Whether it can keep a secret.
    pub kind: ClientKind,
    /// Whether it may be used.
    pub active: bool,
    /// Raised to void everything issued to it before.
    pub epoch: i64,
    /// What it may do.
    pub settings: ClientSettings,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

impl Client {
    /// Whether this is the client as it is, or was, when something was issued to it under `epoch`.
    ///
    /// # Errors
    /// [`Unavailable`] if it has been voided since it was read: the node will hear of that in a moment, and must not call
    /// bad meanwhile what was issued since.
    pub(crate) fn knows_of(&self, epoch: i64) -> Result<(), Unavailable> {
        if epoch <= self.epoch {
            return Ok(());
        }
        Err(Unavailable::new("the client was voided, and this node has not heard of it yet"))
    }

    /// `sub` of the client's own tokens: in a namespace of machines (A026).
    pub fn machine_subject(&self) -> String {
        claviger_kernel::ServiceAccountId::from_bytes(*self.id.as_bytes()).to_string()
    }
}

/// A client to be made.
#[derive(Debug)]
pub struct NewClient {
    /// The name by which it asks, where it is chosen; 1 to 100 characters of `A-Za-z0-9._-`.
    pub client_id: Option<String>,
    /// The name that people see.
    pub name: String,
    /// Whether it can keep a secret.
    pub kind: ClientKind,
    /// A secret of at least 32 characters, where it is chosen; confidential clients get one otherwise.
    pub secret: Option<Secret<String>>,
    /// What it may do.
    pub settings: ClientSettings,
}

/// A secret of a client, without the secret.
#[derive(Clone, Debug)]
pub struct SecretRow {
    /// The row.
    pub id: SecretId,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it is over, if ever.
    pub expires_at: Option<Timestamp>,
}

impl OAuth {
    /// Makes a client; a confidential one comes with its secret, which is shown this once.
    pub async fn create_client(
        &self,
        cx: &Cx,
        new: NewClient,
    ) -> Result<(Client, Option<Secret<String>>), ClientError> {
        new.settings.check(new.kind)?;
        settings::check_name(&new.name)?;
        let id: ClientId = cx.id();
        let client_id = match new.client_id {
            Some(chosen) => settings::check_client_id(chosen)?,
            None => id.to_string(),
        };
        let secret = match (new.kind, new.secret) {
            (ClientKind::Public, Some(_)) => return Err(ClientError::SecretOfPublic),
            (ClientKind::Public, None) => None,
            (ClientKind::Confidential, Some(chosen)) => Some(settings::check_secret(chosen)?),
            (ClientKind::Confidential, None) => Some(new_secret(cx)),
        };
        let mut unit = claviger_audit::unit(cx, Event::new("client_created", id).with("client_id", &client_id));
        let args = args![
            cx.realm(),
            id,
            client_id.as_str(),
            new.name.as_str(),
            new.kind.as_str(),
            new.settings.to_json(),
            unit.now()
        ];
        unit.one("client_id", &sql::INSERT, args);
        if let Some(secret) = &secret {
            let hash = secret_hash(&self.secret_key(cx)?, secret);
            let secret_id: SecretId = cx.id();
            unit.one("secret", &sql::ADD_SECRET, args![cx.realm(), secret_id, id, hash, unit.now()]);
        }
        unit.changed("client", id.as_bytes());
        let now = unit.now();
        cx.commit(unit).await?;
        let client = Client {
            id,
            client_id,
            name: new.name,
            kind: new.kind,
            active: true,
            epoch: 0,
            settings: new.settings,
            created_at: now,
            updated_at: now,
        };
        Ok((client, secret))
    }

    /// The client that asks by this name.
    pub async fn client(&self, cx: &Cx, client_id: &str) -> Result<Option<Client>, Unavailable> {
        cx.db.get(&sql::BY_CLIENT_ID, args![cx.realm(), client_id], sql::client).await
    }

    /// The client of this row.
    pub async fn client_by_id(&self, cx: &Cx, id: ClientId) -> Result<Option<Client>, Unavailable> {
        cx.db.get(&sql::BY_ID, args![cx.realm(), id], sql::client).await
    }

    /// A page of clients after `after`; at most `limit` (1 to 200).
    pub async fn clients(&self, cx: &Cx, after: Option<ClientId>, limit: u32) -> Result<Vec<Client>, Unavailable> {
        let after = after.unwrap_or(ClientId::from_bytes([0; 16]));
        cx.db.list(cx.realm(), &sql::PAGE, args![cx.realm(), after, limit.clamp(1, 200)], sql::client).await
    }

    /// Changes a client's name and settings.
    pub async fn update_client(
        &self,
        cx: &Cx,
        client: &Client,
        name: &str,
        new: &ClientSettings,
    ) -> Result<(), ClientError> {
        settings::check_name(name)?;
        new.check(client.kind)?;
        let mut unit = claviger_audit::unit(cx, Event::new("client_changed", client.id));
        let args = args![cx.realm(), client.id, name, new.to_json(), unit.now(), client.updated_at];
        unit.one("client", &sql::UPDATE, args);
        unit.changed("client", client.id.as_bytes());
        cx.commit(unit).await?;
        Ok(())
    }

    /// Removes a client: its secrets and families go with it, what it was issued is void.
    pub async fn remove_client(&self, cx: &Cx, client: &Client) -> Result<(), ClientError> {
        let mut unit =
            claviger_audit::unit(cx, Event::new("client_removed", client.id).with("client_id", &client.client_id));
        unit.any("secrets", &sql::REMOVE_SECRETS, args![cx.realm(), client.id]);
        unit.one("client", &sql::REMOVE, args![cx.realm(), client.id, client.epoch, unit.now()]);
        revocations::client(&mut unit, client.id, &client.client_id, client.epoch + 1);
        unit.changed("client", client.id.as_bytes());
        cx.commit(unit).await?;
        Ok(())
    }

    /// Voids everything that was issued to a client before: codes, access tokens, refresh tokens (A066). The client stays as
    /// it is, and people need not agree again.
    pub async fn void_client(&self, cx: &Cx, client: &Client) -> Result<(), ClientError> {
        let mut unit =
            claviger_audit::unit(cx, Event::new("client_voided", client.id).with("client_id", &client.client_id));
        unit.one("client", &sql::VOID, args![cx.realm(), client.id, client.epoch, unit.now()]);
        revocations::client(&mut unit, client.id, &client.client_id, client.epoch + 1);
        unit.changed("client", client.id.as_bytes());
        cx.commit(unit).await?;
        Ok(())
    }

    /// Adds a secret; with two live ones the older ends after `overlap`, an earlier third at once. Without an overlap the
    /// others are gone, and do not live on by the clock of a node that is behind.
    pub async fn rotate_secret(
        &self,
        cx: &Cx,
        client: &Client,
        overlap: Duration,
    ) -> Result<Secret<String>, ClientError> {
        if client.kind == ClientKind::Public {
            return Err(ClientError::SecretOfPublic);
        }
        let secret = new_secret(cx);
        let hash = secret_hash(&self.secret_key(cx)?, &secret);
        let secret_id: SecretId = cx.id();
        let mut unit = claviger_audit::unit(cx, Event::new("client_secret_added", client.id).with("secret", secret_id));
        let until = unit.now().plus(overlap);
        if overlap.is_zero() {
            unit.any("secrets", &sql::REMOVE_SECRETS, args![cx.realm(), client.id]);
        } else {
            unit.any("secrets", &sql::REMOVE_OLDER_SECRETS, args![cx.realm(), client.id]);
            unit.any("secrets", &sql::END_SECRETS, args![cx.realm(), client.id, until]);
        }
        unit.one("secret", &sql::ADD_SECRET, args![cx.realm(), secret_id, client.id, hash, unit.now()]);
        unit.changed("client", client.id.as_bytes());
        cx.commit(unit).await?;
        Ok(secret)
    }

    /// The secrets of a client, without the secrets.
    pub async fn secrets(&self, cx: &Cx, client: &Client) -> Result<Vec<SecretRow>, Unavailable> {
        cx.db.list(cx.realm(), &sql::SECRETS, args![cx.realm(), client.id], sql::secret_row).await
    }
}

/// Makes the commit depend on the client still being active, under the epoch that was read: conflict `client_active`.
pub(crate) fn require_active(unit: &mut claviger_audit::Unit, client: &Client) {
    unit.require("client_active", &sql::ACTIVE, args![unit.realm(), client.id, client.epoch]);
}

/// 256 bits, named so that scanners know it.
fn new_secret(cx: &Cx) -> Secret<String> {
    let bytes = Secret::new(cx.random::<32>());
    Secret::new(format!("cvcs_{}", base64url(bytes.expose())))
}

pub(crate) fn secret_hash(key: &MacKey, secret: &Secret<String>) -> [u8; 32] {
    key.tag("client secret/1", &[secret.expose().as_bytes()])
}

impl From<CommitError> for ClientError {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::Conflict("client_id") => Self::IdTaken,
            CommitError::Conflict(_) => Self::Changed,
            CommitError::Unavailable(fault) => Self::Unavailable(fault),
        }
    }
}
