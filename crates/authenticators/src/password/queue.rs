//! The line in front of the hash workers: bounded in number and in expected waiting time, and pure of threads.
//!
//! What does not fit is turned away at once, with the time after which it might. A hash that wants more memory than the
//! workers keep for ours (an imported one) runs alone of its kind, so that memory stays bounded.

use std::collections::VecDeque;
use std::time::Duration;

use claviger_kernel::{Secret, Unavailable};
use tokio::sync::oneshot;

use super::parameters::HashParameters;

/// One tag to be computed, and who waits for it.
pub(super) struct Job {
    pub(super) password: Secret<String>,
    pub(super) salt: Vec<u8>,
    pub(super) parameters: HashParameters,
    pub(super) tag_length: usize,
    pub(super) reply: oneshot::Sender<Result<Secret<Vec<u8>>, Unavailable>>,
}

/// How much may wait.
#[derive(Clone, Copy)]
pub(super) struct Bounds {
    pub(super) jobs: usize,
    pub(super) wait: Duration,
    pub(super) workers: usize,
    /// Jobs above this run one at a time.
    pub(super) memory_kib: u32,
}

/// A job was turned away; it might be admitted after `wait`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Shed {
    pub(super) wait: Duration,
}

impl From<Shed> for Unavailable {
    fn from(shed: Shed) -> Self {
        let seconds = shed.wait.as_millis().div_ceil(1000).clamp(1, 30);
        Self::new("the hash workers are busy: their line is full")
            .retry_after(Duration::from_secs(u64::try_from(seconds).unwrap_or(1)))
    }
}

pub(super) struct Queue {
    bounds: Bounds,
    waiting: VecDeque<Job>,
    /// Work admitted and not finished, in KiB times passes.
    outstanding: u64,
    /// A job above the memory bound runs.
    oversize: bool,
    /// Picoseconds for one KiB and pass, a moving average; zero until the first job is done.
    pace: u64,
    pub(super) running: usize,
    pub(super) done: u64,
    pub(super) shed: u64,
    pub(super) cancelled: u64,
}

impl Queue {
    pub(super) const fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            waiting: VecDeque::new(),
            outstanding: 0,
            oversize: false,
            pace: 0,
            running: 0,
            done: 0,
            shed: 0,
            cancelled: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Puts `job` in line, unless the line is full or too slow.
    pub(super) fn admit(&mut self, job: Job) -> Result<(), Shed> {
        if self.overfull() {
            self.forget_cancelled();
        }
        if self.overfull() {
            self.shed += 1;
            return Err(Shed { wait: self.expected_wait() });
        }
        self.outstanding += job.parameters.cost();
        self.waiting.push_back(job);
        Ok(())
    }

    /// The next job that may run now. Jobs whose caller has gone are dropped on the way.
    pub(super) fn take(&mut self) -> Option<Job> {
        self.forget_cancelled();
        let place = self.next()?;
        let job = self.waiting.remove(place)?;
        self.oversize |= self.is_oversize(job.parameters);
        self.running += 1;
        Some(job)
    }

    /// Whether [`Self::take`] might find something.
    pub(super) fn has_work(&self) -> bool {
        self.next().is_some()
    }

    /// A job that was taken is over; `took` is `None` if it gave no tag.
    pub(super) fn finish(&mut self, parameters: HashParameters, took: Option<Duration>) {
        self.running -= 1;
        self.outstanding -= parameters.cost();
        if self.is_oversize(parameters) {
            self.oversize = false;
        }
        if let Some(took) = took {
            self.done += 1;
            let picoseconds = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX).saturating_mul(1000);
            let pace = picoseconds / parameters.cost();
            self.pace = if self.pace == 0 { pace } else { self.pace - self.pace / 8 + pace / 8 };
        }
    }

    /// Drops every job in line; their callers are told by the closed channel.
    pub(super) fn clear(&mut self) {
        for job in self.waiting.drain(..) {
            self.outstanding -= job.parameters.cost();
        }
    }

    const fn is_oversize(&self, parameters: HashParameters) -> bool {
        parameters.memory_kib() > self.bounds.memory_kib
    }

    fn next(&self) -> Option<usize> {
        self.waiting.iter().position(|job| !self.oversize || !self.is_oversize(job.parameters))
    }

    fn overfull(&self) -> bool {
        self.waiting.len() >= self.bounds.jobs || self.expected_wait() > self.bounds.wait
    }

    fn expected_wait(&self) -> Duration {
        let workers = u64::try_from(self.bounds.workers).unwrap_or(1).max(1);
        Duration::from_nanos(self.outstanding.saturating_mul(self.pace) / 1000 / workers)
    }

    fn forget_cancelled(&mut self) {
        let Self { waiting, outstanding, cancelled, .. } = self;
        waiting.retain(|job| {
            let gone = job.reply.is_closed();
            if gone {
                *outstanding -= job.parameters.cost();
                *cancelled += 1;
            }
            !gone
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Reply = oneshot::Receiver<Result<Secret<Vec<u8>>, Unavailable>>;

    fn queue(jobs: usize) -> Queue {
        Queue::new(Bounds { jobs, wait: Duration::from_secs(2), workers: 2, memory_kib: 100 })
    }

    fn job(memory_kib: u32) -> (Job, Reply) {
        let (reply, answer) = oneshot::channel();
        let parameters = HashParameters::stored(memory_kib, 1, 1).unwrap();
        (Job { password: "".into(), salt: vec![0; 8], parameters, tag_length: 32, reply }, answer)
    }

    #[test]
    fn a110_a_full_line_sheds_at_once() {
        let mut queue = queue(2);
        let mut callers = Vec::new();
        for _ in 0..2 {
            let (job, caller) = job(100);
            assert_eq!(queue.admit(job), Ok(()));
            callers.push(caller);
        }
        assert_eq!(queue.admit(job(100).0), Err(Shed { wait: Duration::ZERO }));
        assert_eq!((queue.len(), queue.shed), (2, 1));
        assert_eq!(Unavailable::from(Shed { wait: Duration::ZERO }).wait(), Duration::from_secs(1));
        drop(callers);
        let (job, _caller) = job(100);
        assert_eq!(queue.admit(job), Ok(()), "callers who left make room");
        assert_eq!((queue.len(), queue.cancelled), (1, 2));
    }

    #[test]
    fn a110_a_line_whose_wait_would_pass_two_seconds_sheds() {
        let mut queue = queue(1000);
        let (first, _caller) = job(100);
        queue.admit(first).unwrap();
        let first = queue.take().unwrap();
        queue.finish(first.parameters, Some(Duration::from_millis(900)));
        let mut callers = Vec::new();
        let admitted = (0..1000)
            .take_while(|_| {
                let (job, caller) = job(100);
                callers.push(caller);
                queue.admit(job).is_ok()
            })
            .count();
        assert_eq!(admitted, 5, "five jobs of 0.9 s on two workers: the sixth would wait 2.25 s");
        let (job, _caller) = job(100);
        let shed = queue.admit(job).unwrap_err();
        assert_eq!(Unavailable::from(shed).wait(), Duration::from_secs(3));
    }

    #[test]
    fn f10_jobs_above_the_memory_bound_run_one_at_a_time_and_hold_up_nobody_else() {
        let mut queue = queue(10);
        let mut callers = Vec::new();
        for memory in [200, 200, 100] {
            let (job, caller) = job(memory);
            queue.admit(job).unwrap();
            callers.push(caller);
        }
        let first = queue.take().unwrap();
        assert_eq!(first.parameters.memory_kib(), 200);
        let second = queue.take().unwrap();
        assert_eq!(second.parameters.memory_kib(), 100, "the second big one waits, the small one passes it");
        assert!(queue.take().is_none());
        assert!(!queue.has_work());
        queue.finish(second.parameters, None);
        assert!(!queue.has_work());
        queue.finish(first.parameters, None);
        assert_eq!(queue.take().unwrap().parameters.memory_kib(), 200);
    }

    #[test]
    fn work_is_counted_out_as_it_was_counted_in() {
        let mut queue = queue(10);
        let mut callers = Vec::new();
        for memory in [8, 100, 300, 50] {
            let (job, caller) = job(memory);
            queue.admit(job).unwrap();
            callers.push(caller);
        }
        callers.remove(1);
        let taken = queue.take().unwrap();
        queue.finish(taken.parameters, Some(Duration::from_millis(1)));
        queue.clear();
        assert_eq!((queue.outstanding, queue.len(), queue.running), (0, 0, 0));
        assert_eq!((queue.done, queue.cancelled), (1, 1));
    }
}
