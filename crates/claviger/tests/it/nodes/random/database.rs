//! What happens to the database behind the nodes' backs: foreign and late transactions, and a restore elsewhere.

use std::fmt::Write as _;

use claviger_kernel::{Entropy as _, SeededEntropy};
use claviger_storage::scratch::Way;
use tokio_postgres::{Client, SimpleQueryMessage};

use super::people::Promise;
use super::world::{NODES, World};
use crate::it::nodes::wire::claims;

/// Further than this server's transactions will ever be.
const AHEAD: i64 = 1 << 40;
/// A transaction of a cluster that has only just begun.
const YOUNG: i64 = 3;

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

    /// `txid` is given where it is not the transaction's own.
    fn change(&self, txid: Option<i64>) -> String {
        let (column, value) = txid.map_or_else(Default::default, |txid| ("txid, ", format!("{txid}, ")));
        // Kind, epoch and name: what the view reads.
        let subject = format!("00{}{}", hex(&1_i64.to_be_bytes()), hex(self.jti.as_bytes()));
        format!(
            "insert into change_log ({column}realm_id, kind, subject, unit_id, at) \
             select {value}id, 'revocation', '\\x{subject}', {}, {NOW} from realms where name = 'main'",
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

async fn run(client: &Client, text: &str) {
    client.batch_execute(text).await.unwrap_or_else(|error| panic!("{text}: {error:?}"));
}

/// The first column of every row.
async fn asked(client: &Client, text: &str) -> Vec<String> {
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
        run(&late, &entry.change(None)).await;
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

    /// Moves everything to another database, in whose cluster the numbers of transactions are far below those in the
    /// log. `revoked` is a token that is revoked there before any of these nodes comes back.
    pub(super) async fn restore(&self, revoked: &str) {
        let _moves = self.moving.write().await;
        for node in 0..NODES {
            self.part(node, Way::Cut);
        }
        *self.held.lock() = None;
        let database = self.nodes.scratch().database().expect("PostgreSQL");
        let name = asked(&self.owner().await, "select current_database()").await.remove(0);
        let cluster = database.owner_of("postgres").await.expect("the cluster answers");
        run(&cluster, &format!("alter database {name} allow_connections false")).await;
        let others = format!("select pg_terminate_backend(pid) from pg_stat_activity where datname = '{name}'");
        while !asked(&cluster, &others).await.is_empty() {}
        run(&cluster, &format!("alter database {name} rename to {name}_before")).await;
        run(&cluster, &format!("create database {name} template {name}_before")).await;
        run(&cluster, &format!("drop database {name}_before")).await;
        let restored = self.owner().await;
        run(&restored, &format!("update change_log set txid = txid + {AHEAD} where txid < {AHEAD}")).await;
        let entry = Entry::of(revoked);
        run(&restored, &entry.row()).await;
        run(&restored, &entry.change(Some(YOUNG))).await;
        for node in 0..NODES {
            self.heal(node);
        }
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
