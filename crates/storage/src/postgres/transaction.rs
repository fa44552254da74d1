//! What every transaction with a tenant begins with, and how its statements travel together.

use core::future::poll_fn;
use core::pin::Pin;
use core::task::Poll;

use claviger_kernel::RealmId;
use futures_util::future::{MaybeDone, maybe_done};
use tokio_postgres::Error;

use super::connection::{Answer, Connection};
use crate::{Scope, Sql, Unit, Value};

const fn own(name: &'static str, text: &'static str) -> Sql {
    Sql { name, text, scope: Scope::Shared("carries no rows") }
}

/// Opens the unit's transaction; the level is named because a server may have another default.
pub(super) static BEGIN: Sql = own("begin", "begin isolation level read committed read write");
/// Sets the tenant and takes the lock that says that the unit may still come through.
static ENTER: Sql = own("enter", "select set_config('claviger.realm', $1, true), pg_advisory_xact_lock($2)");
/// The same where a session cannot carry the limits.
static ENTER_POOLED: Sql = own(
    "enter",
    "select set_config('claviger.realm', $1, true), set_config('statement_timeout', '2000', true), \
        set_config('lock_timeout', '1500', true), set_config('idle_in_transaction_session_timeout', '3000', true), \
        pg_advisory_xact_lock($2)",
);

/// Opens a transaction that cannot change anything.
pub(super) static BEGIN_READ: Sql = own("begin", "begin isolation level read committed read only");
/// Sets the tenant of a list.
pub(super) static LOOK: Sql = own("look", "select set_config('claviger.realm', $1, true)");
/// The same where a session cannot carry the limit.
pub(super) static LOOK_POOLED: Sql =
    own("look", "select set_config('claviger.realm', $1, true), set_config('statement_timeout', '1900', true)");
/// Ends a transaction.
pub(super) static COMMIT: Sql = own("commit", "commit");

/// The statement that enters `unit`'s realm, and its values.
pub(super) fn enter(connection: &Connection, unit: &Unit) -> (&'static Sql, [Value; 2]) {
    let sql = if connection.pooled() { &ENTER_POOLED } else { &ENTER };
    let lock = i64::from_be_bytes(*unit.id().as_bytes().last_chunk().expect("an id has sixteen bytes"));
    (sql, [realm_setting(unit.realm()), Value::Int(lock)])
}

/// The realm as the policies read it.
pub(super) fn realm_setting(realm: RealmId) -> Value {
    use core::fmt::Write as _;
    let mut hex = String::with_capacity(32);
    for byte in realm.as_bytes() {
        write!(hex, "{byte:02x}").expect("a string takes every text");
    }
    Value::Text(hex)
}

/// Starts all of `runs` in their order before any answer is awaited, then collects the answers in the same order.
pub(super) async fn together<F: Future<Output = Result<Answer, Error>>>(
    runs: impl Iterator<Item = F>,
) -> Vec<Result<Answer, Error>> {
    let mut runs: Vec<Pin<Box<MaybeDone<F>>>> = runs.map(|run| Box::pin(maybe_done(run))).collect();
    poll_fn(|context| {
        for run in &mut runs {
            let _ = run.as_mut().poll(context);
        }
        Poll::Ready(())
    })
    .await;
    let mut answers = Vec::with_capacity(runs.len());
    for mut run in runs {
        run.as_mut().await;
        answers.push(run.as_mut().take_output().expect("the run has just ended and its output was not taken"));
    }
    answers
}
