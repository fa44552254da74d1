//! `claviger session …`

use clap::{Args, Subcommand};

use super::user::id_of;
use super::{Ask, part};
use crate::operator::Operator;

#[derive(Subcommand, Debug)]
pub(crate) enum SessionCommand {
    /// Where a user is signed in, the device used last first
    List {
        /// The user's id or e-mail address
        user: String,
        /// Ended and expired sessions too, as long as they are kept
        #[arg(long)]
        all: bool,
        /// The `next` of the page before
        #[arg(long)]
        after: Option<String>,
    },
    /// End one session of a user, or every one
    #[command(override_usage = "claviger session end <USER> <SESSION|--all>")]
    End {
        /// The user's id or e-mail address
        user: String,
        #[command(flatten)]
        which: Which,
    },
}

#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
pub(crate) struct Which {
    /// The session's id
    session: Option<String>,
    /// Every session
    #[arg(long)]
    all: bool,
}

impl SessionCommand {
    pub(super) async fn ask(self, operator: &Operator, within: &str) -> anyhow::Result<Ask> {
        let path = |id: String| format!("{within}/api/v1/users/{}/sessions", part(&id));
        Ok(match self {
            Self::List { user, all, after } => {
                let filter = if all { "all" } else { "alive" };
                let after = after.map(|after| format!("&after={}", part(&after))).unwrap_or_default();
                Ask::get(format!("{}?filter={filter}{after}", path(id_of(operator, within, user).await?)))
            }
            Self::End { user, which } => {
                let all = path(id_of(operator, within, user).await?);
                Ask::delete(which.session.map_or(all.clone(), |session| format!("{all}/{}", part(&session))))
            }
        })
    }
}
