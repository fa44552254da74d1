//! Identifiers: 16 bytes, ordered by time, laid out as UUIDv7 (RFC 9562 §5.7).
//!
//! `rand_a` carries the shard of the user who owns the row, so that every key of a user-owned row tells where the
//! row lives without a look-up. On the wire an id is its kind's prefix, `_`, and 26 Crockford base-32 characters.

use core::fmt;
use core::hash::{Hash, Hasher};
use core::marker::PhantomData;
use core::str::FromStr;

use crate::{Entropy, Timestamp};

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// Where the rows of one user live: 12 bits, chosen at random when the user is made and kept for good.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Shard(u16);

impl Shard {
    /// The number of shards, 4,096.
    pub const COUNT: u16 = 1 << 12;

    /// Keeps the low 12 bits of `bits`.
    pub const fn new(bits: u16) -> Self {
        Self(bits & (Self::COUNT - 1))
    }

    /// The shard's number, below [`Shard::COUNT`].
    pub const fn get(self) -> u16 {
        self.0
    }
}

/// What an [`Id`] identifies; gives the prefix that it bears on the wire.
pub trait IdKind: 'static {
    /// Three or four lower-case letters.
    const PREFIX: &'static str;
}

/// A 16-byte, time-ordered identifier of one kind; ids of different kinds are different types.
pub struct Id<K>([u8; 16], PhantomData<fn() -> K>);

impl<K> Id<K> {
    /// A new id of a row that belongs to no user; its shard bits are random.
    pub fn new(now: Timestamp, entropy: &dyn Entropy) -> Self {
        let mut shard = [0; 2];
        entropy.fill(&mut shard);
        Self::owned(now, entropy, Shard::new(u16::from_be_bytes(shard)))
    }

    /// A new id of a row that belongs to the user of `shard`. Times before 1970 count as 1970.
    pub fn owned(now: Timestamp, entropy: &dyn Entropy, shard: Shard) -> Self {
        let millis = u64::try_from(now.micros() / 1000).unwrap_or(0);
        let mut bytes = [0; 16];
        entropy.fill(&mut bytes[8..]);
        bytes[..6].copy_from_slice(&millis.to_be_bytes()[2..]);
        bytes[6..8].copy_from_slice(&(0x7000 | shard.get()).to_be_bytes());
        bytes[8] = 0x80 | (bytes[8] & 0x3f);
        Self(bytes, PhantomData)
    }

    /// The id stored as these bytes; storage and tests only, the wire form is parsed with [`FromStr`].
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes, PhantomData)
    }

    /// The bytes as stored.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// The shard of the user who owns the row.
    pub const fn shard(&self) -> Shard {
        Shard::new(u16::from_be_bytes([self.0[6], self.0[7]]))
    }

    /// When the id was made, to the millisecond.
    pub fn created(&self) -> Timestamp {
        let mut millis = [0; 8];
        millis[2..].copy_from_slice(&self.0[..6]);
        Timestamp::from_micros(i64::from_be_bytes(millis).saturating_mul(1000))
    }
}

impl<K> Clone for Id<K> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<K> Copy for Id<K> {}
impl<K> PartialEq for Id<K> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}
impl<K> Eq for Id<K> {}
impl<K> PartialOrd for Id<K> {
    fn partial_cmp(&self, other: &Self) -> Option<core::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl<K> Ord for Id<K> {
    fn cmp(&self, other: &Self) -> core::cmp::Ordering {
        self.0.cmp(&other.0)
    }
}
impl<K> Hash for Id<K> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl<K: IdKind> fmt::Display for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = u128::from_be_bytes(self.0);
        let mut text = [0u8; 26];
        for (place, letter) in text.iter_mut().rev().enumerate() {
            *letter = ALPHABET[((number >> (5 * place)) & 31) as usize];
        }
        f.write_str(K::PREFIX)?;
        f.write_str("_")?;
        f.write_str(core::str::from_utf8(&text).expect("the alphabet is ASCII"))
    }
}

impl<K: IdKind> fmt::Debug for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is not an id of the kind asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct IdError {
    prefix: &'static str,
}

impl fmt::Display for IdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected \"{}_\" and 26 characters of 0-9 a-z without i, l, o, u", self.prefix)
    }
}
impl core::error::Error for IdError {}

impl<K: IdKind> FromStr for Id<K> {
    type Err = IdError;

    /// Reads the one canonical form: lower case, no look-alike letters, no overflow.
    fn from_str(text: &str) -> Result<Self, IdError> {
        let error = IdError { prefix: K::PREFIX };
        let body = text.strip_prefix(K::PREFIX).and_then(|rest| rest.strip_prefix('_')).ok_or(error)?;
        if body.len() != 26 || body.as_bytes()[0] > b'7' {
            return Err(error);
        }
        let mut number = 0u128;
        for letter in body.bytes() {
            let digit = ALPHABET.iter().position(|known| *known == letter).ok_or(error)?;
            number = (number << 5) | digit as u128;
        }
        Ok(Self(number.to_be_bytes(), PhantomData))
    }
}

impl<K: IdKind> serde::Serialize for Id<K> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
impl<'de, K: IdKind> serde::Deserialize<'de> for Id<K> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $kind:ident $prefix:literal;)*) => {
        /// The kinds of id, one empty type each.
        pub mod kind {
            $($(#[$doc])* pub enum $kind {} impl super::IdKind for $kind { const PREFIX: &'static str = $prefix; })*
        }
        $($(#[$doc])* pub type $name = Id<kind::$kind>;)*
    };
}

kinds! {
    /// A realm: an isolated identity space.
    RealmId = Realm "rlm";
    /// An organization: a tenant inside a realm.
    OrganizationId = Organization "org";
    /// A user: one human identity.
    UserId = User "usr";
    /// An e-mail address of a user.
    EmailId = Email "eml";
    /// A credential of a user.
    CredentialId = Credential "crd";
    /// A machine identity.
    ServiceAccountId = ServiceAccount "svc";
    /// The row of an OAuth client; its `client_id` is a text column of its own.
    ClientId = Client "cli";
    /// One of the live secrets of a client.
    SecretId = ClientSecret "sec";
    /// An API: an audience.
    ResourceServerId = ResourceServer "api";
    /// A signing key.
    KeyId = Key "key";
    /// A signed-in browser or device.
    SessionId = Session "ses";
    /// The chain of refresh tokens of one grant on one device.
    FamilyId = Family "fam";
    /// What a user has allowed a client.
    GrantId = Grant "grt";
    /// An authorization code.
    CodeId = Code "cod";
    /// A sign-in flow of one browser.
    FlowId = Flow "flw";
    /// An API key.
    ApiKeyId = ApiKey "apk";
    /// A role.
    RoleId = Role "rol";
    /// A queued message.
    MessageId = Message "msg";
    /// A background job.
    JobId = Job "job";
    /// An audit event.
    EventId = Event "evt";
    /// A unit: one atomic write.
    UnitId = Unit "unt";
    /// A request, as a person reports it to an administrator.
    RequestId = Request "req";
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SeededEntropy;

    const NOW: Timestamp = Timestamp::from_micros(1_795_000_000_123_456);

    #[test]
    fn an_id_survives_the_wire_and_bears_its_prefix() {
        let id = UserId::new(NOW, &SeededEntropy::new(1));
        assert!(id.to_string().starts_with("usr_"));
        assert_eq!(id.to_string().len(), 30);
        assert_eq!(id.to_string().parse::<UserId>(), Ok(id));
        assert!(id.to_string().parse::<SessionId>().is_err());
    }

    #[test]
    fn rows_of_a_user_carry_the_users_shard_and_sort_by_time() {
        let entropy = SeededEntropy::new(2);
        let user = UserId::new(NOW, &entropy);
        let session = SessionId::owned(NOW, &entropy, user.shard());
        let later = SessionId::owned(Timestamp::from_micros(NOW.micros() + 1000), &entropy, user.shard());
        assert_eq!(session.shard(), user.shard());
        assert!(session < later);
        assert_eq!(session.created().micros(), NOW.micros() / 1000 * 1000);
        assert_eq!((session.as_bytes()[6] >> 4, session.as_bytes()[8] >> 6), (7, 2));
    }

    #[test]
    fn only_the_canonical_spelling_is_read() {
        let text = UserId::from_bytes([0xff; 16]).to_string();
        assert_eq!(text, "usr_7zzzzzzzzzzzzzzzzzzzzzzzzz");
        for wrong in [
            "usr_8zzzzzzzzzzzzzzzzzzzzzzzzz",
            "usr_7ZZZZZZZZZZZZZZZZZZZZZZZZZ",
            "usr_7zzzzzzzzzzzzzzzzzzzzzzzz",
            "usr-x",
            "",
            "usr_",
            "usr_7zzzzzzzzzzzzzzzzzzzzzzzzé",
        ] {
            assert!(wrong.parse::<UserId>().is_err(), "{wrong}");
        }
    }
}
