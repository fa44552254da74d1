//! The statement suite: what a compiler would check if it could read SQL. For tests; no production path links this.
//!
//! Every statement is prepared on the engine, stays within the subset that both engines share, carries the tenant
//! predicate, and has a plan that constrains a column beyond the tenant: none reads a whole realm or a whole table.

mod plan;
mod text;

use crate::Sql;
use crate::scratch::{Engine, Scratch};

/// A statement breaks a rule.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Problem {
    /// The statement's name.
    pub statement: &'static str,
    /// The rule, and how it is broken.
    pub what: String,
}

impl core::fmt::Display for Problem {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}: {}", self.statement, self.what)
    }
}

/// Checks `statements` on the engine of `scratch`.
///
/// `wide` names statements that may read widely, each with its reason, such as the snapshot of a complete view; a name
/// that is not needed there any more is a problem too.
pub async fn check(scratch: &Scratch, statements: &[&'static Sql], wide: &[(&'static str, &str)]) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut narrow: Vec<&str> = wide.iter().map(|(name, _)| *name).collect();
    let plans = plan::all(scratch, statements).await;
    for (sql, plan) in statements.iter().zip(plans) {
        let mut add = |what: String| problems.push(Problem { statement: sql.name, what });
        text::broken_rules(sql).into_iter().for_each(&mut add);
        match plan {
            Err(refusal) => add(format!("the engine refuses it: {refusal}")),
            Ok(reads) => {
                let wide_read = reads.into_iter().find(|read| !read.is_narrow());
                let allowed = narrow.iter().position(|name| *name == sql.name);
                match (wide_read, allowed) {
                    (Some(_), Some(place)) => drop(narrow.swap_remove(place)),
                    (Some(read), None) if !wide.iter().any(|(name, _)| *name == sql.name) => {
                        add(format!("reads beyond what it looks for: {read}"));
                    }
                    _ => {}
                }
            }
        }
    }
    // Planners differ in what they make of an empty table; SQLite's answer does not vary.
    if scratch.engine() == Engine::Sqlite {
        let what = "stands among the wide statements and need not";
        problems.extend(narrow.into_iter().map(|statement| Problem { statement, what: what.into() }));
    }
    problems
}
