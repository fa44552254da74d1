//! The secrets of what is seeded: made at the first start and kept in the data folder, so that a kept one answers to the
//! same password and no two developers share one.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use anyhow::Context as _;
use claviger_crypto::{base64url, hex};
use claviger_kernel::{Entropy, Reveal, Secret};
use serde::{Deserialize, Serialize};

/// The password of the seeded user and the secret of the seeded client.
pub(super) struct Credentials {
    pub(super) user_password: Secret<String>,
    pub(super) client_secret: Secret<String>,
    /// They were made just now: a store that has been seeded before answers to others.
    pub(super) new: bool,
}

#[derive(Serialize)]
struct Written<'a> {
    user_password: Reveal<'a, String>,
    client_secret: Reveal<'a, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Read {
    user_password: Secret<String>,
    client_secret: Secret<String>,
}

const FILE: &str = "dev.json";

impl Credentials {
    /// Those that `folder` keeps; new ones at its first start.
    pub(super) fn of(folder: &Path, entropy: &dyn Entropy) -> anyhow::Result<Self> {
        let path = folder.join(FILE);
        match File::open(&path) {
            Ok(file) => {
                let read: Read = serde_json::from_reader(file)
                    .with_context(|| format!("{} is damaged; remove it to get new credentials", path.display()))?;
                Ok(Self { user_password: read.user_password, client_secret: read.client_secret, new: false })
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let new = Self::new(entropy);
                new.write(&path).with_context(|| format!("{} cannot be written", path.display()))?;
                Ok(new)
            }
            Err(error) => Err(error).with_context(|| format!("{} cannot be read", path.display())),
        }
    }

    fn new(entropy: &dyn Entropy) -> Self {
        let (mut password, mut secret) = ([0; 8], [0; 32]);
        entropy.fill(&mut password);
        entropy.fill(&mut secret);
        let digits = hex(&password);
        let groups: Vec<&str> = [0, 4, 8, 12].iter().map(|start| &digits[*start..start + 4]).collect();
        Self {
            user_password: Secret::new(groups.join("-")),
            client_secret: Secret::new(format!("cvcs_{}", base64url(&secret))),
            new: true,
        }
    }

    fn write(&self, path: &Path) -> io::Result<()> {
        let written =
            Written { user_password: Reveal(&self.user_password), client_secret: Reveal(&self.client_secret) };
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        file.write_all(&serde_json::to_vec_pretty(&written)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use claviger_crypto::SystemEntropy;

    #[test]
    fn a_kept_folder_answers_to_the_same_credentials_and_another_does_not() {
        let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let first = Credentials::of(folder.path(), &SystemEntropy).unwrap();
        let again = Credentials::of(folder.path(), &SystemEntropy).unwrap();
        let elsewhere = Credentials::of(other.path(), &SystemEntropy).unwrap();
        assert_eq!(first.user_password.expose(), again.user_password.expose());
        assert_eq!(first.client_secret.expose(), again.client_secret.expose());
        assert_ne!(first.user_password.expose(), elsewhere.user_password.expose());
    }
}
