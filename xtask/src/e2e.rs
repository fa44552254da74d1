//! End-to-end cases: real client libraries and a real browser against the development build.
//!
//! The cases stand in `e2e/cases.txt`, one a line: a script and its arguments. `.mjs` runs on Node with the packages of
//! `e2e/package-lock.json`, `.py` on Python with those of `e2e/requirements.txt`. Exit code 0 means passed. A script finds
//! what it needs in its environment:
//!
//! | variable | content |
//! |---|---|
//! | `E2E_BINARY` | the development build of `claviger` |
//! | `E2E_CHROMIUM` | the browser to start |
//! | `E2E_POSTGRES` | the superuser's address of the test cluster |
//! | `E2E_ARTIFACTS` | a folder of the case's own, for screenshots and logs |

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::mpsc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};

use crate::services::{Services, Tools, guard};
use crate::workspace::Workspace;
use crate::{command, suite};

const PATIENCE: Duration = Duration::from_mins(5);

/// Starts the services, runs the cases, stops the services.
pub(crate) fn run_alone(workspace: &Workspace, unpack: bool, filter: Option<&str>) -> Result<()> {
    let mut services = Services::start(workspace, unpack)?;
    run_with(workspace, &mut services, unpack, filter, &[])?;
    services.stop()
}

/// Runs the cases beside services that are up.
pub(crate) fn run(workspace: &Workspace, services: &mut Services, unpack: bool) -> Result<()> {
    run_with(workspace, services, unpack, None, &[])
}

/// Runs the cases whose titles contain `title`, asked for more by `environment`.
pub(crate) fn run_long(
    workspace: &Workspace,
    services: &mut Services,
    title: &str,
    environment: &[(&str, &str)],
) -> Result<()> {
    run_with(workspace, services, false, Some(title), environment)
}

fn run_with(
    workspace: &Workspace,
    services: &mut Services,
    unpack: bool,
    filter: Option<&str>,
    environment: &[(&str, &str)],
) -> Result<()> {
    let folder = workspace.root.join("e2e");
    if !folder.is_dir() {
        println!("There is no folder e2e, so there are no end-to-end cases.");
        return Ok(());
    }
    let table = fs::read_to_string(folder.join("cases.txt")).context("e2e/cases.txt cannot be read")?;
    let cases = read_cases(&table)?;
    every_script_is_listed(&folder, &cases)?;
    let bench = Bench::prepare(workspace, services, unpack, folder)?;
    let mut passed = 0;
    let mut failed = Vec::new();
    for case in cases.iter().filter(|case| filter.is_none_or(|text| case.title().contains(text))) {
        println!("-- {}", case.title());
        match bench.run(case, services, environment) {
            Ok(()) => passed += 1,
            Err(error) => {
                println!("-- {} failed: {error:#}", case.title());
                failed.push(case.title());
            }
        }
    }
    for title in &failed {
        println!("failed: {title}");
    }
    println!("{passed} passed, {} failed", failed.len());
    ensure!(failed.is_empty(), "{} end-to-end cases failed", failed.len());
    Ok(())
}

#[derive(Debug, PartialEq, Eq)]
struct Case {
    script: String,
    arguments: Vec<String>,
}

impl Case {
    fn title(&self) -> String {
        std::iter::once(&self.script).chain(&self.arguments).map(String::as_str).collect::<Vec<_>>().join(" ")
    }
}

fn read_cases(table: &str) -> Result<Vec<Case>> {
    let lines = table.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let mut cases = Vec::new();
    for line in lines {
        let mut words = line.split_whitespace().map(str::to_owned);
        let script = words.next().context("a case has a script")?;
        ensure!(is_script(&script), "e2e/cases.txt: {script} is neither .mjs nor .py");
        let case = Case { script, arguments: words.collect() };
        ensure!(!cases.contains(&case), "e2e/cases.txt: `{}` stands there twice", case.title());
        cases.push(case);
    }
    Ok(cases)
}

fn is_script(name: &str) -> bool {
    Path::new(name).extension().is_some_and(|extension| extension == "mjs" || extension == "py")
}

/// A script that no case names would never run. Shared code lies in `e2e/lib`.
fn every_script_is_listed(folder: &Path, cases: &[Case]) -> Result<()> {
    let listed: BTreeSet<&str> = cases.iter().map(|case| case.script.as_str()).collect();
    let mut present = BTreeSet::new();
    for entry in fs::read_dir(folder).context("the folder e2e cannot be read")? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if is_script(&name) {
            present.insert(name);
        }
    }
    let unlisted: Vec<&String> = present.iter().filter(|name| !listed.contains(name.as_str())).collect();
    let missing: Vec<&&str> = listed.iter().filter(|name| !present.contains(**name)).collect();
    ensure!(unlisted.is_empty(), "e2e/cases.txt does not list {unlisted:?}");
    ensure!(missing.is_empty(), "e2e/cases.txt lists {missing:?}, which do not exist");
    Ok(())
}

/// All that a case runs on.
struct Bench {
    folder: PathBuf,
    binary: PathBuf,
    packages: PathBuf,
    artifacts: PathBuf,
    tools: Tools,
    postgres: String,
}

impl Bench {
    fn prepare(workspace: &Workspace, services: &Services, unpack: bool, folder: PathBuf) -> Result<Self> {
        let tools = Tools::find(workspace, unpack)?;
        install_npm_packages(&tools, &folder)?;
        let packages = workspace.tools().join("e2e-python");
        let requirements = folder.join("requirements.txt");
        if requirements.exists() {
            tools.python.install(&packages, &requirements)?;
        }
        let binary = development_build(workspace)?;
        let artifacts = workspace.target.join("e2e");
        Ok(Self { folder, binary, packages, artifacts, tools, postgres: services.postgres_url() })
    }

    fn run(&self, case: &Case, services: &mut Services, environment: &[(&str, &str)]) -> Result<()> {
        let artifacts = self.artifacts.join(case.title().replace(|c: char| !c.is_ascii_alphanumeric(), "-"));
        fs::create_dir_all(&artifacts).with_context(|| format!("{} cannot be made", artifacts.display()))?;
        let mut command = if Path::new(&case.script).extension().is_some_and(|extension| extension == "py") {
            let mut python = self.tools.python.command();
            python.env("PYTHONPATH", &self.packages).env("PYTHONDONTWRITEBYTECODE", "1");
            python
        } else {
            self.tools.node.command()?
        };
        command.arg(self.folder.join(&case.script)).args(&case.arguments).current_dir(&self.folder);
        command.env("E2E_BINARY", &self.binary).env("E2E_CHROMIUM", &self.tools.chromium);
        command.env("E2E_POSTGRES", &self.postgres).env("E2E_ARTIFACTS", &artifacts);
        // What the caller's shell tells a server, or the tests of one, is not meant for these.
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("CLAVIGER_")) {
            command.env_remove(name);
        }
        command.envs(environment.iter().copied());
        let child = command.process_group(0).spawn().context("the script could not be started")?;
        services.watch(child.id())?;
        wait(child)
    }
}

/// Waits for the script, no longer than is reasonable, and ends whatever it has left running.
fn wait(mut child: Child) -> Result<()> {
    let group = child.id();
    let (done, ended) = mpsc::channel::<()>();
    let watchdog = std::thread::spawn(move || {
        let overdue = ended.recv_timeout(PATIENCE) == Err(mpsc::RecvTimeoutError::Timeout);
        guard::end_group(group);
        overdue
    });
    let status = child.wait().context("the script was lost")?;
    drop(done);
    if watchdog.join().is_ok_and(|overdue| overdue) {
        bail!("stopped after {} minutes", PATIENCE.as_secs() / 60);
    }
    ensure!(status.success(), "{status}");
    Ok(())
}

/// `npm ci`, only after the lock file has changed. Install scripts of packages are never run.
fn install_npm_packages(tools: &Tools, folder: &Path) -> Result<()> {
    let lock = folder.join("package-lock.json");
    if !lock.exists() {
        return Ok(());
    }
    let wanted = fs::read(&lock).context("e2e/package-lock.json cannot be read")?;
    let done = folder.join("node_modules/.installed-lock");
    if fs::read(&done).is_ok_and(|found| found == wanted) {
        return Ok(());
    }
    let mut npm = tools.node.npm()?;
    npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"]);
    command::output(npm.current_dir(folder))?;
    fs::write(&done, wanted).context("e2e/node_modules cannot be written")
}

/// Builds the binary together with the tests, which gives every dependency the features that it has there, and finds it.
fn development_build(workspace: &Workspace) -> Result<PathBuf> {
    command::run(workspace.cargo().args(suite::BUILD))?;
    let binary = workspace.target.join("debug/claviger");
    ensure!(binary.is_file(), "the build made no {}", binary.display());
    Ok(binary)
}

/// The scripts' names, for the catalogue: a script may bear a row's id like a test does.
pub(crate) fn scripts(root: &Path) -> Vec<String> {
    let entries = fs::read_dir(root.join("e2e")).into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.filter(|name| is_script(name)).collect()
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn a_case_is_a_script_and_its_arguments() {
        let cases = read_cases("# databases\nlogin.mjs sqlite\n\n  login.mjs postgres main\n").unwrap();
        assert_eq!(cases.iter().map(Case::title).collect::<Vec<_>>(), ["login.mjs sqlite", "login.mjs postgres main"]);
    }

    #[test]
    fn a_case_that_stands_twice_or_is_no_script_is_refused() {
        assert!(read_cases("a.mjs x\na.mjs x").is_err());
        assert!(read_cases("a.sh").is_err());
    }

    #[test]
    fn a_script_that_no_case_names_is_refused() {
        let folder = std::env::temp_dir().join(format!("claviger-e2e-listing-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("forgotten.mjs"), "").unwrap();
        let refused = every_script_is_listed(&folder, &[]).unwrap_err().to_string();
        fs::remove_dir_all(&folder).unwrap();
        assert!(refused.contains("forgotten.mjs"), "{refused}");
    }

    #[test]
    fn what_a_script_leaves_running_ends_with_it() {
        let mut script = Command::new("sh");
        script.args(["-c", "(sleep 20; echo survived) &"]).process_group(0).stdout(Stdio::piped());
        let mut child = script.spawn().unwrap();
        let mut output = child.stdout.take().unwrap();
        wait(child).unwrap();
        let mut said = String::new();
        output.read_to_string(&mut said).unwrap();
        assert_eq!(said, "");
    }
}
