//! Programs out of Debian packages, without root.
//!
//! `apt-get` resolves what a package needs beyond what the machine has, fetches and verifies it; `dpkg-deb` unpacks it into
//! a folder. Lists and caches are our own, so the machine's stay as they are.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use crate::command;

/// The C library must be the one that the machine's loader belongs to.
const NEVER: [&str; 3] = ["libc6", "libc-bin", "libcrypt1"];
const LISTS_LAST: Duration = Duration::from_hours(12);

/// The folder into which these packages and what they need are unpacked; done once.
///
/// With `whole`, the machine is taken to have nothing, and everything down to the C library is unpacked.
pub(super) fn unpacked(tools: &Path, name: &str, packages: &[&str], whole: bool) -> Result<PathBuf> {
    let name = if whole { format!("{name}-whole") } else { name.to_owned() };
    let root = tools.join(&name);
    let stamp = root.join(".packages");
    let wanted = packages.join(" ");
    if fs::read_to_string(&stamp).is_ok_and(|found| found.lines().next() == Some(&wanted)) {
        return Ok(root);
    }
    println!("unpacking {wanted}");
    let apt = Apt::open(tools, whole)?;
    let fetched = apt.fetch(packages).or_else(|_| {
        apt.update()?; // a list that has aged names files that are gone
        apt.fetch(packages)
    });
    let (versions, archives) = fetched?;
    let partial = tools.join(format!("{name}.partial"));
    remove(&partial)?;
    remove(&root)?;
    for archive in &archives {
        command::output(Command::new("dpkg-deb").arg("--extract").arg(archive).arg(&partial))?;
        fs::remove_file(archive).context("an unpacked archive cannot be removed")?;
    }
    fs::write(partial.join(".packages"), format!("{wanted}\n{}\n", versions.join("\n")))?;
    fs::rename(&partial, &root).with_context(|| format!("{} cannot be put in place", root.display()))?;
    Ok(root)
}

/// The folders with shared libraries in an unpacked root. Some packages keep private ones in a folder below.
pub(super) fn libraries(root: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for parent in ["usr/lib", "lib"] {
        let triples =
            folders_in(&root.join(parent))?.into_iter().filter(|path| named(path, |name| name.ends_with("-linux-gnu")));
        for triple in triples {
            let private = folders_in(&triple)?.into_iter().filter(|folder| holds_libraries(folder));
            found.extend(private);
            found.push(triple);
        }
    }
    Ok(found)
}

fn folders_in(folder: &Path) -> Result<Vec<PathBuf>> {
    let Ok(entries) = fs::read_dir(folder) else { return Ok(Vec::new()) };
    let paths = entries.map(|entry| entry.map(|entry| entry.path())).collect::<std::io::Result<Vec<_>>>();
    let mut folders = paths.with_context(|| format!("{} cannot be read", folder.display()))?;
    folders.retain(|path| path.is_dir());
    folders.sort();
    Ok(folders)
}

fn holds_libraries(folder: &Path) -> bool {
    let mut entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.any(|entry| named(&entry.path(), |name| name.starts_with("lib") && name.contains(".so")))
}

fn named(path: &Path, is: impl Fn(&str) -> bool) -> bool {
    path.file_name().is_some_and(|name| is(&name.to_string_lossy()))
}

fn remove(folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("{} cannot be removed", folder.display()))?;
    }
    Ok(())
}

/// apt with lists, caches and archives of its own.
struct Apt {
    folder: PathBuf,
    /// The file that says what is installed.
    installed: PathBuf,
}

impl Apt {
    fn open(tools: &Path, whole: bool) -> Result<Self> {
        ensure!(
            command::on_path("apt-get").is_some() && command::on_path("dpkg-deb").is_some(),
            "a tool for the tests is missing and this machine has no apt-get to fetch it with: install PostgreSQL 14 or \
             newer, Chromium, Node 20 or newer with npm, and Python 3.10 or newer with pip"
        );
        let folder = tools.join("apt");
        for part in ["state/lists/partial", "cache/archives/partial", "archives"] {
            fs::create_dir_all(folder.join(part)).with_context(|| format!("{} cannot be made", folder.display()))?;
        }
        let nothing = folder.join("nothing-installed");
        fs::write(&nothing, "").context("apt's own state cannot be written")?;
        let installed = if whole { nothing } else { PathBuf::from("/var/lib/dpkg/status") };
        let apt = Self { folder, installed };
        if apt.lists_are_old() {
            apt.update()?;
        }
        Ok(apt)
    }

    fn command(&self) -> Command {
        let mut apt = Command::new("apt-get");
        let state = self.folder.join("state");
        let cache = self.folder.join("cache");
        for (key, value) in [("Dir::State", &state), ("Dir::State::status", &self.installed), ("Dir::Cache", &cache)] {
            apt.arg("-o").arg(format!("{key}={}", value.display()));
        }
        apt.args(["-o", "APT::Sandbox::User=root", "-o", "Debug::NoLocking=1", "-o", "Acquire::Retries=3", "-q"]);
        apt.env("LC_ALL", "C").current_dir(self.folder.join("archives"));
        apt
    }

    fn updated(&self) -> PathBuf {
        self.folder.join("updated")
    }

    #[allow(clippy::disallowed_methods, reason = "the age of a file is judged by the machine's own clock")]
    fn lists_are_old(&self) -> bool {
        let changed = fs::metadata(self.updated()).and_then(|stamp| stamp.modified());
        !changed.is_ok_and(|at| std::time::SystemTime::now().duration_since(at).is_ok_and(|age| age < LISTS_LAST))
    }

    fn update(&self) -> Result<()> {
        command::output(self.command().arg("update")).context("the package lists cannot be fetched")?;
        fs::write(self.updated(), "").context("apt's own state cannot be written")
    }

    /// Fetches the packages and what they need. Returns their versions and archives.
    fn fetch(&self, packages: &[&str]) -> Result<(Vec<String>, Vec<PathBuf>)> {
        let mut plan = self.command();
        plan.args(["--simulate", "--no-install-recommends", "--reinstall", "install"]).args(packages);
        let versions = planned(&command::output(&mut plan)?);
        ensure!(!versions.is_empty(), "apt-get plans no package for {}", packages.join(" "));
        let archives = self.folder.join("archives");
        remove(&archives)?;
        fs::create_dir_all(&archives).context("apt's own archives cannot be made")?;
        command::output(self.command().arg("download").args(&versions))?;
        let entries = fs::read_dir(&archives).context("apt's own archives cannot be read")?;
        let mut files: Vec<PathBuf> = entries.map(|entry| Ok(entry?.path())).collect::<std::io::Result<_>>()?;
        files.sort();
        ensure!(files.len() == versions.len(), "{} of {} packages arrived", files.len(), versions.len());
        Ok((versions, files))
    }
}

/// Reads `Inst name [old] (version source [arch])` lines into `name=version`.
fn planned(simulation: &str) -> Vec<String> {
    let lines = simulation.lines().filter_map(|line| line.strip_prefix("Inst "));
    let pairs = lines.filter_map(|line| {
        let name = line.split(' ').next()?;
        let version = line.split_once('(')?.1.split(' ').next()?;
        (!NEVER.contains(&name)).then(|| format!("{name}={version}"))
    });
    pairs.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_is_read_without_the_c_library() {
        let simulation = "NOTE: simulated\n\
            Inst libc6 (2.36-9 Debian:12 [amd64])\n\
            Inst libpq5 [15.1] (15.2-0+deb12u1 Debian-Security:12 [amd64])\n\
            Inst tzdata (2026a-0 Debian:12 [all]) []\n\
            Conf libpq5 (15.2-0+deb12u1 Debian-Security:12 [amd64])\n";
        assert_eq!(planned(simulation), ["libpq5=15.2-0+deb12u1", "tzdata=2026a-0"]);
    }
}
