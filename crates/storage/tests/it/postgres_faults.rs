//! What PostgreSQL does to a unit or a read: it is busy, locked, in favour of others, restarted, or gone.

use std::sync::Arc;
use std::time::Duration;

use claviger_kernel::{Id, Unavailable};
use claviger_storage::scratch::{Engine, Scratch, run};
use claviger_storage::{CommitError, Store, args, statements};
use futures_util::future::join_all;
use tokio::time::{Instant, timeout};
use tokio_postgres::Client;

use super::proxy::{Pace, Proxy};
use super::stand_in::{ADD_GATE, EPOCHS, GATE, LEAVE, NAME, NEXT, NEXT_FROM, Row, World};

statements! {
    /// Takes its time.
    pub(crate) SLOW: "select count(*) from people a, pg_sleep(120) where a.realm_id = $1";
}

/// Longer than anything here may take, on a machine that has much else to do.
const LONG: Duration = Duration::from_mins(1);

async fn owner(scratch: &Scratch) -> Client {
    scratch.database().unwrap().owner().await.unwrap()
}

/// Returns once `count` backends wait for a lock of this database.
async fn waiting(client: &Client, count: i64) {
    let waiting =
        "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'";
    let look = async {
        while client.query_one(waiting, &[]).await.unwrap().get::<_, i64>(0) < count {
            tokio::task::yield_now().await;
        }
    };
    timeout(LONG, look).await.expect("somebody waits for a lock");
}

#[test]
fn f30_with_every_connection_busy_a_unit_waits_one_second_and_reads_go_on() {
    run(Engine::Postgres, async |scratch| {
        let world = World::on(scratch).await;
        let person = world.person("a").await;
        let mut options = world.scratch.database().unwrap().options();
        options.writers = 1;
        let store = Store::open_postgres(options).await.unwrap();
        let holder = owner(&world.scratch).await;
        holder.batch_execute("begin; update people set epoch = 5").await.unwrap();
        let unit = || {
            let mut unit = world.unit();
            unit.one("next", &NEXT, args![world.realm, person]);
            unit
        };
        let watch = owner(&world.scratch).await;
        // The first waits for its lock for a second and a half; on a busy machine the second may come so late that it
        // sees the end of that, and proves nothing.
        let tried = async {
            loop {
                let first = tokio::spawn({
                    let (store, unit) = (store.clone(), unit());
                    async move { store.commit(unit).await }
                });
                waiting(&watch, 1).await;
                let CommitError::Unavailable(why) = store.commit(unit()).await.unwrap_err() else {
                    panic!("a conflict")
                };
                if !first.is_finished() {
                    return (first, why);
                }
            }
        };
        let (first, why) = timeout(LONG, tried).await.expect("the connection was busy all along");
        assert!(why.reason().contains("busy"), "{why}");
        let read = async {
            loop {
                if let Ok(name) = store.get(&NAME, args![world.realm, person], |row| row.get::<String>(0)).await {
                    return name;
                }
            }
        };
        assert_eq!(timeout(LONG, read).await.expect("reads go on").as_deref(), Some("a"));
        holder.batch_execute("rollback").await.unwrap();
        let done = i64::from(first.await.unwrap().is_ok());
        assert_eq!(world.number(&EPOCHS, args![world.realm, person]).await, 1 + done);
    });
}

#[test]
fn f31_a_lock_that_is_held_too_long_is_unavailable_and_no_conflict() {
    run(Engine::Postgres, async |scratch| {
        let world = World::on(scratch.hurried().await).await;
        let person = world.person("a").await;
        let holder = owner(&world.scratch).await;
        holder.batch_execute("begin; update people set epoch = 5").await.unwrap();
        let unit = || {
            let mut unit = world.unit();
            unit.one("next", &NEXT_FROM, args![world.realm, person, 1_i64]);
            unit
        };
        let refused = world.commit(unit()).await.unwrap_err();
        assert!(matches!(&refused, CommitError::Unavailable(why) if why.reason().contains("55P03")), "{refused:?}");
        holder.batch_execute("rollback").await.unwrap();
        world.commit(unit()).await.unwrap();
        assert_eq!(world.number(&EPOCHS, args![world.realm, person]).await, 2);
    });
}

#[test]
fn f31_a_read_that_takes_too_long_ends_within_its_deadline_and_holds_up_no_other_for_longer() {
    run(Engine::Postgres, async |scratch| {
        let world = World::on(scratch).await;
        let person = world.person("a").await;
        let store = Store::open_postgres(world.scratch.database().unwrap().options()).await.unwrap();
        let slow = store.get(&SLOW, args![world.realm], |row| row.get::<i64>(0));
        // Two seconds, if the machine has nothing else to do; two minutes if nobody ended it.
        assert!(timeout(LONG, slow).await.expect("it is ended").is_err());
        let read = async {
            loop {
                if let Ok(name) = store.get(&NAME, args![world.realm, person], |row| row.get::<String>(0)).await {
                    return name;
                }
            }
        };
        assert_eq!(timeout(LONG, read).await.expect("others are read").as_deref(), Some("a"));
    });
}

#[test]
fn f31_conflicts_and_locks_that_others_hold_do_not_close_the_lane() {
    run(Engine::Postgres, async |scratch| {
        let world = World::on(scratch).await;
        let person = world.person("a").await;
        let unit = |epoch: i64| {
            let mut unit = world.unit();
            unit.one("next", &NEXT_FROM, args![world.realm, person, epoch]);
            unit
        };
        for _ in 0..50 {
            assert_eq!(world.commit(unit(7)).await.unwrap_err(), CommitError::Conflict("next"));
        }
        let holder = owner(&world.scratch).await;
        holder.batch_execute("begin; update people set epoch = 5").await.unwrap();
        for refused in join_all((0..16).map(|_| world.commit(unit(1)))).await {
            assert!(matches!(refused.unwrap_err(), CommitError::Unavailable(_)));
        }
        holder.batch_execute("rollback").await.unwrap();
        world.commit(unit(1)).await.unwrap();
    });
}

/// A store by way of a proxy, and somebody in it.
struct Road {
    world: World,
    person: Id<Row>,
    proxy: Proxy,
    store: Store,
}

impl Road {
    async fn laid(scratch: Scratch) -> Self {
        let world = World::on(scratch).await;
        let person = world.person("a").await;
        let mut options = world.scratch.database().unwrap().options();
        // One connection, which knows the statement after the first read.
        options.readers = 1;
        let proxy = Proxy::before(&options).await;
        let store = Store::open_postgres(proxy.options(&options)).await.unwrap();
        let road = Self { world, person, proxy, store };
        road.read().await.unwrap();
        road
    }

    async fn read(&self) -> Result<i64, Unavailable> {
        let epoch = self.store.get(&EPOCHS, args![self.world.realm, self.person], |row| row.get(0)).await?;
        Ok(epoch.expect("somebody has an epoch"))
    }

    async fn list(&self) -> Result<i64, Unavailable> {
        let realm = self.world.realm;
        Ok(self.store.list(realm, &EPOCHS, args![realm, self.person], |row| row.get(0)).await?[0])
    }

    async fn write(&self) -> Result<i64, Unavailable> {
        let mut unit = self.world.unit();
        unit.one("next", &NEXT, args![self.world.realm, self.person]);
        match self.store.commit(unit).await {
            Ok(_) => Ok(0),
            Err(CommitError::Unavailable(why)) => Err(why),
            Err(conflict) => panic!("{conflict}"),
        }
    }

    /// What holds for each lane: while the database takes five seconds for an answer, hence twenty for a connection and an
    /// answer, everybody is told so in time, and soon at once; hardly anything reaches it then; and when it is fast again
    /// all goes on.
    async fn is_spared(
        &self,
        lane: &str,
        within: Duration,
        statements: usize,
        call: impl AsyncFn() -> Result<i64, Unavailable>,
    ) {
        let closed = |why: &Unavailable| why.reason().contains(&format!("does not answer {lane}"));
        call().await.unwrap();
        self.proxy.pace(Pace::Slow);
        let mut asked = 0;
        let close = async {
            loop {
                let start = Instant::now();
                let ends = join_all((0..64).map(|_| async { (call().await.unwrap_err(), start.elapsed()) })).await;
                for (why, took) in &ends {
                    assert!(*took < within, "{lane}: {why} after {took:?}");
                }
                asked += ends.iter().filter(|(why, _)| !closed(why)).count();
                if call().await.is_err_and(|why| closed(&why)) {
                    return;
                }
            }
        };
        timeout(Duration::from_mins(1), close).await.expect("the lane closes");
        let (before, start) = (self.proxy.statements(), Instant::now());
        let mut tried = 0;
        for _ in 0..1000 {
            tried += usize::from(!closed(&call().await.unwrap_err()));
        }
        let pauses = start.elapsed().as_millis() / 500;
        assert!(u128::try_from(tried).unwrap() <= 1 + pauses, "{lane}: one at a time and after a pause: {tried}");
        assert!(self.proxy.statements() - before <= tried * statements, "{lane}: only theirs have arrived");
        self.proxy.pace(Pace::Fast);
        let back = async {
            while call().await.is_err() {
                tokio::task::yield_now().await;
            }
        };
        timeout(Duration::from_secs(10), back).await.expect("normal again within ten seconds");
        assert!(asked > 0, "some were asked before the lane closed");
    }
}

#[test]
fn f31_reads_of_a_slow_database_are_refused_in_time_then_at_once_and_go_on_when_it_is_fast() {
    run(Engine::Postgres, async |scratch| {
        let road = Road::laid(scratch).await;
        road.is_spared("reads", Duration::from_millis(4500), 1, async || road.read().await).await;
    });
}

#[test]
fn f31_units_on_a_slow_database_are_refused_in_time_then_at_once_and_go_on_when_it_is_fast() {
    run(Engine::Postgres, async |scratch| {
        let road = Road::laid(scratch).await;
        road.is_spared("units", Duration::from_secs(12), 4, async || road.write().await).await;
    });
}

#[test]
fn f31_lists_of_a_slow_database_are_refused_in_time_then_at_once_and_go_on_when_it_is_fast() {
    run(Engine::Postgres, async |scratch| {
        let road = Road::laid(scratch).await;
        road.is_spared("lists", Duration::from_secs(12), 4, async || road.list().await).await;
    });
}

#[test]
fn f31_of_many_reads_whose_connection_is_lost_only_a_few_are_tried_again() {
    const READS: usize = 600;
    run(Engine::Postgres, async |scratch| {
        let road = Arc::new(Road::laid(scratch).await);
        let before = road.proxy.statements();
        road.proxy.pace(Pace::Lost);
        let reads = (0..READS).map(|_| {
            let road = Arc::clone(&road);
            tokio::spawn(async move { road.read().await })
        });
        let reads: Vec<_> = reads.collect();
        let sent = || road.proxy.statements() - before;
        while sent() < READS && !reads.iter().all(tokio::task::JoinHandle::is_finished) {
            tokio::task::yield_now().await;
        }
        road.proxy.pace(Pace::Fast);
        road.proxy.sever();
        let answered = join_all(reads).await.into_iter().filter(|end| end.as_ref().unwrap().is_ok()).count();
        let again = READS / 10 + 100;
        assert!(sent() <= READS + again, "one in ten, and the hundred of quiet times: {}", sent());
        assert!(answered <= again, "only who was sent again could be answered: {answered}");
    });
}

#[test]
fn f33_of_two_who_wait_for_each_other_the_one_that_is_ended_runs_again() {
    run(Engine::Postgres, async |scratch| {
        let world = World::on(scratch).await;
        let (first, second) = (world.person("a").await, world.person("b").await);
        let (other, watch) = (owner(&world.scratch).await, owner(&world.scratch).await);
        // The unit, not the test, is the one that notices the deadlock and is ended: it looks for one once, a while after
        // it began to wait, so it is held at a gate until the other waits already.
        let mut unit = world.unit();
        unit.one("gate", &ADD_GATE, args![world.realm, 1_i64]);
        world.commit(unit).await.unwrap();
        let gate = owner(&world.scratch).await;
        gate.batch_execute("begin; update gates set passed = passed + 1").await.unwrap();
        other
            .batch_execute("set deadlock_timeout = '60s'; begin; update people set epoch = 10 where name = 'b'")
            .await
            .unwrap();
        let mut unit = world.unit();
        unit.one("first", &NEXT, args![world.realm, first]);
        unit.one("gate", &GATE, args![world.realm, 1_i64]);
        unit.one("second", &NEXT, args![world.realm, second]);
        let run = tokio::spawn({
            let store = world.scratch.store.clone();
            async move { store.commit(unit).await }
        });
        waiting(&watch, 1).await;
        let meets = other.batch_execute("update people set epoch = 10 where name = 'a'; commit");
        let (met, ()) = tokio::join!(meets, async {
            waiting(&watch, 2).await;
            gate.batch_execute("commit").await.unwrap();
        });
        met.unwrap();
        run.await.unwrap().unwrap();
        for person in [first, second] {
            assert_eq!(world.number(&EPOCHS, args![world.realm, person]).await, 11, "after the other, and once");
        }
    });
}

/// Ends every `nth` update of people in favour of nobody.
async fn clashes(scratch: &Scratch, nth: u32) {
    let text = format!(
        "create sequence tries; grant usage on sequence tries to claviger_app; \
         create function clash() returns trigger language plpgsql as $$ begin \
            if nextval('tries') % {nth} = 0 then raise exception 'clash' using errcode = '40001'; end if; \
            return new; end $$; \
         create trigger clash before update on people for each row execute function clash()"
    );
    owner(scratch).await.batch_execute(&text).await.unwrap();
}

#[test]
fn f33_with_five_percent_of_transactions_ended_by_the_server_each_effect_happens_exactly_once() {
    run(Engine::Postgres, async |scratch| {
        let world = World::on(scratch).await;
        clashes(&world.scratch, 20).await;
        let people =
            join_all((0..8).map(|_| async { world.person(&world.scratch.id::<Row>().to_string()).await })).await;
        let runs = people.iter().map(|person| async {
            for _ in 0..50 {
                let mut unit = world.unit();
                unit.one("next", &NEXT, args![world.realm, *person]);
                world.commit(unit).await.unwrap();
            }
        });
        join_all(runs).await;
        for person in people {
            assert_eq!(world.number(&EPOCHS, args![world.realm, person]).await, 51);
        }
        let tries: i64 =
            owner(&world.scratch).await.query_one("select last_value from tries", &[]).await.unwrap().get(0);
        assert!(tries >= 400 + 20, "some were ended: {tries}");
    });
}

#[test]
fn f33_a_unit_is_tried_four_times_and_no_more() {
    run(Engine::Postgres, async |scratch| {
        let world = World::on(scratch).await;
        let person = world.person("a").await;
        clashes(&world.scratch, 1).await;
        let mut unit = world.unit();
        unit.one("leave", &LEAVE, args![world.realm, person]);
        assert!(matches!(world.commit(unit).await.unwrap_err(), CommitError::Unavailable(_)));
        let tries: i64 =
            owner(&world.scratch).await.query_one("select last_value from tries", &[]).await.unwrap().get(0);
        assert_eq!(tries, 4);
        assert!(world.is_present(person).await);
    });
}

#[test]
fn after_every_backend_was_ended_reads_lists_and_units_go_on_at_once() {
    run(Engine::Postgres, async |scratch| {
        let world = World::on(scratch).await;
        let person = world.person("a").await;
        let owner = owner(&world.scratch).await;
        for round in 2..6 {
            let ended = "select count(pg_terminate_backend(pid)) from pg_stat_activity \
                where datname = current_database() and usename like 'claviger_scratch_%'";
            assert!(owner.query_one(ended, &[]).await.unwrap().get::<_, i64>(0) > 1);
            let reads = join_all((0..20).map(|_| world.name(person))).await;
            assert!(reads.iter().all(|name| name.as_deref() == Some("a")));
            let mut unit = world.unit();
            unit.one("next", &NEXT, args![world.realm, person]);
            world.commit(unit).await.unwrap();
            let epochs =
                world.scratch.store.list(world.realm, &EPOCHS, args![world.realm, person], |row| row.get::<i64>(0));
            assert_eq!(epochs.await.unwrap(), [round]);
        }
    });
}

#[test]
fn f32_while_the_database_is_away_everything_is_refused_at_once_and_goes_on_when_it_is_back() {
    run(Engine::Postgres, async |scratch| {
        let world = World::on(scratch).await;
        let person = world.person("a").await;
        let options = world.scratch.database().unwrap().options();
        let proxy = Proxy::before(&options).await;
        let store = Store::open_postgres(proxy.options(&options)).await.unwrap();
        let read = || async {
            let read: Result<Option<i64>, Unavailable> =
                store.get(&EPOCHS, args![world.realm, person], |row| row.get(0)).await;
            read
        };
        let unit = || {
            let mut unit = world.unit();
            unit.one("next", &NEXT, args![world.realm, person]);
            unit
        };
        store.commit(unit()).await.unwrap();
        proxy.down(true);
        assert!(read().await.is_err());
        let start = Instant::now();
        for outcome in join_all((0..200).map(|_| read())).await {
            assert!(outcome.is_err());
        }
        for outcome in join_all((0..50).map(|_| store.commit(unit()))).await {
            assert!(matches!(outcome.unwrap_err(), CommitError::Unavailable(_)));
        }
        // One after the other, so that waits would add up.
        for _ in 0..100 {
            assert!(read().await.is_err());
            assert!(matches!(store.commit(unit()).await.unwrap_err(), CommitError::Unavailable(_)));
        }
        assert!(start.elapsed() < LONG, "{:?}", start.elapsed());
        proxy.down(false);
        let back = async {
            while read().await.is_err() || store.commit(unit()).await.is_err() {
                tokio::task::yield_now().await;
            }
        };
        timeout(LONG, back).await.expect("normal again within a while");
        assert_eq!(read().await.unwrap(), Some(3), "nothing that was refused has happened");
    });
}
