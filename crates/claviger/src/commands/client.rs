//! `claviger client …`

use std::path::PathBuf;

use clap::Subcommand;
use claviger_kernel::Reveal;
use serde_json::{Map, Value, json};

use super::{Ask, part, secret, settings};

#[derive(Subcommand, Debug)]
pub(crate) enum ClientCommand {
    /// Every client
    List,
    /// One client with its settings
    Show {
        /// The client's id
        client_id: String,
    },
    /// Make a client; a confidential one comes with a secret that is shown this once
    Create {
        /// The name that people see
        name: String,
        /// The id by which it asks; made at random if absent
        #[arg(long)]
        client_id: Option<String>,
        /// It cannot keep a secret: a browser or native application
        #[arg(long)]
        public: bool,
        /// Where codes may be sent; may stand several times
        #[arg(long = "redirect-uri", value_name = "URL")]
        redirect_uris: Vec<String>,
        /// Where browsers may be sent after logout; may stand several times
        #[arg(long = "post-logout-redirect-uri", value_name = "URL")]
        post_logout_redirect_uris: Vec<String>,
        /// `authorization_code`, `refresh_token`, `client_credentials`; may stand several times
        #[arg(long = "grant", value_name = "GRANT")]
        grants: Vec<String>,
        /// The scopes that it may ask for, separated by spaces
        #[arg(long)]
        scopes: Option<String>,
        /// Nobody is asked for consent: it is your own
        #[arg(long)]
        first_party: bool,
        /// A secret of your choice from this file, or from standard input (-)
        #[arg(long, value_name = "FILE")]
        secret_file: Option<PathBuf>,
        /// Further settings: a JSON object, or @FILE
        #[arg(long, value_name = "JSON")]
        settings: Option<String>,
    },
    /// Change a client; what is not named stays
    #[command(alias = "set")]
    Update {
        /// The client's id
        client_id: String,
        /// The name that people see
        #[arg(long)]
        name: Option<String>,
        /// The settings to change: a JSON object, or @FILE
        #[arg(long, value_name = "JSON")]
        settings: Option<String>,
    },
    /// Add a secret; the one before stays good for a while
    RotateSecret {
        /// The client's id
        client_id: String,
        /// For how many seconds the secret before stays good
        #[arg(long, default_value_t = 86_400)]
        overlap_seconds: u64,
    },
    /// Void everything that was issued to a client; it stays, and goes on with new tokens
    Revoke {
        /// The client's id
        client_id: String,
    },
    /// Remove a client; its id is never given again
    Remove {
        /// The client's id
        client_id: String,
    },
}

impl ClientCommand {
    pub(super) fn ask(self, within: &str) -> anyhow::Result<Ask> {
        let all = format!("{within}/api/v1/clients");
        let one = |client_id: &str| format!("{all}/{}", part(client_id));
        Ok(match self {
            Self::List => Ask::get(all),
            Self::Show { client_id } => Ask::get(one(&client_id)),
            Self::Create {
                name,
                client_id,
                public,
                redirect_uris,
                post_logout_redirect_uris,
                grants,
                scopes,
                first_party,
                secret_file,
                settings: further,
            } => {
                let mut chosen = Map::new();
                chosen.insert("redirect_uris".to_owned(), json!(redirect_uris));
                chosen.insert("post_logout_redirect_uris".to_owned(), json!(post_logout_redirect_uris));
                chosen.insert("first_party".to_owned(), json!(first_party));
                if !grants.is_empty() {
                    chosen.insert("grant_types".to_owned(), json!(grants));
                }
                if let Some(scopes) = scopes {
                    chosen.insert("scopes".to_owned(), json!(scopes));
                }
                if let Some(Value::Object(further)) = further.as_deref().map(settings).transpose()? {
                    chosen.extend(further);
                }
                let secret = secret_file.map(|path| secret(Some(&path), "Secret")).transpose()?;
                let body = json!({
                    "name": name,
                    "client_id": client_id,
                    "kind": if public { "public" } else { "confidential" },
                    "client_secret": secret.as_ref().map(Reveal),
                    "settings": chosen,
                });
                Ask::post(all, body)
            }
            Self::Update { client_id, name, settings: changed } => {
                let changed = changed.as_deref().map(settings).transpose()?;
                Ask::patch(one(&client_id), json!({ "name": name, "settings": changed }))
            }
            Self::RotateSecret { client_id, overlap_seconds } => {
                Ask::post(format!("{}/secrets", one(&client_id)), json!({ "overlap_seconds": overlap_seconds }))
            }
            Self::Revoke { client_id } => Ask::post(format!("{}/revocations", one(&client_id)), json!({})),
            Self::Remove { client_id } => Ask::delete(one(&client_id)),
        })
    }
}
