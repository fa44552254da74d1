//! What this process tells itself, so that nothing has to poll.

use tokio::sync::Notify;

use crate::{Committed, Unit, changes, unit};

/// Wakes who waits for something that a unit brings.
#[derive(Debug, Default)]
pub(crate) struct Signals {
    /// A job was queued.
    pub(crate) jobs: Notify,
    /// The change log has grown.
    pub(crate) changes: Notify,
    /// The same, for who tells other nodes.
    pub(crate) announce: Notify,
}

/// What a unit brings that somebody may wait for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Brings {
    jobs: bool,
    changes: bool,
}

impl Brings {
    /// What a unit brings.
    pub(crate) const fn new(jobs: bool, changes: bool) -> Self {
        Self { jobs, changes }
    }

    /// What `unit` has brought, now that it is committed.
    pub(crate) fn of(unit: &Unit, committed: &Committed) -> Self {
        let changes = !changes::named(unit).is_empty() || committed.found_changes();
        Self::new(Self::jobs(unit), changes)
    }

    /// Whether `unit` queues a job.
    pub(crate) fn jobs(unit: &Unit) -> bool {
        unit.steps().iter().any(|step| std::ptr::eq(step.sql, &raw const unit::sql::JOB))
    }
}

impl Signals {
    /// Wakes who waits for what a committed unit has brought.
    pub(crate) fn tell(&self, brings: Brings) {
        if brings.jobs {
            self.jobs.notify_waiters();
        }
        if brings.changes {
            self.changes.notify_one();
            self.announce.notify_one();
        }
    }
}
