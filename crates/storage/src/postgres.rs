//! The PostgreSQL engine: pipelined keyed reads, units in two round trips, lists with the tenant set.
//!
//! Three roles, three pools. Keyed reads run as the keyed-read role on a few connections that all callers share; units
//! run as the application role, one to a connection; lists likewise, on a few connections of their own, so that a long
//! page never takes a unit's place.

mod address;
mod bind;
mod budget;
mod changes;
mod commit;
mod connection;
mod fault;
mod lane;
mod list;
mod pool;
mod reach;
mod readers;
mod roles;
mod schema;
pub(crate) mod scratch;
mod transaction;

use core::time::Duration;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};

use claviger_kernel::{RealmId, Timestamp, Unavailable};
use tokio::task::JoinHandle;
use tokio::time::Instant;

pub use self::roles::{RoleFault, RoleProblem, check_roles, roles_sql};

use self::address::{Address, Purpose};
use self::budget::Budget;
use self::fault::Fault;
use self::lane::Lane;
use self::pool::Pool;
use self::readers::Readers;
use crate::changes::{Look, Position};
use crate::migrate::{self, Dialect, Migration};
use crate::row::Source;
use crate::signals::Signals;
use crate::{ColumnError, CommitError, Committed, OpenError, PostgresOptions, Row, Sql, Unit, Value};

/// How many connections serve lists.
const LISTERS: usize = 4;
/// The longest pause before a call whose connection was lost is tried once more.
const AGAIN: Duration = Duration::from_millis(20);

pub(crate) struct Postgres {
    readers: Readers,
    writers: Arc<Pool>,
    listers: Pool,
    /// Talks with other nodes; ends with the engine.
    conversation: Option<JoinHandle<()>>,
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.hush();
    }
}

impl Postgres {
    /// `slack` is how many times as long as usual everything may take.
    pub(crate) async fn open(options: PostgresOptions, slack: u32, signals: Arc<Signals>) -> Result<Self, OpenError> {
        let app = Address::parse(roles::APP.setting, &options.url)?.with_slack(slack);
        let read = roles::reader(&options)?.with_slack(slack).limited(Purpose::Read);
        if let Some(url) = &options.migrate_url {
            let owner = Address::parse("database.migrate_url", url)?.limited(Purpose::Migrate);
            schema::migrate(&owner, known).await?;
        }
        let setting = roles::APP.setting;
        let looker = reach::spawned(setting, &app.limited(Purpose::Read)).await?;
        roles::refuse(roles::check(&looker, &roles::APP).await?)?;
        schema::verify(&looker, setting, known()).await?;
        let setting = roles::READ.setting;
        let read_looker = reach::spawned(setting, &read).await?;
        roles::refuse(roles::check(&read_looker, &roles::READ).await?)?;
        roles::refuse(roles::elsewhere(&looker, &read_looker).await?)?;
        let first = reach::open(setting, &read).await?;
        // Behind a transaction pooler nobody can listen.
        let talks = options.notify && !app.pooled();
        let budget = Arc::new(Budget::new());
        let lane = |name| Lane::new(name, &budget);
        let talk = || tokio::spawn(changes::converse(app.limited(Purpose::Read), signals));
        Ok(Self {
            conversation: talks.then(talk),
            readers: Readers::new(lane("reads"), &read, options.readers, first),
            writers: Arc::new(Pool::new(lane("units"), app.limited(Purpose::Write), options.writers, None)),
            listers: Pool::new(lane("lists"), app.limited(Purpose::Read), LISTERS, Some(looker)),
        })
    }

    pub(crate) async fn get<T: Send>(
        &self,
        sql: &'static Sql,
        args: Vec<Value>,
        read: fn(&Row<'_>) -> Result<T, ColumnError>,
    ) -> Result<Option<T>, Unavailable> {
        let answer = self.readers.run(sql, &args).await?;
        answer
            .rows
            .first()
            .map(|row| read(&Row(Source::Postgres(row))))
            .transpose()
            .map_err(|error| unread(sql, &error))
    }

    pub(crate) async fn list<T: Send + 'static>(
        &self,
        realm: RealmId,
        sql: &'static Sql,
        args: Vec<Value>,
        read: fn(&Row<'_>) -> Result<T, ColumnError>,
    ) -> Result<Vec<T>, Unavailable> {
        let rows = list::list(&self.listers, realm, sql, &args).await?;
        rows.iter()
            .map(|row| read(&Row(Source::Postgres(row))))
            .collect::<Result<_, _>>()
            .map_err(|error| unread(sql, &error))
    }

    pub(crate) async fn commit(&self, unit: Unit) -> Result<Committed, CommitError> {
        let writers = Arc::clone(&self.writers);
        // A task of its own: the unit runs to its end even if the caller is dropped.
        let task = tokio::spawn(async move { commit::commit(&writers, &unit).await });
        task.await.unwrap_or_else(|_| Err(Unavailable::new("the runtime is shutting down").into()))
    }

    pub(crate) async fn database_time(&self) -> Result<Timestamp, Unavailable> {
        list::database_time(&self.listers).await
    }

    /// What the change log shows since `position`.
    pub(crate) async fn look(&self, position: &Position) -> Result<Look, Unavailable> {
        changes::look(&self.readers, position).await
    }

    fn hush(&self) {
        if let Some(conversation) = &self.conversation {
            conversation.abort();
        }
    }

    pub(crate) async fn close(&self) {
        self.hush();
        self.writers.close().await;
        self.listers.close().await;
        self.readers.close();
    }
}

fn unread(sql: &Sql, error: &ColumnError) -> Unavailable {
    Unavailable::new(format!("{}: {error}", sql.name))
}

fn known() -> Vec<Migration> {
    migrate::rendered(Dialect::Postgres)
}

fn refused(setting: &str, error: &tokio_postgres::Error) -> OpenError {
    OpenError::Engine(Fault::of(error).unavailable(setting).reason().to_owned())
}

/// Waits before another try over the network; no decision hangs on the length.
#[allow(clippy::disallowed_methods, reason = "a pause between attempts over the network, not a clock of ours")]
pub(crate) async fn pause(span: Duration) {
    tokio::time::sleep(span).await;
}

/// A part of `most`, another one each time, so that those who were hit in the same moment do not come back in the same.
///
/// It is drawn from the last digits of a monotonic clock: no two processes read the same, and no secret hangs on it.
fn spread(most: Duration) -> Duration {
    static BEGUN: LazyLock<Instant> = LazyLock::new(Instant::now);
    static DRAWN: AtomicU64 = AtomicU64::new(0);
    let nanos = u64::try_from(BEGUN.elapsed().as_nanos()).unwrap_or(u64::MAX);
    let mut mixed = nanos.wrapping_add(DRAWN.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed));
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    let part = u32::try_from((mixed ^ (mixed >> 31)) >> 48).unwrap_or(0);
    most * part / (1 << 16)
}
