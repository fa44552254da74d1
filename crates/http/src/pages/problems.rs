//! From what the engine refuses to what a page says.

use core::time::Duration;

use claviger_identity::passwords::PasswordRefusal;
use claviger_ui::{NewPasswordProblem, Problem};
use http::StatusCode;
use http::header::{HeaderValue, RETRY_AFTER};

use crate::base::Reply;

/// What a network with too many failures is told to wait: the counter's longest step.
pub(crate) const PATIENCE: Duration = Duration::from_mins(15);

/// What a page says of a new password that was refused.
pub(crate) fn new_password(refusal: &PasswordRefusal) -> NewPasswordProblem {
    let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    match refusal {
        PasswordRefusal::TooShort { min } => NewPasswordProblem::TooShort { min: count(*min) },
        PasswordRefusal::TooLong { max } => NewPasswordProblem::TooLong { max: count(*max) },
        PasswordRefusal::Common => NewPasswordProblem::Common,
        PasswordRefusal::Context(_) => NewPasswordProblem::Contextual,
    }
}

/// What a page says to a network with too many failures.
pub(super) const fn too_many() -> Problem {
    Problem::TooMany { minutes: 15 }
}

/// 429 and when to come back.
pub(crate) fn patience(reply: Reply) -> Reply {
    reply.status(StatusCode::TOO_MANY_REQUESTS).header(RETRY_AFTER, HeaderValue::from(PATIENCE.as_secs()))
}

/// The answer to a form that is shown again.
pub(super) fn again(reply: Reply, limited: bool) -> Reply {
    if limited { patience(reply) } else { reply.status(StatusCode::UNPROCESSABLE_ENTITY) }
}
