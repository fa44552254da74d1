//! The change log of PostgreSQL: what has become visible since a snapshot, and who tells other nodes that there is some.

use core::future::poll_fn;
use core::time::Duration;
use std::sync::Arc;

use claviger_kernel::{Timestamp, Unavailable};
use tokio_postgres::{AsyncMessage, NoTls};

use super::address::Address;
use super::pause;
use super::readers::Readers;
use crate::changes::{Change, LOG_REACH, Look, MOST, Position};
use crate::row::Source;
use crate::signals::Signals;
use crate::{ColumnError, Row, Scope, Sql, Value};

/// One statement, hence one snapshot, for where the log stands and for what is new in it. `$1` and `$2` are the horizon
/// and the snapshot of the last look. A restored log holds transactions that this server has not begun yet; they count
/// for nothing until it has.
static LOOK: Sql = Sql {
    name: "storage::change_log::LOOK",
    text: "select pg_snapshot_xmin(s.now)::text::bigint, s.now::text, s.log, s.time, \
        c.realm_id, c.kind, c.subject, c.unit_id \
        from (select pg_current_snapshot() as now, encode(i.id, 'hex') || ' ' || \
            (select d.oid from pg_database d where d.datname = current_database())::text || ' ' || \
            extract(epoch from pg_postmaster_start_time())::text as log, \
            (extract(epoch from clock_timestamp()) * 1000000)::bigint as time from log_identity i where i.slot = 1) s \
        left join lateral (select l.txid, l.position, l.realm_id, l.kind, l.subject, l.unit_id from change_log l \
            where l.txid >= $1 and l.txid < pg_snapshot_xmax(s.now)::text::bigint \
            and not pg_visible_in_snapshot(l.txid::text::xid8, $2::text::pg_snapshot) \
            order by l.txid, l.position limit 10000) c on true \
        order by c.txid, c.position",
    scope: Scope::Shared("followers read across realms"),
};

/// Sees nothing of the log: for a first look, which wants its end.
const BLIND: (i64, &str) = (i64::MAX, "1:1:");

/// What has become visible since `position`.
pub(super) async fn look(readers: &Readers, position: &Position) -> Result<Look, Unavailable> {
    let (horizon, snapshot) = match position {
        Position::Postgres { horizon, snapshot, .. } => (*horizon, snapshot.as_str()),
        _ => BLIND,
    };
    let answer = readers.run(&LOOK, &[Value::from(horizon), Value::from(snapshot)]).await?;
    let missing = || Unavailable::new("the change log has no identity: the database is not one of ours");
    let unread = |error: ColumnError| Unavailable::new(format!("{}: {error}", LOOK.name));
    let first = Row(Source::Postgres(answer.rows.first().ok_or_else(missing)?));
    let (horizon, snapshot, log, time) = head(&first).map_err(unread)?;
    let changes = answer.rows.iter().filter_map(|row| change(&Row(Source::Postgres(row))).transpose());
    let mut changes: Vec<Change> = changes.collect::<Result<_, _>>().map_err(unread)?;
    let lost = changes.len() >= MOST as usize || !tells_since(position, &log, time);
    if lost {
        changes.clear();
    }
    let position = Position::Postgres { horizon, snapshot, log, at: time };
    Ok(Look { changes, position, lost, database_time: Some(time) })
}

/// Whether `log` can tell at `now` what has come since `position`: it is the same, and has forgotten nothing since.
fn tells_since(position: &Position, log: &str, now: Timestamp) -> bool {
    match position {
        Position::Postgres { log: before, at, .. } => before == log && now.since(*at) <= LOG_REACH,
        _ => false,
    }
}

fn head(row: &Row<'_>) -> Result<(i64, String, String, Timestamp), ColumnError> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
}

fn change(row: &Row<'_>) -> Result<Option<Change>, ColumnError> {
    let Some(realm) = row.get(4)? else { return Ok(None) };
    Ok(Some(Change { realm, kind: row.get(5)?, subject: row.get(6)?, unit: row.get(7)? }))
}

/// Listens for other nodes and tells them; a hint, and never more: whoever misses it looks half a second later.
///
/// One connection of its own, and one message for however many commits there were since the last: NOTIFY takes a lock
/// that all committing transactions of the database share, so no unit carries one.
pub(super) async fn converse(address: Address, signals: Arc<Signals>) {
    let mut failures = 0_u32;
    loop {
        match conversation(&address, &signals, &mut failures).await {
            Err(error) if failures == 0 || failures.is_power_of_two() => {
                tracing::warn!(%error, failures, "the connection for notices of changes was lost");
            }
            Ok(()) | Err(_) => {}
        }
        failures += 1;
        // What was announced meanwhile may have been missed.
        signals.changes.notify_one();
        pause(Duration::from_millis(100 << failures.min(6))).await;
    }
}

async fn conversation(address: &Address, signals: &Signals, failures: &mut u32) -> Result<(), tokio_postgres::Error> {
    let (client, mut connection) = address.config().connect(NoTls).await?;
    let hear = async {
        while let Some(message) = poll_fn(|context| connection.poll_message(context)).await {
            if let AsyncMessage::Notification(_) = message? {
                signals.changes.notify_one();
            }
        }
        Ok(())
    };
    let speak = async {
        client.batch_execute("listen claviger_changes").await?;
        *failures = 0;
        signals.changes.notify_one();
        loop {
            signals.announce.notified().await;
            client.batch_execute("notify claviger_changes").await?;
        }
    };
    tokio::select! {
        ended = hear => ended,
        ended = speak => ended,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_not_looked_for_as_long_as_the_log_reaches_loads_everything_again() {
        let at = Timestamp::from_seconds(1_800_000_000);
        let position = Position::Postgres { horizon: 7, snapshot: "7:7:".to_owned(), log: "one".to_owned(), at };
        assert!(tells_since(&position, "one", at.plus(LOG_REACH)));
        assert!(!tells_since(&position, "one", at.plus(LOG_REACH + Duration::from_micros(1))));
        assert!(!tells_since(&position, "another", at));
        assert!(!tells_since(&Position::Nowhere, "one", at));
    }
}
