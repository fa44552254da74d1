//! `claviger key …`

use clap::Subcommand;
use serde_json::json;

use super::{Ask, part};

#[derive(Subcommand, Debug)]
pub(crate) enum KeyCommand {
    /// Every key with its state
    List,
    /// Publish the next key, or put it to use once it has been published long enough
    Rotate {
        /// es256, rs256, opaque or seal
        purpose: String,
    },
    /// Remove a key that is not needed any more
    Remove {
        /// The id, as listed
        id: String,
        /// It has leaked: remove it whatever was made with it, which is refused from then on
        #[arg(long)]
        force: bool,
    },
    /// Void everything that was issued in the realm: new keys take the place of all, and everybody signs in anew
    ReplaceAll,
    /// Change the master key, and wrap every key under the new one
    ChangeMaster,
}

impl KeyCommand {
    pub(super) fn ask(self, within: &str) -> Ask {
        let all = format!("{within}/api/v1/keys");
        match self {
            Self::List => Ask::get(all),
            Self::Rotate { purpose } => Ask::post(format!("{all}/rotations"), json!({ "purpose": purpose })),
            Self::Remove { id, force } => Ask::delete(format!("{all}/{}?force={force}", part(&id))),
            Self::ReplaceAll => Ask::post(format!("{all}/replacements"), json!({})),
            Self::ChangeMaster => Ask::post("/api/v1/master-key/changes", json!({})),
        }
    }
}
