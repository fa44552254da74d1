//! One batch at a time, with whatever may go wrong in it: each caller is told done, not done or unavailable, and it is so.

use std::time::Duration;

use claviger_kernel::{ManualClock, RealmId, SeededEntropy, Timestamp};

use super::super::unit::PANICS;
use super::*;
use crate::scratch::folder::{self, Folder};
use crate::{args, own};

crate::statements! {
    /// A row; its name is unique.
    ADD: "insert into things (realm_id, name, filling) values ($1, $2, $3)";
    /// The same where SQLite needs no statement journal, so that a full disk takes the whole transaction.
    POUR: "insert into heaps (realm_id, filling) values ($1, $2)";
}

const TABLES: &str = "create table things (realm_id blob not null, name text not null unique, filling blob not null) \
    strict; create table heaps (realm_id blob not null, filling blob not null) strict;";

const REALM: RealmId = RealmId::from_bytes([1; 16]);

/// A writer's connection, and the units of one batch.
struct Bench {
    connection: Connection,
    queue: Queue<Waiting>,
    entropy: SeededEntropy,
    folder: Folder,
}

type Answer = oneshot::Receiver<Outcome>;

impl Bench {
    async fn new() -> Self {
        let folder = folder::migrated().await.unwrap();
        let connection = Connection::writing(folder.database()).unwrap();
        connection.raw().execute_batch(TABLES).unwrap();
        Self { connection, queue: Queue::new(WAITING), entropy: SeededEntropy::new(1), folder }
    }

    fn unit(&self) -> Unit {
        own::unit(REALM, &ManualClock::new(Timestamp::default()), &self.entropy)
    }

    fn push(&self, unit: Unit) -> Answer {
        let (reply, answer) = oneshot::channel();
        assert!(self.queue.push(Waiting { unit, reply }).is_ok());
        answer
    }

    /// Queues a unit that adds a row for each name.
    fn add(&self, names: &[&str]) -> Answer {
        let mut unit = self.unit();
        for name in names {
            unit.one("add", &ADD, args![REALM, *name, Vec::new()]);
        }
        self.push(unit)
    }

    /// Queues a unit that adds a row and then fills more than the disk holds.
    fn overflow(&self, name: &str) -> Answer {
        let mut unit = self.unit();
        unit.one("add", &ADD, args![REALM, name, Vec::new()]);
        unit.one("pour", &POUR, args![REALM, vec![0; 1_000_000]]);
        self.push(unit)
    }

    /// Makes the disk as small as it can be, with `spare` pages to grow.
    fn shrink(&self, spare: i64) {
        let pages: i64 = self.connection.raw().pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
        self.connection.raw().pragma_update(None, "max_page_count", pages + spare).unwrap();
    }

    /// Writes what is queued, in one batch, and returns the names that are in the table then.
    fn write(self) -> Vec<String> {
        self.queue.close("the test is over");
        write(self.connection, &self.queue, &Signals::default());
        names(&self.folder)
    }
}

fn names(folder: &Folder) -> Vec<String> {
    let raw = rusqlite::Connection::open(folder.database()).unwrap();
    let mut names = raw.prepare("select name from things order by name").unwrap();
    names.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
}

fn told(mut answer: Answer) -> &'static str {
    match answer.try_recv().expect("every caller is answered") {
        Ok(_) => "done",
        Err(CommitError::Conflict(_)) => "conflict",
        Err(CommitError::Unavailable(_)) => "unavailable",
    }
}

#[tokio::test]
async fn a_conflict_undoes_its_own_unit_and_no_other() {
    let bench = Bench::new().await;
    let answers = [&["a"][..], &["b", "a"], &["c"], &["c"], &["d"]].map(|names| bench.add(names));
    assert_eq!(bench.write(), ["a", "c", "d"]);
    assert_eq!(answers.map(told), ["done", "conflict", "done", "conflict", "done"]);
}

#[tokio::test]
async fn a_unit_that_panics_harms_no_neighbour() {
    let bench = Bench::new().await;
    let before = bench.add(&["a"]);
    let mut poison = bench.unit();
    poison.one("add", &ADD, args![REALM, "b", Vec::new()]);
    poison.one(PANICS, &ADD, args![REALM, "c", Vec::new()]);
    let poison = bench.push(poison);
    let after = bench.add(&["d"]);
    assert_eq!(bench.write(), ["a", "d"]);
    assert_eq!([before, poison, after].map(told), ["done", "unavailable", "done"]);
}

#[tokio::test]
async fn a_statement_that_is_wrong_harms_no_neighbour() {
    let bench = Bench::new().await;
    let before = bench.add(&["a"]);
    let mut poison = bench.unit();
    poison.one("add", &ADD, args![REALM, "b", Vec::new()]);
    poison.one("add", &ADD, args![REALM, "too few"]);
    let poison = bench.push(poison);
    let mut typed = bench.unit();
    typed.one("add", &ADD, args![REALM, "c", "text where bytes belong"]);
    let typed = bench.push(typed);
    let after = bench.add(&["d"]);
    assert_eq!(bench.write(), ["a", "d"]);
    assert_eq!([before, poison, typed, after].map(told), ["done", "unavailable", "unavailable", "done"]);
}

#[tokio::test]
async fn f14_a_full_disk_in_one_unit_takes_nothing_from_its_neighbours() {
    let bench = Bench::new().await;
    bench.shrink(2);
    let before = bench.add(&["a"]);
    let full = bench.overflow("b");
    let after = bench.add(&["c"]);
    assert_eq!(bench.write(), ["a", "c"]);
    assert_eq!([before, full, after].map(told), ["done", "unavailable", "done"]);
}

#[tokio::test]
async fn a_conflict_with_a_neighbour_that_is_lost_is_no_conflict() {
    let bench = Bench::new().await;
    bench.shrink(2);
    let full = bench.overflow("a");
    let same = bench.add(&["a"]);
    let mut late = bench.unit();
    late.one("add", &ADD, args![REALM, "a", Vec::new()]);
    late.one("add", &ADD, args![REALM, "b", Vec::new()]);
    let late = bench.push(late);
    assert_eq!(bench.write(), ["a"]);
    assert_eq!([full, same, late].map(told), ["unavailable", "done", "conflict"]);
}

#[tokio::test]
async fn f14_writing_goes_on_once_there_is_room_again() {
    let mut bench = Bench::new().await;
    bench.shrink(0);
    let full = [bench.overflow("a"), bench.overflow("b")];
    for one in bench.queue.take(BATCH) {
        alone(&mut bench.connection, one, &Signals::default()).expect("a full disk does not stop the writer");
    }
    assert_eq!(full.map(told), ["unavailable", "unavailable"]);
    assert_eq!(names(&bench.folder), [""; 0]);
    bench.connection.raw().pragma_update(None, "max_page_count", 1_000_000).unwrap();
    let done = bench.overflow("c");
    assert_eq!(bench.write(), ["c"]);
    assert_eq!(told(done), "done");
}

#[tokio::test]
async fn f14_a_full_disk_takes_the_whole_transaction_and_the_writer_notices() {
    let mut bench = Bench::new().await;
    bench.shrink(2);
    let _answers = [bench.add(&["a"]), bench.overflow("b"), bench.add(&["c"])];
    let batch = bench.queue.take(BATCH);
    assert!(matches!(attempt(&mut bench.connection, &batch), End::Lost(_)));
    assert_eq!(names(&bench.folder), [""; 0]);
}

#[tokio::test]
async fn a_caller_that_has_gone_changes_nothing_for_anybody() {
    let bench = Bench::new().await;
    let before = bench.add(&["a"]);
    drop(bench.add(&["b"]));
    drop(bench.add(&["a"]));
    let after = bench.add(&["c"]);
    assert_eq!(bench.write(), ["a", "b", "c"]);
    assert_eq!([before, after].map(told), ["done", "done"]);
}

#[tokio::test]
async fn another_process_that_holds_the_file_makes_units_unavailable_and_lets_them_through_afterwards() {
    let mut bench = Bench::new().await;
    bench.connection.raw().busy_timeout(Duration::ZERO).unwrap();
    let other = rusqlite::Connection::open(bench.folder.database()).unwrap();
    other.execute_batch("begin immediate").unwrap();
    let refused = bench.add(&["a"]);
    let batch = bench.queue.take(BATCH);
    let end = attempt(&mut bench.connection, &batch);
    answer(end, batch, &Signals::default()).expect("the writer goes on");
    assert_eq!(told(refused), "unavailable");
    other.execute_batch("commit").unwrap();
    let done = bench.add(&["b"]);
    assert_eq!(bench.write(), ["b"]);
    assert_eq!(told(done), "done");
}

#[tokio::test]
async fn f16_a_disk_that_has_become_read_only_stops_the_writer_and_everybody_is_told() {
    let bench = Bench::new().await;
    bench.connection.raw().pragma_update(None, "query_only", true).unwrap();
    let answers = [bench.add(&["a"]), bench.add(&["b"])];
    let mut late = (0..BATCH).map(|_| bench.add(&["c"])).last().unwrap();
    let Bench { connection, queue, folder, .. } = bench;
    write(connection, &queue, &Signals::default());
    assert_eq!(answers.map(told), ["unavailable", "unavailable"]);
    let CommitError::Unavailable(late) = late.try_recv().unwrap().unwrap_err() else { panic!("nobody is in conflict") };
    assert!(late.reason().starts_with("writing has stopped"), "beyond the batch nothing was tried: {late:?}");
    assert!(queue.closed().unwrap().starts_with("writing has stopped"));
    assert_eq!(names(&folder), [""; 0]);
}

#[tokio::test]
async fn what_is_queued_at_the_end_is_still_written() {
    let bench = Bench::new().await;
    let names: Vec<String> = (0..BATCH + 10).map(|number| format!("{number:04}")).collect();
    let answers: Vec<Answer> = names.iter().map(|name| bench.add(&[name])).collect();
    assert_eq!(bench.write(), names);
    assert!(answers.into_iter().all(|answer| told(answer) == "done"));
}
