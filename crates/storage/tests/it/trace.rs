//! kill -9 cannot see a missing sync, for the page cache survives it. This looks at the system calls instead: each reply
//! must follow a sync of the log that began after the log had the entry.

use std::collections::BTreeMap;

use super::ledger::{Ledger, Mode, Said, mark};

/// The program that traces: from the environment, or from the path.
pub(crate) fn strace() -> String {
    std::env::var("CLAVIGER_STRACE").unwrap_or_else(|_| "strace".into())
}

const ENTRIES: u64 = 120;

/// Runs a ledger under the tracer and returns what it said, and the trace.
async fn traced(name: &str, mode: Mode) -> (Said, String) {
    let ledger = Ledger::new(name).await;
    let trace = ledger.folder().join("trace");
    let calls = "trace=write,pwrite64,pwritev,fsync,fdatasync,sync_file_range,msync";
    let prefix = [&strace(), "-f", "-qq", "-y", "-s", "8192", "-e", calls, "-o", trace.to_str().unwrap()];
    let mut said = Said::default();
    ledger.child(&prefix.map(str::to_owned), mode, 0..ENTRIES).end(&mut said);
    assert_eq!(said.done.len() as u64, ENTRIES, "the ledger was traced to its end");
    (said, std::fs::read_to_string(trace).expect("the tracer has written a trace"))
}

/// The entries whose reply does not follow the sync of what it acknowledges.
fn early_replies(trace: &str) -> Vec<u64> {
    let mut logged = BTreeMap::<u64, usize>::new();
    let mut syncing = BTreeMap::<&str, usize>::new();
    let mut synced = Vec::<(usize, usize)>::new();
    let mut early = Vec::new();
    for (place, line) in trace.lines().enumerate() {
        let (thread, call) = line.split_once(' ').unwrap_or_default();
        let call = call.trim_start();
        let sync = call.starts_with("fsync(") || call.starts_with("fdatasync(");
        if call.starts_with("pwrite") && call.contains("-wal>") {
            for number in marks(call) {
                logged.entry(number).or_insert(place);
            }
        } else if sync && call.contains("-wal>") && call.contains("<unfinished") {
            syncing.insert(thread, place);
        } else if sync && call.contains("-wal>") && call.ends_with("= 0") {
            synced.push((place, place));
        } else if call.contains("sync resumed>") && call.ends_with("= 0") {
            synced.extend(syncing.remove(thread).map(|began| (began, place)));
        } else if let Some(number) = reply(call) {
            let durable = |entered: &usize| synced.iter().any(|(began, ended)| began > entered && *ended < place);
            if !logged.get(&number).is_some_and(durable) {
                early.push(number);
            }
        }
    }
    early
}

fn marks(call: &str) -> impl Iterator<Item = u64> + '_ {
    call.split("mark-").skip(1).filter_map(|rest| rest.get(..8)?.parse().ok())
}

fn reply(call: &str) -> Option<u64> {
    let (_, rest) = call.strip_prefix("write(1<")?.split_once("\"ledger done ")?;
    rest.split_once('\\')?.0.parse().ok()
}

#[tokio::test]
async fn f01_every_reply_follows_the_sync_of_its_batch() {
    let (said, trace) = traced("trace-honest", Mode::Honest).await;
    assert!(said.refused.is_empty());
    assert_eq!(early_replies(&trace), [0; 0]);
    assert!(trace.contains(&mark(ENTRIES - 1)), "the trace shows what is written");
}

#[tokio::test]
async fn a_server_that_answers_early_is_found_out() {
    let (_, trace) = traced("trace-early", Mode::Early).await;
    assert!(!early_replies(&trace).is_empty());
}

#[tokio::test]
async fn a_server_that_does_not_sync_is_found_out() {
    let (_, trace) = traced("trace-unsynced", Mode::Unsynced).await;
    assert_eq!(early_replies(&trace).len() as u64, ENTRIES);
}

#[test]
fn the_order_of_log_sync_and_reply_is_what_counts() {
    let log = |number: u64| format!("7 pwrite64(9</d/claviger.db-wal>, \"\\0mark-{number:08}\\1\", 4096, 32) = 4096\n");
    let reply = |number: u64| format!("8 write(1<pipe:[5]>, \"ledger done {number}\\n\", 14) = 14\n");
    let sync = "7 fdatasync(9</d/claviger.db-wal>) = 0\n";
    let (began, ended) = ("7 fsync(9</d/claviger.db-wal> <unfinished ...>\n", "7 <... fsync resumed>) = 0\n");
    let failed = "7 fsync(9</d/claviger.db-wal>) = -1 EIO (Input/output error) (INJECTED)\n";
    let other = "7 fsync(3</d/claviger.db>) = 0\n";
    let early = |parts: &[&str]| early_replies(&parts.concat()) == [1];
    let (log, reply) = (log(1), reply(1));
    let (log, reply) = (log.as_str(), reply.as_str());
    assert!(!early(&[log, sync, reply]));
    assert!(!early(&[log, began, ended, reply]));
    for wrong in [
        &[log, reply][..],
        &[sync, log, reply],
        &[log, reply, sync],
        &[log, began, reply, ended],
        &[began, log, ended, reply],
        &[log, failed, reply],
        &[log, other, reply],
        &[sync, reply],
    ] {
        assert!(early(wrong), "{}", wrong.concat());
    }
}
