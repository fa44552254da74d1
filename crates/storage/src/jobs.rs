//! Background jobs: rows queued in the unit of the change that causes them ([`Unit::job`]), run at least once.
//!
//! A claim pushes the job's time to the end of the claim, so that the jobs of a runner that died are due again. A job
//! that fails comes back later and later, and in the end lies among the dead, where an operator sees it.

use std::sync::Arc;
use std::time::Duration;

use claviger_kernel::{Clock, Entropy, Id, JobId, RealmId, Timestamp, Unavailable};

use crate::{ColumnError, Expect, Row, Store, Unit, args, own};

pub(crate) mod sql {
    crate::statements! {
        /// Claims what is due under one name; the condition stands twice so that a row claimed meanwhile is left alone.
        pub(crate) CLAIM: shared("jobs of every realm are run alike") "update jobs \
            set claim = $1, run_at = $2, attempts = attempts + 1 where name = $3 and run_at <= $4 \
            and (realm_id, id) in (select realm_id, id from jobs where name = $3 and run_at <= $4 \
            order by run_at limit $5) returning realm_id, id, name, key, payload, attempts, created_at";
        /// When the next job of one name is due.
        pub(crate) NEXT: shared("jobs of every realm are run alike") "select run_at from jobs where name = $1 \
            order by run_at limit 1";
        /// A job that has done its work and was not asked for again meanwhile.
        pub(crate) DONE: "delete from jobs where realm_id = $1 and id = $2 and claim = $3 and again = false";
        /// A job that was asked for again while it ran.
        pub(crate) AGAIN: "update jobs set claim = null, again = false, attempts = 0, run_at = $4, last_error = null \
            where realm_id = $1 and id = $2 and claim = $3 and again = true";
        /// A job that failed and is tried later.
        pub(crate) RETRY: "update jobs set claim = null, again = false, run_at = $4, last_error = $5 \
            where realm_id = $1 and id = $2 and claim = $3";
        /// A job that has failed for good: its copy among the dead …
        pub(crate) BURY: "insert into dead_jobs \
            (realm_id, id, name, key, payload, attempts, created_at, died_at, last_error) \
            select realm_id, id, name, key, payload, attempts, created_at, $4, $5 from jobs \
            where realm_id = $1 and id = $2 and claim = $3";
        /// … and its end among the living.
        pub(crate) DROP: "delete from jobs where realm_id = $1 and id = $2 and claim = $3";
        /// The claim still stands.
        pub(crate) CLAIMED: "select attempts from jobs where realm_id = $1 and id = $2 and claim = $3";
    }
}

/// A claimed job.
#[derive(Clone, Debug)]
pub struct Job {
    /// Whose it is.
    pub realm: RealmId,
    /// Its id, the same in every attempt.
    pub id: JobId,
    /// Says whose handler runs it.
    pub name: String,
    /// Makes it unique while it waits.
    pub key: String,
    /// What the handler needs to know.
    pub payload: String,
    /// Which attempt this is, from one.
    pub attempt: u32,
    /// When it was queued.
    pub created_at: Timestamp,
    claim: [u8; 16],
}

impl Job {
    /// Makes `unit` a conflict called `job` if the claim has run out and another runner has the job.
    pub fn guard(&self, unit: &mut Unit) {
        unit.require("job", &sql::CLAIMED, args![self.realm, self.id, self.claim]);
    }

    /// Ends the job within `unit`, so that its effect and its end are one; the unit is then a conflict called `job` if
    /// the claim has run out. `now` is when it runs again if it was asked for again meanwhile.
    pub fn finish(&self, unit: &mut Unit, now: Timestamp) {
        self.guard(unit);
        unit.any("job_again", &sql::AGAIN, args![self.realm, self.id, self.claim, now]);
        unit.any("job_done", &sql::DONE, args![self.realm, self.id, self.claim]);
    }
}

/// How often and how fast a failed job is tried again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Retry {
    /// Attempts altogether; after the last the job is dead.
    pub attempts: u32,
    /// The wait after the first failure; it doubles with each.
    pub first: Duration,
    /// The longest wait.
    pub longest: Duration,
}

impl Default for Retry {
    /// Twelve attempts over about a day.
    fn default() -> Self {
        Self { attempts: 12, first: Duration::from_secs(30), longest: Duration::from_hours(6) }
    }
}

impl Retry {
    /// The wait after the failed `attempt`, counted from one; nothing if that was the last.
    pub fn wait(&self, attempt: u32) -> Option<Duration> {
        let doubled = self.first.saturating_mul(1u32.checked_shl(attempt.saturating_sub(1)).unwrap_or(u32::MAX));
        (attempt < self.attempts).then(|| doubled.min(self.longest))
    }
}

/// What became of a job that failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Failed {
    /// It is tried again at this time.
    Again(Timestamp),
    /// It lies among the dead.
    Dead,
    /// The claim had run out: another runner has it.
    Lost,
}

/// The queue as a runner sees it.
#[derive(Clone)]
pub struct JobQueue {
    store: Store,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

impl JobQueue {
    /// The queue in `store`.
    pub const fn new(store: Store, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        Self { store, clock, entropy }
    }

    /// Claims up to `limit` jobs of each of `names` that are due, for `lease`; oldest first.
    pub async fn claim(&self, names: &[&'static str], limit: u32, lease: Duration) -> Result<Vec<Job>, Unavailable> {
        let now = self.clock.now();
        let mut unit = own::unit(own::NO_REALM, &*self.clock, &*self.entropy);
        let claim = *Id::<()>::new(now, &*self.entropy).as_bytes();
        for name in names {
            unit.returning(name, &sql::CLAIM, args![claim, now.plus(lease), *name, now, limit], Expect::Any);
        }
        let committed = self.store.commit(unit).await.map_err(own::fault)?;
        let mut jobs = Vec::new();
        for name in names {
            jobs.extend(committed.rows(name).read(job).map_err(|error| own::column(&error))?);
        }
        for job in &mut jobs {
            job.claim = claim;
        }
        jobs.sort_by_key(|job| job.id);
        Ok(jobs)
    }

    /// Waits until a job of `names` may be due: its time has come, or one was queued. Wakes now and then for nothing.
    pub async fn due(&self, names: &[&'static str]) -> Result<(), Unavailable> {
        let queued = self.store.signals().jobs.notified();
        tokio::pin!(queued);
        queued.as_mut().enable();
        let mut next = None::<Timestamp>;
        for name in names {
            let due = self.store.get(&sql::NEXT, args![*name], |row| row.get(0)).await?;
            next = next.into_iter().chain(due).min();
        }
        match next {
            Some(at) if at <= self.clock.now() => {}
            Some(at) => tokio::select! { () = queued => {}, () = self.clock.wake_at(at) => {} },
            None => queued.await,
        }
        Ok(())
    }

    /// The job has done its work: it goes, or runs again if it was asked for again meanwhile. False if the claim had
    /// run out and another runner has the job.
    pub async fn done(&self, job: &Job) -> Result<bool, Unavailable> {
        let mut unit = own::unit(job.realm, &*self.clock, &*self.entropy);
        job.finish(&mut unit, self.clock.now());
        own::done_unless(self.store.commit(unit).await, "job")
    }

    /// The job failed for this `reason` (no secrets): it is tried again as `retry` says, or lies among the dead.
    pub async fn failed(&self, job: &Job, reason: &str, retry: Retry) -> Result<Failed, Unavailable> {
        let now = self.clock.now();
        let mut unit = own::unit(job.realm, &*self.clock, &*self.entropy);
        let outcome = if let Some(wait) = retry.wait(job.attempt) {
            let args = args![job.realm, job.id, job.claim, now.plus(wait), reason];
            unit.one("job", &sql::RETRY, args);
            Failed::Again(now.plus(wait))
        } else {
            unit.one("job", &sql::BURY, args![job.realm, job.id, job.claim, now, reason]);
            unit.one("job", &sql::DROP, args![job.realm, job.id, job.claim]);
            Failed::Dead
        };
        Ok(if own::done_unless(self.store.commit(unit).await, "job")? { outcome } else { Failed::Lost })
    }
}

fn job(row: &Row<'_>) -> Result<Job, ColumnError> {
    Ok(Job {
        realm: row.get(0)?,
        id: row.get(1)?,
        name: row.get(2)?,
        key: row.get(3)?,
        payload: row.get(4)?,
        attempt: row.get(5)?,
        created_at: row.get(6)?,
        claim: [0; 16],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_up_to_the_longest_and_ends_with_the_last_attempt() {
        let seconds = Duration::from_secs;
        let retry = Retry { attempts: 5, first: seconds(10), longest: seconds(60) };
        let waits: Vec<_> = (1..=6).map(|attempt| retry.wait(attempt)).collect();
        assert_eq!(waits, [Some(seconds(10)), Some(seconds(20)), Some(seconds(40)), Some(seconds(60)), None, None]);
        let patient = Retry { attempts: 100, ..retry };
        assert_eq!(patient.wait(99), Some(seconds(60)), "no overflow");
    }
}
