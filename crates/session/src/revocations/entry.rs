//! One entry of the log: what is revoked, as the row and the change log spell it.

use claviger_kernel::{FamilyId, SessionId, Timestamp};
use claviger_tokens::{Revocation, RevocationSet, RevokedBy};

/// The kind that the rows call `text`.
pub(super) fn kind(text: &str) -> Option<RevokedBy> {
    RevokedBy::ALL.into_iter().find(|kind| kind.as_str() == text)
}

/// An entry. Sessions and families go by their id, everything else by the name that tokens bear.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Entry {
    pub(super) kind: RevokedBy,
    pub(super) subject: Vec<u8>,
    pub(super) name: Option<String>,
    pub(super) epoch: i64,
}

impl Entry {
    pub(super) fn of_id(kind: RevokedBy, id: [u8; 16]) -> Self {
        Self { kind, subject: id.to_vec(), name: None, epoch: 1 }
    }

    pub(super) fn named(kind: RevokedBy, subject: &[u8], name: &str, epoch: i64) -> Self {
        Self { kind, subject: subject.to_vec(), name: Some(name.to_owned()), epoch }
    }

    /// The bytes that stand in the change log: kind, epoch, then the id or the name.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![self.kind as u8];
        bytes.extend_from_slice(&self.epoch.to_be_bytes());
        bytes.extend_from_slice(self.name.as_ref().map_or(self.subject.as_slice(), String::as_bytes));
        bytes
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let (kind, rest) = bytes.split_first()?;
        let kind = RevokedBy::ALL.into_iter().find(|known| *known as u8 == *kind)?;
        let (epoch, rest) = rest.split_first_chunk()?;
        let epoch = i64::from_be_bytes(*epoch);
        let name = match kind {
            RevokedBy::Session | RevokedBy::Family => {
                <[u8; 16]>::try_from(rest).ok()?;
                None
            }
            _ => Some(core::str::from_utf8(rest).ok()?.to_owned()),
        };
        Some(Self { kind, subject: rest.to_vec(), name, epoch })
    }

    /// Adds the entry to `set`, until `until`. One that lacks what its kind needs revokes nothing that exists.
    pub(super) fn insert_into(&self, set: &RevocationSet, until: Timestamp) {
        let epoch = u64::try_from(self.epoch).unwrap_or(0);
        let name = self.name.as_deref().unwrap_or_default();
        let id = || <[u8; 16]>::try_from(self.subject.as_slice()).unwrap_or_default();
        match self.kind {
            RevokedBy::Token => set.insert(Revocation::Token(name), until),
            RevokedBy::Session => set.insert(Revocation::Session(&SessionId::from_bytes(id()).to_string()), until),
            RevokedBy::Family => set.insert(Revocation::Family(&FamilyId::from_bytes(id()).to_string()), until),
            RevokedBy::User => set.insert(Revocation::User { sub: name, epoch }, until),
            RevokedBy::Client => set.insert(Revocation::Client { client_id: name, epoch }, until),
            RevokedBy::Organization => set.insert(Revocation::Organization { org_id: name, epoch }, until),
        }
    }
}
