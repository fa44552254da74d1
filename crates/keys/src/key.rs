//! What a key is for and where it stands in its life. The key itself is elsewhere: see `material`.

use claviger_crypto::jose::Algorithm;
use claviger_kernel::{KeyId, Timestamp};

/// What a key of a realm is for. Each purpose has keys of its own, numbered from 1.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Purpose {
    /// Signs tokens: ES256 access tokens, RS256 ID tokens.
    Sign(Algorithm),
    /// The MAC of opaque values (session cookies, refresh tokens, codes, links).
    Opaque,
    /// Seals secrets that must be read again, such as a queued message's link.
    Seal,
    /// Keyed hashes by which rows are found or checked; never changes, for the rows could not follow.
    Mac,
}

impl Purpose {
    /// Every purpose.
    pub const ALL: [Self; 5] =
        [Self::Sign(Algorithm::Es256), Self::Sign(Algorithm::Rs256), Self::Opaque, Self::Seal, Self::Mac];

    /// The word that stands in the row and on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sign(Algorithm::Es256) => "es256",
            Self::Sign(Algorithm::Rs256) => "rs256",
            Self::Opaque => "opaque",
            Self::Seal => "seal",
            Self::Mac => "mac",
        }
    }

    /// The purpose of this word.
    pub fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|purpose| purpose.as_str() == word)
    }

    /// Whether the key of this purpose is replaced in time.
    pub const fn rotates(self) -> bool {
        !matches!(self, Self::Mac)
    }

    /// Whether keys of this purpose leave once nothing lives that was made with them. What has been sealed may lie for
    /// ever; the keys of opaque values outlive the longest of them by staying (32 bytes each quarter).
    pub const fn expires(self) -> bool {
        matches!(self, Self::Sign(_))
    }
}

/// Where a key stands in its life; it only ever moves down this list.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KeyState {
    /// Published so that everybody knows it when it begins to sign.
    Pending,
    /// In use: exactly one for each realm and purpose.
    Active,
    /// No longer used for anything new; what was made with it is still good.
    Retiring,
    /// Gone: the private half is wiped, and whatever was made with it is refused.
    Removed,
}

impl KeyState {
    const ALL: [Self; 4] = [Self::Pending, Self::Active, Self::Retiring, Self::Removed];

    /// The word that stands in the row and on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Active => "active",
            Self::Retiring => "retiring",
            Self::Removed => "removed",
        }
    }

    /// The state of this word.
    pub fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }
}

/// A key as an administrator sees it. Nothing in it is secret.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Key {
    /// The row's id.
    pub id: KeyId,
    /// What it is for.
    pub purpose: Purpose,
    /// Counts the keys of the purpose, from 1; opaque and sealed values carry it.
    pub number: u32,
    /// The `kid` in tokens and in the key set; signing keys alone have one.
    pub kid: Option<String>,
    /// Where it stands.
    pub state: KeyState,
    /// A pending key that was asked for: it takes over as soon as it has been published long enough, not by schedule.
    pub soon: bool,
    /// Since when it has been published.
    pub published_at: Timestamp,
    /// When it came into use.
    pub active_at: Option<Timestamp>,
    /// When the next took its place.
    pub retiring_at: Option<Timestamp>,
    /// When it was removed.
    pub removed_at: Option<Timestamp>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_read_back_and_nothing_else_does() {
        for purpose in Purpose::ALL {
            assert_eq!(Purpose::named(purpose.as_str()), Some(purpose));
        }
        for state in KeyState::ALL {
            assert_eq!(KeyState::named(state.as_str()), Some(state));
        }
        assert_eq!((Purpose::named("ES256"), KeyState::named("")), (None, None));
    }
}
