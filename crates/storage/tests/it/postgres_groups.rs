//! Units that wait for a connection of PostgreSQL go together; none of them notices but by how fast it is.

use std::time::Duration;

use claviger_kernel::{Id, RealmId};
use claviger_storage::scratch::{Engine, Scratch, run};
use claviger_storage::{CommitError, Committed, Store, Unit, args};
use futures_util::future::join_all;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_postgres::Client;

use super::proxy::{Cut, Proxy};
use super::stand_in::{ADD, ADD_GATE, EPOCHS, GATE, LEAVE, NEXT, NEXT_FROM, PRESENT, RENAME, Row, World};

/// Longer than anything here may take, on a machine that has much else to do.
const LONG: Duration = Duration::from_mins(1);

type Told = JoinHandle<Result<Committed, CommitError>>;

/// A world with few connections for units, all of which the test can hold at a gate.
struct Counter {
    world: World,
    store: Store,
    writers: i64,
    proxy: Option<Proxy>,
    owner: Client,
}

impl Counter {
    async fn open(scratch: Scratch, writers: i64) -> Self {
        Self::with(scratch, writers, false).await
    }

    async fn with(scratch: Scratch, writers: i64, proxied: bool) -> Self {
        let world = World::on(scratch).await;
        let mut options = world.scratch.database().unwrap().options();
        options.writers = usize::try_from(writers).unwrap();
        let proxy = if proxied { Some(Proxy::before(&options).await) } else { None };
        let options = proxy.as_ref().map_or(options.clone(), |proxy| proxy.options(&options));
        let store = world.scratch.by_way_of(options).await;
        let owner = world.scratch.database().unwrap().owner().await.unwrap();
        let counter = Self { world, store, writers, proxy, owner };
        for gate in 1..=2_i64 {
            let mut unit = counter.world.unit();
            unit.one("gate", &ADD_GATE, args![counter.world.realm, gate]);
            counter.store.commit(unit).await.unwrap();
        }
        counter
    }

    fn hand_in(&self, unit: Unit) -> Told {
        let store = self.store.clone();
        tokio::spawn(async move { store.commit(unit).await })
    }

    fn through_gate(&self, gate: i64) -> Unit {
        let mut unit = self.world.unit();
        unit.one("gate", &GATE, args![self.world.realm, gate]);
        unit
    }

    /// Hands in `units` while every connection is held, and lets go. What they are told, in their order.
    async fn queue(&self, units: Vec<Unit>) -> Vec<Result<Committed, CommitError>> {
        let gate = self.world.scratch.database().unwrap().owner().await.unwrap();
        gate.batch_execute("begin; update gates set passed = passed + 1 where id = 1").await.unwrap();
        let holders: Vec<Told> = (0..self.writers).map(|_| self.hand_in(self.through_gate(1))).collect();
        self.waiting(self.writers).await;
        let told: Vec<Told> = units.into_iter().map(|unit| self.hand_in(unit)).collect();
        // Where the tasks have not come to wait yet they go alone, and the caller tries again.
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        gate.batch_execute("commit").await.unwrap();
        join_all(holders).await.into_iter().for_each(|held| drop(held.unwrap().unwrap()));
        join_all(told).await.into_iter().map(Result::unwrap).collect()
    }

    /// Returns once `count` backends wait for a lock of this database.
    async fn waiting(&self, count: i64) {
        let waiting =
            "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'";
        let look = async {
            while self.owner.query_one(waiting, &[]).await.unwrap().get::<_, i64>(0) < count {
                tokio::task::yield_now().await;
            }
        };
        timeout(LONG, look).await.expect("somebody waits for a lock");
    }

    /// In how many transactions the people of `realm` were written.
    async fn transactions(&self, realm: RealmId) -> Vec<i64> {
        let text = "select distinct xmin::text::bigint from people where realm_id = $1";
        let rows = self.owner.query(text, &[&realm.as_bytes().as_slice()]).await.unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    }

    fn add(&self, realm: RealmId, name: &str) -> Unit {
        let mut unit = self.world.scratch.unit(realm);
        unit.one("person", &ADD, args![realm, self.world.scratch.id::<Row>(), name]);
        unit
    }

    fn next_from(&self, person: Id<Row>, epoch: i64) -> Unit {
        let mut unit = self.world.unit();
        unit.one("next", &NEXT_FROM, args![self.world.realm, person, epoch]);
        unit
    }

    async fn epoch(&self, person: Id<Row>) -> i64 {
        self.world.number(&EPOCHS, args![self.world.realm, person]).await
    }

    /// Repeats `round` until it says that units have gone together.
    async fn until_together(round: impl AsyncFn() -> bool) {
        timeout(LONG, async { while !round().await {} }).await.expect("units that wait go together");
    }
}

#[test]
fn units_that_wait_go_together_with_those_of_their_realm_and_no_other() {
    run(Engine::Postgres, async |scratch| {
        let counter = Counter::open(scratch, 1).await;
        Counter::until_together(async || {
            let realms: [RealmId; 2] = [counter.world.scratch.id(), counter.world.scratch.id()];
            let units = (0..10).map(|n| counter.add(realms[n % 2], &format!("p{n}"))).collect();
            for told in counter.queue(units).await {
                told.unwrap();
            }
            let [first, second] = [counter.transactions(realms[0]).await, counter.transactions(realms[1]).await];
            assert!(first.iter().all(|one| !second.contains(one)), "{first:?} {second:?}");
            first.len() < 5 && second.len() < 5
        })
        .await;
    });
}

#[test]
fn a_conflict_in_a_group_is_its_own_units_and_harms_no_neighbour() {
    run(Engine::Postgres, async |scratch| {
        let counter = Counter::open(scratch, 1).await;
        let world = &counter.world;
        let (gone, person) = (world.person("gone").await, world.person("moved").await);
        let mut leave = world.unit();
        leave.one("leave", &LEAVE, args![world.realm, gone]);
        world.commit(leave).await.unwrap();
        for round in 0..8_i64 {
            let epoch = counter.epoch(person).await;
            let mut requires = world.unit();
            requires.require("present", &PRESENT, args![world.realm, gone]);
            requires.one("next", &NEXT, args![world.realm, person]);
            let mut taken = counter.add(world.realm, &format!("new {round}"));
            taken.one("name", &ADD, args![world.realm, world.scratch.id::<Row>(), "gone"]);
            let units = vec![
                counter.add(world.realm, &format!("before {round}")),
                counter.next_from(person, epoch),
                counter.next_from(person, epoch),
                requires,
                taken,
                counter.add(world.realm, &format!("after {round}")),
            ];
            let told = counter.queue(units).await;
            let conflicts: Vec<_> =
                told.iter().map(|told| told.as_ref().err().map(|error| error.conflict().unwrap())).collect();
            let [before, one, other, requires, taken, after] = conflicts.try_into().unwrap();
            assert_eq!((before, requires, taken, after), (None, Some("present"), Some("name"), None));
            assert!([one, other] == [None, Some("next")] || [one, other] == [Some("next"), None]);
            assert_eq!(counter.epoch(person).await, epoch + 1);
        }
        let names = "select count(*) from people where name like 'new %'";
        assert_eq!(counter.owner.query_one(names, &[]).await.unwrap().get::<_, i64>(0), 0);
    });
}

#[test]
fn each_unit_of_a_group_gets_its_own_rows_back() {
    run(Engine::Postgres, async |scratch| {
        let counter = Counter::open(scratch, 1).await;
        let world = &counter.world;
        let mut people = Vec::new();
        for n in 0..8 {
            people.push(world.person(&format!("p{n}")).await);
        }
        let round = std::sync::atomic::AtomicU32::new(0);
        Counter::until_together(async || {
            let round = round.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            let rename = |(n, person): (usize, &Id<Row>)| {
                let mut unit = world.unit();
                for name in ["first", "second"] {
                    let args = args![world.realm, *person, format!("{name} {n} {round}")];
                    unit.returning(name, &RENAME, args, claviger_storage::Expect::Exactly(1));
                }
                unit
            };
            let told = counter.queue(people.iter().enumerate().map(rename).collect()).await;
            for (n, told) in told.into_iter().enumerate() {
                let told = told.unwrap();
                for name in ["first", "second"] {
                    let read = told.first(name, |row| row.get::<String>(0)).unwrap();
                    assert_eq!(read, Some(format!("{name} {n} {round}")));
                }
            }
            counter.transactions(world.realm).await.len() < people.len()
        })
        .await;
    });
}

#[test]
fn a_lock_that_somebody_holds_keeps_no_neighbour_waiting() {
    run(Engine::Postgres, async |scratch| {
        let counter = Counter::open(scratch, 2).await;
        let world = &counter.world;
        let other = world.scratch.database().unwrap().owner().await.unwrap();
        other.batch_execute("begin; update gates set passed = passed + 1 where id = 2").await.unwrap();
        let gate = world.scratch.database().unwrap().owner().await.unwrap();
        gate.batch_execute("begin; update gates set passed = passed + 1 where id = 1").await.unwrap();
        let holders = [counter.hand_in(counter.through_gate(1)), counter.hand_in(counter.through_gate(1))];
        // Those two and nobody else: the lock of the other gate has no one waiting yet.
        counter.waiting(2).await;
        let held = counter.hand_in(counter.through_gate(2));
        let neighbours: Vec<_> = (0..6).map(|n| counter.hand_in(counter.add(world.realm, &format!("n{n}")))).collect();
        gate.batch_execute("commit").await.unwrap();
        for told in join_all(holders.into_iter().chain(neighbours)).await {
            told.unwrap().unwrap();
        }
        assert!(!held.is_finished(), "it waits still");
        other.batch_execute("commit").await.unwrap();
        held.await.unwrap().unwrap();
    });
}

#[test]
fn f34_where_the_answer_to_a_groups_commit_is_lost_each_unit_is_told_what_is_so() {
    run(Engine::Postgres, async |scratch| {
        let counter = Counter::with(scratch, 1, true).await;
        let mut people = Vec::new();
        for n in 0..8 {
            people.push(counter.world.person(&format!("p{n}")).await);
        }
        let proxy = counter.proxy.as_ref().unwrap();
        for cut in [Cut::After, Cut::Before] {
            for _ in 0..4 {
                let epoch = counter.epoch(people[0]).await;
                let units = people.iter().map(|person| counter.next_from(*person, epoch)).collect();
                // The first COMMIT is that of the unit at the gate.
                proxy.cut([Cut::None, cut]);
                for told in counter.queue(units).await {
                    told.unwrap();
                }
                for person in &people {
                    assert_eq!(counter.epoch(*person).await, epoch + 1, "{cut:?}");
                }
            }
        }
    });
}

#[test]
fn whatever_goes_together_ends_as_if_each_had_gone_alone() {
    run(Engine::Postgres, async |scratch| {
        let counter = Counter::open(scratch, 2).await;
        let world = &counter.world;
        let mut people = Vec::new();
        for n in 0..4 {
            people.push(world.person(&format!("p{n}")).await);
        }
        let mut done = [0_i64; 4];
        for round in 0..12_usize {
            let mut epochs = Vec::new();
            for person in &people {
                epochs.push(counter.epoch(*person).await);
            }
            // For each person three who want the same step and one who wants the step after it, in another order each time.
            let wants: Vec<(usize, i64)> = (0..16)
                .map(|n| (n * 7 + round * 5) % 16)
                .map(|n| (n % 4, epochs[n % 4] + i64::from(n >= 12)))
                .collect();
            let units = wants.iter().map(|(person, from)| counter.next_from(people[*person], *from)).collect();
            let told = counter.queue(units).await;
            for (person, done) in done.iter_mut().enumerate() {
                let mine: Vec<i64> = wants
                    .iter()
                    .zip(&told)
                    .filter(|((whose, _), told)| *whose == person && told.is_ok())
                    .map(|((_, from), _)| *from)
                    .collect();
                let first = mine.iter().filter(|from| **from == epochs[person]).count();
                assert_eq!(first, 1, "one of three takes the step");
                assert!(mine.len() <= 2, "and one at most the step after it");
                *done += i64::try_from(mine.len()).unwrap();
                assert_eq!(counter.epoch(people[person]).await, 1 + *done);
            }
            for told in told.into_iter().filter_map(Result::err) {
                assert_eq!(told.conflict(), Some("next"));
            }
        }
    });
}
