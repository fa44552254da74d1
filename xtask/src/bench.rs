//! The measurements: the load driver, built as a release is, on stores that sync every commit.

use anyhow::{Context as _, Result};

use crate::command;
use crate::services::Services;
use crate::workspace::Workspace;

/// Measures the rows named, or all.
pub(crate) fn run(workspace: &Workspace, rows: &[String], list: bool, unpack: bool) -> Result<()> {
    let mut driver = workspace.cargo();
    driver.args(["run", "--quiet", "--profile", "dist", "--package", "bench", "--"]);
    if list {
        return command::run(driver.arg("--list"));
    }
    command::run(workspace.cargo().args(["build", "--profile", "dist", "--package", "bench"]))?;
    let folder = workspace.target.join("bench");
    std::fs::create_dir_all(&folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    let services = Services::start_durable(workspace, unpack)?;
    driver.args(rows).envs(services.environment()).env("CLAVIGER_BENCH_FOLDER", &folder);
    let measured = command::run(&mut driver);
    services.stop()?;
    measured
}
