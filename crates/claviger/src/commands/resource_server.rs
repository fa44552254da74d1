//! `claviger resource-server …`

use clap::Subcommand;
use serde_json::json;

use super::{Ask, part};

#[derive(Subcommand, Debug)]
pub(crate) enum ResourceServerCommand {
    /// Every API
    List,
    /// Register an API
    Create {
        /// The address by which clients name it
        audience: String,
        /// The name that people see
        name: String,
        /// A scope that it knows; may stand several times
        #[arg(long = "scope", value_name = "SCOPE")]
        scopes: Vec<String>,
        /// The life of its access tokens, where it differs from the realm's
        #[arg(long)]
        access_token_seconds: Option<u64>,
    },
    /// Remove an API
    Remove {
        /// The id, as listed
        id: String,
    },
}

impl ResourceServerCommand {
    pub(super) fn ask(self, within: &str) -> Ask {
        let all = format!("{within}/api/v1/resource-servers");
        match self {
            Self::List => Ask::get(all),
            Self::Create { audience, name, scopes, access_token_seconds } => Ask::post(
                all,
                json!({
                    "audience": audience,
                    "name": name,
                    "scopes": scopes,
                    "access_token_seconds": access_token_seconds,
                }),
            ),
            Self::Remove { id } => Ask::delete(format!("{all}/{}", part(&id))),
        }
    }
}
