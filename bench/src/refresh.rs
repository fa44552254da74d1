//! Refresh rotation through the token endpoint: families opened beforehand, each refreshed at most once a round.
//!
//! The bare program reads the family by its key, compares the hash, moves the row on if nobody was faster, signs one token,
//! and answers once the move is durable: a row and a signature are what cannot be avoided. It keeps no audit trail.

use core::cell::RefCell;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use claviger_crypto::{SystemEntropy, base64url, base64url_decode, sha256};
use claviger_kernel::{Entropy as _, Id, Timestamp};
use parking_lot::Mutex;
use rusqlite::Connection;
use serde::Deserialize;
use tokio::sync::Semaphore;
use tokio_postgres::{Client, Statement};

use crate::Found;
use crate::bare::{Signer, Work, serve};
use crate::figure::{Comparison, Rate};
use crate::group::Group;
use crate::load::{Ask, Caller, Program};
use crate::place::{self, Engine, Place};
use crate::store::connect;

/// How many families there are, and of how many users.
pub(crate) const FAMILIES: usize = 32_000;
pub(crate) const USERS: usize = 1_000;
const CONNECTIONS: usize = 64;
const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_secs(2);

/// On SQLite.
pub(crate) async fn sqlite() -> anyhow::Result<Vec<Found>> {
    row("SQLite", "bare-refresh-sqlite", "ours-refresh-sqlite").await
}

/// On PostgreSQL.
pub(crate) async fn postgres() -> anyhow::Result<Vec<Found>> {
    row("PostgreSQL", "bare-refresh-postgres", "ours-refresh-postgres").await
}

async fn row(engine: &str, bare: &str, ours: &str) -> anyhow::Result<Vec<Found>> {
    let (bare, ours) = (Program::start(bare).await?, Program::start(ours).await?);
    let mut found = Comparison {
        title: format!(
            "refresh rotation, {engine}, {CONNECTIONS} connections, {FAMILIES} families, median of {ROUNDS} rounds"
        ),
        rate: Rate::Wall,
        bare: Vec::new(),
        ours: Vec::new(),
        known: None,
        goal: None,
    };
    let (mut bare_devices, mut our_devices) = (devices(bare.material()?), devices(ours.material()?));
    for _ in 0..ROUNDS {
        let (figure, devices) = bare.round(bare_devices, ROUND).await?;
        found.bare.push(figure);
        bare_devices = devices;
        let (figure, devices) = ours.round(our_devices, ROUND).await?;
        found.ours.push(figure);
        our_devices = devices;
    }
    Ok(vec![Found::comparison(&found)])
}

fn devices(tokens: Vec<String>) -> Vec<Device> {
    let mut devices: Vec<Device> = (0..CONNECTIONS).map(|_| Device::default()).collect();
    for (number, token) in tokens.into_iter().enumerate() {
        devices[number % CONNECTIONS].tokens.push(token);
    }
    devices
}

/// Holds some families' tokens and refreshes one after the other.
#[derive(Default)]
struct Device {
    tokens: Vec<String>,
    turn: usize,
}

#[derive(Deserialize)]
struct Answer {
    refresh_token: String,
}

impl Caller for Device {
    fn ask(&mut self) -> Ask {
        let token = &self.tokens[self.turn];
        let form = format!(
            "grant_type=refresh_token&client_id=bench&client_secret=a-secret-for-the-benchmark-and-nothing-else\
             &refresh_token={token}"
        );
        Ask { path: "/oauth2/token", authorization: None, form: form.into() }
    }

    fn answered(&mut self, body: &[u8]) -> anyhow::Result<()> {
        let answer: Answer = serde_json::from_slice(body)?;
        ensure!(self.tokens[self.turn] != answer.refresh_token, "the token was not replaced");
        self.tokens[self.turn] = answer.refresh_token;
        self.turn = (self.turn + 1) % self.tokens.len();
        Ok(())
    }
}

/// A family of the bare program: its id, and the present secret.
fn token(id: &[u8], secret: &[u8]) -> String {
    base64url(&[id, secret].concat())
}

fn families() -> Vec<(Vec<u8>, [u8; 32])> {
    let at = Timestamp::from_seconds(1_795_219_200);
    let one = || {
        let mut secret = [0; 32];
        SystemEntropy.fill(&mut secret);
        (Id::<()>::new(at, &SystemEntropy).as_bytes().to_vec(), secret)
    };
    (0..FAMILIES).map(|_| one()).collect()
}

fn material(families: &[(Vec<u8>, [u8; 32])], folder: &std::path::Path) -> anyhow::Result<PathBuf> {
    let mut text = String::new();
    for (id, secret) in families {
        writeln!(text, "{}", token(id, secret))?;
    }
    let path = folder.join("bare-material");
    std::fs::write(&path, text)?;
    Ok(path)
}

/// Where the bare program's rows are.
trait Rows: Send + Sync + 'static {
    fn hash(&self, id: Vec<u8>) -> impl Future<Output = anyhow::Result<Vec<u8>>> + Send;
    fn replace(&self, id: Vec<u8>, old: [u8; 32], new: [u8; 32]) -> impl Future<Output = anyhow::Result<bool>> + Send;
}

struct Bare<R> {
    rows: R,
    signer: Signer,
}

impl<R: Rows> Work for Bare<R> {
    async fn answer(&self, body: Bytes) -> anyhow::Result<String> {
        let text = core::str::from_utf8(&body)?;
        let presented = text.rsplit_once("refresh_token=").context("no token")?.1;
        let bytes = base64url_decode(presented)?;
        let (id, secret) = bytes.split_at_checked(16).context("a short token")?;
        let old = sha256(secret);
        ensure!(self.rows.hash(id.to_vec()).await? == old, "not the present token");
        let successor = sha256(&[secret, id].concat());
        ensure!(self.rows.replace(id.to_vec(), old, sha256(&successor)).await?, "somebody was faster");
        let json = serde_json::json!({
            "access_token": self.signer.token(&successor[..16])?, "token_type": "Bearer", "expires_in": 300,
            "refresh_token": token(id, &successor), "scope": "openid offline_access notes:read",
        });
        Ok(json.to_string())
    }
}

const TABLE: &str = "create table families (id blob not null primary key, hash blob not null, generation integer not null, \
    filling blob not null) strict, without rowid";

struct InSqlite {
    path: PathBuf,
    group: Group,
}

thread_local! {
    static READER: RefCell<Option<Connection>> = const { RefCell::new(None) };
}

impl Rows for InSqlite {
    async fn hash(&self, id: Vec<u8>) -> anyhow::Result<Vec<u8>> {
        READER.with_borrow_mut(|reader| {
            let raw = match reader {
                Some(raw) => raw,
                None => reader.insert(Connection::open(&self.path)?),
            };
            let mut read = raw.prepare_cached("select hash from families where id = ?1")?;
            Ok(read.query_row((id,), |row| row.get(0))?)
        })
    }

    async fn replace(&self, id: Vec<u8>, old: [u8; 32], new: [u8; 32]) -> anyhow::Result<bool> {
        let job = move |raw: &Connection| {
            let text = "update families set hash = ?3, generation = generation + 1 where id = ?1 and hash = ?2";
            Ok(raw.prepare_cached(text)?.execute((id, old, new))? == 1)
        };
        self.group.run(job).await
    }
}

/// The bare program on SQLite.
pub(crate) async fn bare_sqlite() -> anyhow::Result<()> {
    let folder = place::folder()?;
    let path = folder.path().join("bare.db");
    let families = families();
    let group = Group::open(&path)?;
    let mut raw = Connection::open(&path)?;
    raw.execute_batch(TABLE)?;
    let filling = raw.transaction()?;
    for (id, secret) in &families {
        let text = "insert into families (id, hash, generation, filling) values (?1, ?2, 0, ?3)";
        filling.prepare_cached(text)?.execute((id, sha256(secret), [7_u8; 150]))?;
    }
    filling.commit()?;
    let material = material(&families, folder.path())?;
    serve(Bare { rows: InSqlite { path, group }, signer: Signer::new()? }, Some(material)).await
}

/// Connections of the bare program: readers are shared, a writer has one statement under way.
struct InPostgres {
    readers: Vec<(Client, Statement)>,
    turn: AtomicUsize,
    places: Semaphore,
    writers: Mutex<Vec<Arc<(Client, Statement)>>>,
}

impl Rows for InPostgres {
    async fn hash(&self, id: Vec<u8>) -> anyhow::Result<Vec<u8>> {
        let (client, read) = &self.readers[self.turn.fetch_add(1, Ordering::Relaxed) % self.readers.len()];
        Ok(client.query_one(read, &[&id]).await?.get(0))
    }

    async fn replace(&self, id: Vec<u8>, old: [u8; 32], new: [u8; 32]) -> anyhow::Result<bool> {
        let _place = self.places.acquire().await?;
        let writer = self.writers.lock().pop().context("a place is a connection")?;
        let done = writer.0.execute(&writer.1, &[&id, &old.as_slice(), &new.as_slice()]).await;
        self.writers.lock().push(writer);
        Ok(done? == 1)
    }
}

/// The bare program on PostgreSQL.
pub(crate) async fn bare_postgres() -> anyhow::Result<()> {
    let place = Place::make(Engine::Postgres).await?;
    let database = place.scratch.as_ref().and_then(|scratch| scratch.database()).context("a database")?;
    let raw = connect(database).await?;
    let table = TABLE.replace("blob", "bytea").replace(" strict, without rowid", "");
    raw.batch_execute(&table).await?;
    let families = families();
    let add = raw.prepare("insert into families (id, hash, generation, filling) values ($1, $2, 0, $3)").await?;
    raw.batch_execute("begin").await?;
    for (id, secret) in &families {
        raw.execute(&add, &[id, &sha256(secret).as_slice(), &[7_u8; 150].as_slice()]).await?;
    }
    raw.batch_execute("commit").await?;
    let mut rows = InPostgres {
        readers: Vec::new(),
        turn: AtomicUsize::new(0),
        places: Semaphore::new(8),
        writers: Mutex::default(),
    };
    for _ in 0..4 {
        let client = connect(database).await?;
        let read = client.prepare("select hash from families where id = $1").await?;
        rows.readers.push((client, read));
    }
    for _ in 0..8 {
        let client = connect(database).await?;
        let text = "update families set hash = $3, generation = generation + 1 where id = $1 and hash = $2";
        let write = client.prepare(text).await?;
        rows.writers.lock().push(Arc::new((client, write)));
    }
    let material = material(&families, place.folder.path())?;
    serve(Bare { rows, signer: Signer::new()? }, Some(material)).await
}
