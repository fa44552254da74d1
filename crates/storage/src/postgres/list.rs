//! Lists: one statement in a read-only transaction with the tenant set, all in one round trip.

use core::time::Duration;

use claviger_kernel::{RealmId, Timestamp, Unavailable};
use tokio::time::timeout;
use tokio_postgres::Row;

use super::connection::{Connection, Form};
use super::fault::Fault;
use super::lane::Pass;
use super::pool::Pool;
use super::transaction::{BEGIN_READ, COMMIT, LOOK, LOOK_POOLED, realm_setting, together};
use super::{AGAIN, pause, spread};
use crate::{Scope, Sql, Value};

/// How long a list may take, the wait for a connection and another try included.
const DEADLINE: Duration = Duration::from_secs(2);

/// Every row of `sql` that `realm` may see; once more on another connection if the first was lost.
pub(super) async fn list(
    pool: &Pool,
    realm: RealmId,
    sql: &'static Sql,
    args: &[Value],
) -> Result<Vec<Row>, Unavailable> {
    let mut pass = pool.lane().enter()?;
    let done = timeout(DEADLINE, rows(pool, &mut pass, realm, sql, args)).await;
    done.unwrap_or_else(|_| {
        pass.unanswered();
        Err(Unavailable::new(format!("{}: no answer within two seconds", sql.name)))
    })
}

async fn rows(
    pool: &Pool,
    pass: &mut Pass<'_>,
    realm: RealmId,
    sql: &'static Sql,
    args: &[Value],
) -> Result<Vec<Row>, Unavailable> {
    let mut lent = pool.take(pass).await?;
    let mut again = true;
    loop {
        match page(lent.connection(), realm, sql, args).await {
            Ok(rows) => {
                pass.answered();
                lent.give_back();
                return Ok(rows);
            }
            // The connection goes in every other case: whether its transaction still stands is not worth asking.
            Err(Fault::Connection(_)) if again && pool.lane().may_retry() => {
                again = false;
                let place = lent.discard();
                pause(spread(AGAIN)).await;
                lent = pool.connect(place, pass).await.map_err(|(why, _)| why)?;
            }
            Err(fault) => {
                pass.learned(&fault);
                return Err(fault.unavailable(sql.name));
            }
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
    let mut pass = pool.lane().enter()?;
    let ask = async {
        let lent = pool.take(&mut pass).await?;
        let asked = lent.connection().run(&TIME, Form::Plain, &[], true).await;
        let answer = asked.map_err(|error| {
            let fault = Fault::of(&error);
            pass.learned(&fault);
            fault.unavailable("the database's clock")
        })?;
        pass.answered();
        lent.give_back();
        Ok(answer)
    };
    let answer = timeout(DEADLINE, ask).await.unwrap_or_else(|_| {
        pass.unanswered();
        Err(Unavailable::new("the database's clock did not answer within two seconds"))
    })?;
    let row = answer.rows.first().and_then(|row| row.try_get(0).ok());
    row.map(Timestamp::from_micros).ok_or_else(|| Unavailable::new("the database's clock gave no answer"))
}
