//! The process that cleans up after a run, even after one that was killed.
//!
//! It lives in a process group of its own, so that an interrupt from the terminal passes it by, and reads from a pipe that
//! only the run holds open. When the pipe ends, the run is over: the guard ends the process groups that it was told of and
//! stops the servers named in the run's record.

use std::collections::BTreeSet;
use std::io::{BufRead as _, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal};

use super::Record;

/// The run's side of the pipe.
pub(super) struct Guard {
    child: Child,
}

impl Guard {
    pub(super) fn spawn(record: &Path) -> Result<Self> {
        let program = std::env::current_exe().context("this program's own file is not known")?;
        let child = Command::new(program)
            .arg("guard")
            .arg(record)
            .stdin(Stdio::piped())
            .process_group(0)
            .spawn()
            .context("the guard process could not be started")?;
        Ok(Self { child })
    }

    pub(super) fn watch(&mut self, group: u32) -> Result<()> {
        let pipe = self.child.stdin.as_mut().context("the guard's pipe is open until the end")?;
        writeln!(pipe, "{group}").context("the guard process is gone")
    }

    pub(super) fn finish(mut self) -> Result<()> {
        drop(self.child.stdin.take());
        let status = self.child.wait().context("the guard process was lost")?;
        if !status.success() {
            bail!("the servers could not be stopped");
        }
        Ok(())
    }
}

/// The guard itself: waits for the end of standard input, then cleans up.
pub(crate) fn serve(record: &Path) -> Result<()> {
    let mut groups = BTreeSet::new();
    for line in std::io::stdin().lock().lines().map_while(Result::ok) {
        groups.extend(line.trim().parse::<u32>());
    }
    for group in groups {
        end_group(group);
    }
    if let Some(found) = Record::read(record)? {
        found.servers.stop()?;
        std::fs::remove_file(record).with_context(|| format!("{} cannot be removed", record.display()))?;
    }
    Ok(())
}

/// Kills every process of the group; a group that is already empty is fine.
pub(crate) fn end_group(group: u32) {
    if let Some(group) = i32::try_from(group).ok().and_then(Pid::from_raw) {
        let _ = rustix::process::kill_process_group(group, Signal::KILL);
    }
}
