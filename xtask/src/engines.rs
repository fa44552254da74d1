//! Tests that run once per storage engine, counted.
//!
//! Such a test's name ends in its engine: `conformance::a_unit_is_all_or_nothing::sqlite` and `…::postgres`. A test that
//! exists for one engine only is a hole in the suite, so the counts must be equal.

use std::collections::BTreeMap;

const SQLITE: &str = "::sqlite";
const POSTGRES: &str = "::postgres";

/// How a test ended, as the test harness prints it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Passed,
    Failed,
    Ignored,
}

impl Outcome {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Ignored => "ignored",
        }
    }
}

/// Reads one line of the harness: `test some::name ... ok`.
pub(crate) fn read_line(line: &str) -> Option<(&str, Outcome)> {
    let (name, word) = line.trim_end().strip_prefix("test ")?.rsplit_once(" ... ")?;
    let outcome = match word {
        "ok" => Outcome::Passed,
        "FAILED" => Outcome::Failed,
        _ if word.starts_with("ignored") => Outcome::Ignored,
        _ => return None,
    };
    Some((name.strip_suffix(" - should panic").unwrap_or(name), outcome))
}

/// How many tests ran on each engine, and which ran on one only.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) sqlite: usize,
    pub(crate) postgres: usize,
    /// One sentence for each test that is not on both engines.
    pub(crate) uneven: Vec<String>,
}

/// Counts the tests that ran; an ignored one did not.
pub(crate) fn tally<'a>(results: impl IntoIterator<Item = (&'a str, Outcome)>) -> Tally {
    let mut by_name: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for (name, outcome) in results {
        if outcome == Outcome::Ignored {
            continue;
        }
        if let Some(base) = name.strip_suffix(SQLITE) {
            by_name.entry(base).or_default().0 += 1;
        } else if let Some(base) = name.strip_suffix(POSTGRES) {
            by_name.entry(base).or_default().1 += 1;
        }
    }
    let mut tally = Tally::default();
    for (base, (sqlite, postgres)) in by_name {
        tally.sqlite += sqlite;
        tally.postgres += postgres;
        if sqlite != postgres {
            tally.uneven.push(format!("{base}: {sqlite} on SQLite, {postgres} on PostgreSQL"));
        }
    }
    tally
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_harness_gives_name_and_outcome() {
        assert_eq!(read_line("test a::b ... ok\n"), Some(("a::b", Outcome::Passed)));
        assert_eq!(read_line("test a::b ... FAILED"), Some(("a::b", Outcome::Failed)));
        assert_eq!(read_line("test a ... ignored, needs an hour"), Some(("a", Outcome::Ignored)));
        assert_eq!(read_line("test a - should panic ... ok"), Some(("a", Outcome::Passed)));
        assert_eq!(read_line("test result: ok. 3 passed; 0 failed"), None);
        assert_eq!(read_line("a test of something ... ok"), None);
    }

    #[test]
    fn even_engines_are_counted() {
        let ran = ["a::sqlite", "a::postgres", "plain"].map(|name| (name, Outcome::Passed));
        assert_eq!(tally(ran), Tally { sqlite: 1, postgres: 1, uneven: Vec::new() });
    }

    #[test]
    fn a_test_on_one_engine_is_named() {
        let ran = [("a::sqlite", Outcome::Passed), ("a::postgres", Outcome::Ignored), ("b::postgres", Outcome::Failed)];
        let tally = tally(ran);
        assert_eq!((tally.sqlite, tally.postgres), (1, 1));
        assert_eq!(tally.uneven, ["a: 1 on SQLite, 0 on PostgreSQL", "b: 0 on SQLite, 1 on PostgreSQL"]);
    }
}
