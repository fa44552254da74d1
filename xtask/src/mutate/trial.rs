//! Running a mutant's test, and what its outcome says.

use std::fs::File;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use super::list::Mutant;
use super::tree::Copy;
use crate::engines::{self, Outcome};
use crate::services::{Services, guard};

/// No build and no test takes longer; a mutant that hangs is ended.
const PATIENCE: Duration = Duration::from_mins(15);

/// Where mutants are tried.
pub(super) struct Trial<'a> {
    pub(super) copy: &'a Copy,
    pub(super) services: &'a mut Services,
}

/// What became of a mutant.
pub(super) struct Verdict {
    finding: Finding,
    pub(super) minutes: f64,
}

enum Finding {
    /// Every run of the test failed.
    Red,
    /// These runs of the test did not notice.
    Survived(Vec<String>),
    /// Nothing is proven, for this reason.
    Broken(String),
}

impl Verdict {
    pub(super) fn is_red(&self) -> bool {
        matches!(self.finding, Finding::Red)
    }

    pub(super) fn word(&self) -> &'static str {
        match self.finding {
            Finding::Red => "red",
            Finding::Survived(_) => "SURVIVED",
            Finding::Broken(_) => "BROKEN",
        }
    }

    /// Why it is not red.
    pub(super) fn says(&self) -> String {
        match &self.finding {
            Finding::Red => String::new(),
            Finding::Survived(tests) => format!("still green: {}", tests.join(", ")),
            Finding::Broken(why) => why.clone(),
        }
    }
}

/// How a run of cargo ended, and what it printed.
struct Ran {
    status: ExitStatus,
    overdue: bool,
    text: String,
    log: PathBuf,
}

impl Ran {
    /// The first error that was printed, and where the others are.
    fn complaint(&self) -> String {
        let first = self.text.lines().find(|line| line.starts_with("error")).unwrap_or("it says nothing");
        format!("{first} ({})", self.log.display())
    }
}

impl Trial<'_> {
    /// Runs the tests of a package's mutants without any of them. A test that is not there, or not green, proves nothing:
    /// its mutant's verdict is settled.
    pub(super) fn without(&mut self, package: &str, mutants: &[&Mutant]) -> Result<Vec<Option<Verdict>>> {
        let broken = |why: String| Some(Verdict { finding: Finding::Broken(why), minutes: 0.0 });
        let built = self.run(self.build(package), &format!("{package}-build.log"))?;
        if !built.status.success() {
            let why = format!("the tests of {package} do not build: {}", built.complaint());
            return Ok(mutants.iter().map(|_| broken(why.clone())).collect());
        }
        let ran = self.run(self.tests(package, mutants), &format!("{package}-tests.log"))?;
        let settled = mutants.iter().map(|mutant| {
            let results = results(mutant, &ran.text);
            let not_green = results.iter().find(|(_, outcome)| *outcome != Outcome::Passed);
            match not_green {
                Some((name, outcome)) => broken(format!("{name} {} without the mutant too", outcome.word())),
                None if results.is_empty() => broken("no test of that name ran".to_owned()),
                None => None,
            }
        });
        Ok(settled.collect())
    }

    /// Makes the mutant, runs its test, and takes the mutant away.
    pub(super) fn of(&mut self, mutant: &Mutant) -> Result<Verdict> {
        let began = now();
        let applied = self.copy.apply(mutant)?;
        let finding = self.finding(mutant);
        drop(applied);
        Ok(Verdict { finding: finding?, minutes: began.elapsed().as_secs_f64() / 60.0 })
    }

    fn finding(&mut self, mutant: &Mutant) -> Result<Finding> {
        let name = format!("{}-{}.log", mutant.row, mutant.test.replace("::", "-"));
        let built = self.run(self.build(&mutant.package), &name)?;
        if !built.status.success() {
            return Ok(Finding::Broken(format!("the mutant does not compile: {}", built.complaint())));
        }
        let ran = self.run(self.tests(&mutant.package, &[mutant]), &name)?;
        if ran.overdue {
            return Ok(Finding::Broken(format!("the test was ended after {} minutes", PATIENCE.as_secs() / 60)));
        }
        let results = results(mutant, &ran.text);
        if results.is_empty() {
            return Ok(Finding::Broken(format!(
                "no test of that name ran to its end; {} says more",
                ran.log.display()
            )));
        }
        let green: Vec<String> = results
            .into_iter()
            .filter(|(_, outcome)| *outcome != Outcome::Failed)
            .map(|(name, outcome)| format!("{name} ({})", outcome.word()))
            .collect();
        Ok(if green.is_empty() { Finding::Red } else { Finding::Survived(green) })
    }

    fn build(&self, package: &str) -> Command {
        let mut cargo = self.copy.cargo();
        cargo.args(["test", "--quiet", "--no-run", "--package", package]);
        cargo
    }

    fn tests(&self, package: &str, mutants: &[&Mutant]) -> Command {
        let mut cargo = self.copy.cargo();
        cargo.args(["test", "--package", package, "--no-fail-fast", "--"]);
        cargo.args(mutants.iter().map(|mutant| &mutant.test));
        cargo
    }

    fn run(&mut self, mut command: Command, log: &str) -> Result<Ran> {
        let path = self.copy.log(log)?;
        let file = File::create(&path).with_context(|| format!("{} cannot be made", path.display()))?;
        let errors = file.try_clone().context("the log cannot be shared")?;
        command.envs(self.services.environment());
        command.stdin(Stdio::null()).stdout(file).stderr(errors).process_group(0);
        let child = command.spawn().context("cargo could not be started")?;
        self.services.watch(child.id())?;
        let (status, overdue) = wait(child)?;
        let text = std::fs::read(&path).with_context(|| format!("{} cannot be read", path.display()))?;
        Ok(Ran { status, overdue, text: String::from_utf8_lossy(&text).into_owned(), log: path })
    }
}

/// The outcome of each run of the mutant's test.
fn results(mutant: &Mutant, text: &str) -> Vec<(String, Outcome)> {
    let lines = text.lines().filter_map(engines::read_line);
    lines.filter(|(name, _)| mutant.selects(name)).map(|(name, outcome)| (name.to_owned(), outcome)).collect()
}

/// Waits, no longer than is reasonable, and ends whatever is left running.
fn wait(mut child: Child) -> Result<(ExitStatus, bool)> {
    let group = child.id();
    let (done, ended) = mpsc::channel::<()>();
    let watchdog = std::thread::spawn(move || {
        let overdue = ended.recv_timeout(PATIENCE) == Err(mpsc::RecvTimeoutError::Timeout);
        guard::end_group(group);
        overdue
    });
    let status = child.wait().context("cargo was lost")?;
    drop(done);
    Ok((status, watchdog.join().is_ok_and(|overdue| overdue)))
}

#[allow(clippy::disallowed_methods, reason = "what a developer waits for is measured by the machine's own clock")]
fn now() -> Instant {
    Instant::now()
}
