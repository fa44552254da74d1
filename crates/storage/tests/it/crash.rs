//! kill -9, again and again, on the same ledger.

use std::time::Duration;

use claviger_kernel::{Entropy as _, SeededEntropy};

use super::ledger::{Ledger, Mode, Said};

/// How many kills; `xtask long` asks for more than a run in passing does.
const KILLS: &str = "CLAVIGER_KILLS";
/// How soon a store is ready again (F01).
const READY: Duration = Duration::from_secs(5);
/// What chance begins with; `xtask long` names another in each run.
const SEED: &str = "CLAVIGER_SEED";

#[tokio::test]
async fn f01_nothing_acknowledged_is_lost_and_nothing_is_half_done_whenever_the_process_is_killed() {
    let asked = std::env::var(KILLS).ok();
    let kills = asked.as_ref().map_or(30, |kills| kills.parse().expect("a number of kills"));
    // Held to its word by `xtask long`; in passing the disk may have much else to do.
    let ready_within = if asked.is_some() { READY } else { READY * 12 };
    let seed = std::env::var(SEED).map_or(1, |seed| seed.parse().expect("a seed"));
    let ledger = Ledger::new("f01").await;
    let entropy = SeededEntropy::new(seed);
    let mut said = Said::default();
    for kill in 0..kills {
        let mut chance = [0; 3];
        entropy.fill(&mut chance);
        let from = kill * 1_000_000;
        let mut child = ledger.child(&[], Mode::Honest, from..from + 1_000_000);
        // Every eighth dies while it opens; the others somewhere in their work.
        if kill % 8 != 0 {
            child.listen(&mut said, 1 + usize::from(chance[0]));
        }
        for _ in 0..u32::from(u16::from_be_bytes([chance[1], chance[2]])) {
            std::hint::spin_loop();
        }
        child.kill(&mut said);
        let opened = tokio::time::timeout(ready_within, ledger.open()).await;
        opened.unwrap_or_else(|_| panic!("ready again within {ready_within:?}")).close().await;
        ledger.verify(&said);
    }
    assert!(said.done.len() as u64 > kills * 10, "only {} entries in {kills} lives", said.done.len());
}
