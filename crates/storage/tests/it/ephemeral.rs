//! Short-lived state: taken exactly once, counted without loss, gone at its time, wherever it stands.

mod clocks;
mod redis;

use std::time::Duration;

use claviger_kernel::{Clock as _, RealmId, Timestamp, Unavailable};
use claviger_storage::scratch::{Link, Scratch, ScratchRedis, Way};
use claviger_storage::{Ephemeral, FirstUse, args, both_engines, statements};
use futures_util::future::join_all;

statements! {
    /// All rows, living or not.
    ROWS: shared("a test counts them all") "select count(*) from ephemerals";
}

const MINUTE: Duration = Duration::from_mins(1);

fn soon(scratch: &Scratch) -> Timestamp {
    scratch.clock.now().plus(MINUTE)
}

/// Two nodes over one place of short-lived state.
struct Seam {
    scratch: Scratch,
    node: Ephemeral,
    other: Ephemeral,
    _way: Option<Link>,
}

impl Seam {
    fn in_database(scratch: Scratch) -> Self {
        Self { node: scratch.ephemeral(), other: scratch.ephemeral(), scratch, _way: None }
    }

    async fn on_redis(scratch: Scratch) -> Self {
        let redis = ScratchRedis::take().await;
        let node = redis.ephemeral(&scratch, &redis.url()).await;
        let other = redis.ephemeral(&scratch, &redis.url()).await;
        node.redis_answers().unwrap();
        // The first filling ever is agreed upon now; what is issued from here on is remembered.
        scratch.clock.advance(MINUTE);
        Self { scratch, node, other, _way: None }
    }

    async fn without_redis(scratch: Scratch) -> Self {
        let redis = ScratchRedis::take().await;
        let (way, url) = redis.linked().await;
        way.set(Way::Cut);
        let node = redis.ephemeral(&scratch, &url).await;
        let other = redis.ephemeral(&scratch, &url).await;
        node.redis_answers().unwrap_err();
        Self { scratch, node, other, _way: Some(way) }
    }

    fn soon(&self) -> Timestamp {
        soon(&self.scratch)
    }

    fn either(&self, turn: usize) -> &Ephemeral {
        if turn.is_multiple_of(2) { &self.node } else { &self.other }
    }
}

/// Asks again as long as the store says that it cannot answer now, as callers are told to.
async fn insist<T, F: Future<Output = Result<T, Unavailable>>>(ask: impl Fn() -> F) -> T {
    loop {
        if let Ok(answer) = ask().await {
            return answer;
        }
    }
}

/// Declares what must be so in the database, on Redis, and in the database in place of a Redis that does not answer.
macro_rules! behaviours {
    ($(async fn $name:ident($seam:ident) $body:block)*) => {
        $(async fn $name($seam: &Seam) $body)*

        mod database {
            use super::both_engines;
            both_engines! { $(async fn $name(scratch) {
                crate::it::ephemeral::$name(&crate::it::ephemeral::Seam::in_database(scratch)).await;
            })* }
        }

        mod on_redis {
            use super::both_engines;
            both_engines! { $(async fn $name(scratch) {
                crate::it::ephemeral::$name(&crate::it::ephemeral::Seam::on_redis(scratch).await).await;
            })* }
        }

        mod without_redis {
            use super::both_engines;
            both_engines! { $(async fn $name(scratch) {
                crate::it::ephemeral::$name(&crate::it::ephemeral::Seam::without_redis(scratch).await).await;
            })* }
        }
    };
}

behaviours! {
    async fn a_value_is_read_until_its_time_and_not_at_it(seam) {
        let (ephemeral, realm) = (&seam.node, seam.scratch.id());
        assert_eq!(ephemeral.get(realm, "flow", b"k").await.unwrap(), None);
        ephemeral.put(realm, "flow", b"k", b"v".to_vec(), seam.soon()).await.unwrap();
        assert_eq!(ephemeral.get(realm, "flow", b"k").await.unwrap(), Some(b"v".to_vec()));
        seam.scratch.clock.advance(Duration::from_micros(59_999_999));
        assert_eq!(ephemeral.get(realm, "flow", b"k").await.unwrap(), Some(b"v".to_vec()));
        seam.scratch.clock.advance(Duration::from_micros(1));
        assert_eq!(ephemeral.get(realm, "flow", b"k").await.unwrap(), None);
        assert_eq!(ephemeral.take(realm, "flow", b"k").await.unwrap(), None);
    }

    async fn realms_kinds_and_keys_are_apart(seam) {
        let (ephemeral, realm, other): (_, RealmId, RealmId) = (&seam.node, seam.scratch.id(), seam.scratch.id());
        for (realm, kind, key) in [(realm, "flow", &b"k"[..]), (other, "flow", b"k"), (realm, "par", b"k")] {
            let value = [&realm.as_bytes()[..], kind.as_bytes(), key].concat();
            ephemeral.put(realm, kind, key, value, seam.soon()).await.unwrap();
        }
        for (realm, kind, key) in [(realm, "flow", &b"k"[..]), (other, "flow", b"k"), (realm, "par", b"k")] {
            let value = [&realm.as_bytes()[..], kind.as_bytes(), key].concat();
            assert_eq!(ephemeral.take(realm, kind, key).await.unwrap(), Some(value));
        }
        assert_eq!(ephemeral.get(other, "par", b"k").await.unwrap(), None);
        assert_eq!(ephemeral.get(realm, "flow", b"K").await.unwrap(), None);
    }

    async fn a_value_takes_the_place_of_an_older_one_with_its_own_expiry(seam) {
        let (ephemeral, realm) = (&seam.node, seam.scratch.id());
        ephemeral.put(realm, "flow", b"", vec![], seam.soon()).await.unwrap();
        assert_eq!(ephemeral.get(realm, "flow", b"").await.unwrap(), Some(vec![]));
        let large = vec![7; 1_000_000];
        ephemeral.put(realm, "flow", b"", large.clone(), seam.soon().plus(MINUTE)).await.unwrap();
        seam.scratch.clock.advance(MINUTE);
        assert!(ephemeral.get(realm, "flow", b"").await.unwrap() == Some(large));
    }

    async fn of_fifty_who_take_a_value_exactly_one_gets_it(seam) {
        let (ephemeral, realm) = (&seam.node, seam.scratch.id());
        ephemeral.put(realm, "code", b"k", b"v".to_vec(), seam.soon()).await.unwrap();
        let tries = (0..50).map(|turn| insist(move || seam.either(turn).take(realm, "code", b"k")));
        let taken = join_all(tries).await;
        let taken: Vec<Vec<u8>> = taken.into_iter().flatten().collect();
        assert_eq!(taken, [b"v".to_vec()]);
        assert_eq!(ephemeral.get(realm, "code", b"k").await.unwrap(), None);
    }

    async fn fifty_who_count_get_fifty_different_numbers(seam) {
        let realm = seam.scratch.id();
        let counts = (0..50).map(|turn| insist(move || seam.either(turn).increment(realm, "rate", b"k", seam.soon())));
        let mut counts = join_all(counts).await;
        counts.sort_unstable();
        assert_eq!(counts, (1..=50).collect::<Vec<_>>());
    }

    async fn a_count_keeps_the_expiry_of_its_first_and_begins_anew_after_it(seam) {
        let (ephemeral, realm) = (&seam.node, seam.scratch.id());
        let count = || ephemeral.increment(realm, "rate", b"k", seam.soon());
        assert_eq!(count().await.unwrap(), 1);
        seam.scratch.clock.advance(MINUTE / 2);
        assert_eq!(count().await.unwrap(), 2);
        seam.scratch.clock.advance(MINUTE / 2);
        assert_eq!(count().await.unwrap(), 1, "the second did not prolong it");
        seam.scratch.clock.advance(MINUTE / 2);
        assert_eq!(count().await.unwrap(), 2);
    }

    async fn a_value_is_replaced_only_where_the_expected_one_stands(seam) {
        let (ephemeral, realm) = (&seam.node, seam.scratch.id());
        let until = seam.soon();
        let replace = async |old: &[u8], new: &[u8]| {
            ephemeral.replace(realm, "flow", b"k", old, new, until.plus(MINUTE)).await.unwrap()
        };
        assert!(!replace(b"", b"1").await, "nothing stands there");
        ephemeral.put(realm, "flow", b"k", b"1".to_vec(), until).await.unwrap();
        assert!(!replace(b"2", b"3").await);
        assert!(replace(b"1", b"2 \0").await);
        assert!(!replace(b"1", b"3").await);
        seam.scratch.clock.advance(MINUTE);
        assert_eq!(ephemeral.get(realm, "flow", b"k").await.unwrap(), Some(b"2 \0".to_vec()), "the new expiry counts");
        seam.scratch.clock.advance(MINUTE);
        assert!(!replace(b"2 \0", b"3").await, "what has expired is not there");
    }

    async fn of_fifty_who_replace_a_value_exactly_one_does(seam) {
        let realm = seam.scratch.id();
        seam.node.put(realm, "flow", b"k", b"old".to_vec(), seam.soon()).await.unwrap();
        let new: Vec<Vec<u8>> = (0..50_u8).map(|number| vec![number]).collect();
        let tries = new.iter().enumerate();
        let tries = tries.map(|(turn, new)| {
            insist(move || seam.either(turn).replace(realm, "flow", b"k", b"old", new, seam.soon()))
        });
        let done = join_all(tries).await;
        let stands = seam.node.get(realm, "flow", b"k").await.unwrap().unwrap();
        assert_eq!(done.iter().filter(|done| **done).count(), 1);
        assert!(done[usize::from(stands[0])]);
    }

    async fn what_was_taken_can_be_put_again_and_taken_again(seam) {
        let realm = seam.scratch.id();
        for value in [b"1", b"2"] {
            seam.node.put(realm, "flow", b"k", value.to_vec(), seam.soon()).await.unwrap();
            assert_eq!(seam.other.take(realm, "flow", b"k").await.unwrap(), Some(value.to_vec()));
            assert_eq!(seam.node.take(realm, "flow", b"k").await.unwrap(), None);
            assert_eq!(seam.node.get(realm, "flow", b"k").await.unwrap(), None);
            assert!(!seam.node.replace(realm, "flow", b"k", value, b"3", seam.soon()).await.unwrap());
        }
    }

    async fn a041_of_fifty_uses_of_an_id_on_two_nodes_one_is_the_first(seam) {
        let realm = seam.scratch.id();
        seam.node.increment(realm, "rate", b"k", seam.soon()).await.unwrap();
        seam.scratch.clock.advance(MINUTE / 6);
        let issued = seam.scratch.clock.now();
        let uses = (0..50).map(|turn| {
            insist(move || seam.either(turn).first_use(realm, "jti", b"k", issued, seam.soon()))
        });
        let uses = join_all(uses).await;
        assert_eq!(uses.iter().filter(|found| **found == FirstUse::First).count(), 1);
        assert_eq!(uses.iter().filter(|found| **found == FirstUse::Again).count(), 49);
        let of_other_realm = seam.node.first_use(seam.scratch.id(), "jti", b"k", issued, seam.soon()).await;
        assert_eq!(of_other_realm, Ok(FirstUse::First));
    }
}

both_engines! {
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
