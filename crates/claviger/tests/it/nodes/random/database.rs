//! What happens to the database behind the nodes' backs: foreign and late transactions, and a restore elsewhere.

use std::fmt::Write as _;

use claviger_kernel::{Entropy as _, SeededEntropy};
use claviger_storage::scratch::Way;
use futures_util::future::join_all;
use tokio_postgres::{Client, SimpleQueryMessage};

use super::cluster::{Cluster, connected, place};
use super::people::Promise;
use super::world::{NODES, World};
use crate::it::nodes::wire::claims;

/// So many transactions a cluster has seen before it is given up, so that the numbers of the next are far below its own.
const AGE: i64 = 20_000;

/// The revocation of one access token, as a node writes it.
struct Entry {
    jti: String,
    unit: String,
}

impl Entry {
    fn of(token: &str) -> Self {
        let jti = claims(token)["jti"].as_str().expect("a jti").to_owned();
        let seed = jti.bytes().fold(7_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(byte)));
        let mut unit = [0; 16];
        SeededEntropy::new(seed).fill(&mut unit);
        Self { jti, unit: format!("'\\x{}'::bytea", hex(&unit)) }
    }

    fn row(&self) -> String {
        let jti = hex(self.jti.as_bytes());
        format!(
            "insert into revocations (realm_id, unit_id, kind, subject, name, epoch, at) \
             select id, {}, 'token', '\\x{jti}', '{}', 1, {NOW} from realms where name = 'main'",
            self.unit, self.jti
        )
    }

    fn change(&self) -> String {
        // Kind, epoch and name: what the view reads.
        let subject = format!("00{}{}", hex(&1_i64.to_be_bytes()), hex(self.jti.as_bytes()));
        format!(
            "insert into change_log (realm_id, kind, subject, unit_id, at) \
             select id, 'revocation', '\\x{subject}', {}, {NOW} from realms where name = 'main'",
            self.unit
        )
    }
}

const NOW: &str = "(extract(epoch from clock_timestamp()) * 1000000)::bigint";

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

pub(super) async fn run(client: &Client, text: &str) {
    client.batch_execute(text).await.unwrap_or_else(|error| panic!("{text}: {error:?}"));
}

/// The first column of every row.
pub(super) async fn asked(client: &Client, text: &str) -> Vec<String> {
    let answer = client.simple_query(text).await.unwrap_or_else(|error| panic!("{text}: {error:?}"));
    let row = |message| match message {
        SimpleQueryMessage::Row(row) => Some(row.get(0).unwrap_or_default().to_owned()),
        _ => None,
    };
    answer.into_iter().filter_map(row).collect()
}

impl World {
    /// Revokes a token in a transaction that takes its place in the log now, and commits when `meanwhile` is over. What
    /// comes later is committed earlier, and read.
    pub(super) async fn revoke(&self, token: &str, meanwhile: impl AsyncFnOnce()) {
        let _stays = self.moving.read().await;
        let (entry, late, early) = (Entry::of(token), self.owner().await, self.owner().await);
        run(&late, "begin").await;
        run(&late, &entry.row()).await;
        run(&late, &entry.change()).await;
        let thing = "insert into change_log (realm_id, kind, subject, unit_id, at) \
            select id, 'thing', '\\x01', id, 0 from realms where name = 'main'";
        run(&early, thing).await;
        meanwhile().await;
        run(&late, "commit").await;
    }

    /// Begins a transaction that has nothing to do with us, and leaves it open; ends the one before.
    pub(super) async fn hold(&self) {
        let _stays = self.moving.read().await;
        let client = self.owner().await;
        run(&client, "begin; select pg_current_xact_id()").await;
        *self.held.lock() = Some(client);
    }

    /// Makes the cluster an old one: what this is for is told at [`AGE`].
    pub(super) async fn age(&self) {
        let years =
            format!("do $$ begin for n in 1..{AGE} loop perform pg_current_xact_id(); commit; end loop; end $$");
        run(&self.owner().await, &years).await;
    }

    /// Moves everything to another cluster, where the numbers of transactions are far below those in the log and those
    /// that nodes have seen. `revoked` is a token that is revoked there before any of these nodes comes back.
    pub(super) async fn restore(&self, revoked: &str) {
        let cluster = Cluster::start().await;
        let _moves = self.moving.write().await;
        self.part_all();
        *self.held.lock() = None;
        let old = self.home();
        let owner = connected(&old, "postgres").await;
        let name = &self.database;
        let others = format!("select pg_terminate_backend(pid) from pg_stat_activity where datname = '{name}'");
        while !asked(&owner, &others).await.is_empty() {}
        cluster.restore(&old, name).await;
        let (before, place) = (self.transactions().await, place(cluster.config()));
        let left = self.home.lock().replace(cluster);
        let after = self.transactions().await;
        assert!(after + AGE / 2 < before, "a cluster of {after} transactions after one of {before}");
        self.write(revoked).await;
        for node in 0..NODES {
            self.nodes.link(node).lead_to(place.clone());
        }
        join_all((0..NODES).map(|node| self.heal(node))).await;
        if let Some(left) = left {
            left.end().await;
        }
        self.age().await;
    }

    /// Puts the cluster's files back to a moment after which nothing was promised, but much was seen by nodes. Of a token
    /// that is revoked after that they know nothing. The cluster is not the one that the tests share.
    pub(super) async fn put_back(&self, revoked: &str) {
        let _moves = self.moving.write().await;
        let cluster = self.home.lock().take().expect("a cluster of our own");
        let everybody = || join_all((0..NODES).map(|node| self.heal(node)));
        *self.held.lock() = None;
        self.part_all();
        cluster.copy().await;
        *self.home.lock() = Some(cluster);
        everybody().await;
        self.age().await;
        everybody().await;
        self.part_all();
        let before = self.transactions().await;
        let cluster = self.home.lock().take().expect("a cluster of our own");
        cluster.put_back().await;
        *self.home.lock() = Some(cluster);
        let after = self.transactions().await;
        assert!(after + AGE / 2 < before, "a cluster of {after} transactions in place of one of {before}");
        self.write(revoked).await;
        everybody().await;
    }

    fn part_all(&self) {
        for node in 0..NODES {
            self.part(node, Way::Cut);
        }
    }

    /// Writes a revocation as a node does.
    async fn write(&self, revoked: &str) {
        let (owner, entry) = (self.owner().await, Entry::of(revoked));
        run(&owner, &entry.row()).await;
        run(&owner, &entry.change()).await;
    }

    /// How many transactions the cluster has seen.
    async fn transactions(&self) -> i64 {
        let text = "select pg_snapshot_xmax(pg_current_snapshot())::text";
        asked(&self.owner().await, text).await.remove(0).parse().expect("a number")
    }

    /// Each of these changes is in the audit trail: as often as it was acknowledged, and those that can happen once, once.
    pub(super) async fn kept(&self, promises: &[Promise]) {
        let owner = self.owner().await;
        for promise in promises {
            let Promise { event, subject, once } = promise;
            let text = format!("select count(*) from audit_events where name = '{event}' and subject = '{subject}'");
            let count: usize = asked(&owner, &text).await[0].parse().expect("a count");
            let times = promises.iter().filter(|other| other.event == *event && other.subject == *subject).count();
            let right = if *once { count == 1 } else { count >= times };
            assert!(right, "{event} of {subject}: {count} in the audit trail, {times} acknowledged");
            if *event == "account_created" {
                let row = format!("select count(*) from emails where address = '{subject}'");
                assert_eq!(asked(&owner, &row).await, ["1"], "{subject} was made");
            }
        }
    }

    /// How often the token of a family has been replaced, as its row says, if it lives.
    pub(super) async fn generation(&self, family: [u8; 16]) -> Option<usize> {
        let text =
            format!("select generation from token_families where id = '\\x{}' and revoked_at is null", hex(&family));
        asked(&self.owner().await, &text).await.first().map(|text| text.parse().expect("a number"))
    }
}
