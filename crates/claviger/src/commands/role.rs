//! `claviger role …`

use clap::Subcommand;
use serde_json::json;

use super::user::id_of;
use super::{Ask, part};
use crate::operator::Operator;

#[derive(Subcommand, Debug)]
pub(crate) enum RoleCommand {
    /// The roles of a user
    List {
        /// The user's id or e-mail address
        user: String,
    },
    /// Give a user a role
    Assign {
        /// The user's id or e-mail address
        user: String,
        /// The role, such as admin
        role: String,
    },
    /// Take a role from a user
    Unassign {
        /// The user's id or e-mail address
        user: String,
        /// The role
        role: String,
    },
}

impl RoleCommand {
    pub(super) async fn ask(self, operator: &Operator, within: &str) -> anyhow::Result<Ask> {
        let path = |id: String| format!("{within}/api/v1/users/{}/roles", part(&id));
        Ok(match self {
            Self::List { user } => Ask::get(path(id_of(operator, within, user).await?)),
            Self::Assign { user, role } => {
                Ask::put(format!("{}/{}", path(id_of(operator, within, user).await?), part(&role)), json!({}))
            }
            Self::Unassign { user, role } => {
                Ask::delete(format!("{}/{}", path(id_of(operator, within, user).await?), part(&role)))
            }
        })
    }
}
