//! A clock on which nobody waits.

use std::sync::atomic::{AtomicUsize, Ordering};

use claviger_kernel::{Clock, ManualClock, Timestamp, Wake};

/// Whatever is waited for is there at once, and the clock stands at it: hours of a loop pass in a moment.
#[derive(Debug)]
pub struct Hasty {
    hands: ManualClock,
    waits: AtomicUsize,
}

impl Hasty {
    /// Moves `hands`.
    pub const fn new(hands: ManualClock) -> Self {
        Self { hands, waits: AtomicUsize::new(0) }
    }

    /// How often somebody has waited for it.
    pub fn waits(&self) -> usize {
        self.waits.load(Ordering::Relaxed)
    }

    /// Returns once somebody has waited for it `count` times.
    pub async fn waited(&self, count: usize) {
        while self.waits() < count {
            tokio::task::yield_now().await;
        }
    }
}

impl Clock for Hasty {
    fn now(&self) -> Timestamp {
        self.hands.now()
    }

    fn wake_at(&self, at: Timestamp) -> Wake {
        self.waits.fetch_add(1, Ordering::Relaxed);
        self.hands.set(at.max(self.now()));
        Box::pin(tokio::task::yield_now())
    }
}
