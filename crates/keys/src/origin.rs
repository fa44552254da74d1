//! Where the master key comes from: a file of tight permissions, or a value that the configuration hands in.
//!
//! While the master key changes there are two: beside the file `F` then stands `F.next`. Each step on disk is a whole
//! file that appears at once, so that a crash leaves the old state or the new one.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use claviger_crypto::hex;
use claviger_kernel::{Entropy, Secret};

use crate::{MasterError, MasterId, MasterKey};

/// Where the master key comes from.
#[derive(Clone, Debug)]
pub enum MasterOrigin {
    /// A file with the key's text form, readable by its owner alone. Made at the first start over an empty store.
    File(PathBuf),
    /// Values of the configuration: the master key, and while it changes the other one of the two.
    Value {
        /// `keys.master_key`.
        key: Secret<String>,
        /// `keys.other_master_key`: the next one before a change, the old one until it is finished.
        other: Option<Secret<String>>,
    },
}

impl MasterOrigin {
    /// The place, for texts that say what to do.
    pub(crate) fn place(&self) -> String {
        match self {
            Self::File(path) => format!("the file {}", path.display()),
            Self::Value { .. } => "the setting keys.master_key (CLAVIGER_KEYS__MASTER_KEY)".to_owned(),
        }
    }

    /// Every master key that is there: none, one, or two while one replaces the other.
    pub(crate) fn read(&self) -> Result<Vec<MasterKey>, MasterError> {
        match self {
            Self::File(path) => {
                let both = [read_file(path)?, read_file(&next_to(path))?];
                Ok(both.into_iter().flatten().collect())
            }
            Self::Value { key, other } => {
                let parse = |text| MasterKey::parse(text).map_err(|_| MasterError::Malformed(self.place()));
                core::iter::once(key).chain(other).map(parse).collect()
            }
        }
    }

    /// Makes the first master key. Only a file can be made; it is never written over.
    pub(crate) fn make(&self, entropy: &dyn Entropy) -> Result<MasterKey, MasterError> {
        match self {
            Self::File(path) => write_file(path, &MasterKey::generate(entropy), entropy),
            Self::Value { .. } => Err(MasterError::Missing(self.place())),
        }
    }

    /// The key that is to replace the current one, kept where a restart finds it.
    pub(crate) fn next(
        &self,
        given: Option<&Secret<String>>,
        current: MasterId,
        entropy: &dyn Entropy,
    ) -> Result<MasterKey, MasterError> {
        match (self, given) {
            (Self::File(path), given) => {
                let next = next_to(path);
                // Left by a change that did not get further than this file.
                if let Some(waiting) = read_file(&next)?.filter(|key| key.id() != current) {
                    let same =
                        given.is_none_or(|text| MasterKey::parse(text).is_ok_and(|key| key.id() == waiting.id()));
                    return if same { Ok(waiting) } else { Err(MasterError::Waiting(next.display().to_string())) };
                }
                match given {
                    Some(text) => write_file(&next, text, entropy),
                    None => write_file(&next, &MasterKey::generate(entropy), entropy),
                }
            }
            // A key that the configuration does not hold would be gone with the process, and every key with it.
            (Self::Value { .. }, given) => {
                let known = self.read()?.into_iter().find(|key| key.id() != current);
                let asked =
                    given.map(MasterKey::parse).transpose().map_err(|_| MasterError::Malformed(self.place()))?;
                let fits = |key: &MasterKey| asked.as_ref().is_none_or(|asked| asked.id() == key.id());
                known.filter(fits).ok_or(MasterError::NextNotConfigured)
            }
        }
    }

    /// Puts the next key in the place of the old one, which stays beside it for backups made before the change.
    pub(crate) fn promote(&self, current: MasterId) -> Result<(), MasterError> {
        let Self::File(path) = self else { return Ok(()) };
        let next = next_to(path);
        if read_file(&next)?.is_none_or(|key| key.id() != current) {
            return Ok(());
        }
        if let Some(old) = read_file(path)? {
            let kept = beside(path, &format!(".{}.old", old.id()));
            match fs::hard_link(path, &kept) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(failed(&kept)(error)),
                _ => {}
            }
        }
        fs::rename(&next, path).map_err(failed(path))?;
        sync_folder(path)
    }
}

fn next_to(path: &Path) -> PathBuf {
    beside(path, ".next")
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(ending);
    path.with_file_name(name)
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> MasterError {
    move |error| MasterError::File { path: path.display().to_string(), reason: error.to_string() }
}

fn read_file(path: &Path) -> Result<Option<MasterKey>, MasterError> {
    let place = || path.display().to_string();
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(path)(error)),
    };
    let mode = file.metadata().map_err(failed(path))?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(MasterError::Permissions { path: place(), mode });
    }
    let mut text = String::new();
    io::Read::read_to_string(&mut io::Read::take(&file, 1024), &mut text).map_err(failed(path))?;
    MasterKey::parse(&Secret::new(text)).map(Some).map_err(|_| MasterError::Malformed(format!("the file {}", place())))
}

/// Writes the key into a file that appears whole or not at all, and never in the place of another.
fn write_file(path: &Path, text: &Secret<String>, entropy: &dyn Entropy) -> Result<MasterKey, MasterError> {
    let key = MasterKey::parse(text).map_err(|_| MasterError::Malformed("the key given".to_owned()))?;
    let mut suffix = [0; 8];
    entropy.fill(&mut suffix);
    let draft = beside(path, &format!(".{}.tmp", hex(&suffix)));
    let write = || {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
        file.write_all(text.expose().trim().as_bytes())?;
        file.write_all(b"\n")?;
        file.sync_all()?;
        fs::hard_link(&draft, path)
    };
    let written = write();
    let _ = fs::remove_file(&draft);
    written.map_err(failed(path))?;
    sync_folder(path)?;
    Ok(key)
}

fn sync_folder(path: &Path) -> Result<(), MasterError> {
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed(folder))
}

#[cfg(test)]
mod tests {
    use claviger_kernel::SeededEntropy;

    use super::*;

    fn origin(folder: &tempfile::TempDir) -> (MasterOrigin, PathBuf) {
        let path = folder.path().join("master.key");
        (MasterOrigin::File(path.clone()), path)
    }

    #[test]
    fn a_file_that_others_may_read_is_refused_and_named() {
        let folder = tempfile::tempdir().unwrap();
        let (origin, path) = origin(&folder);
        let made = origin.make(&SeededEntropy::new(1)).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(origin.read().unwrap()[0].id(), made.id());
        for mode in [0o640, 0o604, 0o644, 0o660, 0o610] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let refused = MasterError::Permissions { path: path.display().to_string(), mode };
            assert_eq!(origin.read().unwrap_err(), refused);
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
        assert_eq!(origin.read().unwrap().len(), 1);
    }

    #[test]
    fn f19_a_master_key_that_is_there_is_never_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let (origin, path) = origin(&folder);
        origin.make(&SeededEntropy::new(1)).unwrap();
        let before = fs::read_to_string(&path).unwrap();
        assert!(matches!(origin.make(&SeededEntropy::new(2)), Err(MasterError::File { .. })));
        assert_eq!(fs::read_to_string(&path).unwrap(), before);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn f19_a_file_cut_short_is_refused_and_named() {
        let folder = tempfile::tempdir().unwrap();
        let (origin, path) = origin(&folder);
        origin.make(&SeededEntropy::new(1)).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, &text[..20]).unwrap();
        let error = origin.read().unwrap_err();
        assert!(error.to_string().contains("master.key"), "{error}");
        assert!(!error.to_string().contains(&text[..20]));
    }

    #[test]
    fn the_next_key_waits_beside_the_old_one_and_takes_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let (origin, path) = origin(&folder);
        let entropy = SeededEntropy::new(1);
        let old = origin.make(&entropy).unwrap().id();
        let next = origin.next(None, old, &entropy).unwrap().id();
        // A crash before anything else: the same key is found again, and no other may push in.
        assert_eq!(origin.next(None, old, &entropy).unwrap().id(), next);
        let other = MasterKey::generate(&entropy);
        assert!(matches!(origin.next(Some(&other), old, &entropy), Err(MasterError::Waiting(_))));
        let both: Vec<_> = origin.read().unwrap().iter().map(MasterKey::id).collect();
        assert_eq!(both, [old, next]);
        origin.promote(next).unwrap();
        assert_eq!(origin.read().unwrap().iter().map(MasterKey::id).collect::<Vec<_>>(), [next]);
        let kept = read_file(&beside(&path, &format!(".{old}.old"))).unwrap().unwrap();
        assert_eq!(kept.id(), old);
        origin.promote(next).unwrap();
    }

    #[test]
    fn a_next_key_that_is_not_configured_cannot_take_over() {
        let entropy = SeededEntropy::new(1);
        let (key, other) = (MasterKey::generate(&entropy), MasterKey::generate(&entropy));
        let current = MasterKey::parse(&key).unwrap().id();
        let alone = MasterOrigin::Value { key: key.clone(), other: None };
        assert_eq!(alone.next(Some(&other), current, &entropy).unwrap_err(), MasterError::NextNotConfigured);
        let both = MasterOrigin::Value { key, other: Some(other.clone()) };
        assert_eq!(both.next(None, current, &entropy).unwrap().id(), MasterKey::parse(&other).unwrap().id());
    }
}
