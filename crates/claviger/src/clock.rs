//! The machine's clock.

use core::time::Duration;
use std::time::{SystemTime, UNIX_EPOCH};

use claviger_kernel::{Clock, Timestamp, Wake};

/// The time of the machine. The only place that asks for it.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

/// The longest sleep in one piece: the machine's clock may be set, its timers do not notice.
const NAP: Duration = Duration::from_hours(1);

impl Clock for SystemClock {
    #[allow(clippy::disallowed_methods, reason = "this is the one implementation of Clock over the machine's time")]
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
    }

    #[allow(clippy::disallowed_methods, reason = "this is the one implementation of Clock over the machine's time")]
    fn wake_at(&self, at: Timestamp) -> Wake {
        Box::pin(async move {
            loop {
                let left = at.since(Self.now());
                if left.is_zero() {
                    return;
                }
                tokio::time::sleep(left.min(NAP)).await;
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_sleeper_wakes_no_earlier_than_asked() {
        let at = SystemClock.now().plus(Duration::from_millis(3));
        SystemClock.wake_at(at).await;
        assert!(SystemClock.now() >= at);
    }
}
