//! Units: all or nothing, with a name for what stood in the way.

use std::future::Future as _;
use std::pin::pin;
use std::task::{Context, Waker};
use std::time::Duration;

use claviger_kernel::RealmId;
use claviger_storage::{CommitError, Expect, Unit, Value, args, both_engines};
use futures_util::future::join_all;

use super::stand_in::{
    ADD, ADD_CELLS, ADD_ONCE, CHANGES, CLEAR, EPOCH, EPOCHS, LEAVE, NEXT, NEXT_FROM, PRESENT, RENAME, World,
};

both_engines! {
    async fn a_unit_happens_all_together_or_not_at_all(scratch) {
        let world = World::on(scratch).await;
        let (first, second) = (world.scratch.id(), world.scratch.id());
        let mut unit = world.unit();
        unit.one("first", &ADD, args![world.realm, first, "a"]);
        unit.one("second", &ADD, args![world.realm, second, "a"]);
        unit.changed("person", first.as_bytes());
        assert_eq!(world.commit(unit).await.unwrap_err(), CommitError::Conflict("second"));
        assert_eq!(world.name(first).await, None);
        assert_eq!(world.number(&CHANGES, args![world.realm]).await, 0);
        let mut unit = world.unit();
        unit.one("first", &ADD, args![world.realm, first, "a"]);
        unit.one("second", &ADD, args![world.realm, second, "b"]);
        unit.changed("person", first.as_bytes());
        world.commit(unit).await.unwrap();
        assert_eq!(world.name(first).await.as_deref(), Some("a"));
        assert_eq!(world.name(second).await.as_deref(), Some("b"));
        assert_eq!(world.number(&CHANGES, args![world.realm]).await, 1);
    }

    async fn a_missed_count_is_a_conflict_under_the_steps_own_label(scratch) {
        let world = World::on(scratch).await;
        let (known, unknown) = (world.person("a").await, world.scratch.id::<()>());
        for (expect, found) in [
            (Expect::Exactly(1), false),
            (Expect::Exactly(2), false),
            (Expect::Some, false),
            (Expect::Exactly(0), true),
            (Expect::Any, true),
        ] {
            let mut unit = world.unit();
            unit.one("rename", &RENAME, args![world.realm, known, "b"]);
            unit.add("count", &LEAVE, args![world.realm, unknown], expect);
            let outcome = world.commit(unit).await.map(drop);
            assert_eq!(outcome, if found { Ok(()) } else { Err(CommitError::Conflict("count")) }, "{expect:?}");
            assert_eq!(world.name(known).await.as_deref(), Some(if found { "b" } else { "a" }), "{expect:?}");
        }
    }

    async fn the_first_step_that_goes_wrong_names_the_conflict(scratch) {
        let world = World::on(scratch).await;
        let person = world.person("a").await;
        let mut unit = world.unit();
        unit.one("absent", &LEAVE, args![world.realm, world.scratch.id::<()>()]);
        unit.one("taken", &ADD, args![world.realm, person, "b"]);
        assert_eq!(world.commit(unit).await.unwrap_err().conflict(), Some("absent"));
    }

    async fn what_a_decision_relied_on_must_still_be_so(scratch) {
        let world = World::on(scratch).await;
        let (first, second) = (world.person("a").await, world.person("b").await);
        let rename = |to: &str| {
            let mut unit = world.unit();
            unit.require("present", &PRESENT, args![world.realm, first]);
            unit.one("rename", &RENAME, args![world.realm, second, to]);
            unit
        };
        world.commit(rename("c")).await.unwrap();
        let mut leave = world.unit();
        leave.one("leave", &LEAVE, args![world.realm, first]);
        world.commit(leave).await.unwrap();
        assert_eq!(world.commit(rename("d")).await.unwrap_err().conflict(), Some("present"));
        assert_eq!(world.name(second).await.as_deref(), Some("c"));
    }

    async fn a_unit_sees_its_own_earlier_steps(scratch) {
        let world = World::on(scratch).await;
        let id = world.scratch.id::<()>();
        let mut unit = world.unit();
        unit.one("add", &ADD, args![world.realm, id, "a"]);
        unit.require("present", &PRESENT, args![world.realm, id]);
        unit.one("leave", &LEAVE, args![world.realm, id]);
        unit.require("present again", &PRESENT, args![world.realm, id]);
        assert_eq!(world.commit(unit).await.unwrap_err().conflict(), Some("present again"));
    }

    async fn rows_that_a_step_gives_back_are_found_by_its_label(scratch) {
        let world = World::on(scratch).await;
        let (first, second) = (world.person("a").await, world.person("b").await);
        let mut unit = world.unit();
        unit.returning("first", &RENAME, args![world.realm, first, "c"], Expect::Exactly(1));
        unit.returning("nobody", &RENAME, args![world.realm, world.scratch.id::<()>(), "x"], Expect::Any);
        unit.returning("second", &RENAME, args![world.realm, second, "d"], Expect::Exactly(1));
        let committed = world.commit(unit).await.unwrap();
        let read = |label| committed.first(label, |row| Ok((row.get::<String>(0)?, row.get::<i64>(1)?))).unwrap();
        assert_eq!(read("first"), Some(("c".to_owned(), 1)));
        assert_eq!(read("second"), Some(("d".to_owned(), 1)));
        assert_eq!(read("nobody"), None);
        assert!(committed.rows("nobody").is_empty());
        assert_eq!(committed.rows("first").read(|row| row.get::<String>(0)).unwrap(), ["c"]);
        let mut unit = world.unit();
        unit.returning("first", &RENAME, args![world.realm, first, "e"], Expect::Exactly(2));
        assert_eq!(world.commit(unit).await.unwrap_err().conflict(), Some("first"));
    }

    async fn an_upsert_that_changes_nothing_counts_no_row(scratch) {
        let world = World::on(scratch).await;
        world.person("a").await;
        let mut unit = world.unit();
        unit.one("add", &ADD_ONCE, args![world.realm, world.scratch.id::<()>(), "a"]);
        assert_eq!(world.commit(unit).await.unwrap_err().conflict(), Some("add"));
        let mut unit = world.unit();
        unit.one("add", &ADD_ONCE, args![world.realm, world.scratch.id::<()>(), "b"]);
        unit.add("clear", &CLEAR, args![world.realm, ""], Expect::Exactly(2));
        world.commit(unit).await.unwrap();
    }

    async fn a_unit_without_steps_is_committed(scratch) {
        let world = World::on(scratch).await;
        world.commit(world.unit()).await.unwrap();
    }

    async fn a_unit_beyond_the_limits_is_refused_before_it_begins(scratch) {
        let world = World::on(scratch).await;
        let id = world.person("a").await;
        let mut long = world.unit();
        for _ in 0..=Unit::MOST_STEPS {
            long.any("next", &NEXT, args![world.realm, id]);
        }
        let mut wide = world.unit();
        wide.one("rename", &RENAME, args![world.realm, id, "x".repeat(Unit::MOST_BYTES)]);
        for unit in [long, wide] {
            let CommitError::Unavailable(reason) = world.commit(unit).await.unwrap_err() else { panic!() };
            assert!(reason.reason().contains("cut the work into chunks"), "{reason}");
        }
        assert_eq!(world.number(&EPOCHS, args![world.realm, id]).await, 1);
    }

    async fn a_wrong_statement_is_no_conflict_and_changes_nothing(scratch) {
        let world = World::on(scratch).await;
        let id = world.person("a").await;
        let mut few = world.unit();
        few.any("next", &NEXT, args![world.realm, id]);
        few.any("few", &RENAME, args![world.realm, id]);
        let mut kind = world.unit();
        kind.any("next", &NEXT, args![world.realm, id]);
        let cells = args![world.realm, id, Value::Null, "no number", Value::Null, Value::Null];
        kind.any("kind", &ADD_CELLS, cells);
        for unit in [few, kind] {
            assert!(matches!(world.commit(unit).await.unwrap_err(), CommitError::Unavailable(_)));
        }
        assert_eq!(world.number(&EPOCHS, args![world.realm, id]).await, 1);
    }

    async fn fifty_units_that_count_one_row_up_lose_no_count(scratch) {
        let world = World::on(scratch).await;
        let id = world.person("a").await;
        let next = (0..50).map(|_| {
            let mut unit = world.unit();
            unit.one("next", &NEXT, args![world.realm, id]);
            world.commit(unit)
        });
        assert!(join_all(next).await.into_iter().all(|outcome| outcome.is_ok()));
        assert_eq!(world.number(&EPOCHS, args![world.realm, id]).await, 51);
    }

    async fn of_fifty_units_that_start_from_the_same_state_exactly_one_is_committed(scratch) {
        let world = World::on(scratch).await;
        let id = world.person("a").await;
        let units = (0..50).map(|number| {
            let mut unit = world.unit();
            unit.one("next", &NEXT_FROM, args![world.realm, id, 1_i64]);
            unit.one("add", &ADD, args![world.realm, world.scratch.id::<()>(), format!("{number}")]);
            world.commit(unit)
        });
        let outcomes = join_all(units).await;
        assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
        for error in outcomes.into_iter().filter_map(Result::err) {
            assert_eq!(error, CommitError::Conflict("next"));
        }
        assert_eq!(world.number(&EPOCHS, args![world.realm, id]).await, 2);
    }

    async fn of_fifty_units_that_take_the_same_name_exactly_one_gets_it(scratch) {
        let world = World::on(scratch).await;
        let units = (0..50).map(|_| {
            let mut unit = world.unit();
            unit.one("name", &ADD, args![world.realm, world.scratch.id::<()>(), "a"]);
            world.commit(unit)
        });
        let outcomes = join_all(units).await;
        assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
        for error in outcomes.into_iter().filter_map(Result::err) {
            assert_eq!(error, CommitError::Conflict("name"));
        }
    }

    async fn a_unit_whose_caller_has_gone_runs_to_its_end(scratch) {
        let world = World::on(scratch).await;
        let id = world.person("a").await;
        let mut unit = world.unit();
        unit.one("next", &NEXT, args![world.realm, id]);
        {
            let mut commit = pin!(world.commit(unit));
            let _ = commit.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        }
        let written = async {
            while world.number(&EPOCHS, args![world.realm, id]).await == 1 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_mins(1), written).await.expect("the unit is committed");
    }

    async fn what_was_committed_is_there_after_a_restart(scratch) {
        let mut world = World::on(scratch).await;
        let id = world.person("a").await;
        world.scratch.restart().await;
        assert_eq!(world.name(id).await.as_deref(), Some("a"));
        assert_eq!(world.person("b").await.created(), id.created());
    }

    async fn a_closed_store_is_unavailable(scratch) {
        let world = World::on(scratch).await;
        let id = world.person("a").await;
        world.scratch.store.close().await;
        let mut unit = world.unit();
        unit.one("next", &NEXT, args![world.realm, id]);
        assert!(matches!(world.commit(unit).await, Err(CommitError::Unavailable(_))));
        let store = &world.scratch.store;
        assert!(store.get(&EPOCH, args![world.realm, id, 1_i64], |_| Ok(())).await.is_err());
        assert!(store.list(world.realm, &EPOCHS, args![world.realm, id], |_| Ok(())).await.is_err());
    }

    async fn realms_do_not_see_each_others_rows(scratch) {
        let world = World::on(scratch).await;
        let id = world.person("a").await;
        let other: RealmId = world.scratch.id();
        let found = world.scratch.store.get(&EPOCHS, args![other, id], |row| row.get::<i64>(0)).await;
        assert_eq!(found.unwrap(), None);
        let mut unit = world.scratch.unit(other);
        unit.one("next", &NEXT, args![other, id]);
        assert_eq!(world.commit(unit).await.unwrap_err().conflict(), Some("next"));
    }
}
