//! `claviger resource-server …`

use clap::Subcommand;
use serde_json::{Map, Value, json};

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
        /// `jwt`, which it verifies by itself, or `opaque`, about which it asks each time
        #[arg(long, value_name = "FORMAT", default_value = "jwt")]
        token_format: String,
        /// It asks about each token, and so learns of revocations; its tokens may live longer
        #[arg(long)]
        revocation_aware: bool,
    },
    /// One API
    Show {
        /// The id, as listed
        id: String,
    },
    /// Change an API; what is not named stays
    Update {
        /// The id, as listed
        id: String,
        /// The name that people see
        #[arg(long)]
        name: Option<String>,
        /// A scope that it knows; may stand several times, and all of them replace those before
        #[arg(long = "scope", value_name = "SCOPE")]
        scopes: Vec<String>,
        /// The life of its access tokens; 0 for the realm's
        #[arg(long)]
        access_token_seconds: Option<u64>,
        /// `jwt` or `opaque`
        #[arg(long, value_name = "FORMAT")]
        token_format: Option<String>,
        /// Whether it learns of revocations
        #[arg(long, value_name = "true|false")]
        revocation_aware: Option<bool>,
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
            Self::Create { audience, name, scopes, access_token_seconds, token_format, revocation_aware } => Ask::post(
                all,
                json!({
                    "audience": audience,
                    "name": name,
                    "scopes": scopes,
                    "access_token_seconds": access_token_seconds,
                    "token_format": token_format,
                    "revocation_aware": revocation_aware,
                }),
            ),
            Self::Show { id } => Ask::get(format!("{all}/{}", part(&id))),
            Self::Update { id, name, scopes, access_token_seconds, token_format, revocation_aware } => {
                let mut changed = Map::new();
                let named = [("name", name.map(Value::from)), ("token_format", token_format.map(Value::from))];
                changed.extend(named.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
                if !scopes.is_empty() {
                    changed.insert("scopes".to_owned(), json!(scopes));
                }
                if let Some(seconds) = access_token_seconds {
                    changed.insert("access_token_seconds".to_owned(), json!((seconds > 0).then_some(seconds)));
                }
                if let Some(aware) = revocation_aware {
                    changed.insert("revocation_aware".to_owned(), json!(aware));
                }
                Ask::patch(format!("{all}/{}", part(&id)), Value::Object(changed))
            }
            Self::Remove { id } => Ask::delete(format!("{all}/{}", part(&id))),
        }
    }
}
