//! A unit: statements and how many rows each must touch, committed all together or not at all.

use claviger_kernel::{JobId, RealmId, Timestamp, Unavailable, UnitId};

use crate::{ColumnError, Row, Rows, Sql, Value, args, value};

pub(crate) mod sql {
    crate::statements! {
        /// One entry of the change log; the engine adds position and transaction.
        pub(crate) CHANGE: "insert into change_log (realm_id, kind, subject, unit_id, at) values ($1, $2, $3, $4, $5)";
        /// The trace of a unit that has no audit row.
        pub(crate) QUIET: "insert into quiet_units (realm_id, id, at) values ($1, $2, $3)";
        /// Whether a quiet unit was committed.
        pub(crate) QUIET_SEEN: "select 1 from quiet_units where realm_id = $1 and id = $2";
        /// A job for the queue. A second of the same name and key changes nothing while the first waits; while the
        /// first runs (it may have read what has now changed) it makes it run again.
        pub(crate) JOB: "insert into jobs (realm_id, id, name, key, payload, run_at, attempts, created_at) \
            values ($1, $2, $3, $4, $5, $6, 0, $7) on conflict (realm_id, name, key) do update \
            set again = true, payload = excluded.payload where jobs.claim is not null";
    }
}

/// The label of steps that add to the change log.
const CHANGES: &str = "change_log";

/// How many rows a step must touch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Expect {
    /// This many.
    Exactly(u64),
    /// At least one.
    Some,
    /// However many.
    Any,
}

impl Expect {
    /// Whether `rows` satisfies it.
    pub const fn met(self, rows: u64) -> bool {
        match self {
            Self::Exactly(wanted) => rows == wanted,
            Self::Some => rows > 0,
            Self::Any => true,
        }
    }
}

/// What a step is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StepKind {
    /// A statement that changes rows.
    Write,
    /// A statement that changes rows and whose `returning` rows the caller wants.
    Returning,
    /// A `select` that must still find a row; PostgreSQL locks it against change (`for share`).
    Require,
}

/// One statement of a unit.
#[derive(Clone, Debug)]
pub struct Step {
    /// Names the step in a conflict.
    pub label: &'static str,
    /// The statement.
    pub sql: &'static Sql,
    /// Its bound values.
    pub args: Vec<Value>,
    /// How many rows it must touch (or find).
    pub expect: Expect,
    /// What it is.
    pub kind: StepKind,
}

/// Statements that are committed together or not at all. Made through `audit`, so that a change leaves an event.
#[derive(Clone, Debug)]
pub struct Unit {
    id: UnitId,
    realm: RealmId,
    at: Timestamp,
    steps: Vec<Step>,
    witness: Option<&'static Sql>,
}

impl Unit {
    /// How many steps a unit may have.
    pub const MOST_STEPS: usize = 2_000;
    /// How many bytes its values may have together.
    pub const MOST_BYTES: usize = 4 * 1024 * 1024;

    /// An empty unit of `realm`. Only `audit`, and this crate for its own rows, call this.
    ///
    /// `witness` is a statement over (`realm_id`, `unit_id`) that finds a row exactly if the unit was committed; `None`
    /// makes the unit leave a row of its own in `quiet_units`.
    pub const fn new(id: UnitId, realm: RealmId, at: Timestamp, witness: Option<&'static Sql>) -> Self {
        Self { id, realm, at, steps: Vec::new(), witness }
    }

    /// The unit's id, by which an unknown outcome is looked up.
    pub const fn id(&self) -> UnitId {
        self.id
    }

    /// Whose rows it touches.
    pub const fn realm(&self) -> RealmId {
        self.realm
    }

    /// When it was begun.
    pub const fn at(&self) -> Timestamp {
        self.at
    }

    /// The steps so far.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// The statement that tells whether the unit was committed.
    pub const fn witness(&self) -> Option<&'static Sql> {
        self.witness
    }

    /// Adds a statement that must touch exactly one row.
    pub fn one(&mut self, label: &'static str, sql: &'static Sql, args: Vec<Value>) {
        self.add(label, sql, args, Expect::Exactly(1));
    }

    /// Adds a statement that may touch any number of rows.
    pub fn any(&mut self, label: &'static str, sql: &'static Sql, args: Vec<Value>) {
        self.add(label, sql, args, Expect::Any);
    }

    /// Adds a statement that must touch as many rows as `expect` says.
    pub fn add(&mut self, label: &'static str, sql: &'static Sql, args: Vec<Value>, expect: Expect) {
        self.steps.push(Step { label, sql, args, expect, kind: StepKind::Write });
    }

    /// Adds a statement with a `returning` clause; its rows come back in [`Committed::rows`].
    pub fn returning(&mut self, label: &'static str, sql: &'static Sql, args: Vec<Value>, expect: Expect) {
        self.steps.push(Step { label, sql, args, expect, kind: StepKind::Returning });
    }

    /// Asserts again what the decision relied on and the unit does not write: `sql` must still find a row at commit.
    pub fn require(&mut self, label: &'static str, sql: &'static Sql, args: Vec<Value>) {
        self.steps.push(Step { label, sql, args, expect: Expect::Some, kind: StepKind::Require });
    }

    /// Tells the followers of the change log that the `kind` of thing called `subject` has changed.
    pub fn changed(&mut self, kind: &'static str, subject: impl AsRef<[u8]>) {
        let args = args![self.realm, kind, subject.as_ref(), self.id, self.at];
        self.one(CHANGES, &sql::CHANGE, args);
    }

    /// Adds entries to the change log for things that a statement finds: `sql` is an
    /// `insert into change_log (realm_id, kind, subject, unit_id, at) select … returning position`.
    pub fn changed_where(&mut self, sql: &'static Sql, args: Vec<Value>) {
        self.returning(CHANGES, sql, args, Expect::Any);
    }

    /// Queues a job in the same unit: `name` says whose handler runs it, `key` makes it unique while it waits.
    pub fn job(&mut self, id: JobId, name: &'static str, key: &str, payload: &str, run_at: Timestamp) {
        let args = args![self.realm, id, name, key, payload, run_at, self.at];
        self.any("job", &sql::JOB, args);
    }

    /// Refuses what no unit may be: the writer does nothing else meanwhile.
    pub(crate) fn within_limits(&self) -> Result<(), Unavailable> {
        let bytes: usize = self.steps.iter().flat_map(|step| &step.args).map(Value::size).sum();
        if self.steps.len() > Self::MOST_STEPS || bytes > Self::MOST_BYTES {
            return Err(Unavailable::new(format!(
                "the unit has {} steps and {bytes} bytes; at most {} and {} are allowed, cut the work into chunks",
                self.steps.len(),
                Self::MOST_STEPS,
                Self::MOST_BYTES
            )));
        }
        self.steps.iter().try_for_each(|step| value::storable(step.sql, &step.args))
    }

    /// Adds the row by which a unit without an audit row is found again. Called by the engine before it runs the unit.
    pub(crate) fn sealed(mut self) -> Self {
        if self.witness.is_none() {
            let args = args![self.realm, self.id, self.at];
            self.one("quiet_unit", &sql::QUIET, args);
            self.witness = Some(&sql::QUIET_SEEN);
        }
        self
    }
}

/// What a committed unit gave back: the rows of its `returning` steps, by label.
#[derive(Clone, Debug, Default)]
pub struct Committed(pub(crate) Vec<(&'static str, Rows)>);

impl Committed {
    /// Whether statements have found something for the change log.
    pub(crate) fn found_changes(&self) -> bool {
        self.0.iter().any(|(label, rows)| *label == CHANGES && !rows.is_empty())
    }

    /// The rows of the `returning` step called `label`.
    ///
    /// # Panics
    /// If the unit had no such step.
    pub fn rows(&self, label: &str) -> &Rows {
        let found = self.0.iter().find(|(known, _)| *known == label);
        &found.unwrap_or_else(|| panic!("the unit has no returning step called {label}")).1
    }

    /// Reads the first row of the `returning` step called `label`.
    pub fn first<T>(
        &self,
        label: &str,
        read: fn(&Row<'_>) -> Result<T, ColumnError>,
    ) -> Result<Option<T>, ColumnError> {
        self.rows(label).first(read)
    }
}
