//! How much of an outage a log is told.

/// Failures in a row. A log is told of the first, second, fourth …, and once that they are over: an outage of hours is a
/// dozen lines.
#[derive(Debug, Default)]
pub struct Outage {
    failures: u32,
}

impl Outage {
    /// One more failure: how many there have been, if the log is to be told.
    pub const fn failed(&mut self) -> Option<u32> {
        self.failures = self.failures.saturating_add(1);
        if self.failures.is_power_of_two() { Some(self.failures) } else { None }
    }

    /// It works: how many failures there were before, if any.
    pub const fn over(&mut self) -> Option<u32> {
        let failures = core::mem::replace(&mut self.failures, 0);
        if failures > 0 { Some(failures) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_an_outage_the_first_second_and_fourth_failure_are_told_and_its_end_once() {
        let mut outage = Outage::default();
        assert_eq!(outage.over(), None, "what works was not away");
        for _ in 0..2 {
            let told: Vec<u32> = (0..100_000).filter_map(|_| outage.failed()).collect();
            assert_eq!(told, (0..17).map(|power| 1 << power).collect::<Vec<u32>>());
            assert_eq!((outage.over(), outage.over()), (Some(100_000), None));
        }
    }
}
