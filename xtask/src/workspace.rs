//! Where things lie: the workspace's root, its packages, its tracked files, and the folder for unpacked tools.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use cargo_metadata::{Metadata, MetadataCommand};

use crate::command;

/// The workspace as cargo describes it.
pub(crate) struct Workspace {
    /// The folder with the workspace's `Cargo.toml`.
    pub(crate) root: PathBuf,
    /// Cargo's target folder.
    pub(crate) target: PathBuf,
    /// Packages and the dependencies that they declare; nothing outside the workspace is resolved.
    pub(crate) metadata: Metadata,
}

impl Workspace {
    /// The workspace around the current folder. Where this program was built says nothing: folders for builds are shared.
    pub(crate) fn find() -> Result<Self> {
        let metadata = MetadataCommand::new().no_deps().exec().context("cargo could not describe the workspace")?;
        Ok(Self {
            root: metadata.workspace_root.clone().into_std_path_buf(),
            target: metadata.target_directory.clone().into_std_path_buf(),
            metadata,
        })
    }

    /// Where tools are unpacked. Nothing in it is precious.
    pub(crate) fn tools(&self) -> PathBuf {
        self.target.join("tools")
    }

    /// Where the last test run left each test's outcome.
    pub(crate) fn last_results(&self) -> PathBuf {
        self.tools().join("last-results.txt")
    }

    /// `cargo`, started at the root.
    pub(crate) fn cargo(&self) -> Command {
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.current_dir(&self.root);
        cargo
    }

    /// Files that git tracks, or would track once added; paths relative to the root.
    pub(crate) fn files(&self) -> Result<Vec<PathBuf>> {
        let mut git = Command::new("git");
        git.current_dir(&self.root).args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
        let listing = command::output(&mut git)?;
        let mut files: Vec<PathBuf> = listing.split('\0').filter(|path| !path.is_empty()).map(PathBuf::from).collect();
        files.retain(|path| self.root.join(path).is_file());
        files.sort();
        files.dedup();
        Ok(files)
    }

    /// A tracked file's text, or `None` when it is not UTF-8.
    pub(crate) fn text(&self, path: &Path) -> Result<Option<String>> {
        let bytes =
            std::fs::read(self.root.join(path)).with_context(|| format!("{} cannot be read", path.display()))?;
        Ok(String::from_utf8(bytes).ok())
    }
}
