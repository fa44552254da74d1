//! The change log as its followers see it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use async_trait::async_trait;
use claviger_kernel::{RealmId, Unavailable};
use claviger_storage::scratch::{Engine, Hasty, Scratch};
use claviger_storage::{Change, CommitError, Follower, Store, both_engines};
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::heard::{heard, told};

#[derive(Default)]
struct Seen {
    subjects: Mutex<Vec<String>>,
    reloads: AtomicUsize,
    refuses: AtomicBool,
    away: AtomicBool,
    told: Notify,
}

#[async_trait]
impl Follower for Seen {
    fn name(&self) -> &'static str {
        "seen"
    }

    async fn apply(&self, changes: &[Change]) -> Result<(), Unavailable> {
        if self.refuses.swap(false, Ordering::SeqCst) || self.away.load(Ordering::SeqCst) {
            return Err(Unavailable::new("not now"));
        }
        let text = |change: &Change| String::from_utf8(change.subject.clone()).expect("a text");
        self.subjects.lock().extend(changes.iter().filter(|change| change.kind == "thing").map(text));
        self.told.notify_one();
        Ok(())
    }

    async fn reload(&self) -> Result<(), Unavailable> {
        if self.away.load(Ordering::SeqCst) {
            return Err(Unavailable::new("not now"));
        }
        self.reloads.fetch_add(1, Ordering::SeqCst);
        self.told.notify_one();
        Ok(())
    }
}

impl Seen {
    fn taken(&self) -> Vec<String> {
        std::mem::take(&mut self.subjects.lock())
    }

    fn reloads(&self) -> usize {
        self.reloads.load(Ordering::SeqCst)
    }
}

/// A view that cannot be loaded a thousand times, and then can.
#[derive(Default)]
struct Absent {
    asked: AtomicUsize,
    back: Notify,
}

#[async_trait]
impl Follower for Absent {
    fn name(&self) -> &'static str {
        "absent"
    }

    async fn apply(&self, _: &[Change]) -> Result<(), Unavailable> {
        Ok(())
    }

    async fn reload(&self) -> Result<(), Unavailable> {
        if self.asked.fetch_add(1, Ordering::SeqCst) < 1000 {
            return Err(Unavailable::new("not now"));
        }
        self.back.notify_one();
        Ok(())
    }
}

async fn followed(store: &Store) -> Arc<Seen> {
    let seen = Arc::new(Seen::default());
    store.follow(Arc::clone(&seen) as Arc<dyn Follower>);
    store.catch_up().await.unwrap();
    seen
}

fn change(scratch: &Scratch, subject: &str) -> claviger_storage::Unit {
    let mut unit = scratch.unit(RealmId::from_bytes([7; 16]));
    unit.changed("thing", subject);
    unit
}

both_engines! {
    async fn a_commit_is_answered_once_this_nodes_followers_have_its_changes(scratch) {
        let seen = followed(&scratch.store).await;
        assert_eq!(seen.reloads(), 1, "a new follower loads everything");
        scratch.store.commit(change(&scratch, "a")).await.unwrap();
        assert_eq!(seen.taken(), ["a"]);
        scratch.store.catch_up().await.unwrap();
        assert_eq!(seen.taken(), [""; 0], "nothing is told twice without need");
        assert_eq!(seen.reloads(), 1);
    }

    async fn a_follower_that_could_not_take_a_change_loads_everything(scratch) {
        let seen = followed(&scratch.store).await;
        seen.refuses.store(true, Ordering::SeqCst);
        scratch.store.commit(change(&scratch, "a")).await.unwrap();
        assert_eq!(seen.reloads(), 2);
        scratch.store.commit(change(&scratch, "b")).await.unwrap();
        assert_eq!(seen.taken(), ["b"]);
        assert_eq!(seen.reloads(), 2);
    }

    async fn what_a_follower_can_neither_take_nor_load_is_not_acknowledged(scratch) {
        let seen = followed(&scratch.store).await;
        seen.away.store(true, Ordering::SeqCst);
        let refused = scratch.store.commit(change(&scratch, "a")).await;
        assert!(matches!(refused, Err(CommitError::Unavailable(_))), "{refused:?}");
        seen.away.store(false, Ordering::SeqCst);
        scratch.store.catch_up().await.unwrap();
        assert_eq!(seen.reloads(), 2, "what was committed all the same is loaded with everything");
        scratch.store.commit(change(&scratch, "b")).await.unwrap();
        assert_eq!(seen.taken(), ["b"]);
    }

    async fn an_outage_is_some_lines_of_log_and_one_at_its_end(scratch) {
        let absent = Arc::new(Absent::default());
        scratch.store.follow(Arc::clone(&absent) as Arc<dyn Follower>);
        let clock = Hasty::new(scratch.clock.clone());
        let ((), lines) = heard(async {
            tokio::select! {
                () = scratch.store.follow_changes(&clock) => {}
                () = absent.back.notified() => {}
            }
        })
        .await;
        let powers: Vec<usize> = (0..10).map(|power| 1 << power).collect();
        assert_eq!(told(&lines, "is followed again"), (powers, vec![1000]), "{lines:#?}");
        assert!(lines[..10].iter().all(|line| line.starts_with("WARN") && line.contains("absent is behind: not now")));
    }

    async fn what_was_loaded_beside_an_earlier_follower_that_could_not_load_is_loaded_again(scratch) {
        let (realms, by_realm) = (Arc::new(Seen::default()), Arc::new(Seen::default()));
        realms.away.store(true, Ordering::SeqCst);
        scratch.store.follow(Arc::clone(&realms) as Arc<dyn Follower>);
        scratch.store.follow(Arc::clone(&by_realm) as Arc<dyn Follower>);
        assert!(scratch.store.catch_up().await.is_err());
        assert_eq!((realms.reloads(), by_realm.reloads()), (0, 1));
        realms.away.store(false, Ordering::SeqCst);
        scratch.store.catch_up().await.unwrap();
        assert_eq!((realms.reloads(), by_realm.reloads()), (1, 2), "it may have looked at realms of long ago");
        scratch.store.commit(change(&scratch, "a")).await.unwrap();
        assert_eq!((by_realm.taken(), by_realm.reloads()), (vec!["a".to_owned()], 2));
    }

    async fn what_was_committed_before_a_follower_came_is_loaded_and_not_told(scratch) {
        scratch.store.commit(change(&scratch, "before")).await.unwrap();
        let seen = followed(&scratch.store).await;
        assert_eq!((seen.taken(), seen.reloads()), (Vec::new(), 1));
    }

    async fn commits_at_once_are_all_told(scratch) {
        let seen = followed(&scratch.store).await;
        let commits = (0..20).map(|number| {
            let (store, unit) = (scratch.store.clone(), change(&scratch, &format!("{number:03}")));
            tokio::spawn(async move { store.commit(unit).await })
        });
        for commit in commits.collect::<Vec<_>>() {
            commit.await.unwrap().unwrap();
        }
        let mut told = seen.taken();
        told.sort();
        assert_eq!(told, (0..20).map(|number| format!("{number:03}")).collect::<Vec<_>>());
    }

    async fn old_entries_are_dropped_and_followers_stay_where_they_are(scratch) {
        let seen = followed(&scratch.store).await;
        scratch.store.commit(change(&scratch, "old")).await.unwrap();
        scratch.clock.advance(core::time::Duration::from_secs(100));
        let before = claviger_kernel::Clock::now(&scratch.clock);
        let forget = || claviger_storage::forget_changes(&scratch.store, &scratch.clock, &*scratch.entropy, before, 10);
        assert_eq!(forget().await.unwrap(), 1);
        assert_eq!(forget().await.unwrap(), 0);
        scratch.store.commit(change(&scratch, "new")).await.unwrap();
        assert_eq!((seen.taken(), seen.reloads()), (vec!["old".to_owned(), "new".to_owned()], 1));
    }
}

fn on_postgres<F: Future<Output = ()>>(test: impl FnOnce(Scratch) -> F) {
    claviger_storage::scratch::run(Engine::Postgres, test);
}

const ADD: &str = "insert into change_log (realm_id, kind, subject, unit_id, at) \
    values ('\\x00000000000000000000000000000000', 'thing', $1, '\\x00000000000000000000000000000000', 0)";

#[test]
fn f44_a_commit_that_comes_late_is_told_though_later_positions_were_read() {
    on_postgres(|scratch| async move {
        let (database, seen) = (scratch.database().unwrap(), followed(&scratch.store).await);
        let (mut early, late) = (database.owner().await.unwrap(), database.owner().await.unwrap());
        let open = early.transaction().await.unwrap();
        open.execute(ADD, &[&b"early".as_slice()]).await.unwrap();
        late.execute(ADD, &[&b"late".as_slice()]).await.unwrap();
        scratch.store.catch_up().await.unwrap();
        assert_eq!(seen.taken(), ["late"], "an open transaction holds nothing back");
        open.commit().await.unwrap();
        scratch.store.catch_up().await.unwrap();
        assert_eq!(seen.taken(), ["early"]);
        assert_eq!(seen.reloads(), 1);
    });
}

#[test]
fn a_foreign_transaction_held_open_delays_nothing_and_repeats_nothing() {
    on_postgres(|scratch| async move {
        let (database, seen) = (scratch.database().unwrap(), followed(&scratch.store).await);
        let mut foreign = database.owner().await.unwrap();
        let held = foreign.transaction().await.unwrap();
        held.execute("create table elsewhere (x int)", &[]).await.unwrap();
        for subject in ["a", "b", "c"] {
            scratch.store.commit(change(&scratch, subject)).await.unwrap();
            assert_eq!(seen.taken(), [subject]);
        }
        held.rollback().await.unwrap();
    });
}

#[test]
fn another_node_is_told_without_looking_by_itself() {
    on_postgres(|scratch| async move {
        let second = scratch.second().await.unwrap();
        let seen = followed(&second).await;
        let (store, clock) = (second.clone(), scratch.clock.clone());
        // The clock stands still: only a notice can wake this node.
        let following = tokio::spawn(async move { store.follow_changes(&clock).await });
        let mut number = 0;
        while seen.subjects.lock().is_empty() {
            // Until its connection listens, notices go nowhere.
            number += 1;
            scratch.store.commit(change(&scratch, &number.to_string())).await.unwrap();
            let told = seen.told.notified();
            assert!(number < 600, "the other node hears nothing");
            drop(tokio::time::timeout(core::time::Duration::from_millis(100), told).await);
        }
        following.abort();
        second.close().await;
    });
}

#[test]
fn another_node_looks_by_itself_twice_a_second() {
    on_postgres(|scratch| async move {
        let second = scratch.second().await.unwrap();
        let seen = followed(&second).await;
        let first = scratch.database().unwrap().owner().await.unwrap();
        let (store, clock) = (second.clone(), scratch.clock.clone());
        let following = tokio::spawn(async move { store.follow_changes(&clock).await });
        // Nobody tells of a row that was written past every node.
        first.execute(ADD, &[&b"silent".as_slice()]).await.unwrap();
        while seen.subjects.lock().is_empty() {
            scratch.clock.advance(core::time::Duration::from_millis(500));
            tokio::task::yield_now().await;
        }
        assert_eq!(seen.taken(), ["silent"]);
        following.abort();
        second.close().await;
    });
}

#[test]
fn f35_a_restored_log_has_everything_loaded_again() {
    on_postgres(|scratch| async move {
        let (database, seen) = (scratch.database().unwrap(), followed(&scratch.store).await);
        let owner = database.owner().await.unwrap();
        owner.execute("update log_identity set id = '\\x01020304050607080910111213141516'", &[]).await.unwrap();
        scratch.store.catch_up().await.unwrap();
        assert_eq!(seen.reloads(), 2);
        // Entries of transactions that this server has not begun yet are none of its own.
        owner
            .execute(
                &ADD.replace("(realm_id", "(txid, realm_id").replace("values (", "values (1099511627776, "),
                &[&b"x".as_slice()],
            )
            .await
            .unwrap();
        scratch.store.catch_up().await.unwrap();
        assert_eq!(seen.taken(), [""; 0]);
    });
}
