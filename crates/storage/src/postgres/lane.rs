//! A lane to the database (reads, units, lists) and its breaker: who is not answered is not asked by everybody.
//!
//! When more than half of the calls of the last seconds got no answer, the lane closes: calls are refused at once, and
//! after a pause one at a time may try. The first that is answered opens it for all. What counts is whether the database
//! answered, not what it said: a conflict, a statement that it refuses and a lock that somebody holds are answers. A
//! caller that goes away, or that was refused before the database was asked, counts for nothing.
//!
//! Everything on the way of a call is a few atomic numbers; nobody waits for a lock.

use core::time::Duration;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use claviger_kernel::Unavailable;
use tokio::time::Instant;

use super::budget::Budget;
use super::fault::Fault;
use super::spread;

/// Calls are counted over this span and the one before it.
const SPAN: Duration = Duration::from_secs(5);
/// Fewer calls than this prove nothing.
const LEAST: u64 = 8;
/// The longest pause before a call may try a closed lane; the shortest is half of it.
const PAUSE: Duration = Duration::from_secs(1);

/// The gate of an open lane.
const OPEN: u64 = 0;
/// The gate of a closed lane that somebody is trying.
const TRYING: u64 = u64::MAX;

/// One way to the database.
#[derive(Debug)]
pub(super) struct Lane {
    name: &'static str,
    budget: Arc<Budget>,
    begun: Instant,
    /// `OPEN`, `TRYING`, or the millisecond from which one call may try.
    gate: AtomicU64,
    /// How often it has closed. What was let in before the last time tells nothing about now.
    closings: AtomicU64,
    /// The calls of the odd and of the even spans.
    counts: [AtomicU64; 2],
}

/// A call that was let in. What it learned of the database counts when it is dropped.
#[derive(Debug)]
pub(super) struct Pass<'a> {
    lane: &'a Lane,
    closings: u64,
    trying: bool,
    answered: Option<bool>,
}

impl Lane {
    pub(super) fn new(name: &'static str, budget: &Arc<Budget>) -> Self {
        Self {
            name,
            budget: Arc::clone(budget),
            begun: Instant::now(),
            gate: AtomicU64::new(OPEN),
            closings: AtomicU64::new(0),
            counts: [const { AtomicU64::new(0) }; 2],
        }
    }

    /// Lets a call in.
    ///
    /// # Errors
    /// [`Unavailable`] while the lane is closed.
    pub(super) fn enter(&self) -> Result<Pass<'_>, Unavailable> {
        self.enter_at(Instant::now)
    }

    fn enter_at(&self, now: impl FnOnce() -> Instant) -> Result<Pass<'_>, Unavailable> {
        let gate = self.gate.load(Ordering::Acquire);
        let trying = gate != OPEN;
        if trying && !self.may_try(gate, now()) {
            let name = self.name;
            return Err(Unavailable::new(format!(
                "the database does not answer {name}; it is asked again in a moment"
            )));
        }
        self.budget.earn();
        Ok(Pass { lane: self, closings: self.closings.load(Ordering::Relaxed), trying, answered: None })
    }

    /// Whether a call whose connection was lost may be tried once more.
    pub(super) fn may_retry(&self) -> bool {
        self.budget.spend()
    }

    fn may_try(&self, gate: u64, now: Instant) -> bool {
        gate <= self.millis(now)
            && self.gate.compare_exchange(gate, TRYING, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }

    fn settle(&self, pass: &Pass<'_>, now: Instant) {
        match (pass.trying, pass.answered) {
            (true, Some(true)) => {
                for count in &self.counts {
                    count.store(0, Ordering::Relaxed);
                }
                self.gate.store(OPEN, Ordering::Release);
                tracing::info!(lane = self.name, "the database answers again");
            }
            (true, Some(false)) => self.gate.store(self.later(now), Ordering::Release),
            // Whoever comes next tries in its place.
            (true, None) => self.gate.store(self.millis(now), Ordering::Release),
            (false, Some(answered)) if pass.closings == self.closings.load(Ordering::Relaxed) => {
                let counted = self.count(now, answered);
                if !answered && counted.too_many() {
                    self.close(now);
                }
            }
            (false, _) => {}
        }
    }

    fn close(&self, now: Instant) {
        if self.gate.compare_exchange(OPEN, self.later(now), Ordering::AcqRel, Ordering::Relaxed).is_ok() {
            self.closings.fetch_add(1, Ordering::Relaxed);
            tracing::warn!(lane = self.name, "the database does not answer; calls are refused at once until it does");
        }
    }

    /// Counts one call and returns what this span and the last one hold.
    fn count(&self, now: Instant, answered: bool) -> Count {
        let span = self.millis(now) / millis(SPAN);
        let odd = usize::from(span % 2 == 1);
        let here = &self.counts[odd];
        let before = Count::of(self.counts[1 - odd].load(Ordering::Relaxed));
        let add = |word| Some(Count::of(word).in_span(span).plus(answered).word());
        let last = here.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add).unwrap_or_else(|same| same);
        let counted = Count::of(last).in_span(span).plus(answered);
        let before = before.in_span_before(span);
        Count { answered: counted.answered + before.answered, silent: counted.silent + before.silent, ..counted }
    }

    /// Never `OPEN`.
    fn millis(&self, now: Instant) -> u64 {
        millis(now.saturating_duration_since(self.begun)).saturating_add(1)
    }

    fn later(&self, now: Instant) -> u64 {
        self.millis(now) + millis(PAUSE / 2 + spread(PAUSE / 2))
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(TRYING - 1)
}

impl Pass<'_> {
    /// The database answered, whatever it said.
    pub(super) const fn answered(&mut self) {
        self.answered = Some(true);
    }

    /// The database did not answer in time, or the connection was lost.
    pub(super) const fn unanswered(&mut self) {
        self.answered = Some(false);
    }

    /// The database answered with `fault`, or did not.
    pub(super) const fn learned(&mut self, fault: &Fault) {
        self.answered = Some(fault.is_answer());
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        if self.trying || self.answered.is_some() {
            self.lane.settle(self, Instant::now());
        }
    }
}

/// The calls of one span: its number and those answered and not, in one word of 24, 20 and 20 bits.
#[derive(Clone, Copy)]
struct Count {
    span: u64,
    answered: u64,
    silent: u64,
}

impl Count {
    const MOST: u64 = (1 << 20) - 1;
    const SPANS: u64 = (1 << 24) - 1;

    const fn of(word: u64) -> Self {
        Self { span: word >> 40, answered: (word >> 20) & Self::MOST, silent: word & Self::MOST }
    }

    const fn word(self) -> u64 {
        self.span << 40 | self.answered << 20 | self.silent
    }

    /// What it holds of `span`: nothing if it is about another one.
    const fn in_span(self, span: u64) -> Self {
        let span = span & Self::SPANS;
        if self.span == span { self } else { Self { span, answered: 0, silent: 0 } }
    }

    const fn in_span_before(self, span: u64) -> Self {
        self.in_span(span.wrapping_sub(1))
    }

    fn plus(mut self, answered: bool) -> Self {
        let counter = if answered { &mut self.answered } else { &mut self.silent };
        *counter = (*counter + 1).min(Self::MOST);
        self
    }

    const fn too_many(self) -> bool {
        self.answered + self.silent >= LEAST && self.silent > self.answered
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A lane and the seconds since it was made.
    struct Road(Lane);

    impl Road {
        fn new() -> Self {
            Self(Lane::new("reads", &Arc::new(Budget::new())))
        }

        fn at(&self, seconds: f64) -> Instant {
            self.0.begun + Duration::from_secs_f64(seconds)
        }

        fn enter(&self, seconds: f64) -> Option<Pass<'_>> {
            self.0.enter_at(|| self.at(seconds)).ok()
        }

        /// Ends a call; `Some` is whether the database answered.
        fn end(&self, mut pass: Pass<'_>, seconds: f64, answered: Option<bool>) {
            pass.answered = answered;
            self.0.settle(&pass, self.at(seconds));
            core::mem::forget(pass);
        }

        /// Whether a call was let in, which then ended so.
        fn call(&self, seconds: f64, answered: Option<bool>) -> bool {
            self.enter(seconds).map(|pass| self.end(pass, seconds, answered)).is_some()
        }

        fn closed(seconds: f64) -> Self {
            let road = Self::new();
            assert!((0..LEAST).all(|_| road.call(seconds, Some(false))));
            assert!(!road.call(seconds, Some(true)), "it has closed");
            road
        }
    }

    #[test]
    fn f31_a_lane_closes_when_more_than_half_of_its_calls_get_no_answer() {
        let road = Road::new();
        for _ in 0..100 {
            assert!(road.call(1.0, Some(true)) && road.call(1.0, Some(false)), "half is not more than half");
        }
        assert!(road.call(1.0, Some(false)));
        assert!(!road.call(1.0, Some(true)));
    }

    #[test]
    fn f31_few_calls_and_those_of_long_ago_close_nothing() {
        let road = Road::new();
        for round in 0..10 {
            for _ in 0..LEAST - 1 {
                assert!(road.call(f64::from(round) * 10.0, Some(false)));
            }
        }
    }

    #[test]
    fn f31_two_spans_count_together() {
        let road = Road::new();
        assert!((0..LEAST - 1).all(|_| road.call(4.9, Some(false))));
        assert!(road.call(5.1, Some(false)));
        assert!(!road.call(5.1, Some(true)));
    }

    #[test]
    fn f31_whoever_went_away_or_was_not_asked_counts_for_nothing() {
        let road = Road::new();
        for _ in 0..1000 {
            assert!(road.call(1.0, None));
        }
        assert!((0..LEAST).all(|_| road.call(1.0, Some(false))), "they did not count as answered either");
        assert!(!road.call(1.0, Some(true)));
    }

    #[test]
    fn f31_one_call_tries_a_closed_lane_and_its_answer_opens_it() {
        let road = Road::closed(1.0);
        assert!(road.enter(1.49).is_none(), "not yet");
        let first = road.enter(2.1).expect("the pause is over");
        assert!(road.enter(2.1).is_none(), "one at a time");
        road.end(first, 3.0, Some(false));
        assert!(road.enter(3.49).is_none(), "and it pauses again");
        let second = road.enter(4.1).expect("the pause is over");
        road.end(second, 4.2, Some(true));
        assert!((0..100).all(|_| road.call(4.2, Some(true))), "open for all");
        assert!((0..LEAST - 1).all(|_| road.call(20.0, Some(false))), "and nothing is held against it");
    }

    #[test]
    fn f31_where_a_trying_call_goes_away_the_next_one_tries() {
        let road = Road::closed(1.0);
        assert!(road.call(2.1, None));
        assert!(road.call(2.1, Some(true)));
        assert!((0..100).all(|_| road.call(2.1, Some(true))));
    }

    #[test]
    fn f31_what_was_let_in_before_the_lane_closed_does_not_close_it_again() {
        let road = Road::new();
        let early: Vec<_> = (0..100).map(|_| road.enter(0.5).expect("open")).collect();
        assert!((0..LEAST).all(|_| road.call(1.0, Some(false))));
        assert!(road.call(2.1, Some(true)), "tried and opened");
        for pass in early {
            road.end(pass, 2.5, Some(false));
        }
        assert!(road.call(2.5, Some(true)));
    }
}
