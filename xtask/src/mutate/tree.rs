//! A copy of the tree, kept in cargo's target folder, in which a mutant stands for as long as its test runs.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use super::list::Mutant;
use crate::workspace::Workspace;

/// The copy. One run at a time has it.
pub(super) struct Copy {
    root: PathBuf,
    target: PathBuf,
    _lock: File,
}

impl Copy {
    /// Makes the copy the same as the tree. What is the same already is left alone, so that cargo builds only what differs.
    pub(super) fn refresh(workspace: &Workspace) -> Result<Self> {
        let home = workspace.target.join("mutants");
        let copy = Self { root: home.join("tree"), target: home.join("target"), _lock: lock(&home)? };
        let wanted = workspace.files()?;
        for path in &wanted {
            let (from, to) = (workspace.root.join(path), copy.root.join(path));
            let text = fs::read(&from).with_context(|| format!("{} cannot be read", path.display()))?;
            if fs::read(&to).is_ok_and(|found| found == text) {
                continue;
            }
            let folder = to.parent().context("a file lies in a folder")?;
            fs::create_dir_all(folder)
                .and_then(|()| fs::copy(&from, &to).map(drop))
                .with_context(|| format!("{} cannot be copied", path.display()))?;
        }
        let wanted: std::collections::BTreeSet<PathBuf> = wanted.into_iter().collect();
        for path in files_below(&copy.root)? {
            if path.strip_prefix(&copy.root).is_ok_and(|relative| !wanted.contains(relative)) {
                fs::remove_file(&path).with_context(|| format!("{} cannot be removed", path.display()))?;
            }
        }
        Ok(copy)
    }

    /// `cargo`, started in the copy, with a target folder of its own.
    pub(super) fn cargo(&self) -> Command {
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.current_dir(&self.root).env("CARGO_TARGET_DIR", &self.target).env("CARGO_TERM_COLOR", "never");
        cargo
    }

    /// Where what a trial printed is kept.
    pub(super) fn log(&self, name: &str) -> Result<PathBuf> {
        let folder = self.target.with_file_name("logs");
        fs::create_dir_all(&folder).with_context(|| format!("{} cannot be made", folder.display()))?;
        Ok(folder.join(name))
    }

    /// Makes the mutant's edits. Dropping what comes back takes them away again.
    pub(super) fn apply(&self, mutant: &Mutant) -> Result<Applied> {
        let mut applied = Applied(Vec::new());
        for edit in mutant.edits() {
            let path = self.root.join(&edit.file);
            let text = fs::read_to_string(&path).with_context(|| format!("{} cannot be read", edit.file))?;
            let Ok(changed) = edit.apply(&text) else { bail!("{} has changed under the run", edit.file) };
            fs::write(&path, changed).with_context(|| format!("{} cannot be written", path.display()))?;
            applied.0.push((path, text));
        }
        Ok(applied)
    }
}

/// Edits that stand until this is dropped.
pub(super) struct Applied(Vec<(PathBuf, String)>);

impl Drop for Applied {
    fn drop(&mut self) {
        // Last first: two edits may lie in one file.
        for (path, text) in self.0.iter().rev() {
            if let Err(error) = fs::write(path, text) {
                eprintln!("warning: {} still holds a mutant: {error}", path.display());
            }
        }
    }
}

fn lock(home: &Path) -> Result<File> {
    fs::create_dir_all(home).with_context(|| format!("{} cannot be made", home.display()))?;
    let lock = File::create(home.join("lock")).context("the lock of the mutants cannot be made")?;
    lock.try_lock().context("another run has the copy")?;
    Ok(lock)
}

fn files_below(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).with_context(|| format!("{} cannot be read", folder.display()))? {
            let entry = entry.with_context(|| format!("{} cannot be read", folder.display()))?;
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                open.push(entry.path());
            } else {
                files.push(entry.path());
            }
        }
    }
    Ok(files)
}
