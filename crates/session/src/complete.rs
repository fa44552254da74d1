//! Whether the proofs that somebody has given are enough: one pure function, asked wherever a session is made.

use core::time::Duration;

use claviger_identity::{Method, Proven};
use claviger_kernel::{Timestamp, UserId};
use serde::{Deserialize, Serialize};

/// How sure we are of somebody: 1 for a password or a mailbox, 2 for a second factor or a passkey.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Level {
    /// One factor.
    One,
    /// Two factors.
    Two,
}

impl Level {
    /// The `acr` value (OpenID Connect Core §2).
    pub const fn acr(self) -> &'static str {
        match self {
            Self::One => "urn:claviger:aal:1",
            Self::Two => "urn:claviger:aal:2",
        }
    }

    /// The level of an `acr` value of ours.
    pub fn of_acr(text: &str) -> Option<Self> {
        [Self::One, Self::Two].into_iter().find(|level| level.acr() == text)
    }
}

/// What a sign-in must reach.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Requirement {
    /// The least level.
    pub level: Level,
    /// No proof older than this counts; `None` accepts any age.
    pub max_age: Option<Duration>,
    /// No proof from before this moment counts: the account has been marked at risk then.
    pub since: Option<Timestamp>,
}

impl Requirement {
    /// One factor of any age.
    pub const ORDINARY: Self = Self { level: Level::One, max_age: None, since: None };
}

/// A proof as the session's row keeps it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Proof {
    /// How.
    pub method: Method,
    /// When, in microseconds since 1970.
    pub at: i64,
}

/// Proofs that together are enough. Made by [`Complete::judge`] alone.
#[derive(Clone, Debug)]
pub struct Complete {
    user: UserId,
    level: Level,
    proofs: Vec<Proof>,
    authenticated_at: Timestamp,
}

/// What is missing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Missing {
    /// There is no proof, or none that is fresh enough.
    #[error("nobody has been proven yet")]
    Proof,
    /// The proofs speak of different users.
    #[error("the proofs belong to different users")]
    SameUser,
    /// A second factor.
    #[error("a second factor is needed")]
    SecondFactor,
}

impl Complete {
    /// Whether `proofs` satisfy `requirement` at `now`.
    ///
    /// A mailbox never counts as a second factor beside a password (ASVS 6.3.6).
    pub fn judge(proofs: &[Proven], requirement: &Requirement, now: Timestamp) -> Result<Self, Missing> {
        let oldest = requirement.max_age.map(|age| now.minus(age)).max(requirement.since);
        let fresh = || proofs.iter().filter(|proof| oldest.is_none_or(|oldest| proof.at() >= oldest));
        let first = fresh().next().ok_or(Missing::Proof)?;
        if proofs.iter().any(|proof| proof.user() != first.user()) {
            return Err(Missing::SameUser);
        }
        let level = Level::One;
        if level < requirement.level {
            return Err(Missing::SecondFactor);
        }
        Ok(Self {
            user: first.user(),
            level,
            proofs: fresh().map(|proof| Proof { method: proof.method(), at: proof.at().micros() }).collect(),
            authenticated_at: fresh().map(Proven::at).max().unwrap_or(now),
        })
    }

    /// Who was proven.
    pub const fn user(&self) -> UserId {
        self.user
    }

    /// How sure we are.
    pub const fn level(&self) -> Level {
        self.level
    }

    /// When the freshest proof was given: `auth_time`.
    pub const fn authenticated_at(&self) -> Timestamp {
        self.authenticated_at
    }

    /// What was proven and when.
    pub fn proofs(&self) -> &[Proof] {
        &self.proofs
    }
}
