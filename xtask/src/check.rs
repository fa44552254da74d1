//! The quick check before a commit: format, clippy, the house's rules, and the SQLite tests of what changed.
//!
//! All tests are built, so that dependencies keep the features that they have in the full run, but only those of changed
//! packages, and of packages that stand on them, are started.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use cargo_metadata::{Message, Metadata};

use crate::stages::Stages;
use crate::workspace::Workspace;
use crate::{command, house};

pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    let mut stages = Stages::default();
    let result = run_stages(workspace, &mut stages);
    stages.print();
    result
}

fn run_stages(workspace: &Workspace, stages: &mut Stages) -> Result<()> {
    stages.run("format", || command::run(workspace.cargo().args(["fmt", "--all", "--check"])))?;
    stages.run("clippy", || {
        let clippy = ["clippy", "--workspace", "--all-targets", "--quiet", "--", "--deny", "warnings"];
        command::run(workspace.cargo().args(clippy))
    })?;
    stages.run("house", || house::run(workspace))?;
    stages.run("tests of what changed", || test_changed(workspace))
}

fn test_changed(workspace: &Workspace) -> Result<()> {
    let changed = changed_files(workspace)?;
    let packages = with_dependents(&workspace.metadata, &owners(workspace, &changed));
    if packages.is_empty() {
        println!("No package has changed.");
        return Ok(());
    }
    println!("{}", packages.iter().map(String::as_str).collect::<Vec<_>>().join(" "));
    let mut failed = Vec::new();
    for (package, program) in build_tests(workspace)? {
        if !packages.contains(&package) {
            continue;
        }
        let folder = manifest_folder(&workspace.metadata, &package).context("a built package is in the workspace")?;
        let mut tests = Command::new(&program);
        tests
            .args(["--quiet", "--skip", "::postgres", "--skip", "redis::"])
            .current_dir(&folder)
            .env("CARGO_MANIFEST_DIR", &folder);
        if command::run(&mut tests).is_err() {
            failed.push(package);
        }
    }
    ensure!(failed.is_empty(), "tests failed in {}", failed.join(" "));
    Ok(())
}

/// What differs from the branch's start, committed or not. On `main` itself, what is not yet committed.
fn changed_files(workspace: &Workspace) -> Result<Vec<PathBuf>> {
    let git = |arguments: &[&str]| {
        let mut git = Command::new("git");
        git.current_dir(&workspace.root).args(arguments);
        command::output(&mut git)
    };
    let start = git(&["merge-base", "HEAD", "main"]).unwrap_or_else(|_| "HEAD".to_owned());
    let mut files = git(&["diff", "--name-only", "-z", start.trim()])?;
    files.push_str(&git(&["ls-files", "-z", "--others", "--exclude-standard"])?);
    Ok(files.split('\0').filter(|path| !path.is_empty()).map(PathBuf::from).collect())
}

/// The packages that files belong to. A file of no package (the workspace's manifest, a migration) belongs to all.
fn owners(workspace: &Workspace, files: &[PathBuf]) -> BTreeSet<String> {
    let folders: Vec<(String, PathBuf)> = workspace
        .metadata
        .workspace_packages()
        .iter()
        .filter_map(|package| Some((package.name.to_string(), package.manifest_path.parent()?.to_owned().into())))
        .collect();
    let mut owners = BTreeSet::new();
    for file in files.iter().filter(|file| !is_prose(file)) {
        let file = workspace.root.join(file);
        match folders.iter().find(|(_, folder)| file.starts_with(folder)) {
            Some((name, _)) => {
                owners.insert(name.clone());
            }
            None => owners.extend(folders.iter().map(|(name, _)| name.clone())),
        }
    }
    owners
}

fn is_prose(file: &Path) -> bool {
    ["docs", ".ci", "e2e"].iter().any(|folder| file.starts_with(folder))
        || (file.parent() == Some(Path::new("")) && file.extension().is_none_or(|extension| extension == "md"))
}

/// The packages and all that depend on them, directly or not.
fn with_dependents(metadata: &Metadata, changed: &BTreeSet<String>) -> BTreeSet<String> {
    let mut dependents: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for package in metadata.workspace_packages() {
        for dependency in package.dependencies.iter().filter(|dependency| dependency.path.is_some()) {
            dependents.entry(&dependency.name).or_default().push(&package.name);
        }
    }
    let mut reached = changed.clone();
    let mut open: Vec<String> = changed.iter().cloned().collect();
    while let Some(name) = open.pop() {
        for dependent in dependents.get(name.as_str()).into_iter().flatten() {
            if reached.insert((*dependent).to_owned()) {
                open.push((*dependent).to_owned());
            }
        }
    }
    reached
}

/// Builds every test and returns the test programs by package.
fn build_tests(workspace: &Workspace) -> Result<Vec<(String, PathBuf)>> {
    let mut cargo = workspace.cargo();
    cargo.args(["test", "--workspace", "--no-run", "--quiet", "--message-format=json-render-diagnostics"]);
    let result = cargo.stderr(Stdio::inherit()).output().context("cargo test could not be started")?;
    ensure!(result.status.success(), "the tests do not build");
    let mut programs = Vec::new();
    for message in Message::parse_stream(result.stdout.as_slice()) {
        if let Message::CompilerArtifact(artifact) = message.context("cargo's messages cannot be read")?
            && let (true, Some(program)) = (artifact.profile.test, artifact.executable)
        {
            let package = &workspace.metadata[&artifact.package_id];
            programs.push((package.name.to_string(), program.into_std_path_buf()));
        }
    }
    Ok(programs)
}

fn manifest_folder(metadata: &Metadata, package: &str) -> Option<PathBuf> {
    let package = metadata.workspace_packages().into_iter().find(|candidate| candidate.name.as_str() == package)?;
    Some(package.manifest_path.parent()?.to_owned().into())
}
