//! Time as the code sees it: microseconds since 1970, handed in, never asked of the machine.

use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};
use core::time::Duration;
use std::sync::{Arc, Mutex, PoisonError};

/// A moment: microseconds since 1970-01-01T00:00:00Z, as stored in every time column.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The moment `micros` microseconds after 1970.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// The moment `seconds` seconds after 1970; saturates.
    pub const fn from_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1_000_000))
    }

    /// Microseconds since 1970.
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// Whole seconds since 1970, as JOSE wants them (RFC 7519 §2, NumericDate).
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// This moment and `span` later; saturates.
    #[must_use]
    pub fn plus(self, span: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(span.as_micros()).unwrap_or(i64::MAX)))
    }

    /// This moment and `span` earlier; saturates.
    #[must_use]
    pub fn minus(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(span.as_micros()).unwrap_or(i64::MAX)))
    }

    /// How long ago `earlier` was; zero if it lies ahead.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl fmt::Display for Timestamp {
    /// RFC 3339 in UTC with microseconds, for logs; computed by the proleptic Gregorian calendar.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, micros) = (self.0.div_euclid(1_000_000), self.0.rem_euclid(1_000_000));
        let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
        // Days to civil date, counting from 0000-03-01 so that leap days end a year.
        let shifted = days + 719_468;
        let era = shifted.div_euclid(146_097);
        let day_of_era = shifted.rem_euclid(146_097);
        let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month + 2) / 5 + 1;
        let month = if month < 10 { month + 3 } else { month - 9 };
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{micros:06}Z")
    }
}

/// What [`Clock::wake_at`] returns.
pub type Wake = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The only way in which our code learns the time.
pub trait Clock: Send + Sync + 'static {
    /// The time now.
    fn now(&self) -> Timestamp;

    /// Completes once [`Clock::now`] has reached `at`; loops wait on this and on nothing else.
    fn wake_at(&self, at: Timestamp) -> Wake;
}

/// A clock that is moved by hand.
#[derive(Clone, Debug)]
pub struct ManualClock(Arc<Mutex<Hands>>);

#[derive(Debug)]
struct Hands {
    now: Timestamp,
    sleepers: Vec<(Timestamp, Waker)>,
}

impl ManualClock {
    /// A clock that stands at `now`.
    pub fn new(now: Timestamp) -> Self {
        Self(Arc::new(Mutex::new(Hands { now, sleepers: Vec::new() })))
    }

    /// Moves the clock on by `span` and wakes who waited for it.
    pub fn advance(&self, span: Duration) {
        self.set(self.now().plus(span));
    }

    /// Sets the clock, backwards too, and wakes whoever waited for a time that has come.
    pub fn set(&self, now: Timestamp) {
        let mut hands = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        hands.now = now;
        let (due, later) = std::mem::take(&mut hands.sleepers).into_iter().partition(|(at, _)| *at <= now);
        hands.sleepers = later;
        drop(hands);
        let due: Vec<(Timestamp, Waker)> = due;
        for (_, waker) in due {
            waker.wake();
        }
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).now
    }

    fn wake_at(&self, at: Timestamp) -> Wake {
        Box::pin(Sleeper { clock: self.clone(), at })
    }
}

struct Sleeper {
    clock: ManualClock,
    at: Timestamp,
}

impl Future for Sleeper {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut hands = self.clock.0.lock().unwrap_or_else(PoisonError::into_inner);
        if hands.now >= self.at {
            return Poll::Ready(());
        }
        hands.sleepers.push((self.at, context.waker().clone()));
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timestamp_prints_as_rfc_3339() {
        for (micros, text) in [
            (0, "1970-01-01T00:00:00.000000Z"),
            (-1, "1969-12-31T23:59:59.999999Z"),
            (951_782_400_000_000, "2000-02-29T00:00:00.000000Z"),
            (4_107_542_400_000_001, "2100-03-01T00:00:00.000001Z"),
            (1_795_219_200_000_000, "2026-11-21T00:00:00.000000Z"),
        ] {
            assert_eq!(Timestamp::from_micros(micros).to_string(), text);
        }
    }

    #[test]
    fn a_sleeper_wakes_when_the_hand_reaches_its_time_and_not_before() {
        let clock = ManualClock::new(Timestamp::from_seconds(100));
        let mut wake = clock.wake_at(Timestamp::from_seconds(110));
        let mut context = Context::from_waker(Waker::noop());
        assert!(wake.as_mut().poll(&mut context).is_pending());
        clock.advance(Duration::from_secs(9));
        assert!(wake.as_mut().poll(&mut context).is_pending());
        clock.advance(Duration::from_secs(1));
        assert!(wake.as_mut().poll(&mut context).is_ready());
    }

    #[test]
    fn f25_odd_times_neither_wrap_nor_panic() {
        for odd in [i64::MIN, -1, 0, i64::from(i32::MAX) * 1_000_000 + 1_000_000, i64::MAX] {
            let odd = Timestamp::from_micros(odd);
            assert!(odd.to_string().ends_with('Z'));
            assert!(odd.minus(Duration::MAX) <= odd && odd.plus(Duration::MAX) >= odd);
        }
        let last = Timestamp::from_micros(i64::MAX);
        assert_eq!(last.plus(Duration::MAX), last);
        assert_eq!(Timestamp::from_micros(0).since(last), Duration::ZERO);
        assert_eq!(Timestamp::from_micros(-1).seconds(), -1);
    }
}
