//! tokio-postgres by hand: reads pipelined over a few connections, a unit in one round trip on a connection of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context as _, ensure};
use claviger_storage::scratch::ScratchDatabase;
use parking_lot::Mutex;
use tokio::sync::Semaphore;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, NoTls, Statement};

use super::{AT, CALLERS, FILLING, NAME, REALM, ROUND, ROWS, row_id};
use crate::callers::round;
use crate::figure::Figure;

/// As many as the store under test has.
const READERS: usize = 4;
const WRITERS: usize = 8;

/// Connections as the cluster's superuser, whom no policy of the tables stops or costs anything.
pub(super) struct Bare {
    readers: Vec<Arc<(Client, Statement)>>,
    writers: Arc<Writers>,
}

struct Writers {
    places: Semaphore,
    idle: Mutex<Vec<Writer>>,
}

struct Writer {
    client: Client,
    known: Statement,
    add: Statement,
    note: Statement,
}

type Parameter<'a> = &'a (dyn ToSql + Sync);

/// A connection as superuser to the same database.
pub(crate) async fn connect(database: &ScratchDatabase) -> anyhow::Result<Client> {
    let name: String = database.owner().await?.query_one("select current_database()::text", &[]).await?.get(0);
    let url = std::env::var("CLAVIGER_TEST_POSTGRES").context("the cluster's address")?;
    let mut config: tokio_postgres::Config = url.parse()?;
    let (client, driver) = config.dbname(name).connect(NoTls).await?;
    tokio::spawn(driver);
    Ok(client)
}

impl Bare {
    pub(super) async fn open(database: &ScratchDatabase) -> anyhow::Result<Self> {
        let mut readers = Vec::new();
        for _ in 0..READERS {
            let client = connect(database).await?;
            let read = "select name, at, filling from benched where realm_id = $1 and id = $2";
            let read = client.prepare(read).await?;
            readers.push(Arc::new((client, read)));
        }
        let mut idle = Vec::new();
        for _ in 0..WRITERS {
            let client = connect(database).await?;
            let known = "select 1 from benched where realm_id = $1 and id = $2 for share";
            let add = "insert into benched (realm_id, id, owner_id, name, at, filling) values ($1, $2, $3, $4, $5, $6)";
            let note = "insert into bench_log (realm_id, id, subject, at) values ($1, $2, $3, $4)";
            let (known, add, note) =
                (client.prepare(known).await?, client.prepare(add).await?, client.prepare(note).await?);
            idle.push(Writer { client, known, add, note });
        }
        let writers = Writers { places: Semaphore::new(WRITERS), idle: Mutex::new(idle) };
        Ok(Self { readers, writers: Arc::new(writers) })
    }

    pub(super) async fn reads(&self) -> anyhow::Result<Figure> {
        let readers = Arc::new(self.readers.clone());
        let turn = Arc::new(AtomicU64::new(0));
        round(CALLERS, ROUND, ROWS, move |key| {
            #[allow(clippy::cast_possible_truncation, reason = "a place among four")]
            let place = turn.fetch_add(1, Ordering::Relaxed) as usize % READERS;
            let reader = Arc::clone(&readers[place]);
            async move {
                let (client, read) = &*reader;
                let (realm, id) = (REALM.as_bytes().as_slice(), *row_id(key).as_bytes());
                let row = client.query_one(read, &[&realm, &id.as_slice()]).await?;
                let _: (String, i64, Vec<u8>) = (row.get(0), row.get(1), row.get(2));
                Ok(())
            }
        })
        .await
    }

    pub(super) async fn units(&self, next: &Arc<AtomicU64>) -> anyhow::Result<Figure> {
        let (writers, next) = (Arc::clone(&self.writers), Arc::clone(next));
        round(CALLERS, ROUND, ROWS, move |key| {
            let (writers, number) = (Arc::clone(&writers), next.fetch_add(1, Ordering::Relaxed));
            async move {
                let _place = writers.places.acquire().await?;
                let writer = writers.idle.lock().pop().context("a place is a connection")?;
                let done = writer.unit(key, number).await;
                writers.idle.lock().push(writer);
                done
            }
        })
        .await
    }
}

impl Writer {
    async fn unit(&self, key: u64, number: u64) -> anyhow::Result<()> {
        let (realm, filling) = (REALM.as_bytes().as_slice(), FILLING.as_slice());
        let (key, id, owner) = (*row_id(key).as_bytes(), *row_id(number).as_bytes(), *row_id(number / 3).as_bytes());
        let (key, id, owner) = (key.as_slice(), id.as_slice(), owner.as_slice());
        let known: [Parameter<'_>; 2] = [&realm, &key];
        let add: [Parameter<'_>; 6] = [&realm, &id, &owner, &NAME, &AT, &filling];
        let note: [Parameter<'_>; 4] = [&realm, &id, &key, &AT];
        // Sent together: one round trip.
        let (_, known, added, noted, committed) = tokio::join!(
            self.client.batch_execute("begin"),
            self.client.query(&self.known, &known),
            self.client.execute(&self.add, &add),
            self.client.execute(&self.note, &note),
            self.client.batch_execute("commit"),
        );
        ensure!(known?.len() == 1 && added? == 1 && noted? == 1, "each statement touches its row");
        Ok(committed?)
    }
}
