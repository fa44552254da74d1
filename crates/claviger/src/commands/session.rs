//! `claviger session …`

use clap::Subcommand;

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
    End {
        /// The user's id or e-mail address
        user: String,
        /// The session's id
        #[arg(required_unless_present = "all")]
        session: Option<String>,
        /// Every session
        #[arg(long, conflicts_with = "session")]
        all: bool,
    },
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
            Self::End { user, session: Some(session), .. } => {
                Ask::delete(format!("{}/{}", path(id_of(operator, within, user).await?), part(&session)))
            }
            Self::End { user, session: None, .. } => Ask::delete(path(id_of(operator, within, user).await?)),
        })
    }
}
