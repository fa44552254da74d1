//! A disk that is full, and one that fails: the tracer gives the log's system calls the answers that such a disk gives.

use super::ledger::{CALLERS, Ledger, Mode, Said};
use super::trace::strace;

/// How many entries are tried.
const ENTRIES: usize = 1400;

/// Runs a ledger whose log meets `fault` and returns what it said, held to its word where that is possible.
async fn with_fault(name: &str, fault: &str) -> (Ledger, Said) {
    let ledger = Ledger::new(name).await;
    let log = format!("{}-wal", ledger.file().display());
    let discard = ledger.folder().join("trace").display().to_string();
    let calls = fault.split_once(':').unwrap().0;
    let prefix = [
        &strace(),
        "-f",
        "-qq",
        "-o",
        &discard,
        "-P",
        &log,
        "-e",
        &format!("trace={calls}"),
        "-e",
        &format!("inject={fault}"),
    ];
    let mut said = Said::default();
    ledger.child(&prefix.map(str::to_owned), Mode::Honest, 0..ENTRIES as u64).end(&mut said);
    assert_eq!(said.order.len(), ENTRIES, "every caller is answered");
    (ledger, said)
}

#[tokio::test]
async fn f14_a_commit_that_finds_the_disk_full_has_not_happened_and_the_next_with_room_does() {
    // Each write serves one entry of each caller at most: however they meet, entries are left when there is room again.
    let (ledger, said) = with_fault("f14", "pwrite64:error=ENOSPC:when=100..160").await;
    assert!(!said.refused.is_empty(), "the disk was full for a while");
    for (number, reason) in &said.refused {
        assert!(reason.contains("full"), "{number}: {reason}");
    }
    let last = said.order.last().unwrap();
    assert!(said.done.contains(last), "and then there was room again");
    assert_eq!(said.reads, said.refused.len(), "reads went on");
    ledger.verify(&said);
}

#[tokio::test]
async fn f16_a_sync_that_fails_ends_all_writing_and_no_reading() {
    let (ledger, mut said) = with_fault("f16", "fsync,fdatasync:error=EIO:when=20").await;
    let first = said.order.iter().position(|number| said.refused.contains_key(number)).expect("the sync failed");
    assert!(first > 0, "entries before the failure are done");
    // A caller whose entry was durable before the failure may be slow to say so; each of the others has one at most.
    let late = said.order[first..].iter().filter(|number| said.done.contains(number)).count();
    assert!(late < CALLERS, "{late} entries were written after the failure");
    assert_eq!(said.reads, said.refused.len(), "reads went on");
    let stopped = said.refused.values().filter(|reason| reason.contains("writing has stopped")).count();
    let unknown: Vec<u64> = said.refused.keys().copied().collect();
    // Twenty batches hold twenty entries of each caller at most.
    assert!(stopped >= ENTRIES - 20 * CALLERS, "only {stopped} were told that writing has stopped");
    // Of the batch whose sync failed nobody knows, and nobody was told otherwise.
    said.refused.retain(|_, reason| reason.contains("writing has stopped"));
    assert!(unknown.len() - said.refused.len() <= CALLERS, "one batch at most is unknown");
    ledger.verify(&said);
}
