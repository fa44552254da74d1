//! F34: the answer to COMMIT is lost. Whatever the caller is told is so, and nothing happens twice.

use std::pin::pin;

use claviger_kernel::Id;
use claviger_storage::scratch::{Engine, run};
use claviger_storage::{CommitError, Committed, Store, Unit, args};
use futures_util::future::join_all;

use super::proxy::{Cut, Proxy, Release};
use super::stand_in::{EPOCHS, NEXT, RENAME, Row, World};

/// A world whose units travel by way of a proxy.
struct Cable {
    world: World,
    proxy: Proxy,
    store: Store,
    person: Id<Row>,
}

impl Cable {
    async fn laid(scratch: claviger_storage::scratch::Scratch) -> Self {
        let world = World::on(scratch).await;
        let person = world.person("a").await;
        let options = world.scratch.database().unwrap().options();
        let proxy = Proxy::before(&options).await;
        let store = Store::open_postgres(proxy.options(&options)).await.unwrap();
        Self { world, proxy, store, person }
    }

    /// The same with the patience of the scratch store: nothing is given up because the machine is busy.
    async fn laid_patiently(scratch: claviger_storage::scratch::Scratch) -> Self {
        let mut cable = Self::laid(scratch).await;
        let options = cable.world.scratch.database().unwrap().options();
        cable.store = cable.world.scratch.by_way_of(cable.proxy.options(&options)).await;
        cable
    }

    /// One epoch on, and a row given back.
    fn unit(&self) -> Unit {
        let mut unit = self.world.unit();
        unit.one("next", &NEXT, args![self.world.realm, self.person]);
        let rename = args![self.world.realm, self.person, "b"];
        unit.returning("rename", &RENAME, rename, claviger_storage::Expect::Exactly(1));
        unit
    }

    async fn commit(&self) -> Result<Committed, CommitError> {
        self.store.commit(self.unit()).await
    }

    async fn epoch(&self) -> i64 {
        self.world.number(&EPOCHS, args![self.world.realm, self.person]).await
    }

    /// Returns once somebody waits for a unit to end.
    async fn searched(&self) {
        let owner = self.world.scratch.database().unwrap().owner().await.unwrap();
        let waiting = "select count(*) from pg_locks where locktype = 'advisory' and not granted \
            and database = (select oid from pg_database where datname = current_database())";
        while owner.query_one(waiting, &[]).await.unwrap().get::<_, i64>(0) == 0 {
            tokio::task::yield_now().await;
        }
    }
}

fn name(committed: &Committed) -> Option<String> {
    committed.first("rename", |row| row.get(0)).unwrap()
}

#[test]
fn f34_a_commit_that_arrived_is_found_and_not_done_again() {
    run(Engine::Postgres, async |scratch| {
        let cable = Cable::laid_patiently(scratch).await;
        cable.proxy.cut([Cut::After]);
        assert_eq!(name(&cable.commit().await.unwrap()).as_deref(), Some("b"));
        assert_eq!((cable.epoch().await, cable.proxy.commits()), (2, 1), "it was not sent again");
    });
}

#[test]
fn f34_a_commit_that_arrived_and_is_never_answered_is_found_and_not_done_again() {
    run(Engine::Postgres, async |scratch| {
        let cable = Cable::laid(scratch).await;
        let told = loop {
            cable.proxy.cut([Cut::Silent]);
            let told = cable.commit().await;
            // On a busy machine a unit may be given up before its COMMIT.
            if cable.proxy.commits() > 0 {
                break told;
            }
        };
        if let Ok(committed) = &told {
            assert_eq!(name(committed).as_deref(), Some("b"));
        }
        assert_eq!((cable.epoch().await, cable.proxy.commits()), (2, 1), "it was not sent again: {told:?}");
    });
}

#[test]
fn f34_a_commit_that_did_not_arrive_is_done_once() {
    run(Engine::Postgres, async |scratch| {
        let cable = Cable::laid_patiently(scratch).await;
        cable.proxy.cut([Cut::Before]);
        assert_eq!(name(&cable.commit().await.unwrap()).as_deref(), Some("b"));
        assert_eq!(cable.epoch().await, 2);
        assert_eq!(cable.proxy.commits(), 2);
    });
}

#[test]
fn f34_a_commit_that_never_arrives_is_unavailable_and_has_not_happened() {
    run(Engine::Postgres, async |scratch| {
        let cable = Cable::laid_patiently(scratch).await;
        cable.proxy.cut([Cut::Before; 9]);
        assert!(matches!(cable.commit().await.unwrap_err(), CommitError::Unavailable(_)));
        assert_eq!(cable.epoch().await, 1);
        assert_eq!(cable.proxy.commits(), 2, "one other try and no storm");
    });
}

#[test]
fn f34_the_search_waits_for_a_commit_that_is_still_under_way() {
    run(Engine::Postgres, async |scratch| {
        let cable = Cable::laid_patiently(scratch).await;
        for (number, (how, commits)) in [(Release::Forward, 1), (Release::Drop, 3)].into_iter().enumerate() {
            cable.proxy.release(Release::Wait);
            cable.proxy.cut([Cut::Held]);
            let (told, ()) = tokio::join!(cable.commit(), async {
                cable.searched().await;
                cable.proxy.release(how);
            });
            assert_eq!(name(&told.unwrap()).as_deref(), Some("b"), "{how:?}");
            assert_eq!(cable.epoch().await, 2 + i64::try_from(number).unwrap(), "{how:?}");
            assert_eq!(cable.proxy.commits(), commits, "{how:?}");
        }
    });
}

#[test]
fn f34_where_the_outcome_cannot_be_looked_up_the_caller_is_told_unavailable() {
    run(Engine::Postgres, async |scratch| {
        let cable = Cable::laid(scratch).await;
        let told = loop {
            cable.proxy.release(Release::Wait);
            cable.proxy.cut([Cut::Held]);
            let mut commit = pin!(cable.commit());
            let told = tokio::select! {
                told = commit.as_mut() => told,
                () = cable.searched() => {
                    cable.proxy.down(true);
                    commit.await
                }
            };
            // On a busy machine a unit may be given up before its COMMIT.
            if cable.proxy.commits() > 0 {
                break told;
            }
        };
        cable.proxy.down(true);
        assert!(matches!(told.unwrap_err(), CommitError::Unavailable(_)));
        assert_eq!(cable.epoch().await, 1, "the server saw the connection end");
        cable.proxy.down(false);
        while cable.commit().await.is_err() {
            tokio::task::yield_now().await;
        }
        assert_eq!(cable.epoch().await, 2);
    });
}

#[test]
fn f34_among_many_units_with_every_fourth_answer_lost_each_caller_is_told_what_is_so() {
    run(Engine::Postgres, async |scratch| {
        let cable = Cable::laid_patiently(scratch).await;
        let mut people = Vec::new();
        for name in ["b", "c", "d", "e", "f", "g", "h", "i"] {
            people.push(cable.world.person(name).await);
        }
        let cuts = [Cut::Before, Cut::After, Cut::Before, Cut::Before];
        // A lost one in four, of either kind; the rest pass by what stands in between.
        let plan = (0..120).map(|n| if n % 4 == 0 { cuts[n / 4 % cuts.len()] } else { Cut::None });
        cable.proxy.cut(plan);
        let runs = people.iter().map(|person| async {
            let mut done = 0;
            for _ in 0..12 {
                let mut unit = cable.world.unit();
                unit.one("next", &NEXT, args![cable.world.realm, *person]);
                done += i64::from(cable.store.commit(unit).await.is_ok());
            }
            (*person, done)
        });
        let told: Vec<(Id<Row>, i64)> = join_all(runs).await;
        assert!(told.iter().map(|(_, done)| done).sum::<i64>() > 48, "most pass: {told:?}");
        for (person, done) in told {
            assert_eq!(cable.world.number(&EPOCHS, args![cable.world.realm, person]).await, 1 + done);
        }
    });
}
