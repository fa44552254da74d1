//! Write skew: two units that rely on what the other writes, each held open at every step while the other runs.
//!
//! On PostgreSQL a unit is held at a gate, a row that the test has locked, with everything before the gate done and
//! everything after it to come. On SQLite units do not overlap; there the test holds the file as another process would,
//! so that both wait and run in the order in which they came.

use std::future::Future;
use std::time::Duration;

use claviger_kernel::Id;
use claviger_storage::scratch::Scratch;
use claviger_storage::{CommitError, Unit, args, both_engines};

use super::stand_in::{ADD_GATE, END_STAYS, EPOCH, GATE, LEAVE, LIVE, PRESENT, Row, STAY, World};

type Step<'a> = Box<dyn Fn(&mut Unit) + 'a>;

/// The gate: closed by the test, open again when this is let go of.
enum Gate {
    Sqlite(rusqlite::Connection),
    Postgres(tokio_postgres::Client),
}

impl Gate {
    async fn close(scratch: &Scratch) -> Self {
        if let Some(database) = scratch.database() {
            let client = database.owner().await.unwrap();
            client.batch_execute("begin; update gates set passed = passed + 1").await.unwrap();
            Self::Postgres(client)
        } else {
            let raw = rusqlite::Connection::open(scratch.file().unwrap()).unwrap();
            raw.busy_timeout(Duration::from_secs(10)).unwrap();
            raw.execute_batch("begin immediate").unwrap();
            Self::Sqlite(raw)
        }
    }

    async fn open(self) {
        match self {
            Self::Sqlite(raw) => raw.execute_batch("commit").unwrap(),
            Self::Postgres(client) => client.batch_execute("commit").await.unwrap(),
        }
    }

    /// Returns once `count` units wait for a lock, or `over` says that there is nothing to wait for.
    async fn held(&self, count: i64, over: impl Fn() -> bool) {
        // Units on SQLite wait in the order in which they were handed in; nothing tells when, and nothing hangs on it.
        let Self::Postgres(client) = self else { return };
        let waiting = "select count(*) from pg_locks where not granted and database = \
            (select oid from pg_database where datname = current_database()) or (not granted and database is null \
            and pid in (select pid from pg_stat_activity where datname = current_database()))";
        let look = async {
            while !over() && client.query_one(waiting, &[]).await.unwrap().get::<_, i64>(0) < count {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_mins(1), look).await.expect("the unit reaches its gate");
    }
}

/// A unit of `steps` with the gate before step `place`.
fn gated(world: &World, steps: &[Step<'_>], place: usize) -> Unit {
    let mut unit = world.unit();
    for (at, step) in steps.iter().enumerate() {
        if at == place {
            unit.one("gate", &GATE, args![world.realm, 1_i64]);
        }
        step(&mut unit);
    }
    if place >= steps.len() {
        unit.one("gate", &GATE, args![world.realm, 1_i64]);
    }
    unit
}

/// Holds the unit of `held` at its gate before step `place`, runs that of `other` meanwhile, and lets both end.
async fn meet(world: &World, held: &[Step<'_>], place: usize, other: &[Step<'_>]) -> [Result<(), CommitError>; 2] {
    let gate = Gate::close(&world.scratch).await;
    let start = |unit: Unit| {
        let store = world.scratch.store.clone();
        tokio::spawn(async move { store.commit(unit).await.map(drop) })
    };
    let held = start(gated(world, held, place));
    gate.held(1, || false).await;
    let mut unit = world.unit();
    for step in other {
        step(&mut unit);
    }
    let other = start(unit);
    gate.held(2, || other.is_finished()).await;
    gate.open().await;
    [held.await.unwrap(), other.await.unwrap()]
}

async fn with_gate(scratch: Scratch) -> World {
    let world = World::on(scratch).await;
    let mut unit = world.unit();
    unit.one("gate", &ADD_GATE, args![world.realm, 1_i64]);
    world.commit(unit).await.unwrap();
    world
}

/// Two on duty; each may leave as long as the other stays.
async fn somebody_stays<F: Future<Output = [Result<(), CommitError>; 2]>>(
    world: &World,
    names: [&str; 2],
    meet: impl FnOnce(Id<Row>, Id<Row>) -> F,
) {
    let (first, second) = (world.person(names[0]).await, world.person(names[1]).await);
    let outcomes = meet(first, second).await;
    let present = [world.is_present(first).await, world.is_present(second).await];
    assert!(present.contains(&true), "both have left: {outcomes:?}");
    let conflicts = outcomes.iter().filter(|outcome| **outcome == Err(CommitError::Conflict("other")));
    assert_eq!(conflicts.count(), 1, "one goes, one is told why not: {outcomes:?}");
    assert_eq!(outcomes.map(|outcome| outcome.is_err()), present, "who was told no is still there");
}

both_engines! {
    async fn two_who_each_rely_on_the_other_do_not_both_leave_at_whichever_step_one_is_held(scratch) {
        let world = with_gate(scratch).await;
        let leaves = |one: Id<Row>, other: Id<Row>| -> [Step<'_>; 2] {
            let realm = world.realm;
            [
                Box::new(move |unit| unit.require("other", &PRESENT, args![realm, other])),
                Box::new(move |unit| unit.one("leave", &LEAVE, args![realm, one])),
            ]
        };
        for place in 0..=2 {
            let names = [format!("first {place}"), format!("second {place}")];
            somebody_stays(&world, names.each_ref().map(String::as_str), async |first, second| {
                meet(&world, &leaves(first, second), place, &leaves(second, first)).await
            })
            .await;
        }
    }

    async fn nobody_who_has_left_keeps_a_live_stay_at_whichever_step_either_is_held(scratch) {
        let world = with_gate(scratch).await;
        let realm = world.realm;
        for (number, (opener_held, place)) in
            [(true, 0), (true, 1), (true, 2), (false, 0), (false, 1), (false, 2)].into_iter().enumerate()
        {
            let person = world.person(&format!("{number}")).await;
            let stay = world.scratch.id::<()>();
            let opens: [Step<'_>; 2] = [
                Box::new(move |unit| unit.require("active", &EPOCH, args![realm, person, 1_i64])),
                Box::new(move |unit| unit.one("open", &STAY, args![realm, stay, person])),
            ];
            let leaves: [Step<'_>; 2] = [
                Box::new(move |unit| unit.one("leave", &LEAVE, args![realm, person])),
                Box::new(move |unit| unit.any("end", &END_STAYS, args![realm, person])),
            ];
            let [opened, left] = if opener_held {
                meet(&world, &opens, place, &leaves).await
            } else {
                let [left, opened] = meet(&world, &leaves, place, &opens).await;
                [opened, left]
            };
            assert_eq!(left, Ok(()));
            assert!(!world.is_present(person).await);
            assert_eq!(world.number(&LIVE, args![realm, person]).await, 0, "{opener_held} {place} {opened:?}");
            assert!(opened == Ok(()) || opened == Err(CommitError::Conflict("active")), "{opened:?}");
        }
    }
}
