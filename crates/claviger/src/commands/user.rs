//! `claviger user …`

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Subcommand;
use claviger_kernel::Reveal;
use http::Method;
use serde_json::{Map, Value, json};

use super::{Ask, part, secret};
use crate::operator::Operator;

#[derive(Subcommand, Debug)]
pub(crate) enum UserCommand {
    /// A page of users
    List {
        /// The `next` of the page before
        #[arg(long)]
        after: Option<String>,
        /// Only accounts at risk
        #[arg(long)]
        at_risk: bool,
    },
    /// One user
    Show {
        /// The user's id or e-mail address
        user: String,
    },
    /// Make a user
    Create {
        /// The e-mail address
        email: String,
        /// You vouch for the address
        #[arg(long)]
        verified: bool,
        /// A profile claim such as name="Ada Lovelace"; may stand several times
        #[arg(long = "claim", value_name = "NAME=VALUE")]
        claims: Vec<String>,
        /// The `sub`, where it is imported
        #[arg(long)]
        subject: Option<String>,
        /// Ask for a password
        #[arg(long)]
        password: bool,
        /// Take the password from this file, or from standard input (-)
        #[arg(long, value_name = "FILE")]
        password_file: Option<PathBuf>,
        /// A role to hold; may stand several times
        #[arg(long = "role", value_name = "ROLE")]
        roles: Vec<String>,
    },
    /// Set a user's password and end every session
    SetPassword {
        /// The user's id or e-mail address
        user: String,
        /// Take the password from this file, or from standard input (-)
        #[arg(long, value_name = "FILE")]
        password_file: Option<PathBuf>,
    },
    /// Disable a user: sessions and tokens end, nothing new is issued
    Disable {
        /// The user's id or e-mail address
        user: String,
    },
    /// Let a disabled user sign in again
    Enable {
        /// The user's id or e-mail address
        user: String,
    },
    /// Open an account that failed attempts have locked
    Unlock {
        /// The user's id or e-mail address
        user: String,
    },
    /// Take the mark off an account at risk
    ClearRisk {
        /// The user's id or e-mail address
        user: String,
    },
    /// End every session and token of a user
    SignOut {
        /// The user's id or e-mail address
        user: String,
    },
}

impl UserCommand {
    pub(super) async fn ask(self, operator: &Operator, within: &str) -> anyhow::Result<Ask> {
        let all = format!("{within}/api/v1/users");
        let act = |id: String, act: &str| Ask::post(format!("{all}/{}/{act}", part(&id)), json!({}));
        Ok(match self {
            Self::List { after, at_risk } => {
                let after = after.map(|after| format!("after={}", part(&after)));
                let asked: Vec<_> = at_risk.then(|| "at_risk=true".to_owned()).into_iter().chain(after).collect();
                Ask::get(if asked.is_empty() { all } else { format!("{all}?{}", asked.join("&")) })
            }
            Self::Show { user } => Ask::get(format!("{all}/{}", part(&id_of(operator, within, user).await?))),
            Self::Create { email, verified, claims, subject, password, password_file, roles } => {
                let password = match (password, password_file) {
                    (false, None) => None,
                    (_, source) => Some(secret(source.as_deref(), "Password")?),
                };
                let body = json!({
                    "email": email,
                    "email_verified": verified,
                    "claims": parsed(&claims)?,
                    "subject": subject,
                    "password": password.as_ref().map(Reveal),
                    "roles": roles,
                });
                Ask::post(all, body)
            }
            Self::SetPassword { user, password_file } => {
                let password = secret(password_file.as_deref(), "New password")?;
                let id = id_of(operator, within, user).await?;
                Ask::put(format!("{all}/{}/password", part(&id)), json!({ "password": Reveal(&password) }))
            }
            Self::Disable { user } => act(id_of(operator, within, user).await?, "disable"),
            Self::Enable { user } => act(id_of(operator, within, user).await?, "enable"),
            Self::Unlock { user } => act(id_of(operator, within, user).await?, "unlock"),
            Self::ClearRisk { user } => act(id_of(operator, within, user).await?, "clear-risk"),
            Self::SignOut { user } => act(id_of(operator, within, user).await?, "sign-out"),
        })
    }
}

/// The id of a user who is named by id or address.
pub(super) async fn id_of(operator: &Operator, within: &str, user: String) -> anyhow::Result<String> {
    if !user.contains('@') {
        return Ok(user);
    }
    let found = operator.ask(Method::GET, &format!("{within}/api/v1/users?email={}", part(&user)), None).await?;
    let id = found["items"][0]["id"].as_str().map(str::to_owned);
    id.with_context(|| format!("no user has the address {user}"))
}

fn parsed(claims: &[String]) -> anyhow::Result<Map<String, Value>> {
    claims
        .iter()
        .map(|claim| {
            let (name, value) = claim.split_once('=').with_context(|| format!("{claim}: a claim is NAME=VALUE"))?;
            Ok((name.to_owned(), Value::from(value)))
        })
        .collect()
}
