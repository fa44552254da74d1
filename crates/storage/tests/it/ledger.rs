//! A raw ledger in a process of its own, to be killed, traced and robbed of its disk: it says on its standard output what
//! became of each entry, and whoever started it holds it to its word.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use claviger_kernel::{RealmId, SeededEntropy, Timestamp, UnitId};
use claviger_storage::{CommitError, SqliteOptions, Store, Unit, args, statements};

statements! {
    /// An entry …
    ENTRY: "insert into entries (realm_id, number, mark) values ($1, $2, $3)";
    /// … its counterpart …
    COUNTERPART: "insert into counterparts (realm_id, number) values ($1, $2)";
    /// … and the sum of all.
    SUM: "update sums set total = total + 1 where realm_id = $1";
    /// The sum.
    TOTAL: "select total from sums where realm_id = $1";
}

const TABLES: &str = "
    create table entries (realm_id blob not null, number integer not null, mark text not null,
        primary key (realm_id, number)) strict, without rowid;
    create table counterparts (realm_id blob not null, number integer not null,
        primary key (realm_id, number)) strict, without rowid;
    create table sums (realm_id blob not null primary key, total integer not null) strict, without rowid;
    insert into sums (realm_id, total) values (x'01010101010101010101010101010101', 0);";
const REALM: RealmId = RealmId::from_bytes([1; 16]);

/// Where the child finds its folder, how it is to behave, and which numbers it is to enter.
const FOLDER: &str = "CLAVIGER_LEDGER_FOLDER";
const MODE: &str = "CLAVIGER_LEDGER_MODE";
const NUMBERS: &str = "CLAVIGER_LEDGER_NUMBERS";
/// How many callers enter at the same time.
pub(crate) const CALLERS: usize = 8;

/// How the child behaves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Mode {
    /// Says that an entry is done when the store has said so.
    Honest,
    /// Says so before it asks the store: a server that answers early.
    Early,
    /// Says so after a commit that nothing has synced.
    Unsynced,
}

/// The mark by which an entry is found in what is written to the disk.
pub(crate) fn mark(number: u64) -> String {
    format!("mark-{number:08}")
}

/// A ledger's folder, on a real disk; it goes with this value.
pub(crate) struct Ledger(PathBuf);

impl Ledger {
    pub(crate) async fn new(name: &str) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
        drop(std::fs::remove_dir_all(&folder));
        std::fs::create_dir_all(&folder).unwrap();
        let ledger = Self(folder.canonicalize().unwrap());
        ledger.open().await.close().await;
        rusqlite::Connection::open(ledger.file()).unwrap().execute_batch(TABLES).unwrap();
        ledger
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.0
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.0.join("claviger.db")
    }

    pub(crate) async fn open(&self) -> Store {
        open(&self.0).await
    }

    /// What starts the child; `prefix` is a program that runs it.
    pub(crate) fn child(&self, prefix: &[String], mode: Mode, numbers: core::ops::Range<u64>) -> Running {
        let own = std::env::current_exe().unwrap().to_str().unwrap().to_owned();
        let mut words = prefix.iter().cloned().chain([own]);
        let mut command = Command::new(words.next().unwrap());
        command.args(words).args(["it::ledger::child", "--exact", "--ignored", "--nocapture", "--test-threads=1"]);
        command.env(FOLDER, &self.0).env(MODE, format!("{mode:?}"));
        command.env(NUMBERS, format!("{}..{}", numbers.start, numbers.end));
        command.stdout(Stdio::piped()).stdin(Stdio::null());
        let mut child = command.spawn().unwrap_or_else(|error| {
            panic!("{}: {error}; `cargo xtask services up` prepares what tests need", command.get_program().display())
        });
        let lines = BufReader::new(child.stdout.take().unwrap());
        Running { child, lines }
    }

    /// Holds the ledger to its word: what it said is done is there, what it said is not done is not, and no entry is
    /// there without its counterpart or outside of the sum.
    pub(crate) fn verify(&self, said: &Said) {
        let raw = rusqlite::Connection::open(self.file()).unwrap();
        let numbers = |text: &str| -> BTreeSet<u64> {
            let mut rows = raw.prepare(text).unwrap();
            rows.query_map([], |row| row.get::<_, i64>(0))
                .unwrap()
                .map(|number| number.unwrap().cast_unsigned())
                .collect()
        };
        let entries = numbers("select number from entries");
        let lost: Vec<_> = said.done.difference(&entries).collect();
        assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
        let kept: Vec<_> = said.refused.keys().filter(|number| entries.contains(number)).collect();
        assert!(kept.is_empty(), "refused and kept: {kept:?}");
        assert_eq!(entries, numbers("select number from counterparts"), "half an entry");
        let total: i64 = raw.query_row("select total from sums", [], |row| row.get(0)).unwrap();
        assert_eq!(total.cast_unsigned(), entries.len() as u64, "the sum is of other entries");
        let sound: String = raw.query_row("pragma integrity_check", [], |row| row.get(0)).unwrap();
        assert_eq!(sound, "ok");
    }
}

impl Drop for Ledger {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

async fn open(folder: &Path) -> Store {
    Store::open_sqlite(SqliteOptions { path: folder.join("claviger.db"), readers: 2 }).await.unwrap()
}

/// What a ledger has said.
#[derive(Default, Debug)]
pub(crate) struct Said {
    /// These are done.
    pub(crate) done: BTreeSet<u64>,
    /// These are not, each with the reason.
    pub(crate) refused: BTreeMap<u64, String>,
    /// How often it could read after a refusal.
    pub(crate) reads: usize,
    /// Every number in the order in which it was spoken of.
    pub(crate) order: Vec<u64>,
}

impl Said {
    fn hear(&mut self, line: &str) {
        let Some((_, line)) = line.split_once("ledger ") else { return };
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let (number, reason) = rest.split_once(' ').unwrap_or((rest, ""));
        let number = || number.parse().expect("a number");
        match word {
            "done" => {
                self.done.insert(number());
                self.order.push(number());
            }
            "refused" => {
                self.refused.insert(number(), reason.to_owned());
                self.order.push(number());
            }
            "read" => self.reads += 1,
            _ => panic!("the ledger says {line}"),
        }
    }
}

/// A child at work.
pub(crate) struct Running {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Running {
    /// Listens until `count` more entries are spoken of, or the child has no more to say.
    pub(crate) fn listen(&mut self, said: &mut Said, count: usize) {
        let until = said.order.len() + count;
        let mut line = String::new();
        while said.order.len() < until && self.lines.read_line(&mut line).unwrap() > 0 {
            // A line without an end was never said: its writer died over it.
            if line.ends_with('\n') {
                said.hear(line.trim_end());
            }
            line.clear();
        }
    }

    /// Kills the child where it stands; what it had said by then counts.
    pub(crate) fn kill(mut self, said: &mut Said) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.listen(said, usize::MAX - said.order.len());
    }

    /// Listens to the end.
    pub(crate) fn end(mut self, said: &mut Said) {
        self.listen(said, usize::MAX - said.order.len());
        let status = self.child.wait().unwrap();
        assert!(status.success(), "the child ended with {status}");
    }
}

#[test]
#[ignore = "the process that other tests start, kill and trace"]
fn child() {
    let setting = |name| std::env::var(name).unwrap_or_else(|_| panic!("{name} is set by the test that starts this"));
    let folder = PathBuf::from(setting(FOLDER));
    let numbers = setting(NUMBERS);
    let (from, to) = numbers.split_once("..").unwrap();
    let numbers = from.parse().unwrap()..to.parse().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    match setting(MODE).as_str() {
        "Honest" => runtime.block_on(keep(&folder, numbers, false)),
        "Early" => runtime.block_on(keep(&folder, numbers, true)),
        "Unsynced" => keep_without_sync(&folder, numbers),
        other => panic!("unknown mode {other}"),
    }
}

fn say(what: &str) {
    std::io::stdout().lock().write_all(format!("ledger {what}\n").as_bytes()).unwrap();
}

fn entry(number: u64, entropy: &SeededEntropy) -> Unit {
    let at = Timestamp::from_seconds(1_795_219_200);
    let number_ = number.cast_signed();
    let mut unit = Unit::new(UnitId::new(at, entropy), REALM, at, None);
    unit.one("entry", &ENTRY, args![REALM, number_, mark(number)]);
    unit.one("counterpart", &COUNTERPART, args![REALM, number_]);
    unit.one("sum", &SUM, args![REALM]);
    unit.changed("entry", number.to_be_bytes());
    unit
}

/// Enters the numbers from several callers at once, and says of each what the store has said; early, before it asks.
async fn keep(folder: &Path, numbers: core::ops::Range<u64>, early: bool) {
    let store = open(folder).await;
    let entropy = Arc::new(SeededEntropy::new(numbers.start));
    let next = Arc::new(AtomicU64::new(numbers.start));
    let callers = (0..CALLERS).map(|_| {
        let (store, entropy, next) = (store.clone(), Arc::clone(&entropy), Arc::clone(&next));
        tokio::spawn(async move {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= numbers.end {
                    return;
                }
                if early {
                    say(&format!("done {number}"));
                }
                match store.commit(entry(number, &entropy)).await {
                    Ok(_) if early => {}
                    Ok(_) => say(&format!("done {number}")),
                    Err(CommitError::Unavailable(reason)) => {
                        say(&format!("refused {number} {}", reason.reason()));
                        let total = store.get(&TOTAL, args![REALM], |row| row.get::<i64>(0)).await;
                        total.unwrap().expect("reads go on");
                        say("read");
                    }
                    Err(conflict) => panic!("{conflict}"),
                }
            }
        })
    });
    for caller in callers.collect::<Vec<_>>() {
        caller.await.unwrap();
    }
    store.close().await;
}

fn keep_without_sync(folder: &Path, numbers: core::ops::Range<u64>) {
    let raw = rusqlite::Connection::open(folder.join("claviger.db")).unwrap();
    raw.pragma_update(None, "synchronous", "off").unwrap();
    for number in numbers {
        let entry = "insert into entries (realm_id, number, mark) values (?1, ?2, ?3)";
        raw.execute(entry, (REALM.as_bytes(), number.cast_signed(), mark(number))).unwrap();
        say(&format!("done {number}"));
    }
}
