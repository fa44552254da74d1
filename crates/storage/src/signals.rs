//! What this process tells itself, so that nothing has to poll.

use tokio::sync::Notify;

use crate::{Unit, unit};

/// Wakes who waits for something that a unit brings.
#[derive(Debug, Default)]
pub(crate) struct Signals {
    /// A job was queued.
    pub(crate) jobs: Notify,
}

/// What a unit brings that somebody may wait for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Brings {
    jobs: bool,
}

impl Brings {
    /// What `unit` will have brought once it is committed.
    pub(crate) fn of(unit: &Unit) -> Self {
        Self { jobs: unit.steps().iter().any(|step| std::ptr::eq(step.sql, &raw const unit::sql::JOB)) }
    }
}

impl Signals {
    /// Wakes who waits for what a committed unit has brought.
    pub(crate) fn tell(&self, brings: Brings) {
        if brings.jobs {
            self.jobs.notify_waiters();
        }
    }
}
