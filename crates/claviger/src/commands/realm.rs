//! `claviger realm …`

use clap::Subcommand;
use serde_json::json;

use super::{Ask, part, settings};

#[derive(Subcommand, Debug)]
pub(crate) enum RealmCommand {
    /// Every realm
    List,
    /// One realm with its settings
    Show {
        /// The realm's name
        name: String,
    },
    /// Make a realm with keys of its own
    Create {
        /// Lower-case letters, digits and hyphens
        name: String,
        /// The name that people see
        #[arg(long)]
        display_name: Option<String>,
        /// Settings that differ from the defaults: a JSON object, or @FILE
        #[arg(long, value_name = "JSON")]
        settings: Option<String>,
    },
    /// Change a realm; what is not named stays
    #[command(alias = "set")]
    Update {
        /// The realm's name
        name: String,
        /// The name that people see
        #[arg(long)]
        display_name: Option<String>,
        /// active or disabled
        #[arg(long)]
        status: Option<String>,
        /// The settings to change: a JSON object, or @FILE
        #[arg(long, value_name = "JSON")]
        settings: Option<String>,
    },
}

impl RealmCommand {
    pub(super) fn ask(self) -> anyhow::Result<Ask> {
        let parsed = |text: Option<String>| text.as_deref().map(settings).transpose();
        Ok(match self {
            Self::List => Ask::get("/api/v1/realms"),
            Self::Show { name } => Ask::get(format!("/api/v1/realms/{}", part(&name))),
            Self::Create { name, display_name, settings } => {
                let body = json!({ "name": name, "display_name": display_name, "settings": parsed(settings)? });
                Ask::post("/api/v1/realms", body)
            }
            Self::Update { name, display_name, status, settings } => {
                let body = json!({ "display_name": display_name, "status": status, "settings": parsed(settings)? });
                Ask::patch(format!("/api/v1/realms/{}", part(&name)), body)
            }
        })
    }
}
