//! Where Redis is, and what a new connection must show before it serves.

use core::str::FromStr as _;
use core::time::Duration;
use std::fmt::Write as _;
use std::sync::Arc;

use claviger_kernel::Secret;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, ConnectionAddr, ConnectionInfo, RedisConnectionInfo};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::record;
use super::{Driver, Live};
use crate::OpenError;
use crate::ephemeral::turn::Turns;

/// The oldest server that can take a value in one command.
const OLDEST: (u32, u32) = (6, 2);

/// A checked address.
pub(super) struct Endpoint {
    host: String,
    port: u16,
    settings: RedisConnectionInfo,
}

impl Endpoint {
    pub(super) fn parse(url: &Secret<String>) -> Result<Self, OpenError> {
        let refused = |what: &str| OpenError::Options(format!("ephemeral.url: {what}"));
        let scheme = url.expose().split_once("://").map(|(scheme, _)| scheme);
        match scheme {
            Some("redis" | "valkey") => {}
            Some("rediss" | "valkeys") => {
                return Err(refused("TLS to Redis is not supported; use redis:// over a network of your own"));
            }
            _ => return Err(refused("expected redis://user:password@host:port/number")),
        }
        // Its own words could repeat the password.
        let info = ConnectionInfo::from_str(url.expose());
        let info = info.map_err(|_| refused("expected redis://user:password@host:port/number"))?;
        let ConnectionAddr::Tcp(host, port) = info.addr() else { return Err(refused("expected a host")) };
        let settings = info.redis_settings().clone().set_lib_name("claviger", env!("CARGO_PKG_VERSION"));
        Ok(Self { host: host.clone(), port: *port, settings })
    }

    /// A connection that may serve, and what drives it; or why there is none.
    pub(super) async fn connect_within(&self, span: Duration, turns: &Turns) -> Result<(Live, Driver), String> {
        let late = |_| Err(format!("no connection within {} ms", span.as_millis()));
        timeout(span, self.connect(turns)).await.unwrap_or_else(late)
    }

    async fn connect(&self, turns: &Turns) -> Result<(Live, Driver), String> {
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await.map_err(|error| error.to_string())?;
        stream.set_nodelay(true).map_err(|error| error.to_string())?;
        let config = AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None);
        let made = MultiplexedConnection::new_with_config(&self.settings, stream, config).await;
        let (connection, driver) = made.map_err(|error| error.to_string())?;
        let mut driver: Driver = Box::pin(driver);
        let filling = tokio::select! {
            settled = settle(connection.clone(), turns) => settled?,
            () = &mut driver => return Err("the connection was closed".to_owned()),
        };
        Ok((Live { connection, filling: filling.into(), state: Arc::default() }, driver))
    }
}

/// Checks that the server is fit, and agrees with all nodes upon what it is filled with.
async fn settle(mut connection: MultiplexedConnection, turns: &Turns) -> Result<String, String> {
    let text = |error: redis::RedisError| error.to_string();
    let about: String = redis::cmd("INFO").query_async(&mut connection).await.map_err(text)?;
    let run = fit(&about)?;
    record::take_nothing().query_async::<()>(&mut connection).await.map_err(text)?;
    let mut bytes = [0; 16];
    turns.database.entropy.fill(&mut bytes);
    let other = bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    });
    let filling: String = record::fill(run, &other).query_async(&mut connection).await.map_err(text)?;
    turns.agree(&filling).await.map_err(|fault| fault.reason().to_owned())?;
    Ok(filling)
}

/// The server's run id, if it is new enough and does not drop what it was told to keep.
fn fit(about: &str) -> Result<&str, String> {
    let field = |name: &str| {
        let mut values = about.lines().filter_map(|line| line.trim_end().strip_prefix(name)?.strip_prefix(':'));
        values.next().ok_or_else(|| format!("INFO does not tell {name}"))
    };
    let version = field("redis_version")?;
    let mut numbers = version.split('.').map(|number| number.parse().unwrap_or(0));
    if (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) < OLDEST {
        return Err(format!("the server is {version}; 6.2 or newer is needed"));
    }
    let policy = field("maxmemory_policy")?;
    if field("maxmemory")? != "0" && policy != "noeviction" {
        return Err(format!(
            "maxmemory-policy is {policy}, which drops values before their time; set it to noeviction"
        ));
    }
    field("run_id")
}

#[cfg(test)]
mod tests {
    use super::*;

    const INFO: &str = "# Server\r\nredis_version:7.0.15\r\nrun_id:abc\r\n# Memory\r\nmaxmemory:0\r\n\
        maxmemory_human:0B\r\nmaxmemory_policy:noeviction\r\n";

    #[test]
    fn f38_a_server_that_drops_values_or_cannot_take_is_not_used() {
        assert_eq!(fit(INFO), Ok("abc"));
        assert_eq!(fit(&INFO.replace("policy:noeviction", "policy:allkeys-lru")), Ok("abc"), "it has no bound");
        let bounded = INFO.replace("maxmemory:0", "maxmemory:1048576");
        assert_eq!(fit(&bounded), Ok("abc"));
        for policy in ["allkeys-lru", "volatile-ttl", "volatile-lru"] {
            assert!(fit(&bounded.replace("noeviction", policy)).unwrap_err().contains("noeviction"));
        }
        assert!(fit(&INFO.replace("7.0.15", "6.0.20")).unwrap_err().contains("6.2"));
        assert!(fit("# Server\r\n").is_err());
    }

    #[test]
    fn an_address_that_cannot_be_used_is_refused_without_its_password() {
        for url in ["rediss://:hunter2@host", "host:6379", "redis://:hunter2@host/nought", "redis://", "unix:///x"] {
            let refusal = Endpoint::parse(&Secret::from(url)).err().unwrap().to_string();
            assert!(refusal.contains("ephemeral.url") && !refusal.contains("hunter2"), "{refusal}");
        }
        let endpoint = Endpoint::parse(&Secret::from("redis://u:p@host/3")).unwrap();
        assert_eq!((endpoint.host.as_str(), endpoint.port, endpoint.settings.db()), ("host", 6379, 3));
    }
}
