//! One look at the change log for however many ask: a flood of tokens that name unknown keys must not become a flood of
//! statements.
//!
//! Whoever asks is answered by a look that began after the question, so that a key which another node has just made is
//! found. Order alone decides which look that is; the pause between two looks only has those who ask meanwhile share the
//! next one.

use core::time::Duration;
use std::sync::atomic::{AtomicU64, Ordering};

use claviger_kernel::Unavailable;
use tokio::sync::Mutex;
use tokio::time::Instant;

/// How long after the end of a look the next one begins at the soonest.
const PAUSE: Duration = Duration::from_millis(50);

/// The looks of one ring.
pub(crate) struct Looks {
    /// How many have begun.
    begun: AtomicU64,
    last: Mutex<Last>,
}

/// The last look that came to an end.
struct Last {
    number: u64,
    outcome: Result<(), Unavailable>,
    ended: Option<Instant>,
}

impl Looks {
    pub(crate) const fn new() -> Self {
        Self { begun: AtomicU64::new(0), last: Mutex::const_new(Last { number: 0, outcome: Ok(()), ended: None }) }
    }

    /// What a look says that has begun after the call: `look`, or that of somebody who asked in the same moment. A fault is
    /// shared too; otherwise each in turn would wait for a database that does not answer.
    pub(crate) async fn share(&self, look: impl Future<Output = Result<(), Unavailable>>) -> Result<(), Unavailable> {
        let before = self.begun.load(Ordering::SeqCst);
        let mut last = self.last.lock().await;
        if last.number > before {
            return last.outcome.clone();
        }
        if let Some(ended) = last.ended {
            until(ended + PAUSE).await;
        }
        // Who comes from here on waits for the next one.
        let number = self.begun.fetch_add(1, Ordering::SeqCst) + 1;
        let outcome = look.await;
        *last = Last { number, outcome, ended: Some(Instant::now()) };
        last.outcome.clone()
    }
}

#[allow(clippy::disallowed_methods, reason = "spares the database; no decision hangs on it, and no clock of ours")]
async fn until(instant: Instant) {
    tokio::time::sleep_until(instant).await;
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use tokio::sync::Notify;

    use super::*;

    /// A thousand ask while the first look is under way; all are told what `outcome` says of the second.
    async fn flood(outcome: fn() -> Result<(), Unavailable>) -> (usize, Vec<Result<(), Unavailable>>) {
        let (looks, count, release) = (Looks::new(), AtomicUsize::new(0), Notify::new());
        let (looks, count, release) = (&looks, &count, &release);
        let first = looks.share(async {
            count.fetch_add(1, Ordering::SeqCst);
            release.notified().await;
            Ok(())
        });
        let others = (0..1000).map(|_| {
            looks.share(async {
                count.fetch_add(1, Ordering::SeqCst);
                outcome()
            })
        });
        let mut others: Vec<_> = others.map(Box::pin).collect();
        let mut first = Box::pin(first);
        // All have asked before the first look ends.
        core::future::poll_fn(|context| {
            assert!(first.as_mut().poll(context).is_pending());
            for other in &mut others {
                assert!(other.as_mut().poll(context).is_pending());
            }
            core::task::Poll::Ready(())
        })
        .await;
        release.notify_one();
        first.await.unwrap();
        let mut answers = Vec::new();
        for other in others {
            answers.push(other.await);
        }
        (count.load(Ordering::SeqCst), answers)
    }

    #[tokio::test]
    async fn whoever_asks_during_a_look_shares_the_next_one() {
        let (looks, answers) = flood(|| Ok(())).await;
        assert_eq!(looks, 2);
        assert!(answers.iter().all(Result::is_ok));
    }

    #[tokio::test]
    async fn a_fault_is_told_to_all_and_found_once() {
        let (looks, answers) = flood(|| Err(Unavailable::new("away"))).await;
        assert_eq!(looks, 2);
        assert!(answers.iter().all(|answer| answer.as_ref().is_err_and(|why| why.reason() == "away")));
    }

    #[tokio::test]
    async fn two_looks_are_a_pause_apart_and_each_question_has_a_look_of_its_own_time() {
        let looks = Looks::new();
        let mut times = Vec::new();
        for _ in 0..3 {
            let mut began = None;
            looks
                .share(async {
                    began = Some(Instant::now());
                    Ok(())
                })
                .await
                .unwrap();
            times.push(began.expect("it was this question's own look"));
        }
        assert!(times.windows(2).all(|pair| pair[1] - pair[0] >= PAUSE), "{times:?}");
    }

    #[tokio::test]
    async fn a_look_whose_asker_goes_away_answers_nobody() {
        let looks = Looks::new();
        let mut gone = Box::pin(looks.share(core::future::pending()));
        core::future::poll_fn(|context| {
            assert!(gone.as_mut().poll(context).is_pending());
            core::task::Poll::Ready(())
        })
        .await;
        drop(gone);
        let mut asked = false;
        looks
            .share(async {
                asked = true;
                Ok(())
            })
            .await
            .unwrap();
        assert!(asked);
    }
}
