//! Stand-in tables: people, their stays, a gate to hold a unit at, and cells of every kind.

use claviger_kernel::{Id, IdKind, RealmId, Unavailable};
use claviger_storage::scratch::Scratch;
use claviger_storage::{CommitError, Committed, Unit, Value, args, statements};

statements! {
    /// Somebody new, present, in epoch 1.
    pub(crate) ADD: "insert into people (realm_id, id, name, present, epoch) values ($1, $2, $3, true, 1)";
    /// Somebody's name.
    pub(crate) NAME: "select name from people where id = $2 and realm_id = $1";
    /// Only if present.
    pub(crate) PRESENT: "select id from people where realm_id = $1 and id = $2 and present = true";
    /// Only in this epoch.
    pub(crate) EPOCH: "select id from people where realm_id = $1 and id = $2 and epoch = $3";
    /// Somebody leaves.
    pub(crate) LEAVE: "update people set present = false, epoch = epoch + 1 where realm_id = $1 and id = $2";
    /// One epoch on.
    pub(crate) NEXT: "update people set epoch = epoch + 1 where realm_id = $1 and id = $2";
    /// One epoch on, from this one.
    pub(crate) NEXT_FROM: "update people set epoch = epoch + 1 where realm_id = $1 and id = $2 and epoch = $3";
    /// Another name.
    pub(crate) RENAME: "update people set name = $3 where realm_id = $1 and id = $2 returning name, epoch";
    /// Somebody new, unless known.
    pub(crate) ADD_ONCE: "insert into people (realm_id, id, name, present, epoch) values ($1, $2, $3, true, 1) \
        on conflict (realm_id, name) do nothing";
    /// Everybody's epoch.
    pub(crate) EPOCHS: "select epoch from people where realm_id = $1 and id = $2";
    /// Everybody goes.
    pub(crate) CLEAR: "delete from people where realm_id = $1 and name >= $2";
    /// A stay of somebody.
    pub(crate) STAY: "insert into stays (realm_id, id, person_id, live) values ($1, $2, $3, true)";
    /// Every stay of somebody ends.
    pub(crate) END_STAYS: "update stays set live = false where realm_id = $1 and person_id = $2 and live = true";
    /// How many live stays somebody has.
    pub(crate) LIVE: "select count(*) from stays where realm_id = $1 and person_id = $2 and live = true";
    /// A gate; who holds it holds whoever comes by.
    pub(crate) GATE: "update gates set passed = passed + 1 where realm_id = $1 and id = $2";
    /// A new gate.
    pub(crate) ADD_GATE: "insert into gates (realm_id, id, passed) values ($1, $2, 0)";
    /// A row of cells.
    pub(crate) ADD_CELLS: "insert into cells (realm_id, id, flag, number, words, raw) values ($1, $2, $3, $4, $5, $6)";
    /// A row of large cells, which no index could take.
    pub(crate) ADD_LARGE: "insert into cells (realm_id, id, prose, raw) values ($1, $2, $3, $4)";
    /// The large cells.
    pub(crate) LARGE: "select prose, raw from cells where realm_id = $1 and id = $2";
    /// The cells.
    pub(crate) CELLS: "select flag, number, words, raw from cells where realm_id = $1 and id = $2";
    /// The cells of these words.
    pub(crate) BY_WORDS: "select id from cells where realm_id = $1 and words = $2";
    /// Words in their order.
    pub(crate) WORDS: "select words from cells where realm_id = $1 and words >= $2 order by words";
    /// A page of cells after one.
    pub(crate) PAGE: "select number, id from cells where realm_id = $1 and (number, id) > ($2, $3) \
        order by number, id limit $4";
    /// Entries of the change log.
    pub(crate) CHANGES: "select count(*) from change_log where realm_id = $1";
}

/// The tables, as a migration.
pub(crate) const TABLES: &str = "
-- tenant keyed
create table people (
  realm_id {id} not null, id {id} not null, name {text} not null, present {bool} not null, epoch {int} not null,
  primary key (realm_id, id), unique (realm_id, name)
) {keyed};
-- tenant keyed
create table stays (
  realm_id {id} not null, id {id} not null, person_id {id} not null, live {bool} not null, primary key (realm_id, id)
) {keyed};
create index stays_person on stays (realm_id, person_id);
-- tenant keyed
create table gates (
  realm_id {id} not null, id {int} not null, passed {int} not null, primary key (realm_id, id)
) {keyed};
-- tenant keyed
create table cells (
  realm_id {id} not null, id {id} not null, flag {bool}, number {int}, words {text}, raw {bytes}, prose {text},
  primary key (realm_id, id)
) {keyed};
create index cells_words on cells (realm_id, words);
create index cells_number on cells (realm_id, number, id);
";

/// A row of a stand-in table.
pub(crate) enum Row {}

impl IdKind for Row {
    const PREFIX: &'static str = "row";
}

/// A scratch store with the stand-in tables, and one realm in it.
pub(crate) struct World {
    pub(crate) scratch: Scratch,
    pub(crate) realm: RealmId,
}

impl World {
    pub(crate) async fn on(scratch: Scratch) -> Self {
        scratch.extend(TABLES).await;
        Self { realm: scratch.id(), scratch }
    }

    pub(crate) fn unit(&self) -> Unit {
        self.scratch.unit(self.realm)
    }

    pub(crate) async fn commit(&self, unit: Unit) -> Result<Committed, CommitError> {
        self.scratch.store.commit(unit).await
    }

    /// Somebody new called `name`.
    pub(crate) async fn person(&self, name: &str) -> Id<Row> {
        let id = self.scratch.id();
        let mut unit = self.unit();
        unit.one("person", &ADD, args![self.realm, id, name]);
        self.commit(unit).await.unwrap();
        id
    }

    pub(crate) async fn name(&self, id: Id<Row>) -> Option<String> {
        self.scratch.store.get(&NAME, args![self.realm, id], |row| row.get(0)).await.unwrap()
    }

    pub(crate) async fn is_present(&self, id: Id<Row>) -> bool {
        self.scratch.store.get(&PRESENT, args![self.realm, id], |_| Ok(())).await.unwrap().is_some()
    }

    pub(crate) async fn number(&self, sql: &'static claviger_storage::Sql, args: Vec<Value>) -> i64 {
        let found: Result<_, Unavailable> = self.scratch.store.get(sql, args, |row| row.get(0)).await;
        found.unwrap().expect("one row")
    }

    /// Writes a row of cells and returns its id.
    pub(crate) async fn cells(&self, cells: [Value; 4]) -> Result<Id<Row>, CommitError> {
        let id = self.scratch.id();
        let mut values = args![self.realm, id];
        values.extend(cells);
        let mut unit = self.unit();
        unit.one("cells", &ADD_CELLS, values);
        self.commit(unit).await.map(|_| id)
    }
}
