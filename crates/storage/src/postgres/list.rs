//! Lists: one statement in a read-only transaction with the tenant set, all in one round trip.

use core::time::Duration;

use claviger_kernel::{RealmId, Timestamp, Unavailable};
use tokio::time::timeout;
use tokio_postgres::Row;

use super::connection::{Answer, Connection, Form};
use super::fault::Fault;
use super::pool::Pool;
use super::transaction::{BEGIN_READ, COMMIT, LOOK, LOOK_POOLED, realm_setting, together};
use super::{AGAIN, pause, spread};
use crate::{Scope, Sql, Value};

/// How long a list may take once it has a connection.
const DEADLINE: Duration = Duration::from_secs(2);

/// Every row of `sql` that `realm` may see; once more on another connection if the first was lost.
pub(super) async fn list(
    pool: &Pool,
    realm: RealmId,
    sql: &'static Sql,
    args: &[Value],
) -> Result<Vec<Row>, Unavailable> {
    let mut pass = pool.lane().enter()?;
    let mut lent = pool.take(&mut pass).await?;
    let mut again = true;
    loop {
        let fault = match timeout(DEADLINE * pool.slack(), page(lent.connection(), realm, sql, args)).await {
            Ok(Ok(rows)) => {
                pass.answered();
                lent.give_back();
                return Ok(rows);
            }
            Ok(Err(fault)) => fault,
            Err(_) => Fault::Late("no answer within two seconds".into()),
        };
        pass.learned(&fault);
        // The connection goes in every case: whether its transaction still stands is not worth asking.
        if !matches!(fault, Fault::Connection(_)) || !again || !pool.lane().may_retry() {
            return Err(fault.unavailable(sql.name));
        }
        again = false;
        let place = lent.discard();
        pause(spread(AGAIN)).await;
        lent = pool.connect(place, &mut pass).await.map_err(|(why, _)| why)?;
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
    let mut pass = pool.lane().enter()?;
    let lent = pool.take(&mut pass).await?;
    let fault = match timeout(DEADLINE * pool.slack(), lent.connection().run(&TIME, Form::Plain, &[], true)).await {
        Ok(Ok(answer)) => {
            pass.answered();
            lent.give_back();
            return read(&answer);
        }
        Ok(Err(error)) => Fault::of(&error),
        Err(_) => Fault::Late("no answer within two seconds".into()),
    };
    pass.learned(&fault);
    Err(fault.unavailable("the database's clock"))
}

fn read(answer: &Answer) -> Result<Timestamp, Unavailable> {
    let row = answer.rows.first().and_then(|row| row.try_get(0).ok());
    row.map(Timestamp::from_micros).ok_or_else(|| Unavailable::new("the database's clock gave no answer"))
}
