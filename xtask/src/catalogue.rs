//! The catalogue of attacks and faults, row by row, with the tests that bear a row's id in their name.
//!
//! The rows stand in `docs/catalogue.md`. A row is tested (no state is written), tested in part (`partly: …`) or not yet
//! (`not exposed: …`). The rows and the tests must agree in both directions: a test with an unknown id, a row without a
//! test and without a reason, and a reason that tests have overtaken are all reported.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};

use crate::e2e;
use crate::workspace::Workspace;

const ROWS: &str = "docs/catalogue.md";

pub(crate) fn run(workspace: &Workspace, brief: bool) -> Result<()> {
    let rows = rows(workspace)?;
    let tests = tests(workspace)?;
    let results = last_results(workspace);
    let verdicts = judge(&rows, &tests);
    let mut sums: BTreeMap<Verdict, usize> = BTreeMap::new();
    for (row, verdict) in rows.iter().zip(&verdicts) {
        *sums.entry(*verdict).or_default() += 1;
        if !brief || verdict.is_fault() {
            let star = if row.star { "★" } else { " " };
            println!("{} {star} {:<12} {}", row.id, verdict.word(), row.what);
            if let State::Partly(reason) | State::NotExposed(reason) = &row.state {
                println!("       {reason}");
            }
            for test in tests.get(&row.id).into_iter().flatten() {
                println!("       {}{}", test, results.get(test).map(|word| format!(" ({word})")).unwrap_or_default());
            }
        }
    }
    let sentences: Vec<String> = sums.iter().map(|(verdict, count)| format!("{count} {}", verdict.word())).collect();
    println!("{} rows: {}", rows.len(), sentences.join(", "));
    let unknown = unknown(&rows, &tests);
    for sentence in &unknown {
        println!("{sentence}");
    }
    let faults = verdicts.iter().filter(|verdict| verdict.is_fault()).count() + unknown.len();
    ensure!(faults == 0, "{faults} rows or tests of the catalogue do not agree");
    Ok(())
}

/// Rows that bear a star and have tests.
pub(crate) fn starred_rows(workspace: &Workspace) -> Result<Vec<String>> {
    let starred = rows(workspace)?.into_iter().filter(|row| row.star && !matches!(row.state, State::NotExposed(_)));
    Ok(starred.map(|row| row.id).collect())
}

/// Every name that bears a row's id.
pub(crate) fn test_names(workspace: &Workspace) -> Result<Vec<String>> {
    Ok(tests(workspace)?.into_values().flatten().collect())
}

/// One row of the catalogue.
#[derive(Debug, PartialEq, Eq)]
struct Row {
    id: String,
    star: bool,
    what: String,
    state: State,
}

#[derive(Debug, PartialEq, Eq)]
enum State {
    Tested,
    Partly(String),
    NotExposed(String),
}

/// What the row and its tests say together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Verdict {
    Tested,
    Partly,
    NotExposed,
    /// No test and no reason.
    Missing,
    /// Said to be not exposed, yet tests bear its id.
    Stale,
}

impl Verdict {
    fn word(self) -> &'static str {
        match self {
            Self::Tested => "tested",
            Self::Partly => "partly",
            Self::NotExposed => "not exposed",
            Self::Missing => "missing",
            Self::Stale => "stale",
        }
    }

    fn is_fault(self) -> bool {
        matches!(self, Self::Missing | Self::Stale)
    }
}

/// Test names by the id that they bear.
type Tests = BTreeMap<String, Vec<String>>;

fn judge(rows: &[Row], tests: &Tests) -> Vec<Verdict> {
    let verdict = |row: &Row| match (&row.state, tests.contains_key(&row.id)) {
        (State::Tested, true) => Verdict::Tested,
        (State::Partly(_), true) => Verdict::Partly,
        (State::NotExposed(_), false) => Verdict::NotExposed,
        (State::NotExposed(_), true) => Verdict::Stale,
        (State::Tested | State::Partly(_), false) => Verdict::Missing,
    };
    rows.iter().map(verdict).collect()
}

fn unknown(rows: &[Row], tests: &Tests) -> Vec<String> {
    let strangers = tests.iter().filter(|(id, _)| !rows.iter().any(|row| row.id == **id));
    strangers.map(|(id, names)| format!("{id} is no row of {ROWS}, but is borne by {}", names.join(", "))).collect()
}

fn rows(workspace: &Workspace) -> Result<Vec<Row>> {
    let text = workspace.text(Path::new(ROWS))?.context("the catalogue is not UTF-8")?;
    let rows = read_rows(&text)?;
    ensure!(!rows.is_empty(), "{ROWS} has no rows");
    Ok(rows)
}

/// Reads `| A001 | ★ | area | what | state |` lines.
fn read_rows(text: &str) -> Result<Vec<Row>> {
    let mut rows: Vec<Row> = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let [_, id, star, _area, what, state, _] = cells[..] else { continue };
        let Some(id) = row_id(id) else { continue };
        let state = match state.split_once(": ") {
            None if state.is_empty() => State::Tested,
            Some(("partly", reason)) => State::Partly(reason.to_owned()),
            Some(("not exposed", reason)) => State::NotExposed(reason.to_owned()),
            _ => bail!("{ROWS}:{}: `{state}` is neither empty nor `partly: …` nor `not exposed: …`", number + 1),
        };
        ensure!(rows.iter().all(|row| row.id != id), "{ROWS}:{}: {id} stands there twice", number + 1);
        rows.push(Row { id, star: star == "★", what: what.to_owned(), state });
    }
    Ok(rows)
}

/// The id at the start of a name: `A` and three digits, or `F` and two. In a test's name it is in lower case.
fn row_id(name: &str) -> Option<String> {
    let word = name.split('_').next()?.to_ascii_uppercase();
    let digits = word.strip_prefix('A').filter(|digits| digits.len() == 3);
    let digits = digits.or_else(|| word.strip_prefix('F').filter(|digits| digits.len() == 2))?;
    digits.bytes().all(|digit| digit.is_ascii_digit()).then_some(word)
}

/// Test functions and modules, and end-to-end scripts, whose names start with an id.
fn tests(workspace: &Workspace) -> Result<Tests> {
    let mut tests = Tests::new();
    for path in workspace.files()? {
        if !path.starts_with("fuzz") && path.extension().is_some_and(|extension| extension == "rs") {
            for name in names_with_an_id(&workspace.text(&path)?.unwrap_or_default()) {
                tests.entry(row_id(&name).unwrap_or_default()).or_default().push(name);
            }
        }
    }
    for script in e2e::scripts(&workspace.root) {
        if let Some(id) = script.contains('_').then(|| row_id(&script)).flatten() {
            tests.entry(id).or_default().push(script);
        }
    }
    Ok(tests)
}

/// Names after `fn` or `mod` that start with an id and an underscore.
fn names_with_an_id(source: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in source.lines().filter(|line| !line.trim_start().starts_with("//")) {
        let mut words = line.split_whitespace();
        while let Some(word) = words.next() {
            if word != "fn" && word != "mod" {
                continue;
            }
            let Some(next) = words.next() else { break };
            let name: String = next.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            if name.contains('_') && row_id(&name).is_some() {
                found.push(name);
            }
        }
    }
    found
}

/// The outcome of each test in the last full run, by the part of its path that bears an id. Empty without such a run.
fn last_results(workspace: &Workspace) -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(workspace.last_results()).unwrap_or_default();
    let mut worst = BTreeMap::new();
    for (word, path) in text.lines().filter_map(|line| line.split_once(' ')) {
        if let Some(name) = path.split("::").find(|part| part.contains('_') && row_id(part).is_some()) {
            let seen: &mut String = worst.entry(name.to_owned()).or_default();
            if seen != "failed" {
                word.clone_into(seen);
            }
        }
    }
    worst
}

#[cfg(test)]
mod tests {
    use super::Verdict::{Missing, NotExposed, Partly, Stale, Tested};
    use super::*;

    #[test]
    fn no_test_bears_an_id_that_the_catalogue_lacks() {
        let workspace = Workspace::find().unwrap();
        let rows = rows(&workspace).unwrap();
        assert_eq!(unknown(&rows, &super::tests(&workspace).unwrap()), [""; 0]);
    }

    #[test]
    fn the_catalogue_has_every_row() {
        let rows = rows(&Workspace::find().unwrap()).unwrap();
        let attacks = (1..=229).map(|number| format!("A{number:03}"));
        let faults = (1..=66).map(|number| format!("F{number:02}"));
        assert!(rows.iter().map(|row| row.id.clone()).eq(attacks.chain(faults)));
    }

    #[test]
    fn rows_and_tests_must_agree_in_both_directions() {
        let text = "| id | ★ | area | what | state |\n|---|---|---|---|---|\n\
            | A001 | ★ | x | tested | |\n| A002 | | x | forgotten | |\n\
            | A003 | | x | later | not exposed: no page |\n| F01 | | x | overtaken | not exposed: no disk |\n\
            | F02 | | x | half | partly: one path |\n";
        let rows = read_rows(text).unwrap();
        // The words are put in later, so that these names are not taken for tests of this file.
        let source = "#[test]\n$ a001_is_refused() {}\nasync $ f01_survives(t: T) {}\n// $ a002_in_a_comment()\n\
            @ f02_on_each_engine {\n$ a999_nowhere() {}\n$ f2_short() {}\n$ a0011_long() {}\n"
            .replace('$', "fn")
            .replace('@', "mod");
        let mut tests = Tests::new();
        for name in names_with_an_id(&source) {
            tests.entry(row_id(&name).unwrap()).or_default().push(name);
        }
        assert_eq!(judge(&rows, &tests), [Tested, Missing, NotExposed, Stale, Partly]);
        assert_eq!(unknown(&rows, &tests), ["A999 is no row of docs/catalogue.md, but is borne by a999_nowhere"]);
    }

    #[test]
    fn a_state_of_another_kind_and_a_row_that_stands_twice_are_refused() {
        assert!(read_rows("| A001 | | x | y | maybe |").is_err());
        assert!(read_rows("| A001 | | x | y | |\n| A001 | | x | y | |").is_err());
    }
}
