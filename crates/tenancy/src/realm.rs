//! A realm, and what it takes to make or change one.

use core::time::Duration;

use claviger_audit::{Cx, Unit};
use claviger_kernel::{RealmId, Timestamp};
use claviger_storage::{ColumnError, Row};

use crate::{PublicUrl, RealmName, RealmSettings, TenancyError};

/// Whether a realm serves anybody.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RealmStatus {
    /// It serves.
    Active,
    /// Nobody signs in, and nothing is issued; its rows stay.
    Disabled,
}

impl RealmStatus {
    /// The word that stands in the row and on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Disabled => "disabled",
        }
    }

    /// The status of this word.
    pub fn named(word: &str) -> Option<Self> {
        [Self::Active, Self::Disabled].into_iter().find(|status| status.as_str() == word)
    }
}

/// An isolated identity space with its own issuer, keys, users and clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Realm {
    /// The realm's id, in the first column of each of its rows.
    pub id: RealmId,
    /// The name in addresses; final.
    pub name: RealmName,
    /// The name that people read.
    pub display_name: String,
    /// Whether it serves anybody.
    pub status: RealmStatus,
    /// The `iss` of everything that it issues.
    pub issuer: String,
    /// What stands before every path of it: nothing, or `/realms/{name}`.
    pub base_path: String,
    /// What it may differ in.
    pub settings: RealmSettings,
    /// The longest life that a signed token of this realm may ever have been given; it only grows, for a key must stay
    /// published until the last token under it has expired, whatever the settings are by then.
    pub longest_token_life: Duration,
    /// Counts the changes; a change names the version that it was made from.
    pub version: i64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// The settings as stored, with what this version does not know.
    pub(crate) stored: String,
}

/// A realm to be made.
#[derive(Clone, Debug)]
pub struct NewRealm {
    /// The name in addresses.
    pub name: String,
    /// The name that people read, 1 to 80 characters.
    pub display_name: String,
    /// What it differs in.
    pub settings: RealmSettings,
}

/// A change of a realm; what is `None` stays as it is.
#[derive(Clone, Debug, Default)]
pub struct RealmChange {
    /// The name that people read.
    pub display_name: Option<String>,
    /// Whether it serves anybody.
    pub status: Option<RealmStatus>,
    /// What it differs in, complete; see [`RealmSettings::patched`].
    pub settings: Option<RealmSettings>,
}

/// A realm about to be made: its row and event stand in `unit`, to which the caller adds what a realm cannot be without.
pub struct Draft {
    /// The context of the new realm, under which `unit` must be committed.
    pub cx: Cx,
    /// The unit with the realm's row.
    pub unit: Unit,
    /// The realm as it will be.
    pub realm: Realm,
}

/// A row as it stands.
pub(crate) struct Stored {
    id: RealmId,
    name: String,
    display_name: String,
    status: String,
    settings: String,
    longest_token_life: i64,
    version: i64,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl Stored {
    pub(crate) fn read(row: &Row<'_>) -> Result<Self, ColumnError> {
        Ok(Self {
            id: row.get(0)?,
            name: row.get(1)?,
            display_name: row.get(2)?,
            status: row.get(3)?,
            settings: row.get(4)?,
            longest_token_life: row.get(5)?,
            version: row.get(6)?,
            created_at: row.get(7)?,
            updated_at: row.get(8)?,
        })
    }

    pub(crate) const fn id(&self) -> RealmId {
        self.id
    }

    /// The realm, or what is wrong with the row.
    pub(crate) fn realm(self, public_url: &PublicUrl) -> Result<Realm, String> {
        let name: RealmName = self.name.parse().map_err(|error: TenancyError| error.to_string())?;
        let settings = RealmSettings::stored(&self.settings).map_err(|error| error.to_string())?;
        let status = RealmStatus::named(&self.status).ok_or_else(|| format!("unknown status {:?}", self.status))?;
        Ok(Realm {
            id: self.id,
            issuer: public_url.issuer(&name),
            base_path: public_url.base_path(&name),
            name,
            display_name: self.display_name,
            status,
            longest_token_life: span(self.longest_token_life).max(settings.longest_token_life()),
            settings,
            version: self.version,
            created_at: self.created_at,
            updated_at: self.updated_at,
            stored: self.settings,
        })
    }
}

/// A span from its column, in microseconds.
fn span(micros: i64) -> Duration {
    Duration::from_micros(u64::try_from(micros).unwrap_or(0))
}

/// A span for its column, in microseconds.
pub(crate) fn micros(span: Duration) -> i64 {
    i64::try_from(span.as_micros()).unwrap_or(i64::MAX)
}

/// A name that people read: trimmed, 1 to 80 characters, none of them a control character.
pub(crate) fn display_name(given: &str) -> Result<String, TenancyError> {
    let name = given.trim();
    let fits = (1..=80).contains(&name.chars().count()) && !name.chars().any(char::is_control);
    if fits { Ok(name.to_owned()) } else { Err(TenancyError::DisplayName) }
}
