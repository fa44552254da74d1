//! The whole test run: services up, every test on both engines, the end-to-end cases, services down.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::Stdio;

use anyhow::{Context as _, Result, bail};

use crate::engines::{self, Outcome};
use crate::services::Services;
use crate::stages::Stages;
use crate::workspace::Workspace;
use crate::{command, e2e};

/// The one build for tests and end-to-end cases. Built apart, the two would resolve dependencies' features differently and
/// compile many of them twice.
pub(crate) const BUILD: [&str; 4] = ["build", "--workspace", "--bins", "--tests"];

pub(crate) fn run(workspace: &Workspace, unpack: bool) -> Result<()> {
    let mut stages = Stages::default();
    let result = run_stages(workspace, unpack, &mut stages);
    stages.print();
    result
}

fn run_stages(workspace: &Workspace, unpack: bool, stages: &mut Stages) -> Result<()> {
    let mut services = stages.run("services", || Services::start(workspace, unpack))?;
    stages.run("build of tests", || command::run(workspace.cargo().args(BUILD)))?;
    let results = stages.run("tests", || run_tests(workspace, &services))?;
    stages.run("tests per engine", || compare_engines(&results))?;
    stages.run("end to end", || e2e::run(workspace, &mut services, unpack))?;
    stages.run("services stopped", || services.stop())
}

/// Runs the tests, letting their output through as it comes, and keeps each test's outcome for `xtask catalogue`.
fn run_tests(workspace: &Workspace, services: &Services) -> Result<Vec<(String, Outcome)>> {
    let mut cargo = workspace.cargo();
    cargo.args(["test", "--workspace", "--no-fail-fast"]).envs(services.environment());
    let mut child = cargo.stdout(Stdio::piped()).spawn().context("cargo test could not be started")?;
    let mut lines = BufReader::new(child.stdout.take().context("cargo test has no output")?);
    let mut terminal = std::io::stdout();
    let mut results = Vec::new();
    let mut line = Vec::new();
    while lines.read_until(b'\n', &mut line).context("the output of cargo test broke off")? > 0 {
        terminal.write_all(&line).and_then(|()| terminal.flush()).context("the terminal is gone")?;
        if let Some((name, outcome)) = engines::read_line(&String::from_utf8_lossy(&line)) {
            results.push((name.to_owned(), outcome));
        }
        line.clear();
    }
    let status = child.wait().context("cargo test was lost")?;
    keep(workspace, &results)?;
    if !status.success() {
        for (name, _) in results.iter().filter(|(_, outcome)| *outcome == Outcome::Failed) {
            println!("failed: {name}");
        }
        bail!("cargo test failed: {status}");
    }
    Ok(results)
}

fn compare_engines(results: &[(String, Outcome)]) -> Result<()> {
    let tally = engines::tally(results.iter().map(|(name, outcome)| (name.as_str(), *outcome)));
    println!("SQLite {}, PostgreSQL {}", tally.sqlite, tally.postgres);
    if tally.uneven.is_empty() {
        return Ok(());
    }
    for sentence in &tally.uneven {
        println!("uneven: {sentence}");
    }
    bail!("{} tests do not run on both engines", tally.uneven.len())
}

fn keep(workspace: &Workspace, results: &[(String, Outcome)]) -> Result<()> {
    let path = workspace.last_results();
    let lines: Vec<String> = results.iter().map(|(name, outcome)| format!("{} {name}", outcome.word())).collect();
    std::fs::create_dir_all(workspace.tools())
        .and_then(|()| std::fs::write(&path, lines.join("\n")))
        .with_context(|| format!("{} cannot be written", path.display()))
}
