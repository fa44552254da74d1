//! Addresses of PostgreSQL databases: read once at the start, refused in full sentences.

use core::net::SocketAddr;
use core::time::Duration;

use claviger_kernel::Secret;
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};

use crate::OpenError;

/// How long a host may take to accept a connection.
const CONNECT: Duration = Duration::from_secs(2);
/// How long the making of one connection may take: the server starts a process for it, and a busy machine takes its time.
const INTRODUCED: Duration = Duration::from_secs(5);

/// What a connection may do before the server itself stops it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Purpose {
    /// Keyed reads and lists: two seconds a statement.
    Read,
    /// Units: as above, and a transaction that nobody goes on with ends after three seconds.
    Write,
    /// Migrations: no limit but on waiting for a lock, so that a busy table is not blocked for all others.
    Migrate,
}

/// Where a database is and as whom to log in.
#[derive(Clone, Debug)]
pub(super) struct Address {
    config: Config,
    pooled: bool,
    slack: u32,
}

impl Address {
    /// Reads `url`; `setting` names it in an error.
    pub(super) fn parse(setting: &str, url: &Secret<String>) -> Result<Self, OpenError> {
        let refuse = |why: &str| OpenError::Options(format!("{setting}: {why}"));
        let url = url.expose();
        if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
            return Err(refuse("expected an address such as postgres://user:password@host:5432/database"));
        }
        let (base, query) = url.split_once('?').unwrap_or((url, ""));
        let mut pooled = false;
        let mut kept = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=').unwrap_or((pair, "")) {
                ("pooler", "transaction") => pooled = true,
                ("pooler", "none") => {}
                ("pooler", _) => return Err(refuse("pooler is none or transaction")),
                ("sslmode", "require" | "verify-ca" | "verify-full") => return Err(refuse(NO_TLS)),
                ("sslrootcert" | "sslcert" | "sslkey" | "sslnegotiation" | "channel_binding", _) => {
                    return Err(refuse(NO_TLS));
                }
                _ => kept.push(pair),
            }
        }
        let text = if kept.is_empty() { base.to_owned() } else { format!("{base}?{}", kept.join("&")) };
        let mut config: Config = text.parse().map_err(|error| refuse(&format!("{error}")))?;
        if config.get_ssl_mode() == SslMode::Require {
            return Err(refuse(NO_TLS));
        }
        let somewhere = !config.get_hosts().is_empty() || !config.get_hostaddrs().is_empty();
        if !somewhere || config.get_user().is_none() || config.get_dbname().is_none() {
            return Err(refuse("the address must name host, user and database"));
        }
        config.ssl_mode(SslMode::Disable);
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT);
        }
        config.keepalives_idle(Duration::from_secs(10)).keepalives_interval(Duration::from_secs(3));
        config.keepalives_retries(3).tcp_user_timeout(Duration::from_secs(10));
        if config.get_application_name().is_none() {
            config.application_name("claviger");
        }
        Ok(Self { config, pooled, slack: 1 })
    }

    /// The address of a database that may take `slack` times as long for everything.
    pub(super) fn with_slack(mut self, slack: u32) -> Self {
        self.slack = slack;
        let connect = self.config.get_connect_timeout().copied().unwrap_or(CONNECT);
        self.config.connect_timeout(connect * slack);
        self
    }

    /// How many times as long as usual everything may take.
    pub(super) const fn slack(&self) -> u32 {
        self.slack
    }

    /// The address with the server-side limits of `purpose`.
    ///
    /// A transaction pooler hands sessions from one to another and takes no such options: there the limits are set in
    /// each transaction, and the caller's own deadline guards reads.
    pub(super) fn limited(&self, purpose: Purpose) -> Self {
        let mut limited = self.clone();
        if !self.pooled {
            let given = self.config.get_options().unwrap_or_default();
            let within = |statement: u32, lock: u32| {
                format!("-c statement_timeout={} -c lock_timeout={}", statement * self.slack, lock * self.slack)
            };
            let limits = match purpose {
                Purpose::Read => within(1900, 1500),
                Purpose::Write => {
                    let idle = 3000 * self.slack;
                    format!("{} -c idle_in_transaction_session_timeout={idle}", within(2000, 1500))
                }
                Purpose::Migrate => "-c lock_timeout=10000".to_owned(),
            };
            limited.config.options(format!("{limits} {given}").trim_end());
        }
        limited
    }

    /// The address of another database on the same server, as the same user.
    pub(super) fn database(&self, name: &str) -> Self {
        let mut other = self.clone();
        other.config.dbname(name);
        other
    }

    /// Whether a transaction pooler stands in between, so that nothing of a session outlives a transaction.
    pub(super) const fn pooled(&self) -> bool {
        self.pooled
    }

    /// The text of an address on the same server; the three parts must need no escape.
    pub(super) fn url(&self, user: &str, password: &str, database: &str) -> String {
        let port = self.config.get_ports().first().copied().unwrap_or(5432);
        let host = match self.config.get_hosts().first() {
            Some(Host::Tcp(name)) if name.contains(':') => format!("[{name}]"),
            Some(Host::Tcp(name)) => name.clone(),
            Some(Host::Unix(path)) => path.to_string_lossy().replace('%', "%25").replace('/', "%2F"),
            None => "localhost".to_owned(),
        };
        format!("postgres://{user}:{password}@{host}:{port}/{database}")
    }

    /// Which database it is, where, and as whom: for a person to read, without the password.
    pub(super) fn place(&self) -> String {
        let ports = self.config.get_ports();
        let port = |at: usize| ports.get(at).or(ports.first()).copied().unwrap_or(5432);
        let by_name = self.config.get_hosts().iter().enumerate().map(|(at, host)| match host {
            Host::Tcp(name) if name.contains(':') => format!("[{name}]:{}", port(at)),
            Host::Tcp(name) => format!("{name}:{}", port(at)),
            Host::Unix(folder) => format!("{}/.s.PGSQL.{}", folder.display(), port(at)),
        });
        let mut places: Vec<_> = by_name.collect();
        if places.is_empty() {
            let by_number = self.config.get_hostaddrs().iter().enumerate();
            places.extend(by_number.map(|(at, address)| SocketAddr::new(*address, port(at)).to_string()));
        }
        let (database, user) = (self.config.get_dbname(), self.config.get_user());
        format!(
            "the database {} at {} as {}",
            database.unwrap_or_default(),
            places.join(" or "),
            user.unwrap_or_default()
        )
    }

    /// How long the making of one connection may take, whichever host accepts it in the end.
    pub(super) fn patience(&self) -> Duration {
        let hosts = u32::try_from(self.config.get_hosts().len()).unwrap_or(u32::MAX);
        let accepting = self.config.get_connect_timeout().copied().unwrap_or(CONNECT).saturating_mul(hosts);
        accepting.max(INTRODUCED)
    }

    pub(super) const fn config(&self) -> &Config {
        &self.config
    }
}

const NO_TLS: &str = "TLS to the database comes with a later version, and this one does not connect in the clear where \
    TLS is asked for; use sslmode=disable over a network that you trust, or a local tunnel";

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> Result<Address, OpenError> {
        Address::parse("database.url", &Secret::from(url))
    }

    #[test]
    fn tls_that_is_asked_for_is_refused_and_never_ignored() {
        for option in [
            "sslmode=require",
            "sslmode=verify-full",
            "sslmode=verify-ca",
            "pooler=transaction&sslmode=require",
            "sslrootcert=/etc/ca.pem",
            "channel_binding=require",
        ] {
            let Err(refused) = parse(&format!("postgres://a:b@db/c?{option}")) else { panic!("{option} was accepted") };
            assert!(refused.to_string().starts_with("database.url: TLS to the database"), "{option}: {refused}");
        }
        assert!(parse("postgres://a:b@db/c?sslmode=disable").is_ok());
    }

    #[test]
    fn the_pooler_option_is_ours_and_is_taken_out() {
        let address = parse("postgres://a:b@db/c?application_name=x&pooler=transaction&sslmode=disable").unwrap();
        assert!(address.pooled());
        assert_eq!(address.config.get_application_name(), Some("x"));
        assert_eq!(address.limited(Purpose::Write).config.get_options(), None);
        assert!(!parse("postgres://a:b@db/c").unwrap().pooled());
        assert!(parse("postgres://a:b@db/c?pooler=session").is_err());
    }

    #[test]
    fn the_servers_own_limits_are_set_beside_given_options() {
        let address = parse("postgres://a:b@db/c?options=-c%20work_mem%3D1MB").unwrap().limited(Purpose::Write);
        let options = address.config.get_options().unwrap();
        assert!(options.contains("statement_timeout=2000") && options.ends_with("-c work_mem=1MB"), "{options}");
    }

    #[test]
    fn an_address_is_told_without_its_password() {
        for (url, place) in [
            ("postgres://ada:hunter2@db/notes", "the database notes at db:5432 as ada"),
            ("postgres://ada:hunter2@[::1]:6000/notes", "the database notes at [::1]:6000 as ada"),
            ("postgres://ada:hunter2@a:1,b:2/notes", "the database notes at a:1 or b:2 as ada"),
            ("postgres://ada:hunter2@/notes?hostaddr=192.0.2.1", "the database notes at 192.0.2.1:5432 as ada"),
            (
                "postgres://ada:hunter2@%2Frun%2Fpostgresql:6000/notes",
                "the database notes at /run/postgresql/.s.PGSQL.6000 as ada",
            ),
        ] {
            assert_eq!(parse(url).unwrap().place(), place);
        }
        assert!(parse("postgres://ada:hunter2@/notes").unwrap_err().to_string().contains("must name host"));
    }

    #[test]
    fn an_address_that_is_not_understood_shows_no_password() {
        for url in ["postgres://a:hunter2@db/c?colour=red", "postgres://a:hunter2@db:port/c", "mysql://a:hunter2@db/c"]
        {
            let Err(refused) = parse(url) else { panic!("{url} was accepted") };
            assert!(!refused.to_string().contains("hunter2"), "{refused}");
        }
    }
}
