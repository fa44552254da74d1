//! A unit in two round trips: everything up to the last statement at once, then the commit.
//!
//! **Why guards suffice at read committed.** A unit does not read and then trust what it read: all that it relies on is
//! in its statements. What it writes is guarded by the statement's own predicate, which PostgreSQL evaluates again on
//! the newest version of the row once it has the row's lock, and by unique rules, which wait for the transaction that
//! holds the same key; either way a faster neighbour shows as a missed count or a unique violation. What it relies on and
//! does not write is a `require`, sent with `for share`: it waits for whoever is changing the row, sees the outcome, and
//! keeps the row as it is until the unit has ended. Two units that each write what the other requires cannot both pass:
//! one waits for the other, or they wait for each other, the server ends one, and its second run sees the change. Only
//! the *absence* of a row cannot be required; uses of that kind are unique rules or a row that stands for the set.
//!
//! **Why it cannot take half effect.** The statements are sent before it is known that `begin` has worked. If that were
//! cancelled they would run on their own; but the tenant is set for a transaction only, and without it the policies let
//! no row of any table be written.
//!
//! **A lost answer.** Every unit holds an advisory lock named after it from before its first statement until its
//! transaction has ended, whichever way and on whichever backend. Who lost the answer to COMMIT waits for that lock on a
//! new connection and only then looks for the unit's witness: it can find neither too early nor a transaction that may
//! still come through.

use core::time::Duration;

use claviger_kernel::Unavailable;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_postgres::Error;

use super::connection::{Answer, Connection, Form};
use super::fault::Fault;
use super::lane::Pass;
use super::pool::{Lent, Place, Pool};
use super::transaction::{BEGIN, enter, together};
use super::{AGAIN, pause, spread};
use crate::row::Source;
use crate::{CommitError, Committed, Row, Rows, Sql, StepKind, Unit, Value};

/// How long the statements of a unit, or the answer to its COMMIT, may take.
const DEADLINE: Duration = Duration::from_millis(2500);
/// How long the outcome of a unit is looked for when its answer was lost.
const SEARCH: Duration = Duration::from_secs(5);
/// How often a unit runs again after the server has ended it in favour of others.
const CLASHES: u32 = 3;
/// The longest pause after a look for a unit's outcome that came to nothing.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// How one attempt at a unit went.
enum Attempt {
    Committed(Committed),
    Failed(CommitError),
    /// Not answered in time, and rolled back.
    Late(Unavailable),
    /// Rolled back by the server in favour of others.
    Clashed,
    /// The connection was lost before COMMIT was sent: nothing has happened and nothing will.
    Lost(Unavailable, Place),
    /// COMMIT was sent and nothing came back.
    Unknown(Committed, Place),
}

/// What is wrong before COMMIT is sent.
enum Trouble {
    Failed(CommitError),
    Late(Unavailable),
    Clashed,
    Lost(Unavailable),
}

/// Runs `unit` to its end; once more after its connection was lost and it is known not to have happened.
pub(super) async fn commit(pool: &Pool, unit: &Unit) -> Result<Committed, CommitError> {
    let mut pass = pool.lane().enter()?;
    let (mut clashes, mut again) = (0, true);
    let mut lent = pool.take(&mut pass).await?;
    loop {
        let (why, next) = match attempt(lent, unit, DEADLINE * pool.slack()).await {
            Attempt::Committed(committed) => {
                pass.answered();
                return Ok(committed);
            }
            Attempt::Failed(error) => {
                pass.answered();
                return Err(error);
            }
            Attempt::Late(why) => {
                pass.unanswered();
                return Err(why.into());
            }
            Attempt::Clashed => {
                pass.answered();
                if clashes == CLASHES {
                    return Err(Fault::Clash.unavailable("unit").into());
                }
                clashes += 1;
                pause(jitter(unit, clashes)).await;
                lent = pool.take(&mut pass).await?;
                continue;
            }
            // A new one: what lies idle may have been lost in the same moment.
            Attempt::Lost(why, place) => (why, Err(place)),
            Attempt::Unknown(committed, place) => {
                pass.unanswered();
                match search(pool, &mut pass, unit, place).await? {
                    (true, found_on) => {
                        pass.answered();
                        found_on.give_back();
                        return Ok(committed);
                    }
                    // It did not happen and cannot any more: the same again is the first time.
                    (false, looked_on) => {
                        (Unavailable::new("the connection was lost before the commit"), Ok(looked_on))
                    }
                }
            }
        };
        pass.unanswered();
        if !again || !pool.lane().may_retry() {
            return Err(why.into());
        }
        again = false;
        pause(spread(AGAIN)).await;
        lent = match next {
            Ok(looked_on) => looked_on,
            Err(place) => pool.connect(place, &mut pass).await.map_err(|(why, _)| why)?,
        };
    }
}

/// Between one and eight milliseconds times the number of clashes, differing from unit to unit.
fn jitter(unit: &Unit, clashes: u32) -> Duration {
    let spread = u64::from(unit.id().as_bytes()[15].wrapping_mul(u8::try_from(clashes).unwrap_or(u8::MAX) | 1));
    Duration::from_micros((1000 + spread * 28) * u64::from(clashes))
}

async fn attempt(lent: Lent, unit: &Unit, deadline: Duration) -> Attempt {
    let Ok(verdict) = timeout(deadline, statements(lent.connection(), unit)).await else {
        // The connection goes, and with it the transaction: COMMIT was never sent.
        return Attempt::Late(Unavailable::new("the unit's statements took too long"));
    };
    let committed = match verdict {
        Ok(committed) => committed,
        Err(Trouble::Lost(why)) => return Attempt::Lost(why, lent.discard()),
        Err(trouble) => {
            let rolled_back = timeout(deadline, lent.connection().client().batch_execute("rollback")).await;
            if let Ok(Ok(())) = rolled_back {
                lent.give_back();
            }
            return match trouble {
                Trouble::Failed(error) => Attempt::Failed(error),
                Trouble::Late(why) => Attempt::Late(why),
                Trouble::Clashed | Trouble::Lost(_) => Attempt::Clashed,
            };
        }
    };
    match timeout(deadline, lent.connection().client().batch_execute("commit")).await {
        Ok(Ok(())) => {
            lent.give_back();
            Attempt::Committed(committed)
        }
        Ok(Err(error)) => match Fault::of(&error) {
            Fault::Connection(_) => Attempt::Unknown(committed, lent.discard()),
            Fault::Clash => Attempt::Clashed,
            fault @ Fault::Late(_) => Attempt::Late(fault.unavailable("commit")),
            fault => Attempt::Failed(fault.unavailable("commit").into()),
        },
        Err(_) => Attempt::Unknown(committed, lent.discard()),
    }
}

/// Sends everything up to the last statement together and judges the answers in order: the first that is not as it must
/// be decides.
async fn statements(connection: &Connection, unit: &Unit) -> Result<Committed, Trouble> {
    let enter = enter(connection, unit);
    let mut plan: Vec<(&str, &'static Sql, Form, &[Value], bool)> =
        vec![("begin", &BEGIN, Form::Plain, &[], false), ("enter", enter.0, Form::Plain, &enter.1, false)];
    for step in unit.steps() {
        let form = if step.kind == StepKind::Require { Form::Shared } else { Form::Plain };
        plan.push((step.label, step.sql, form, &step.args, step.kind == StepKind::Returning));
    }
    for (label, sql, form, ..) in &plan {
        connection.prepare(sql, *form).await.map_err(|error| judge(label, &error))?;
    }
    let runs = plan.iter().map(|(_, sql, form, args, keep)| connection.run(sql, *form, args, *keep));
    let mut answers = together(runs).await.into_iter().zip(&plan);
    for (answer, (label, ..)) in answers.by_ref().take(2) {
        answer.map_err(|error| judge(label, &error))?;
    }
    let mut committed = Committed::default();
    for ((answer, _), step) in answers.zip(unit.steps()) {
        let answer = answer.map_err(|error| judge(step.label, &error))?;
        if !step.expect.met(answer.touched) {
            return Err(Trouble::Failed(CommitError::Conflict(step.label)));
        }
        if step.kind == StepKind::Returning {
            committed.0.push((step.label, owned(step.label, &answer)?));
        }
    }
    Ok(committed)
}

fn judge(label: &'static str, error: &Error) -> Trouble {
    match Fault::of(error) {
        Fault::Unique => Trouble::Failed(CommitError::Conflict(label)),
        Fault::Clash => Trouble::Clashed,
        fault @ Fault::Connection(_) => Trouble::Lost(fault.unavailable(label)),
        fault @ Fault::Late(_) => Trouble::Late(fault.unavailable(label)),
        fault @ Fault::Refused(_) => Trouble::Failed(fault.unavailable(label).into()),
    }
}

fn owned(label: &'static str, answer: &Answer) -> Result<Rows, Trouble> {
    let rows = answer.rows.iter().map(|row| Row(Source::Postgres(row)).to_owned(row.len())).collect::<Result<_, _>>();
    rows.map(Rows).map_err(|error| Trouble::Failed(Unavailable::new(format!("{label}: {error}")).into()))
}

/// Whether `unit` was committed. The answer is final: its transaction has ended.
///
/// The lane may have closed meanwhile; who was let in is told what has become of the unit.
async fn search(pool: &Pool, pass: &mut Pass<'_>, unit: &Unit, mut place: Place) -> Result<(bool, Lent), Unavailable> {
    let end = Instant::now() + SEARCH * pool.slack();
    let mut last = Unavailable::new("the outcome of a commit is not known");
    loop {
        match timeout_at(end, pool.connect(place, pass)).await {
            Ok(Ok(lent)) => match timeout_at(end, witness(lent.connection(), unit)).await {
                Ok(Ok(found)) => return Ok((found, lent)),
                Ok(Err(error)) => {
                    last = Fault::of(&error).unavailable("looking up a commit");
                    place = lent.discard();
                }
                Err(_) => return Err(last),
            },
            Ok(Err((why, back))) => (last, place) = (why, back),
            Err(_) => return Err(last),
        }
        if timeout_at(end, pause(LOOK_AGAIN / 2 + spread(LOOK_AGAIN / 2))).await.is_err() {
            return Err(last);
        }
    }
}

async fn witness(connection: &Connection, unit: &Unit) -> Result<bool, Error> {
    let sql = unit.witness().expect("the engine seals every unit before it runs it");
    let (enter, args) = enter(connection, unit);
    let keys = [unit.realm().into(), unit.id().into()];
    // One after the other: the last must not look before the lock is held.
    connection.run(&BEGIN, Form::Plain, &[], false).await?;
    connection.run(enter, Form::Plain, &args, false).await?;
    let found = connection.run(sql, Form::Plain, &keys, false).await?.touched > 0;
    connection.client().batch_execute("rollback").await?;
    Ok(found)
}
