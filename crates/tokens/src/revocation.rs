//! What has been revoked: a set that only grows, by union, until the last token concerned has died by itself.
//!
//! The truth is the log in the database; this is its image in the memory of whoever verifies. One set belongs to one
//! issuer, as a [`KeySet`](crate::KeySet) does. Feeding it twice, late or out of order changes nothing (F44).

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::atomic::{AtomicUsize, Ordering};

use claviger_crypto::sha256;
use claviger_kernel::Timestamp;
use parking_lot::RwLock;

use crate::{Epochs, RevokedBy};

/// What is revoked, named as tokens name it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Revocation<'a> {
    /// One token, by `jti`.
    Token(&'a str),
    /// A session, by `sid`, and every token that comes from it.
    Session(&'a str),
    /// A token family, by `fam`.
    Family(&'a str),
    /// Whatever was issued to the user `sub` under a lower epoch.
    User {
        /// The subject.
        sub: &'a str,
        /// The first epoch that is good again.
        epoch: u64,
    },
    /// Whatever was issued to the client under a lower epoch.
    Client {
        /// The client.
        client_id: &'a str,
        /// The first epoch that is good again.
        epoch: u64,
    },
    /// Whatever was issued for the organization under a lower epoch.
    Organization {
        /// The organization.
        org_id: &'a str,
        /// The first epoch that is good again.
        epoch: u64,
    },
}

/// What a token or a session tells of itself and a revocation may name.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Marks<'a> {
    /// The token's own id.
    pub token: Option<&'a str>,
    /// The session.
    pub session: Option<&'a str>,
    /// The token family.
    pub family: Option<&'a str>,
    /// The subject.
    pub user: Option<&'a str>,
    /// The client.
    pub client: Option<&'a str>,
    /// The organization.
    pub organization: Option<&'a str>,
    /// The epochs under which it was issued.
    pub epochs: Epochs,
}

/// Everything revoked of which a live token may still exist. Some 60 to 90 bytes an entry.
///
/// Grows under a shared reference while others ask: what has been inserted before a question was asked is in its answer.
#[derive(Debug, Default)]
pub struct RevocationSet {
    shards: [RwLock<Shard>; SHARDS],
    len: AtomicUsize,
}

/// How many parts of the set can grow or be asked beside each other.
const SHARDS: usize = 16;

#[derive(Debug, Default)]
struct Shard {
    entries: HashMap<Name, Entry, BuildHasherDefault<Prefix>>,
    /// Which names to look at in which minute. Each stands in one, also if its end has been put off since.
    minutes: BTreeMap<i64, Vec<Name>>,
}

/// 16 bytes of SHA-256 over kind and name: one size for all, and spread evenly.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Name([u8; 16]);

#[derive(Clone, Copy, Debug)]
struct Entry {
    /// Epochs below are refused. Things without epochs present 0 and are revoked as of 1.
    epoch: u64,
    until: Timestamp,
}

impl RevocationSet {
    /// An empty set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an entry that must stand until `until`, when the last token concerned has died. Of two entries of one
    /// name the later end and the higher epoch count, in whatever order they come.
    pub fn insert(&self, revoked: Revocation<'_>, until: Timestamp) {
        let (name, epoch) = match revoked {
            Revocation::Token(id) => (Name::new(RevokedBy::Token, id), 1),
            Revocation::Session(id) => (Name::new(RevokedBy::Session, id), 1),
            Revocation::Family(id) => (Name::new(RevokedBy::Family, id), 1),
            Revocation::User { sub, epoch } => (Name::new(RevokedBy::User, sub), epoch),
            Revocation::Client { client_id, epoch } => (Name::new(RevokedBy::Client, client_id), epoch),
            Revocation::Organization { org_id, epoch } => (Name::new(RevokedBy::Organization, org_id), epoch),
        };
        let mut shard = self.shard(&name).write();
        let known = shard.entries.get(&name).copied();
        let entry = known.map_or(Entry { epoch, until }, |known| Entry {
            epoch: known.epoch.max(epoch),
            until: known.until.max(until),
        });
        if shard.entries.insert(name, entry).is_none() {
            shard.minutes.entry(minute(until)).or_default().push(name);
            self.len.fetch_add(1, Ordering::Release);
        }
    }

    /// What has been revoked and takes the bearer of these marks with it, if anything.
    pub fn refuses(&self, marks: &Marks<'_>) -> Option<RevokedBy> {
        if self.is_empty() {
            return None;
        }
        let Epochs { user, client, organization } = marks.epochs;
        [
            (RevokedBy::Token, marks.token, None),
            (RevokedBy::Session, marks.session, None),
            (RevokedBy::Family, marks.family, None),
            (RevokedBy::User, marks.user, user),
            (RevokedBy::Client, marks.client, client),
            (RevokedBy::Organization, marks.organization, organization),
        ]
        .into_iter()
        .find(|(kind, name, epoch)| {
            let entry = name.and_then(|name| self.entry(&Name::new(*kind, name)));
            entry.is_some_and(|entry| epoch.unwrap_or(0) < entry.epoch)
        })
        .map(|(kind, ..)| kind)
    }

    /// Forgets what nobody can present any more, to the minute. The work is in proportion to what is forgotten.
    pub fn expire(&self, now: Timestamp) {
        for shard in &self.shards {
            let mut shard = shard.write();
            let kept = shard.minutes.split_off(&minute(now));
            for name in std::mem::replace(&mut shard.minutes, kept).into_values().flatten() {
                match shard.entries.get(&name).map(|entry| minute(entry.until)) {
                    Some(later) if later >= minute(now) => shard.minutes.entry(later).or_default().push(name),
                    Some(_) => {
                        shard.entries.remove(&name);
                        self.len.fetch_sub(1, Ordering::Release);
                    }
                    None => {}
                }
            }
        }
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.len.load(Ordering::Acquire)
    }

    /// Whether nothing is revoked.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn shard(&self, name: &Name) -> &RwLock<Shard> {
        // The other end of the name than the one by which the shard's own map spreads it.
        &self.shards[usize::from(name.0[15]) % SHARDS]
    }

    fn entry(&self, name: &Name) -> Option<Entry> {
        self.shard(name).read().entries.get(name).copied()
    }
}

fn minute(time: Timestamp) -> i64 {
    time.seconds().div_euclid(60)
}

impl Name {
    fn new(kind: RevokedBy, name: &str) -> Self {
        let mut bytes = Vec::with_capacity(1 + name.len());
        bytes.push(kind as u8);
        bytes.extend_from_slice(name.as_bytes());
        let hash = sha256(&bytes);
        Self(hash[..16].try_into().expect("SHA-256 has 32 bytes"))
    }
}

impl std::hash::Hash for Name {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(u64::from_le_bytes(self.0[..8].try_into().expect("a name has 16 bytes")));
    }
}

/// Takes the name for its own hash: it is one.
#[derive(Default)]
struct Prefix(u64);

impl Hasher for Prefix {
    fn write(&mut self, _: &[u8]) {
        unreachable!("a name hashes as one u64");
    }

    fn write_u64(&mut self, prefix: u64) {
        self.0 = prefix;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests;
