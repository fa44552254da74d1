//! Background jobs: rows queued in the unit of the change that causes them.
pub(crate) mod sql {
    crate::statements! {}
}
/// A job.
pub struct Job;
/// The queue.
pub struct JobQueue;
