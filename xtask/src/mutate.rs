//! Takes away, one by one, the checks that ★ rows of the catalogue stand on, and expects a test to notice.
//!
//! The list is `xtask/mutants.toml`. Each change is made in a copy of the tree, never in the tree itself; the copy and what
//! cargo builds from it are kept between runs. A test that was red before, a change that does not compile and a filter that
//! selects no test prove nothing, and are told apart from a test that goes red.

mod list;
mod tree;
mod trial;

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, ensure};

use self::list::{List, Mutant};
use self::tree::Copy;
use self::trial::{Trial, Verdict};
use crate::catalogue;
use crate::services::Services;
use crate::stages::Stages;
use crate::workspace::Workspace;

/// What `cargo xtask mutate` is asked to do.
pub(crate) enum Work {
    /// Print the list.
    List,
    /// See that the list fits the tree and the catalogue.
    Check,
    /// Try the mutants.
    Try {
        /// Take no tool from the machine.
        unpack: bool,
    },
}

/// Works on the mutants of `rows`, or on all where there are none.
pub(crate) fn run(workspace: &Workspace, rows: &[String], work: &Work) -> Result<()> {
    let list = List::read(workspace)?;
    let chosen = list.of_rows(rows)?;
    match work {
        Work::List => {
            for mutant in chosen {
                println!("{:<5} {:<18} {}", mutant.row, mutant.package, mutant.test);
                for edit in mutant.edits() {
                    println!("      {}", edit.file);
                }
            }
            for exempt in &list.without {
                println!("{:<5} none: {}", exempt.row, exempt.reason);
            }
            Ok(())
        }
        Work::Check => check(workspace, &list),
        Work::Try { unpack } => {
            check(workspace, &list)?;
            let mut stages = Stages::default();
            let result = try_all(workspace, &chosen, *unpack, &mut stages);
            stages.print();
            result
        }
    }
}

/// Sees that every text stands where the list says, exactly once, that every test exists, and that no ★ row is left out.
fn check(workspace: &Workspace, list: &List) -> Result<()> {
    let mut found = list.breaches(|file| workspace.text(file.as_ref()).ok().flatten())?;
    let named: BTreeSet<String> = catalogue::test_names(workspace)?.into_iter().collect();
    for mutant in &list.mutants {
        if !named.contains(mutant.test_name()) {
            found.push(format!("{}: there is no test {}", mutant.row, mutant.test_name()));
        }
    }
    found.extend(list.left_out(&catalogue::starred_rows(workspace)?));
    for sentence in &found {
        println!("{sentence}");
    }
    ensure!(found.is_empty(), "{} does not fit the tree in {} places", list::FILE, found.len());
    println!("{} mutants, {} rows without one", list.mutants.len(), list.without.len());
    Ok(())
}

fn try_all(workspace: &Workspace, chosen: &[&Mutant], unpack: bool, stages: &mut Stages) -> Result<()> {
    let copy = stages.run("copy of the tree", || Copy::refresh(workspace))?;
    let mut services = stages.run("services", || Services::start(workspace, unpack))?;
    let mut trial = Trial { copy: &copy, services: &mut services };
    // Those of one package stand together, so that each is built on what the one before has left.
    let mut by_package: BTreeMap<&str, Vec<&Mutant>> = BTreeMap::new();
    for mutant in chosen {
        by_package.entry(&mutant.package).or_default().push(mutant);
    }
    let mut outcomes = Vec::new();
    let mut ready = Vec::new();
    stages.run("tests without mutants", || {
        for (package, mutants) in &by_package {
            for (mutant, verdict) in mutants.iter().zip(trial.without(package, mutants)?) {
                match verdict {
                    None => ready.push(*mutant),
                    Some(broken) => outcomes.push((*mutant, broken)),
                }
            }
        }
        Ok(())
    })?;
    stages.run("mutants", || {
        for mutant in ready {
            let verdict = trial.of(mutant)?;
            println!("{:<5} {} {}", mutant.row, verdict.word(), mutant.test);
            outcomes.push((mutant, verdict));
        }
        Ok(())
    })?;
    services.stop()?;
    print(outcomes)
}

fn print(mut outcomes: Vec<(&Mutant, Verdict)>) -> Result<()> {
    outcomes.sort_by(|(one, _), (other, _)| (&one.row, &one.test).cmp(&(&other.row, &other.test)));
    println!("== mutants");
    for (mutant, verdict) in &outcomes {
        println!("{:<5} {:<8} {:>5.2} min  {}", mutant.row, verdict.word(), verdict.minutes, mutant.test);
        if !verdict.is_red() {
            println!("      {} — {}", mutant.file, verdict.says());
        }
    }
    let short = outcomes.iter().filter(|(_, verdict)| !verdict.is_red()).count();
    ensure!(short == 0, "{short} of {} mutants were not caught", outcomes.len());
    println!("{} mutants, each caught", outcomes.len());
    Ok(())
}
