//! What a PostgreSQL error means to us: somebody else was faster, try again, another connection, or not now.

use claviger_kernel::Unavailable;
use tokio_postgres::Error;
use tokio_postgres::error::{Severity, SqlState};

/// The meaning of an error.
#[derive(Debug)]
pub(super) enum Fault {
    /// A unique rule was broken: the step's own conflict.
    Unique,
    /// Rolled back by the server in favour of another transaction: the same again may pass.
    Clash,
    /// The connection is of no more use; another may be.
    Connection(String),
    /// The server itself has ended the statement, because it took too long.
    Late(String),
    /// The server said no and would say so again.
    Refused(String),
}

impl Fault {
    pub(super) fn of(error: &Error) -> Self {
        let Some(refusal) = error.as_db_error() else {
            let cause = std::error::Error::source(error).map(|cause| format!(": {cause}")).unwrap_or_default();
            return if error.is_closed() || is_input_output(error) {
                Self::Connection(format!("{error}{cause}"))
            } else {
                Self::Refused(format!("{error}{cause}"))
            };
        };
        // The message alone: detail and context may carry values.
        let text = format!("{} ({})", refusal.message(), refusal.code().code());
        let fatal = matches!(refusal.parsed_severity(), Some(Severity::Fatal | Severity::Panic));
        match refusal.code() {
            &SqlState::UNIQUE_VIOLATION => Self::Unique,
            &SqlState::T_R_SERIALIZATION_FAILURE | &SqlState::T_R_DEADLOCK_DETECTED => Self::Clash,
            &SqlState::QUERY_CANCELED => Self::Late(text),
            &SqlState::READ_ONLY_SQL_TRANSACTION | &SqlState::FEATURE_NOT_SUPPORTED => Self::Connection(text),
            &SqlState::INVALID_SQL_STATEMENT_NAME => Self::Connection(format!(
                "{text}; if a transaction pooler stands before the database, add pooler=transaction to its address"
            )),
            code if fatal || code.code().starts_with("08") => Self::Connection(text),
            _ => Self::Refused(text),
        }
    }

    /// Whether the server is up to its work and has given its answer, though it is no.
    pub(super) const fn is_answer(&self) -> bool {
        matches!(self, Self::Unique | Self::Clash | Self::Refused(_))
    }

    /// The fault as the caller sees it; `what` was being done.
    pub(super) fn unavailable(self, what: &str) -> Unavailable {
        Unavailable::new(match self {
            Self::Unique => format!("{what}: a unique rule was broken"),
            Self::Clash => format!("{what}: rolled back in favour of others, again and again"),
            Self::Connection(text) | Self::Late(text) | Self::Refused(text) => format!("{what}: {text}"),
        })
    }
}

fn is_input_output(error: &Error) -> bool {
    std::error::Error::source(error).is_some_and(<dyn std::error::Error>::is::<std::io::Error>)
}
