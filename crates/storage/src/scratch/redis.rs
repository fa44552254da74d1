//! A Redis database of one test on the server that `CLAVIGER_TEST_REDIS` names.

use core::time::Duration;

use claviger_kernel::Secret;
use redis::aio::MultiplexedConnection;

use super::{Link, Scratch};
use crate::{Ephemeral, RedisPatience};

const VARIABLE: &str = "CLAVIGER_TEST_REDIS";
/// Under this name the server's first database says how many databases have been given out.
const GIVEN: &str = "claviger:scratch";
/// How long a test waits for a Redis that answers on a machine that has much else to do.
pub const LONG: Duration = Duration::from_secs(30);

/// An empty Redis database. Another test takes it when all the others have been taken.
#[derive(Debug)]
pub struct ScratchRedis {
    server: String,
    number: u64,
}

impl ScratchRedis {
    /// Takes the next database.
    ///
    /// # Panics
    /// If there is none; the text says what to do.
    pub async fn take() -> Self {
        let server = std::env::var(VARIABLE).unwrap_or_else(|_| {
            panic!("{VARIABLE} is not set: run `cargo xtask services up` and set it to the address that is printed")
        });
        let mut first = connected(&server).await;
        let given: u64 = redis::cmd("INCR").arg(GIVEN).query_async(&mut first).await.expect("the next database");
        let held: Vec<u64> =
            redis::cmd("CONFIG").arg("GET").arg("databases").query_async::<Vec<String>>(&mut first).await.map_or_else(
                |error| panic!("{VARIABLE}: {error}"),
                |answer| answer.iter().filter_map(|word| word.parse().ok()).collect(),
            );
        let held = held.first().copied().expect("how many databases there are");
        let scratch = Self { server, number: 1 + given % (held - 1) };
        scratch.flush().await;
        scratch
    }

    /// Its address.
    pub fn url(&self) -> Secret<String> {
        Secret::new(format!("{}/{}", self.server, self.number))
    }

    /// A way to it that a test can cut or hang, and its address by that way.
    pub async fn linked(&self) -> (Link, Secret<String>) {
        let url = self.url();
        let link = Link::to_url(url.expose()).await;
        let through = link.url(url.expose());
        (link, Secret::new(through))
    }

    /// Waits no longer than `span` for an answer, and for a connection as long as a busy machine may take.
    pub const fn patience(span: Duration) -> RedisPatience {
        RedisPatience { operation: span, replace: span, connect: LONG }
    }

    /// Short-lived state of a node whose database is that of `scratch`. It waits for Redis for as long as a busy machine
    /// may take: what a test finds must not hang on milliseconds.
    ///
    /// # Panics
    /// If the address is refused.
    pub async fn ephemeral(&self, scratch: &Scratch, url: &Secret<String>) -> Ephemeral {
        self.ephemeral_within(LONG, scratch, url).await
    }

    /// The same, waiting no longer than `span` for an answer: for a Redis that will not give one.
    ///
    /// # Panics
    /// If the address is refused.
    pub async fn ephemeral_within(&self, span: Duration, scratch: &Scratch, url: &Secret<String>) -> Ephemeral {
        let (store, clock, entropy) = (scratch.store.clone(), scratch.clock(), scratch.entropy());
        let opened = Ephemeral::on_redis(url, Self::patience(span), store, clock, entropy).await;
        opened.expect("the address can be used")
    }

    /// Forgets everything at once, as FLUSHALL does to a server with one database.
    ///
    /// # Panics
    /// If the server does not do it.
    pub async fn flush(&self) {
        let mut connection = connected(self.url().expose()).await;
        redis::cmd("FLUSHDB").query_async::<()>(&mut connection).await.expect("the database is emptied");
    }

    /// The names of everything that it holds.
    ///
    /// # Panics
    /// If the server does not tell.
    pub async fn names(&self) -> Vec<Vec<u8>> {
        let mut connection = connected(self.url().expose()).await;
        redis::cmd("KEYS").arg("*").query_async(&mut connection).await.expect("the names")
    }

    /// Drops the values whose name contains `part`, as a server that is short of memory would.
    ///
    /// # Panics
    /// If the server does not do it.
    pub async fn evict(&self, part: &str) {
        let names = self.names().await;
        let of_part = |name: &&Vec<u8>| name.windows(part.len()).any(|window| window == part.as_bytes());
        let mut connection = connected(self.url().expose()).await;
        for name in names.iter().filter(of_part) {
            redis::cmd("DEL").arg(name).query_async::<()>(&mut connection).await.expect("the value is dropped");
        }
    }
}

async fn connected(url: &str) -> MultiplexedConnection {
    let client = redis::Client::open(url).unwrap_or_else(|error| panic!("{VARIABLE}: {error}"));
    let patient = redis::AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None);
    let connected = client.get_multiplexed_async_connection_with_config(&patient).await;
    connected.unwrap_or_else(|error| panic!("{VARIABLE}: {error}"))
}
