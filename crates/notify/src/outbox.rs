//! The outbox: rows written in the unit of the change, secrets sealed to their row.

use std::collections::BTreeMap;
use std::sync::Arc;

use claviger_audit::{Cx, Unit};
use claviger_crypto::Context;
use claviger_kernel::{MessageId, Secret, Unavailable};
use claviger_keys::KeyRing;
use claviger_storage::args;
use claviger_tenancy::Tenancy;
use tokio::sync::Notify;

use crate::{Message, Transport};

pub(crate) mod sql {
    use std::collections::BTreeMap;

    use claviger_kernel::{MessageId, Timestamp};
    use claviger_storage::{ColumnError, Row};

    claviger_storage::statements! {
        /// A message to deliver.
        pub(crate) QUEUE: "insert into outbox (realm_id, id, template, language, recipient, sealed, parameters, created_at, \
            expires_at, next_at, attempts) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $8, 0)";
        /// What is due.
        pub(crate) DUE: "select id, template, language, recipient, sealed, created_at, expires_at, attempts, parameters \
            from outbox where realm_id = $1 and next_at <= $2 and finished_at is null order by next_at limit $3";
        /// When the next is due.
        pub(crate) NEXT: "select next_at from outbox where realm_id = $1 and finished_at is null order by next_at limit 1";
        /// One runner takes it: for others it is due later.
        pub(crate) CLAIM: "update outbox set attempts = attempts + 1, next_at = $4 \
            where realm_id = $1 and id = $2 and attempts = $3 and finished_at is null";
        /// It is tried again later.
        pub(crate) LATER: "update outbox set next_at = $3 where realm_id = $1 and id = $2 and finished_at is null";
        /// It is delivered or given up; what was secret goes, and what it named.
        pub(crate) FINISH: "update outbox set finished_at = $3, outcome = $4, sealed = null, parameters = null \
            where realm_id = $1 and id = $2 and finished_at is null";
        /// Long finished.
        pub(crate) EXPIRE: "delete from outbox where realm_id = $1 and id in (select id from outbox \
            where realm_id = $1 and finished_at < $2 order by finished_at limit $3) returning id";
    }

    pub(crate) struct Queued {
        pub(crate) id: MessageId,
        pub(crate) template: String,
        pub(crate) language: String,
        pub(crate) recipient: String,
        pub(crate) sealed: Option<Vec<u8>>,
        pub(crate) created_at: Timestamp,
        pub(crate) expires_at: Timestamp,
        pub(crate) attempts: u32,
        pub(crate) facts: BTreeMap<String, String>,
    }

    pub(crate) fn queued(row: &Row<'_>) -> Result<Queued, ColumnError> {
        let parameters: Option<String> = row.get(8)?;
        let unreadable = |_| ColumnError { index: 8, expected: "names and texts as JSON", found: "text" };
        Ok(Queued {
            id: row.get(0)?,
            template: row.get(1)?,
            language: row.get(2)?,
            recipient: row.get(3)?,
            sealed: row.get(4)?,
            created_at: row.get(5)?,
            expires_at: row.get(6)?,
            attempts: row.get(7)?,
            facts: parameters
                .map_or_else(|| Ok(BTreeMap::new()), |text| serde_json::from_str(&text))
                .map_err(unreadable)?,
        })
    }

    pub(crate) fn moment(row: &Row<'_>) -> Result<Timestamp, ColumnError> {
        row.get(0)
    }
}

/// Queues messages and delivers them. Built once by the binary; clones share everything.
#[derive(Clone)]
pub struct Notifier {
    pub(crate) ring: Arc<KeyRing>,
    pub(crate) tenancy: Arc<Tenancy>,
    pub(crate) transport: Arc<dyn Transport>,
    wake: Arc<Notify>,
}

impl Notifier {
    /// Messages sealed by `ring` and handed to `transport`.
    pub fn new(ring: Arc<KeyRing>, tenancy: Arc<Tenancy>, transport: Arc<dyn Transport>) -> Self {
        Self { ring, tenancy, transport, wake: Arc::new(Notify::new()) }
    }

    /// Adds a message to the unit. After the commit, call [`Notifier::wake`].
    ///
    /// # Errors
    /// [`Unavailable`] if the realm's sealing key is not at hand.
    pub fn queue(&self, unit: &mut Unit, cx: &Cx, message: &Message<'_>) -> Result<MessageId, Unavailable> {
        let id: MessageId = unit.id();
        let sealed = match message.code {
            Some(code) => Some(self.ring.seal(cx, &context(cx, id), code.expose().as_bytes())?),
            None => None,
        };
        let args = args![
            cx.realm(),
            id,
            message.template.as_str(),
            message.language,
            message.to,
            sealed,
            parameters(message.facts),
            unit.now(),
            unit.now().plus(message.life)
        ];
        unit.one("outbox", &sql::QUEUE, args);
        Ok(id)
    }

    /// Lets the delivery loop look at once.
    pub fn wake(&self) {
        self.wake.notify_one();
    }

    pub(crate) async fn woken(&self) {
        self.wake.notified().await;
    }

    pub(crate) fn open(&self, cx: &Cx, id: MessageId, sealed: &[u8]) -> Result<Secret<String>, Unavailable> {
        let opened = self.ring.open(cx.realm(), &context(cx, id), sealed)?;
        String::from_utf8(opened.expose().clone())
            .map(Secret::new)
            .map_err(|_| Unavailable::new("a sealed message is not text"))
    }
}

fn parameters(facts: &[(&'static str, &str)]) -> Option<String> {
    let facts: BTreeMap<_, _> = facts.iter().copied().collect();
    (!facts.is_empty()).then(|| serde_json::to_string(&facts).expect("names and texts are plain JSON"))
}

fn context(cx: &Cx, id: MessageId) -> Context {
    Context::new("outbox/1", &[cx.realm().as_bytes(), id.as_bytes()])
}
