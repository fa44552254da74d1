//! The runs that take too long for every day: the same tests, asked for much more, with a chance of their own each time.
//!
//! What a run found is found again with its seed. Continuous integration runs a seeded sample of each.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::Stdio;
use std::time::UNIX_EPOCH;

use anyhow::{Context as _, Result, ensure};

use crate::e2e;
use crate::engines::{self, Outcome};
use crate::services::Services;
use crate::stages::Stages;
use crate::workspace::Workspace;

/// One long run: tests or end-to-end cases, and the environment that makes them long.
struct Run {
    name: &'static str,
    what: &'static str,
    /// Whose tests; end-to-end cases where there is nothing.
    packages: &'static [&'static str],
    /// What the tests' names contain; every test of the packages where there is nothing.
    tests: &'static [&'static str],
    environment: &'static [(&'static str, &'static str)],
}

/// Every long run, in order. Each finds its seed in `CLAVIGER_SEED`.
const RUNS: &[Run] = &[
    Run {
        name: "ledger",
        what: "a thousand kills of a process that writes a ledger (F01)",
        packages: &["claviger-storage"],
        tests: &["f01_nothing_acknowledged_is_lost"],
        environment: &[("CLAVIGER_KILLS", "1000")],
    },
    Run {
        name: "server",
        what: "two hundred kills of a server inside a password change (F04)",
        packages: &["claviger"],
        tests: &["f04_a_password_change_that_is_killed"],
        environment: &[("CLAVIGER_KILLS", "200")],
    },
    Run {
        name: "nodes",
        what: "three thousand rounds on three nodes in which everything happens at once (F02, F41, F44, F45)",
        packages: &["claviger"],
        tests: &["whatever_happens_the_revoked_stay_out"],
        environment: &[("CLAVIGER_ROUNDS", "3000")],
    },
    Run {
        name: "propagation",
        what: "what ends on one node, until the others refuse it, twelve hundred times with NOTIFY and without (F41)",
        packages: &["claviger"],
        tests: &["what_ends_on_one_node", "f41_without_notify"],
        environment: &[("CLAVIGER_PROPAGATIONS", "100")],
    },
    Run {
        name: "away",
        what: "ten minutes without the database (F32)",
        packages: &["claviger"],
        tests: &["f32_with_the_database_down"],
        environment: &[("CLAVIGER_AWAY_SECONDS", "600")],
    },
    Run {
        name: "mutations",
        what: "fifty times as many mutations of what comes from outside (A229)",
        packages: &["claviger-crypto", "claviger-tokens", "claviger-http", "claviger"],
        tests: &["seeded_mutation", "under_mutation", "any_text_is_read_or_refused_by_name"],
        environment: &[("CLAVIGER_MUTATIONS", "50")],
    },
    Run {
        name: "properties",
        what: "twenty thousand cases of each property",
        packages: &["claviger-crypto", "claviger-tokens", "claviger-identity"],
        tests: &[],
        environment: &[("PROPTEST_CASES", "20000")],
    },
    Run {
        name: "rotation",
        what: "sixteen rotations of keys under load, before clients that keep the key set (F47)",
        packages: &[],
        tests: &["rotation_under_load"],
        environment: &[("E2E_ROTATIONS", "16")],
    },
];

/// Runs those named, or all. Fails at the end if any failed.
pub(crate) fn run(workspace: &Workspace, names: &[String], seed: Option<u64>, list: bool) -> Result<()> {
    for name in names {
        ensure!(RUNS.iter().any(|run| run.name == name), "{name}: there is no such run; `--list` names them");
    }
    let chosen: Vec<&Run> =
        RUNS.iter().filter(|run| names.is_empty() || names.iter().any(|name| name == run.name)).collect();
    if list {
        for run in chosen {
            println!("{:<12} {}", run.name, run.what);
        }
        return Ok(());
    }
    let seed = seed.unwrap_or_else(seed_of_now);
    println!("seed {seed}; the same again with --seed {seed}");
    let mut stages = Stages::default();
    let result = run_all(workspace, &chosen, seed, &mut stages);
    stages.print();
    println!("seed {seed}");
    result
}

fn run_all(workspace: &Workspace, chosen: &[&Run], seed: u64, stages: &mut Stages) -> Result<()> {
    let mut services = stages.run("services", || Services::start(workspace, false))?;
    let mut failed = Vec::new();
    for run in chosen {
        if let Err(error) = stages.run(run.name, || begin(workspace, run, seed, &mut services)) {
            println!("{error:#}");
            failed.push(run.name);
        }
    }
    services.stop()?;
    ensure!(failed.is_empty(), "failed with seed {seed}: {}", failed.join(" "));
    Ok(())
}

fn begin(workspace: &Workspace, run: &Run, seed: u64, services: &mut Services) -> Result<()> {
    if !run.packages.is_empty() {
        return test(workspace, run, seed, services);
    }
    run.tests.iter().try_for_each(|title| e2e::run_long(workspace, services, title, run.environment))
}

/// Runs the tests, letting their output through as it comes. A run that selects no test is a mistake in the list.
fn test(workspace: &Workspace, run: &Run, seed: u64, services: &Services) -> Result<()> {
    let mut cargo = workspace.cargo();
    cargo.args(["test", "--no-fail-fast"]);
    cargo.args(run.packages.iter().flat_map(|package| ["--package", package]));
    cargo.arg("--").args(run.tests);
    cargo.envs(run.environment.iter().copied());
    cargo.env("CLAVIGER_SEED", seed.to_string()).envs(services.environment());
    let mut child = cargo.stdout(Stdio::piped()).spawn().context("cargo test could not be started")?;
    let lines = BufReader::new(child.stdout.take().context("cargo test has no output")?).lines();
    let mut passed = 0;
    for line in lines {
        let line = line.context("the output of cargo test broke off")?;
        writeln!(std::io::stdout(), "{line}").context("the terminal is gone")?;
        passed += usize::from(engines::read_line(&line).is_some_and(|(_, outcome)| outcome == Outcome::Passed));
    }
    let status = child.wait().context("cargo test was lost")?;
    ensure!(status.success(), "{}: {status}", run.name);
    ensure!(passed > 0, "{}: no test was selected", run.name);
    Ok(())
}

fn seed_of_now() -> u64 {
    #[allow(clippy::disallowed_methods, reason = "each run shall have a seed of its own, and prints it")]
    let now = std::time::SystemTime::now();
    now.duration_since(UNIX_EPOCH).map_or(1, |since| since.as_secs())
}
