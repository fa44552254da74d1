//! The data folder: the one that was named, or a temporary one that goes with the process.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use claviger_crypto::{SystemEntropy, hex};
use claviger_kernel::Entropy as _;

use crate::config::{SETTINGS, Settings};

/// Where everything of this run lies.
pub(super) struct Folder {
    path: PathBuf,
    temporary: bool,
}

impl Folder {
    /// The folder that the settings name; where they name none, a new temporary one, which they name from then on.
    pub(super) fn of(settings: &mut Settings) -> anyhow::Result<Self> {
        let default = SETTINGS.iter().find(|setting| setting.key == "data").and_then(|setting| setting.default);
        if default.map(Path::new) != Some(settings.data.as_path()) {
            return Ok(Self { path: settings.data.clone(), temporary: false });
        }
        let mut random = [0; 8];
        SystemEntropy.fill(&mut random);
        let path = std::env::temp_dir().join(format!("claviger-dev-{}", hex(&random)));
        let made = DirBuilder::new().mode(0o700).create(&path);
        made.with_context(|| format!("data: cannot make the folder {}", path.display()))?;
        settings.data.clone_from(&path);
        Ok(Self { path, temporary: true })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) const fn is_temporary(&self) -> bool {
        self.temporary
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if self.temporary {
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{self, Flag};

    #[test]
    fn a_temporary_folder_goes_and_a_named_one_stays() {
        let mut settings = config::load(None, [], []).unwrap();
        let folder = Folder::of(&mut settings).unwrap();
        let path = settings.data.clone();
        assert!(folder.is_temporary() && path.is_dir());
        drop(folder);
        assert!(!path.exists());

        let kept = tempfile::tempdir().unwrap();
        let data = Flag { name: "--data", key: "data", value: kept.path().display().to_string() };
        let mut settings = config::load(None, [], [data]).unwrap();
        let folder = Folder::of(&mut settings).unwrap();
        assert_eq!((folder.is_temporary(), folder.path()), (false, kept.path()));
        drop(folder);
        assert!(kept.path().is_dir());
    }
}
