//! How often a lost connection may be made up for: one budget for all that one store asks of PostgreSQL.
//!
//! It governs the retries that a database in trouble causes, which are those after a lost connection; what took too long
//! is never tried again. A transaction that the server ended in favour of another (F33) is not among them: the server
//! answered, the other one went on, and four tries are the bound. Nor is looking for the outcome of a COMMIT (F34), which
//! does nothing twice.

use std::sync::atomic::{AtomicU32, Ordering};

/// What a call adds.
const CALL: u32 = 1;
/// What a retry takes: one for ten calls.
const RETRY: u32 = 10;
/// What there is at the start and at most: a hundred retries, those of the last thousand calls.
const FULL: u32 = 100 * RETRY;

/// The budget, counted in tenths of a retry.
#[derive(Debug)]
pub(super) struct Budget(AtomicU32);

impl Budget {
    pub(super) const fn new() -> Self {
        Self(AtomicU32::new(FULL))
    }

    /// Counts a call.
    pub(super) fn earn(&self) {
        if self.0.load(Ordering::Relaxed) < FULL {
            self.0.fetch_add(CALL, Ordering::Relaxed);
        }
    }

    /// Takes one retry, if there is one.
    pub(super) fn spend(&self) -> bool {
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(RETRY)).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f31_of_ten_calls_one_is_tried_again_and_a_quiet_store_keeps_a_hundred_tries() {
        let budget = Budget::new();
        let spent = |calls: usize| {
            let tries = (0..calls).filter(|_| {
                budget.earn();
                budget.spend()
            });
            tries.count()
        };
        assert_eq!(spent(1000), 100 + 99, "the store's own hundred, and every tenth of those that ask meanwhile");
        assert_eq!(spent(1000), 100, "from then on every tenth");
        (0..100_000).for_each(|_| budget.earn());
        assert_eq!((0..1000).filter(|_| budget.spend()).count(), 100, "good times are not saved up without end");
    }
}
