//! Durable counters of failed attempts, raised before the secret is looked at.
//!
//! Two counters guard a guess: one of the account (or of a bucket of unknown addresses), one of the source (an IPv4
//! address or an IPv6 /64). [`reserve`] raises both in one guarded unit, so that of any number of parallel guesses only
//! as many are verified as the rule allows (A102). Who succeeds takes the reservation back; who fails has paid already.

use core::time::Duration;

use claviger_audit::{Cx, Unit};
use claviger_kernel::{Source, Timestamp, Unavailable, UserId};
use claviger_storage::{ColumnError, CommitError, Expect, Row, Value, args};

pub(crate) mod sql;

/// Whose guesses are counted together.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Subject {
    /// Guesses at one account, however its name is spelled (A103).
    Account(UserId),
    /// Guesses at one account from a browser in which it was signed in before: a stranger's guesses, counted under
    /// [`Subject::Account`], do not lock its owner out (A107).
    KnownDevice(UserId, [u8; 32]),
    /// Guesses at addresses that nobody has: one of 65,536 buckets by keyed hash, so that their rows are bounded.
    Unknown([u8; 2]),
}

/// How a counter grows: `free` attempts, then a wait of 1 s that doubles up to `longest`; closed at `limit`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rule {
    /// Attempts without any wait.
    pub free: u32,
    /// The longest wait.
    pub longest: Duration,
    /// Attempts in a row after which only recovery or an administrator opens the factor again.
    pub limit: u32,
    /// A counter left alone for this long starts anew; `None` keeps it until success.
    pub forget: Option<Duration>,
    /// One attempt is forgotten each time that this has passed, however many others are made; `None` keeps them.
    pub decay: Option<Duration>,
}

/// Per account and factor: 5 free, then 1, 2, 4 … 900 s, closed at 100 in a row (NIST SP 800-63B-4 §3.2.2).
pub const ACCOUNT: Rule = Rule { free: 5, longest: Duration::from_mins(15), limit: 100, forget: None, decay: None };
/// Per source: 20 free, then 1, 2, 4 … 900 s; one forgotten every three minutes, all after an hour of peace; never closed.
/// A network behind which many people sit is never at peace: without the decay, their slips would add up for ever.
pub const SOURCE: Rule = Rule {
    free: 20,
    longest: Duration::from_mins(15),
    limit: u32::MAX,
    forget: Some(Duration::from_hours(1)),
    decay: Some(Duration::from_mins(3)),
};
/// How long rows of unknown addresses and of sources are kept after their last use.
pub const KEPT: Duration = Duration::from_hours(24);

/// A guess that has been paid for.
#[derive(Clone, Debug)]
#[must_use = "a reservation is taken back by `succeeded`, or it stays as a failure"]
pub struct Reserved {
    subject: Subject,
    source: Option<Source>,
    /// Whether the account's counter allows the guess. If not, the caller does the same work and refuses.
    pub allowed: bool,
}

/// The guess may not even be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReserveError {
    /// This source has failed too often. Says nothing about any account.
    #[error("too many failed attempts from this network; wait and try again")]
    Source,
    /// The store cannot count now, so nobody may guess.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

impl Subject {
    fn key(self) -> (&'static str, Vec<u8>) {
        match self {
            Self::Account(user) => ("account", user.as_bytes().to_vec()),
            Self::KnownDevice(user, device) => ("device", [user.as_bytes(), device.as_slice()].concat()),
            Self::Unknown(bucket) => ("unknown", bucket.to_vec()),
        }
    }

    const fn rule(self) -> Rule {
        match self {
            Self::Account(_) | Self::KnownDevice(..) => ACCOUNT,
            Self::Unknown(_) => Rule { forget: Some(KEPT), ..ACCOUNT },
        }
    }
}

fn source_key(source: Source) -> Vec<u8> {
    source.bucket().to_string().into_bytes()
}

/// So many microseconds that a division by them is nothing.
const NEVER: i64 = i64::MAX;

fn raise(cx: &Cx, kind: &'static str, key: Vec<u8>, rule: Rule, now: Timestamp) -> Vec<Value> {
    let longest = i64::try_from(rule.longest.as_micros()).unwrap_or(i64::MAX);
    let forget = rule.forget.map_or(Timestamp::from_micros(i64::MIN), |span| now.minus(span));
    let decay = rule.decay.map_or(NEVER, |span| i64::try_from(span.as_micros()).unwrap_or(NEVER));
    args![cx.realm(), kind, key, now, forget, rule.free, longest, rule.limit, decay]
}

/// Counts a guess before it is made, durably.
pub async fn reserve(cx: &Cx, subject: Subject, source: Option<Source>) -> Result<Reserved, ReserveError> {
    let mut unit = claviger_audit::quiet(cx, "a counter of guesses; the refusal is logged where it is made");
    // By the time that all nodes share: a wait that one node begins is not longer by the clock of another.
    let now = cx.db.shared_time(unit.now());
    let (kind, key) = subject.key();
    if let Some(source) = source {
        let args = raise(cx, "source", source_key(source), SOURCE, now);
        unit.returning("source", &sql::RAISE, args, Expect::Exactly(1));
    }
    unit.returning("subject", &sql::RAISE, raise(cx, kind, key, subject.rule(), now), Expect::Any);
    match cx.commit(unit).await {
        Ok(done) => {
            let allowed = !done.rows("subject").is_empty();
            Ok(Reserved { subject, source, allowed })
        }
        Err(CommitError::Conflict(_)) => Err(ReserveError::Source),
        Err(CommitError::Unavailable(fault)) => Err(fault.into()),
    }
}

/// Gives the reservation of a guess back that nobody has judged: there was no room for the hash. One less on each counter,
/// and the wait that it caused.
pub async fn give_back(cx: &Cx, reserved: &Reserved) -> Result<(), Unavailable> {
    let mut unit = claviger_audit::quiet(cx, "a counter of guesses; nothing was guessed");
    if let Some(source) = reserved.source {
        unit.any("attempts", &sql::LOWER, args![cx.realm(), "source", source_key(source), SOURCE.free]);
    }
    if reserved.allowed {
        let (kind, key) = reserved.subject.key();
        unit.any("attempts", &sql::LOWER, args![cx.realm(), kind, key, reserved.subject.rule().free]);
    }
    match cx.commit(unit).await {
        Ok(_) | Err(CommitError::Conflict(_)) => Ok(()),
        Err(CommitError::Unavailable(fault)) => Err(fault),
    }
}

/// Takes the reservation back, as part of the unit that the success leads to.
pub fn succeeded(unit: &mut Unit, reserved: &Reserved) {
    let (kind, key) = reserved.subject.key();
    unit.any("attempts", &sql::CLEAR, args![unit.realm(), kind, key]);
    if let Some(source) = reserved.source {
        unit.any("attempts", &sql::LOWER, args![unit.realm(), "source", source_key(source), SOURCE.free]);
    }
}

/// Opens an account again, whatever was counted: after recovery, or by an administrator.
pub fn clear(unit: &mut Unit, user: UserId) {
    let (kind, key) = Subject::Account(user).key();
    unit.any("attempts", &sql::CLEAR, args![unit.realm(), kind, key]);
}

/// Drops up to `batch` rows of unknown addresses and sources that nobody has used for a day; returns how many.
pub async fn expire(cx: &Cx, batch: u32) -> Result<u64, CommitError> {
    let mut unit = claviger_audit::quiet(cx, "expiry of counters");
    let before = unit.now().minus(KEPT);
    for kind in ["unknown", "source", "device"] {
        let args = args![cx.realm(), kind, before, batch];
        unit.returning(kind, &sql::EXPIRE, args, Expect::Any);
    }
    let done = cx.commit(unit).await?;
    Ok(["unknown", "source", "device"].iter().map(|kind| done.rows(kind).len() as u64).sum())
}

/// How many attempts stand against an account, for administrators.
pub async fn failures(cx: &Cx, user: UserId) -> Result<u64, Unavailable> {
    fn count(row: &Row<'_>) -> Result<u64, ColumnError> {
        row.get(0)
    }
    let (kind, key) = Subject::Account(user).key();
    Ok(cx.db.get(&sql::FAILURES, args![cx.realm(), kind, key], count).await?.unwrap_or(0))
}
