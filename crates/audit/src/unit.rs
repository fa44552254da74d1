//! Units that leave their audit rows in their own transaction.

use std::sync::Arc;

use claviger_kernel::{Caller, Entropy, EventId, Id, Shard, Timestamp, UnitId};
use claviger_storage::{Expect, Lease, Sql, Value, args};

use crate::{Cx, Event};

pub(crate) mod sql {
    claviger_storage::statements! {
        /// One audit row. `content_hash` covers every column before it.
        pub(crate) RECORD: "insert into audit_events \
            (realm_id, id, unit_id, at, actor, request_id, source, name, subject, fields, content_hash) \
            values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";
        /// Whether the unit was committed: its first audit row is there.
        pub(crate) WITNESS: "select 1 from audit_events where realm_id = $1 and unit_id = $2 limit 1";
    }
}

/// A unit under construction: what the use case and the domain functions that it calls add, events included.
pub struct Unit {
    inner: claviger_storage::Unit,
    caller: Caller,
    entropy: Arc<dyn Entropy>,
}

/// Begins a unit that leaves `event`.
pub fn unit(cx: &Cx, event: Event) -> Unit {
    let mut unit = begin(cx, Some(&sql::WITNESS));
    unit.record(event);
    unit
}

/// Begins a unit that leaves no event, and says why that is right: touch-style updates, counters, the outbox's own rows.
pub fn quiet(cx: &Cx, _reason: &'static str) -> Unit {
    begin(cx, None)
}

fn begin(cx: &Cx, witness: Option<&'static Sql>) -> Unit {
    let now = cx.now();
    let id = UnitId::new(now, &*cx.entropy);
    Unit {
        inner: claviger_storage::Unit::new(id, cx.realm(), now, witness),
        caller: cx.caller,
        entropy: Arc::clone(&cx.entropy),
    }
}

impl Unit {
    /// The unit's own id, which its audit rows and entries of the change log bear.
    pub const fn unit_id(&self) -> UnitId {
        self.inner.id()
    }

    /// When the unit was begun: the time that its rows bear.
    pub const fn now(&self) -> Timestamp {
        self.inner.at()
    }

    /// Who asks, and whose data.
    pub const fn caller(&self) -> &Caller {
        &self.caller
    }

    /// Whose rows it touches.
    pub const fn realm(&self) -> claviger_kernel::RealmId {
        self.caller.realm
    }

    /// A new id of a row that belongs to no user.
    pub fn id<K>(&self) -> Id<K> {
        Id::new(self.now(), &*self.entropy)
    }

    /// A new id of a row that belongs to the user of `shard`.
    pub fn id_of<K>(&self, shard: Shard) -> Id<K> {
        Id::owned(self.now(), &*self.entropy, shard)
    }

    /// Adds another event; each domain function adds its own.
    pub fn record(&mut self, event: Event) {
        let id: EventId = self.id();
        let source = self.caller.source.map(|source| source.bucket().to_string());
        let fields = serde_json::Value::Object(event.fields).to_string();
        let mut args = args![
            self.caller.realm,
            id,
            self.inner.id(),
            self.now(),
            self.caller.actor.to_string(),
            self.caller.request,
            source,
            event.name,
            event.subject,
            fields
        ];
        let hash = content_hash(&args);
        args.push(Value::from(hash));
        self.inner.one("audit", &sql::RECORD, args);
    }

    /// Adds a statement that must touch exactly one row; `label` names it in a conflict.
    pub fn one(&mut self, label: &'static str, sql: &'static Sql, args: Vec<Value>) {
        self.inner.one(label, sql, args);
    }

    /// Adds a statement that may touch any number of rows.
    pub fn any(&mut self, label: &'static str, sql: &'static Sql, args: Vec<Value>) {
        self.inner.any(label, sql, args);
    }

    /// Adds a statement that must touch as many rows as `expect` says.
    pub fn add(&mut self, label: &'static str, sql: &'static Sql, args: Vec<Value>, expect: Expect) {
        self.inner.add(label, sql, args, expect);
    }

    /// Adds a statement with a `returning` clause; its rows come back from the commit under `label`.
    pub fn returning(&mut self, label: &'static str, sql: &'static Sql, args: Vec<Value>, expect: Expect) {
        self.inner.returning(label, sql, args, expect);
    }

    /// Asserts again what the decision relied on and the unit does not write.
    pub fn require(&mut self, label: &'static str, sql: &'static Sql, args: Vec<Value>) {
        self.inner.require(label, sql, args);
    }

    /// Makes the unit a conflict called `lease` if somebody else has taken `lease` meanwhile.
    pub fn under(&mut self, lease: &Lease) {
        lease.guard(&mut self.inner);
    }

    /// Tells the followers of the change log that the `kind` of thing called `subject` has changed.
    pub fn changed(&mut self, kind: &'static str, subject: impl AsRef<[u8]>) {
        self.inner.changed(kind, subject);
    }

    /// The same for things that a statement finds: `insert into change_log … select … returning position`.
    pub fn changed_where(&mut self, sql: &'static Sql, args: Vec<Value>) {
        self.inner.changed_where(sql, args);
    }

    /// Queues a job: `name` says whose handler runs it, `key` makes it unique while it waits.
    pub fn job(&mut self, name: &'static str, key: &str, payload: &str, run_at: Timestamp) {
        let id = self.id();
        self.inner.job(id, name, key, payload, run_at);
    }
}

impl From<Unit> for claviger_storage::Unit {
    fn from(unit: Unit) -> Self {
        unit.inner
    }
}

/// SHA-256 over the row's columns, each under its kind and length, so that no two rows share an encoding.
pub(crate) fn content_hash(columns: &[Value]) -> [u8; 32] {
    let mut bytes = Vec::with_capacity(512);
    let mut part = |kind: u8, content: &[u8]| {
        bytes.push(kind);
        bytes.extend_from_slice(&(content.len() as u64).to_be_bytes());
        bytes.extend_from_slice(content);
    };
    for column in columns {
        match column {
            Value::Null => part(0, &[]),
            Value::Bool(value) => part(1, &[u8::from(*value)]),
            Value::Int(value) => part(2, &value.to_be_bytes()),
            Value::Text(value) => part(3, value.as_bytes()),
            Value::Bytes(value) => part(4, value),
        }
    }
    claviger_crypto::sha256(&bytes)
}
