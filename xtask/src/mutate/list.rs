//! The kept list of mutants, and whether it fits the tree.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;

use crate::workspace::Workspace;

pub(super) const FILE: &str = "xtask/mutants.toml";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct List {
    #[serde(rename = "mutant")]
    pub(super) mutants: Vec<Mutant>,
    #[serde(default)]
    pub(super) without: Vec<Without>,
}

/// A check taken away, and the test that must notice.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Mutant {
    pub(super) row: String,
    pub(super) file: String,
    find: String,
    replace: String,
    #[serde(default)]
    also: Vec<Edit>,
    pub(super) package: String,
    pub(super) test: String,
}

/// One place where a mutant differs from the tree.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Edit {
    pub(super) file: String,
    pub(super) find: String,
    pub(super) replace: String,
}

/// A row that has no mutant, and why.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Without {
    pub(super) row: String,
    pub(super) reason: String,
}

impl List {
    pub(super) fn read(workspace: &Workspace) -> Result<Self> {
        Self::parse(&workspace.text(Path::new(FILE))?.context("the list of mutants is not UTF-8")?)
    }

    fn parse(text: &str) -> Result<Self> {
        toml::from_str(text).with_context(|| format!("{FILE} cannot be read"))
    }

    /// The mutants of these rows; all of them where none is named.
    pub(super) fn of_rows(&self, rows: &[String]) -> Result<Vec<&Mutant>> {
        for row in rows {
            let known = self.mutants.iter().any(|mutant| mutant.row.eq_ignore_ascii_case(row));
            ensure!(known, "{row} has no mutant in {FILE}");
        }
        let asked = |mutant: &&Mutant| rows.is_empty() || rows.iter().any(|row| mutant.row.eq_ignore_ascii_case(row));
        Ok(self.mutants.iter().filter(asked).collect())
    }

    /// One sentence for each edit whose text does not occur exactly once in the file that `text_of` gives, or changes
    /// nothing.
    pub(super) fn breaches(&self, text_of: impl Fn(&str) -> Option<String>) -> Result<Vec<String>> {
        let mut found = Vec::new();
        for mutant in &self.mutants {
            let mut files: BTreeMap<String, String> = BTreeMap::new();
            for edit in mutant.edits() {
                let (row, file) = (&mutant.row, &edit.file);
                let Some(text) = files.get(file).cloned().or_else(|| text_of(file)) else {
                    found.push(format!("{row}: {file} is not there"));
                    continue;
                };
                match edit.apply(&text) {
                    Ok(changed) => drop(files.insert(file.clone(), changed)),
                    Err(why) => found.push(format!("{row}: {file} {why}: {}", edit.find.trim())),
                }
            }
        }
        for exempt in &self.without {
            ensure!(!exempt.reason.is_empty(), "{}: say why {FILE} has no mutant for it", exempt.row);
        }
        Ok(found)
    }

    /// Which of `rows` have neither a mutant nor a reason, and which have both.
    pub(super) fn left_out(&self, rows: &[String]) -> Vec<String> {
        let mut found = Vec::new();
        for row in rows {
            let mutated = self.mutants.iter().any(|mutant| mutant.row == *row);
            let exempt = self.without.iter().any(|exempt| exempt.row == *row);
            if mutated == exempt {
                let both =
                    if exempt { "both a mutant and a reason for none" } else { "no mutant and no reason for none" };
                found.push(format!("{row} bears a star, has tests, and has {both} in {FILE}"));
            }
        }
        found
    }
}

impl Mutant {
    /// Every edit, in order.
    pub(super) fn edits(&self) -> impl Iterator<Item = Edit> {
        let first = Edit { file: self.file.clone(), find: self.find.clone(), replace: self.replace.clone() };
        core::iter::once(first).chain(self.also.iter().cloned())
    }

    /// The test's name without the engine.
    pub(super) fn test_name(&self) -> &str {
        self.test.split("::").next().unwrap_or_default()
    }

    /// Whether a test's full path is this one's: the same names in a row, whatever stands around them.
    pub(super) fn selects(&self, path: &str) -> bool {
        let (names, path): (Vec<&str>, Vec<&str>) = (self.test.split("::").collect(), path.split("::").collect());
        path.windows(names.len()).any(|window| window == names)
    }
}

impl Edit {
    /// The text with the edit made, or why it cannot be.
    pub(super) fn apply(&self, text: &str) -> Result<String, String> {
        match text.matches(&self.find).count() {
            _ if self.find == self.replace => Err("would stay as it is".to_owned()),
            1 => Ok(text.replacen(&self.find, &self.replace, 1)),
            0 => Err("lacks this text".to_owned()),
            times => Err(format!("has this text {times} times")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(also: &str) -> List {
        let text = format!(
            "[[mutant]]\nrow = 'A001'\nfile = 'a.rs'\nfind = 'if bad'\nreplace = 'if false'\npackage = 'p'\ntest = 't::sqlite'\n\
             {also}\n[[without]]\nrow = 'A002'\nreason = 'it is a shape'\n"
        );
        List::parse(&text).unwrap()
    }

    #[test]
    fn a_text_that_is_gone_or_ambiguous_is_named() {
        let told = |text: &str| list("").breaches(|_| Some(text.to_owned())).unwrap();
        assert_eq!(told("x if bad y"), [""; 0]);
        assert_eq!(told("if good"), ["A001: a.rs lacks this text: if bad"]);
        assert_eq!(told("if bad if bad"), ["A001: a.rs has this text 2 times: if bad"]);
        assert_eq!(list("").breaches(|_| None).unwrap(), ["A001: a.rs is not there"]);
        let twice = list("also = [{ file = 'a.rs', find = 'if false', replace = 'if never' }]");
        assert_eq!(
            twice.breaches(|_| Some("if bad".to_owned())).unwrap(),
            [""; 0],
            "edits of one file build on each other"
        );
    }

    #[test]
    fn a_starred_row_needs_a_mutant_or_a_reason_and_not_both() {
        let rows = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>();
        assert_eq!(list("").left_out(&rows(&["A001", "A002"])), [""; 0]);
        assert_eq!(list("").left_out(&rows(&["A003"])).len(), 1);
        let mut both = list("");
        both.without[0].row = "A001".to_owned();
        assert_eq!(both.left_out(&rows(&["A001"])).len(), 1);
    }

    #[test]
    fn a_test_is_selected_by_whole_names() {
        let list = list("");
        let mutant = &list.mutants[0];
        assert!(mutant.selects("oidc::t::sqlite") && mutant.selects("t::sqlite"));
        assert!(!mutant.selects("oidc::t::postgres") && !mutant.selects("oidc::tt::sqlite"));
        assert_eq!(mutant.test_name(), "t");
        assert!(list.of_rows(&["a001".to_owned()]).is_ok() && list.of_rows(&["A009".to_owned()]).is_err());
    }
}
