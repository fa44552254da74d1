//! Redis cut off, hung, emptied, and back again.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use claviger_kernel::{Clock as _, Entropy as _, RealmId, Secret, SeededEntropy, Timestamp};
use claviger_storage::scratch::{Link, Scratch, ScratchRedis, Way};
use claviger_storage::{Ephemeral, FirstUse, RedisPatience, both_engines};
use futures_util::future::join_all;
use tokio::net::TcpListener;
use tokio::time::timeout;

use super::{MINUTE, soon};

/// How long a Redis that answers is waited for, and any fact, on a machine that has much else to do.
const LONG: Duration = Duration::from_mins(1);
/// How long one that does not: hundreds of such waits would show.
const SHORT: Duration = Duration::from_secs(2);

/// Two nodes, each with a way of its own to one Redis.
struct Cluster {
    redis: ScratchRedis,
    ways: [Link; 2],
    nodes: [Ephemeral; 2],
}

impl Cluster {
    async fn of(scratch: &Scratch) -> Self {
        Self::within(LONG, scratch).await
    }

    /// Nodes that wait no longer than `span` for an answer of Redis.
    async fn within(span: Duration, scratch: &Scratch) -> Self {
        let redis = ScratchRedis::take().await;
        let (one, to_one) = redis.linked().await;
        let (two, to_two) = redis.linked().await;
        let nodes = [
            redis.ephemeral_within(span, scratch, &to_one).await,
            redis.ephemeral_within(span, scratch, &to_two).await,
        ];
        let nodes = Self { redis, ways: [one, two], nodes };
        nodes.until_redis_answers().await;
        scratch.clock.advance(MINUTE);
        nodes
    }

    fn set(&self, way: Way) {
        for each in &self.ways {
            each.set(way);
        }
    }

    async fn until_redis_answers(&self) {
        for node in &self.nodes {
            until(async || node.redis_answers().is_ok()).await;
        }
    }

    /// Takes from both nodes, fifty times, and gives what was got.
    async fn take(&self, realm: RealmId, key: &[u8]) -> Vec<Vec<u8>> {
        let takes = (0..50).map(|turn| self.nodes[turn % 2].take(realm, "flow", key));
        join_all(takes).await.into_iter().filter_map(|taken| taken.ok().flatten()).collect()
    }
}

/// Waits for a fact that nobody announces, and leaves the processor to those who bring it about.
async fn until(fact: impl AsyncFn() -> bool) {
    let waiting = async {
        while !fact().await {
            let _ = timeout(Duration::from_millis(2), std::future::pending::<()>()).await;
        }
    };
    timeout(LONG, waiting).await.expect("it comes true within a while");
}

both_engines! {
    async fn f37_without_redis_values_are_put_and_found_and_they_outlast_its_return(scratch) {
        let (nodes, realm) = (Cluster::of(&scratch).await, scratch.id());
        let [one, two] = &nodes.nodes;
        one.put(realm, "flow", b"before", b"1".to_vec(), soon(&scratch)).await.unwrap();
        nodes.set(Way::Cut);
        until(async || one.redis_answers().is_err() && two.redis_answers().is_err()).await;
        one.put(realm, "flow", b"during", b"2".to_vec(), soon(&scratch)).await.unwrap();
        one.put(realm, "flow", b"taken", b"3".to_vec(), soon(&scratch)).await.unwrap();
        assert_eq!(two.get(realm, "flow", b"during").await.unwrap(), Some(b"2".to_vec()));
        assert_eq!(nodes.take(realm, b"taken").await, [b"3".to_vec()]);
        nodes.set(Way::Open);
        nodes.until_redis_answers().await;
        assert_eq!(nodes.take(realm, b"before").await, [b"1".to_vec()]);
        assert_eq!(nodes.take(realm, b"during").await, [b"2".to_vec()]);
        assert_eq!(nodes.take(realm, b"taken").await, Vec::<Vec<u8>>::new());
    }

    async fn f37_a_value_of_before_does_not_come_back_in_place_of_a_later_one(scratch) {
        let (nodes, realm) = (Cluster::of(&scratch).await, scratch.id());
        let [one, two] = &nodes.nodes;
        for key in [b"a", b"b"] {
            one.put(realm, "flow", key, b"old".to_vec(), soon(&scratch)).await.unwrap();
        }
        nodes.ways[0].set(Way::Cut);
        until(async || one.redis_answers().is_err()).await;
        for key in [b"a", b"b"] {
            one.put(realm, "flow", key, b"new".to_vec(), soon(&scratch)).await.unwrap();
            assert_eq!(two.get(realm, "flow", key).await.unwrap(), Some(b"new".to_vec()), "for a node that reaches Redis");
        }
        assert!(!two.replace(realm, "flow", b"b", b"old", b"x", soon(&scratch)).await.unwrap());
        assert_eq!(nodes.take(realm, b"a").await, [b"new".to_vec()]);
        nodes.set(Way::Open);
        nodes.until_redis_answers().await;
        assert_eq!(nodes.take(realm, b"a").await, Vec::<Vec<u8>>::new());
        assert!(two.replace(realm, "flow", b"b", b"new", b"x", soon(&scratch)).await.unwrap());
        assert_eq!(nodes.take(realm, b"b").await, [b"x".to_vec()]);
    }

    async fn f40_a_hung_redis_is_waited_for_once_and_then_passed_by(scratch) {
        let (nodes, realm) = (Cluster::within(SHORT, &scratch).await, scratch.id());
        let node = &nodes.nodes[0];
        node.put(realm, "flow", b"before", b"1".to_vec(), soon(&scratch)).await.unwrap();
        nodes.set(Way::Silent);
        // At two seconds for each these would take 40 minutes.
        let work = async {
            for number in 0..400_u32 {
                let key = number.to_be_bytes();
                node.put(realm, "flow", &key, key.to_vec(), soon(&scratch)).await.unwrap();
                assert_eq!(node.get(realm, "flow", &key).await.unwrap(), Some(key.to_vec()));
                assert_eq!(node.increment(realm, "rate", &key, soon(&scratch)).await.unwrap(), 1);
            }
            assert_eq!(node.get(realm, "flow", b"before").await.unwrap(), None, "what it holds is out of reach");
        };
        timeout(LONG * 5, work).await.expect("nobody waits for it");
        nodes.set(Way::Open);
        nodes.until_redis_answers().await;
        assert_eq!(node.get(realm, "flow", b"before").await.unwrap(), Some(b"1".to_vec()));
    }

    async fn f40_a_value_that_a_hung_redis_stores_late_is_still_taken_once(scratch) {
        let (nodes, realm) = (Cluster::within(SHORT, &scratch).await, scratch.id());
        nodes.set(Way::Silent);
        // Sent to Redis, not answered within the time limit, and so put into the database.
        nodes.nodes[0].put(realm, "flow", b"late", b"1".to_vec(), soon(&scratch)).await.unwrap();
        nodes.set(Way::Open);
        nodes.until_redis_answers().await;
        until(async || nodes.redis.names().await.iter().any(|name| name.ends_with(b":flow:late"))).await;
        assert_eq!(nodes.take(realm, b"late").await, [b"1".to_vec()]);
        assert_eq!(nodes.take(realm, b"late").await, Vec::<Vec<u8>>::new());
    }

    async fn f38_after_a_flush_values_are_gone_and_no_id_is_taken_for_new(scratch) {
        let (nodes, realm) = (Cluster::of(&scratch).await, scratch.id());
        let [one, two] = &nodes.nodes;
        let use_of = async |node: &Ephemeral, id: &[u8], issued| {
            node.first_use(realm, "jti", id, issued, scratch.clock.now().plus(MINUTE)).await.unwrap()
        };
        let early = scratch.clock.now();
        one.put(realm, "flow", b"k", b"1".to_vec(), soon(&scratch)).await.unwrap();
        assert_eq!(use_of(one, b"early", early).await, FirstUse::First);
        nodes.redis.flush().await;
        assert_eq!(one.get(realm, "flow", b"k").await.unwrap(), None);
        assert_eq!(use_of(one, b"early", early).await, FirstUse::Forgotten);
        assert_eq!(use_of(one, b"unused", early).await, FirstUse::Forgotten, "nobody can tell");
        scratch.clock.advance(Duration::from_secs(10));
        nodes.until_redis_answers().await;
        let late = scratch.clock.now();
        assert_eq!(use_of(two, b"early", early).await, FirstUse::Forgotten, "on the other node");
        assert_eq!(use_of(two, b"late", late).await, FirstUse::First);
        assert_eq!(use_of(one, b"late", late).await, FirstUse::Again);
    }

    async fn f39_counts_that_redis_has_lost_begin_anew_and_no_row_is_lost(scratch) {
        let (nodes, realm) = (Cluster::of(&scratch).await, scratch.id());
        let [one, two] = &nodes.nodes;
        for count in 1..=3 {
            assert_eq!(one.increment(realm, "rate", b"k", soon(&scratch)).await.unwrap(), count);
        }
        nodes.set(Way::Cut);
        until(async || one.redis_answers().is_err()).await;
        one.put(realm, "flow", b"k", b"1".to_vec(), soon(&scratch)).await.unwrap();
        // The one that takes over has another history, and nothing of the last moments.
        nodes.redis.flush().await;
        nodes.set(Way::Open);
        nodes.until_redis_answers().await;
        assert!(two.increment(realm, "rate", b"k", soon(&scratch)).await.unwrap() <= 4);
        assert_eq!(nodes.take(realm, b"k").await, [b"1".to_vec()]);
    }

    async fn a041_no_id_is_taken_for_new_twice_whatever_becomes_of_redis(scratch) {
        let (nodes, realm) = (Cluster::within(SHORT / 40, &scratch).await, scratch.id());
        let dice = SeededEntropy::new(7);
        let roll = |sides: u8| {
            let mut byte = [0; 1];
            dice.fill(&mut byte);
            byte[0] % sides
        };
        let mut issued: Vec<(u32, Timestamp, u32)> = Vec::new();
        let mut fresh = 0;
        for number in 0..120_u32 {
            match roll(12) {
                0 => nodes.ways[usize::from(roll(2))].set(Way::Cut),
                1 => nodes.ways[usize::from(roll(2))].set(Way::Silent),
                2 => nodes.redis.flush().await,
                3 | 4 => {
                    nodes.set(Way::Open);
                    nodes.until_redis_answers().await;
                }
                5 => scratch.clock.advance(Duration::from_secs(9)),
                _ => scratch.clock.advance(Duration::from_millis(u64::from(roll(200)) * 10)),
            }
            issued.push((number, scratch.clock.now(), 0));
            let recent = issued.len().saturating_sub(6);
            for (id, at, firsts) in &mut issued[recent..] {
                let node = &nodes.nodes[usize::from(roll(2))];
                let found = node.first_use(realm, "jti", &id.to_be_bytes(), *at, at.plus(MINUTE * 5)).await.unwrap();
                *firsts += u32::from(found == FirstUse::First);
                fresh += u32::from(found == FirstUse::First);
                assert!(*firsts <= 1, "the id {id} was new twice");
            }
        }
        assert!(fresh > 10, "most of the time ids are accepted: {fresh}");
    }

    async fn f40_a_server_that_ends_every_connection_is_not_stormed(scratch) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = Secret::new(format!("redis://{}", listener.local_addr().unwrap()));
        let attempts = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&attempts);
        tokio::spawn(async move {
            while listener.accept().await.is_ok() {
                count.fetch_add(1, Ordering::SeqCst);
            }
        });
        let (clock, entropy) = (scratch.clock(), scratch.entropy());
        let node = Ephemeral::on_redis(&url, RedisPatience::ORDINARY, scratch.store.clone(), clock, entropy).await.unwrap();
        let realm = scratch.id();
        for number in 0..300_u32 {
            node.put(realm, "flow", &number.to_be_bytes(), vec![], soon(&scratch)).await.unwrap();
        }
        assert!(attempts.load(Ordering::SeqCst) < 30, "{attempts:?} attempts for 300 requests");
    }
}
