//! Keyed reads and durable units of three statements by 64 callers, beside the driver used by hand in the same process.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use claviger_crypto::SystemEntropy;
use claviger_kernel::{Id, RealmId, Timestamp, UnitId};
use claviger_storage::migrate::{Dialect, migration};
use claviger_storage::{Store, Unit, args, statements};
use hdrhistogram::Histogram;

use crate::Found;
use crate::callers::{Draw, round};
use crate::figure::{Comparison, Figure, Goal, Meter, Rate, now, times};
use crate::group::Group;
use crate::place::{Engine, Place, open_sqlite};

mod postgres;

pub(crate) use postgres::connect;

statements! {
    /// A row.
    ADD: "insert into benched (realm_id, id, owner_id, name, at, filling) values ($1, $2, $3, $4, $5, $6)";
    /// Its entry in a log.
    NOTE: "insert into bench_log (realm_id, id, subject, at) values ($1, $2, $3, $4)";
    /// A keyed read.
    READ: "select name, at, filling from benched where realm_id = $1 and id = $2";
    /// What a unit relies on.
    KNOWN: "select 1 from benched where realm_id = $1 and id = $2";
}

const TABLES: &str = "
-- tenant keyed
create table benched (
  realm_id {id} not null, id {id} not null, owner_id {id} not null, name {text} not null, at {time} not null,
  filling {bytes} not null, primary key (realm_id, id)
) {keyed};
-- tenant keyed
create table bench_log (
  realm_id {id} not null, id {id} not null, subject {id} not null, at {time} not null, primary key (realm_id, id)
) {keyed};
";

const REALM: RealmId = RealmId::from_bytes([1; 16]);
const NAME: &str = "a name of some length";
const FILLING: [u8; 150] = [7; 150];
const AT: i64 = 1_795_219_200_000_000;
const ROWS: u64 = 200_000;
const CALLERS: u64 = 64;
const ROUND: Duration = Duration::from_secs(2);
const ROUNDS: usize = 5;

/// On SQLite, against rusqlite.
pub(crate) async fn sqlite() -> anyhow::Result<Vec<Found>> {
    let mut place = Place::make(Engine::Sqlite).await?;
    let path = place.file();
    place.store.close().await;
    let tables = migration("9999_bench", TABLES, Dialect::Sqlite)?;
    rusqlite::Connection::open(&path)?.execute_batch(&tables.statements.join(";"))?;
    place.store = open_sqlite(&path).await?;
    fill(&place.store).await?;
    let next = Arc::new(AtomicU64::new(ROWS));
    let mut reads = comparison("SQLite, keyed reads", Rate::Cpu, Some(203_508.0), Some(Goal::Ratio(0.65)));
    let mut units =
        comparison("SQLite, durable units of three statements", Rate::Wall, None, Some(Goal::Rate(43_000.0)));
    for _ in 0..ROUNDS {
        reads.bare.push(bare_reads(&path)?);
        reads.ours.push(store_reads(&place.store).await?);
        // Opened for the round: two writers of one file would wait for each other.
        let group = Group::open(&path)?;
        units.bare.push(bare_units(&group, &next).await?);
        drop(group);
        units.ours.push(store_units(&place.store, &next).await?);
    }
    Ok([reads, units].iter().map(Found::comparison).collect())
}

/// On PostgreSQL, against tokio-postgres.
pub(crate) async fn postgres() -> anyhow::Result<Vec<Found>> {
    let place = Place::make(Engine::Postgres).await?;
    let scratch = place.scratch.as_ref().context("the store is on PostgreSQL")?;
    scratch.extend(TABLES).await;
    fill(&place.store).await?;
    let bare = postgres::Bare::open(scratch.database().context("a database")?).await?;
    let next = Arc::new(AtomicU64::new(ROWS));
    let mut reads = comparison("PostgreSQL, keyed reads", Rate::Wall, None, Some(Goal::Rate(98_000.0)));
    let mut units =
        comparison("PostgreSQL, durable units of three statements", Rate::Wall, None, Some(Goal::Rate(12_300.0)));
    for _ in 0..ROUNDS {
        reads.bare.push(bare.reads().await?);
        reads.ours.push(store_reads(&place.store).await?);
        units.bare.push(bare.units(&next).await?);
        units.ours.push(store_units(&place.store, &next).await?);
    }
    Ok([reads, units].iter().map(Found::comparison).collect())
}

fn comparison(what: &str, rate: Rate, known: Option<f64>, goal: Option<Goal>) -> Comparison {
    let title = format!("{what}, {CALLERS} callers, {ROWS} rows, uniform keys, median of {ROUNDS} rounds");
    Comparison { title, rate, bare: Vec::new(), ours: Vec::new(), known, goal }
}

/// The id of row `number`: ascending, as ids made by time are.
fn row_id(number: u64) -> Id<()> {
    let mut bytes = [0x70; 16];
    bytes[8..].copy_from_slice(&number.to_be_bytes());
    Id::from_bytes(bytes)
}

fn unit() -> Unit {
    let at = Timestamp::from_micros(AT);
    Unit::new(UnitId::new(at, &SystemEntropy), REALM, at, None)
}

fn add(unit: &mut Unit, number: u64) {
    let values = args![REALM, row_id(number), row_id(number / 3), NAME, AT, FILLING.to_vec()];
    unit.one("add", &ADD, values);
}

async fn fill(store: &Store) -> anyhow::Result<()> {
    for first in (0..ROWS).step_by(500) {
        let mut unit = unit();
        (first..first + 500).for_each(|number| add(&mut unit, number));
        store.commit(unit).await?;
    }
    Ok(())
}

async fn store_reads(store: &Store) -> anyhow::Result<Figure> {
    let store = store.clone();
    round(CALLERS, ROUND, ROWS, move |key| {
        let store = store.clone();
        async move {
            let row = store.get(&READ, args![REALM, row_id(key)], |row| {
                Ok((row.get::<String>(0)?, row.get::<i64>(1)?, row.get::<Vec<u8>>(2)?))
            });
            row.await?.context("the row is there").map(drop)
        }
    })
    .await
}

async fn store_units(store: &Store, next: &Arc<AtomicU64>) -> anyhow::Result<Figure> {
    let (store, next) = (store.clone(), Arc::clone(next));
    round(CALLERS, ROUND, ROWS, move |key| {
        let (store, number) = (store.clone(), next.fetch_add(1, Ordering::Relaxed));
        async move {
            let mut unit = unit();
            unit.require("known", &KNOWN, args![REALM, row_id(key)]);
            add(&mut unit, number);
            unit.one("note", &NOTE, args![REALM, row_id(number), row_id(key), AT]);
            store.commit(unit).await?;
            Ok(())
        }
    })
    .await
}

/// As many threads as cores, each with a connection and a prepared statement of its own.
fn bare_reads(path: &Path) -> anyhow::Result<Figure> {
    let meter = Meter::begin(None)?;
    let threads = std::thread::available_parallelism().map_or(2, usize::from) as u64;
    let readers: Vec<_> = (0..threads)
        .map(|seed| {
            let path = path.to_owned();
            std::thread::spawn(move || bare_reader(&path, seed))
        })
        .collect();
    let mut all = times();
    for reader in readers {
        all.add(reader.join().ok().context("a reader has panicked")??)?;
    }
    meter.end(all.len(), all)
}

fn bare_reader(path: &Path, seed: u64) -> anyhow::Result<Histogram<u64>> {
    let raw = rusqlite::Connection::open(path)?;
    let mut read = raw.prepare("select name, at, filling from benched where realm_id = ?1 and id = ?2")?;
    let (mut draw, mut times, end) = (Draw::new(seed), times(), now() + ROUND);
    loop {
        let began = now();
        if began > end {
            return Ok(times);
        }
        let key = (REALM.as_bytes(), *row_id(draw.below(ROWS)).as_bytes());
        read.query_row(key, |row| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?, row.get::<_, Vec<u8>>(2)?)))?;
        times.saturating_record(u64::try_from(began.elapsed().as_nanos())?);
    }
}

async fn bare_units(group: &Group, next: &Arc<AtomicU64>) -> anyhow::Result<Figure> {
    let (group, next) = (group.clone(), Arc::clone(next));
    round(CALLERS, ROUND, ROWS, move |key| {
        let (group, number) = (group.clone(), next.fetch_add(1, Ordering::Relaxed));
        async move {
            let id = |number| *row_id(number).as_bytes();
            let done = group.run(move |raw| {
                let realm = REALM.as_bytes();
                let known = raw
                    .prepare_cached("select 1 from benched where realm_id = ?1 and id = ?2")?
                    .exists((realm, id(key)))?;
                raw.prepare_cached(
                    "insert into benched (realm_id, id, owner_id, name, at, filling) values (?1, ?2, ?3, ?4, ?5, ?6)",
                )?
                .execute((realm, id(number), id(number / 3), NAME, AT, FILLING))?;
                raw.prepare_cached("insert into bench_log (realm_id, id, subject, at) values (?1, ?2, ?3, ?4)")?
                    .execute((realm, id(number), id(key), AT))?;
                Ok(known)
            });
            anyhow::ensure!(done.await?, "the row is there");
            Ok(())
        }
    })
    .await
}
