//! Short-lived state: taken exactly once, counted without loss, gone at its time.

use std::time::Duration;

use claviger_kernel::{Clock as _, RealmId, Timestamp};
use claviger_storage::scratch::Scratch;
use claviger_storage::{args, both_engines, statements};
use futures_util::future::join_all;

statements! {
    /// All rows, living or not.
    ROWS: shared("a test counts them all") "select count(*) from ephemerals";
}

const MINUTE: Duration = Duration::from_mins(1);

fn soon(scratch: &Scratch) -> Timestamp {
    scratch.clock.now().plus(MINUTE)
}

both_engines! {
    async fn a_value_is_read_until_its_time_and_not_at_it(scratch) {
        let (ephemeral, realm) = (scratch.ephemeral(), scratch.id());
        assert_eq!(ephemeral.get(realm, "flow", b"k").await.unwrap(), None);
        ephemeral.put(realm, "flow", b"k", b"v".to_vec(), soon(&scratch)).await.unwrap();
        assert_eq!(ephemeral.get(realm, "flow", b"k").await.unwrap(), Some(b"v".to_vec()));
        scratch.clock.advance(Duration::from_micros(59_999_999));
        assert_eq!(ephemeral.get(realm, "flow", b"k").await.unwrap(), Some(b"v".to_vec()));
        scratch.clock.advance(Duration::from_micros(1));
        assert_eq!(ephemeral.get(realm, "flow", b"k").await.unwrap(), None);
        assert_eq!(ephemeral.take(realm, "flow", b"k").await.unwrap(), None);
    }

    async fn realms_kinds_and_keys_are_apart(scratch) {
        let (ephemeral, realm, other): (_, RealmId, RealmId) = (scratch.ephemeral(), scratch.id(), scratch.id());
        for (realm, kind, key) in [(realm, "flow", &b"k"[..]), (other, "flow", b"k"), (realm, "par", b"k")] {
            let value = [&realm.as_bytes()[..], kind.as_bytes(), key].concat();
            ephemeral.put(realm, kind, key, value, soon(&scratch)).await.unwrap();
        }
        for (realm, kind, key) in [(realm, "flow", &b"k"[..]), (other, "flow", b"k"), (realm, "par", b"k")] {
            let value = [&realm.as_bytes()[..], kind.as_bytes(), key].concat();
            assert_eq!(ephemeral.take(realm, kind, key).await.unwrap(), Some(value));
        }
        assert_eq!(ephemeral.get(other, "par", b"k").await.unwrap(), None);
        assert_eq!(ephemeral.get(realm, "flow", b"K").await.unwrap(), None);
    }

    async fn a_value_takes_the_place_of_an_older_one_with_its_own_expiry(scratch) {
        let (ephemeral, realm) = (scratch.ephemeral(), scratch.id());
        ephemeral.put(realm, "flow", b"", vec![], soon(&scratch)).await.unwrap();
        assert_eq!(ephemeral.get(realm, "flow", b"").await.unwrap(), Some(vec![]));
        let large = vec![7; 1_000_000];
        ephemeral.put(realm, "flow", b"", large.clone(), soon(&scratch).plus(MINUTE)).await.unwrap();
        scratch.clock.advance(MINUTE);
        assert!(ephemeral.get(realm, "flow", b"").await.unwrap() == Some(large));
    }

    async fn of_fifty_who_take_a_value_exactly_one_gets_it(scratch) {
        let (ephemeral, realm) = (scratch.ephemeral(), scratch.id());
        ephemeral.put(realm, "code", b"k", b"v".to_vec(), soon(&scratch)).await.unwrap();
        let taken = join_all((0..50).map(|_| ephemeral.take(realm, "code", b"k"))).await;
        let taken: Vec<Vec<u8>> = taken.into_iter().filter_map(Result::unwrap).collect();
        assert_eq!(taken, [b"v".to_vec()]);
        assert_eq!(ephemeral.get(realm, "code", b"k").await.unwrap(), None);
    }

    async fn fifty_who_count_get_fifty_different_numbers(scratch) {
        let (ephemeral, realm) = (scratch.ephemeral(), scratch.id());
        let counts = join_all((0..50).map(|_| ephemeral.increment(realm, "rate", b"k", soon(&scratch)))).await;
        let mut counts: Vec<u64> = counts.into_iter().map(Result::unwrap).collect();
        counts.sort_unstable();
        assert_eq!(counts, (1..=50).collect::<Vec<_>>());
    }

    async fn a_count_keeps_the_expiry_of_its_first_and_begins_anew_after_it(scratch) {
        let (ephemeral, realm) = (scratch.ephemeral(), scratch.id());
        let count = || ephemeral.increment(realm, "rate", b"k", soon(&scratch));
        assert_eq!(count().await.unwrap(), 1);
        scratch.clock.advance(MINUTE / 2);
        assert_eq!(count().await.unwrap(), 2);
        scratch.clock.advance(MINUTE / 2);
        assert_eq!(count().await.unwrap(), 1, "the second did not prolong it");
        scratch.clock.advance(MINUTE / 2);
        assert_eq!(count().await.unwrap(), 2);
    }

    async fn what_has_expired_is_dropped_in_small_batches_and_nothing_else(scratch) {
        let (ephemeral, realm, other) = (scratch.ephemeral(), scratch.id(), scratch.id());
        for number in 0..7 {
            let realm = if number % 2 == 0 { realm } else { other };
            ephemeral.put(realm, "flow", &[number], vec![], soon(&scratch)).await.unwrap();
        }
        ephemeral.put(realm, "flow", b"later", vec![], soon(&scratch).plus(MINUTE)).await.unwrap();
        assert_eq!(ephemeral.expire(5).await.unwrap(), 0);
        scratch.clock.advance(MINUTE);
        assert_eq!(ephemeral.expire(5).await.unwrap(), 5);
        assert_eq!(ephemeral.expire(5).await.unwrap(), 2);
        assert_eq!(ephemeral.expire(5).await.unwrap(), 0);
        let rows = scratch.store.get(&ROWS, args![], |row| row.get::<i64>(0)).await.unwrap();
        assert_eq!(rows, Some(1));
        assert!(ephemeral.take(realm, "flow", b"later").await.unwrap().is_some());
    }
}
