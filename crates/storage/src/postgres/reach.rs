//! The first connections, made while somebody watches the start: a refusal names the setting and the place, and says
//! what to do. Later ones are made by pools, which try again by themselves.

use core::time::Duration;
use std::io::ErrorKind;

use tokio::time::timeout;
use tokio_postgres::Error;
use tokio_postgres::error::SqlState;

use super::address::Address;
use super::connection::{Connection, Driver};
use super::fault::Fault;
use crate::OpenError;

/// How long a server may take at the start to answer who knocks: longer than later, because nobody else waits.
const START: Duration = Duration::from_secs(30);

/// Connects to the address in `setting`; the caller sees to it that the driver is polled.
pub(super) async fn open(setting: &str, address: &Address) -> Result<(Connection, Driver), OpenError> {
    open_within(START.max(address.patience()), setting, address).await
}

async fn open_within(span: Duration, setting: &str, address: &Address) -> Result<(Connection, Driver), OpenError> {
    let what = format!("{setting}: no connection to {}", address.place());
    match timeout(span, Connection::open(address)).await {
        Ok(made) => made.map_err(|error| {
            let why = Fault::of(&error).unavailable(&what);
            OpenError::Engine(format!("{}; {}", why.reason(), remedy(&error)))
        }),
        Err(_) => Err(OpenError::Engine(format!("{what}: whatever listens there says nothing; {NO_ANSWER}"))),
    }
}

/// Connects to the address in `setting` and drives the connection.
pub(super) async fn spawned(setting: &str, address: &Address) -> Result<Connection, OpenError> {
    let (connection, driver) = open(setting, address).await?;
    Ok(connection.driven(driver))
}

const NO_ANSWER: &str = "correct host and port, or see what lies between (a firewall, a proxy)";
const NOT_THERE: &str = "start the server, or correct host and port";
const NOT_POSTGRES: &str = "see that it is PostgreSQL that listens there, and what its own log says";
const LOGIN: &str = "correct user and password in the address";
const ADMIT: &str = "let the server's pg_hba.conf and the role's own attributes admit this login";
const NO_TLS: &str = "if the server takes logins over TLS alone: TLS to the database is not available yet, so let its \
    pg_hba.conf admit this login without (`host`, not `hostssl`) over a network that you trust, or use a local tunnel; \
    otherwise add a line for it";

/// What whoever starts the server can do about it.
fn remedy(error: &Error) -> &'static str {
    let Some(refusal) = error.as_db_error() else { return unanswered(error) };
    // Messages come in the server's language; these words stand in all of them.
    let of_encryption = ["SSL", "TLS", "encrypt"].iter().any(|word| refusal.message().contains(word));
    match *refusal.code() {
        SqlState::INVALID_PASSWORD => LOGIN,
        SqlState::INVALID_CATALOG_NAME => {
            "correct the name, or make the database: `claviger init --postgres-roles NAME` prints the SQL"
        }
        SqlState::INSUFFICIENT_PRIVILEGE => {
            "grant the role CONNECT on the database; the SQL that `claviger init --postgres-roles NAME` prints does"
        }
        SqlState::TOO_MANY_CONNECTIONS => {
            "raise the server's max_connections, or lower database.readers and database.writers of the nodes"
        }
        SqlState::CANNOT_CONNECT_NOW => "the server is starting or stopping: try again once it is up",
        _ if of_encryption => NO_TLS,
        // The line of pg_hba.conf that is missing may be one for connections without TLS.
        SqlState::INVALID_AUTHORIZATION_SPECIFICATION if refusal.message().contains("pg_hba.conf") => NO_TLS,
        SqlState::INVALID_AUTHORIZATION_SPECIFICATION => ADMIT,
        _ => "the server's own log says more",
    }
}

/// The same where it was no answer of PostgreSQL's.
fn unanswered(error: &Error) -> &'static str {
    let cause = std::error::Error::source(error);
    if let Some(fault) = cause.and_then(<dyn std::error::Error>::downcast_ref::<std::io::Error>) {
        return match fault.kind() {
            ErrorKind::TimedOut | ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => NO_ANSWER,
            ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::BrokenPipe => NOT_POSTGRES,
            ErrorKind::UnexpectedEof | ErrorKind::InvalidInput | ErrorKind::InvalidData | ErrorKind::Other => {
                NOT_POSTGRES
            }
            // Refused; a host that nobody knows; a socket that is not there.
            _ => NOT_THERE,
        };
    }
    match cause.map(ToString::to_string).as_deref() {
        Some("password missing") => "the server asks for a password and the address has none: add it",
        _ => NOT_POSTGRES,
    }
}

#[cfg(test)]
mod tests {
    use claviger_kernel::Secret;

    use super::*;

    #[tokio::test]
    async fn a_server_that_accepts_and_says_nothing_does_not_hold_up_the_start_for_ever() {
        // Connections wait to be accepted, and nobody does.
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("postgres://a:b@{}/c", listener.local_addr().unwrap());
        let address = Address::parse("database.url", &Secret::new(url)).unwrap();
        let refused = open_within(Duration::from_millis(20), "database.url", &address).await.map(drop).unwrap_err();
        assert!(
            refused.to_string().ends_with(&format!(": whatever listens there says nothing; {NO_ANSWER}")),
            "{refused}"
        );
    }
}
