//! Lists: one statement in a read-only transaction with the tenant set, all in one round trip.

use core::time::Duration;

use claviger_kernel::{RealmId, Timestamp, Unavailable};
use tokio::time::timeout;
use tokio_postgres::Row;

use super::connection::{Connection, Form};
use super::fault::Fault;
use super::pool::Pool;
use super::transaction::{BEGIN_READ, COMMIT, LOOK, LOOK_POOLED, realm_setting, together};
use crate::{Scope, Sql, Value};

/// How long a list may take.
const DEADLINE: Duration = Duration::from_secs(2);

/// Every row of `sql` that `realm` may see; once more on another connection if the first was lost.
pub(super) async fn list(
    pool: &Pool,
    realm: RealmId,
    sql: &'static Sql,
    args: &[Value],
) -> Result<Vec<Row>, Unavailable> {
    let mut lent = pool.take().await?;
    let mut again = true;
    loop {
        match timeout(DEADLINE, page(lent.connection(), realm, sql, args)).await {
            Ok(Ok(rows)) => {
                lent.give_back();
                return Ok(rows);
            }
            // The connection goes in every other case: whether its transaction still stands is not worth asking.
            Ok(Err(Fault::Connection(_))) if again => {
                again = false;
                lent = pool.connect(lent.discard()).await.map_err(|(why, _)| why)?;
            }
            Ok(Err(fault)) => return Err(fault.unavailable(sql.name)),
            Err(_) => return Err(Unavailable::new(format!("{}: no answer within two seconds", sql.name))),
        }
    }
}

async fn page(connection: &Connection, realm: RealmId, sql: &'static Sql, args: &[Value]) -> Result<Vec<Row>, Fault> {
    let look = if connection.pooled() { &LOOK_POOLED } else { &LOOK };
    let realm = [realm_setting(realm)];
    let plan: [(&'static Sql, &[Value]); 4] = [(&BEGIN_READ, &[]), (look, &realm), (sql, args), (&COMMIT, &[])];
    for (sql, _) in plan {
        connection.prepare(sql, Form::Plain).await.map_err(|error| Fault::of(&error))?;
    }
    let runs = plan.iter().map(|&(part, args)| connection.run(part, Form::Plain, args, core::ptr::eq(part, sql)));
    let mut rows = Vec::new();
    // All four must have worked: without the tenant the answer would be empty, not refused.
    for answer in together(runs).await {
        rows.append(&mut answer.map_err(|error| Fault::of(&error))?.rows);
    }
    Ok(rows)
}

/// The database's own time, in microseconds.
static TIME: Sql = Sql {
    name: "time",
    text: "select (extract(epoch from clock_timestamp()) * 1000000)::bigint",
    scope: Scope::Shared("asks the clock"),
};

/// What the database's clock says.
pub(super) async fn database_time(pool: &Pool) -> Result<Timestamp, Unavailable> {
    let lent = pool.take().await?;
    let asked = timeout(DEADLINE, lent.connection().run(&TIME, Form::Plain, &[], true)).await;
    let asked = asked.map_err(|_| Unavailable::new("the database's clock did not answer within two seconds"))?;
    let answer = asked.map_err(|error| Fault::of(&error).unavailable("the database's clock"))?;
    lent.give_back();
    let row = answer.rows.first().and_then(|row| row.try_get(0).ok());
    row.map(Timestamp::from_micros).ok_or_else(|| Unavailable::new("the database's clock gave no answer"))
}
