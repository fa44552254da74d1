//! What has been revoked: the log that is the truth, and the complete view of it that every check asks.
//!
//! An entry is written in the unit that revokes, and an entry of the change log beside it, so that every node applies it
//! as soon as it sees it; a unit is answered only after its own node has. Entries stay until the last token that they
//! concern has died by itself. The view only grows by union: an entry that comes twice or late changes nothing (F44).

use core::time::Duration;
use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use claviger_audit::{Cx, Unit};
use claviger_identity::users::EpochRaised;
use claviger_kernel::{ClientId, Clock, FamilyId, GrantId, RealmId, SessionId, Timestamp, Unavailable, UnitId, UserId};
use claviger_storage::{Change, CommitError, Expect, Follower, Store, args};
use claviger_tenancy::Tenancy;
use claviger_tokens::{Marks, RevocationSet, RevokedBy};

use self::entry::Entry;

mod entry;
pub(crate) mod sql;

/// The least time that an entry stays, however short-lived tokens are: verdicts about sessions are kept as long (F32).
const LEAST: Duration = Duration::from_mins(15);
/// How far the clocks of nodes may differ, and the time that the last node may take to see an entry.
const MARGIN: Duration = Duration::from_mins(5);
/// Entries are read, and kept in memory, for this much longer than they count: they bear the time of a node whose clock may
/// be slow (F21), and this one's may be ahead for a while (F20).
const WRONG_CLOCK: Duration = Duration::from_hours(1);

/// The change that names its entry.
const ONE: &str = "revocation";
/// The change that stands for every entry of its unit.
const OF_UNIT: &str = "revocations";

/// Revokes one access token by its `jti`.
pub fn token(unit: &mut Unit, jti: &str) {
    add(unit, &Entry::named(RevokedBy::Token, jti.as_bytes(), jti, 1));
}

/// Revokes what a session has brought forth: part of its end.
pub(crate) fn session(unit: &mut Unit, id: SessionId) {
    add(unit, &Entry::of_id(RevokedBy::Session, *id.as_bytes()));
}

/// Revokes the access tokens of a family: part of its end.
pub(crate) fn family(unit: &mut Unit, id: FamilyId) {
    add(unit, &Entry::of_id(RevokedBy::Family, *id.as_bytes()));
}

/// Revokes what was issued to the client `client_id` under an epoch below `epoch`, which the unit makes the row's own.
pub fn client(unit: &mut Unit, id: ClientId, client_id: &str, epoch: i64) {
    add(unit, &Entry::named(RevokedBy::Client, id.as_bytes(), client_id, epoch));
}

/// Revokes what was issued to a user before the unit raised the epoch.
pub fn user(unit: &mut Unit, raised: EpochRaised) {
    let user = raised.told();
    many(unit, "revoked_user", &sql::USER, user.as_bytes());
}

// What was ended is found by the time that the unit has written, never beforehand: on PostgreSQL a session or a family can
// be opened between two statements, and what is ended without an entry would leave good access tokens behind.

/// Revokes what those sessions of a user have brought forth that the unit has ended.
pub(crate) fn ended_sessions_of(unit: &mut Unit, user: UserId) {
    many(unit, "revoked_sessions", &sql::SESSIONS_OF_USER, user.as_bytes());
}

/// Revokes the access tokens of those families of a user that the unit has revoked.
pub(crate) fn revoked_families_of(unit: &mut Unit, user: UserId) {
    many(unit, "revoked_families", &sql::FAMILIES_OF_USER, user.as_bytes());
}

/// Revokes the access tokens of those families of a grant that the unit has revoked.
pub(crate) fn revoked_families_of_grant(unit: &mut Unit, grant: GrantId) {
    many(unit, "revoked_families", &sql::FAMILIES_OF_GRANT, grant.as_bytes());
}

/// Revokes what those sessions have brought forth that the unit has ended for a newer one.
pub(crate) fn limited_sessions_of(unit: &mut Unit, user: UserId) {
    let args = args![unit.realm(), unit.unit_id(), unit.now(), user];
    unit.any("revoked_sessions", &sql::LIMITED_SESSIONS, args);
    // Mostly there is none, and then nobody need look: the log's entry depends on there being one.
    let args = args![unit.realm(), OF_UNIT, unit.unit_id(), unit.now(), user];
    unit.changed_where(&sql::CHANGE_IF_ANY, args);
}

fn add(unit: &mut Unit, entry: &Entry) {
    let (kind, name) = (entry.kind.as_str(), entry.name.as_deref());
    let args = args![unit.realm(), unit.unit_id(), kind, &entry.subject, name, entry.epoch, unit.now()];
    unit.any("revocation", &sql::INSERT, args);
    unit.changed(ONE, entry.encode());
}

fn many(unit: &mut Unit, label: &'static str, sql: &'static claviger_storage::Sql, of: &[u8]) {
    unit.any(label, sql, args![unit.realm(), unit.unit_id(), unit.now(), of]);
    let id = unit.unit_id();
    unit.changed(OF_UNIT, id.as_bytes());
}

/// Drops up to `batch` entries of the caller's realm that concern no token any more; returns how many.
pub async fn expire(cx: &Cx, revocations: &Revocations, batch: u32) -> Result<u64, CommitError> {
    let mut unit = claviger_audit::quiet(cx, "expiry of revocations");
    let before = unit.now().minus(revocations.kept(cx.realm()) + 2 * WRONG_CLOCK);
    unit.returning("revocations", &sql::EXPIRE, args![cx.realm(), before, batch], Expect::Any);
    Ok(cx.commit(unit).await?.rows("revocations").len() as u64)
}

/// The complete view of what has been revoked, by realm. One for the process, shared by reference.
pub struct Revocations {
    db: Store,
    tenancy: Arc<Tenancy>,
    clock: Arc<dyn Clock>,
    view: ArcSwap<HashMap<RealmId, Arc<RevocationSet>>>,
}

impl Revocations {
    /// The view, still empty: it loads at the store's next look at the change log.
    pub fn new(db: Store, tenancy: Arc<Tenancy>, clock: Arc<dyn Clock>) -> Self {
        Self { db, tenancy, clock, view: ArcSwap::default() }
    }

    /// What has been revoked in `realm`, for one check.
    pub fn of(&self, realm: RealmId) -> Arc<RevocationSet> {
        self.view.load().get(&realm).map_or_else(Arc::default, Arc::clone)
    }

    /// What has been revoked and takes the bearer of these marks with it, if anything.
    pub fn refuses(&self, realm: RealmId, marks: &Marks<'_>) -> Option<RevokedBy> {
        self.view.load().get(&realm).and_then(|set| set.refuses(marks))
    }

    /// How many entries there are, over all realms.
    pub fn len(&self) -> usize {
        self.view.load().values().map(|set| set.len()).sum()
    }

    /// Whether nothing is revoked.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How long an entry of `realm` counts: as long as the last token made before it can live.
    pub fn kept(&self, realm: RealmId) -> Duration {
        let longest = self.tenancy.get(realm).map_or(LEAST, |realm| realm.longest_token_life);
        longest.max(LEAST) + MARGIN
    }

    fn add(&self, realm: RealmId, entries: &[(Entry, Timestamp)]) {
        let set = self.set(realm);
        for (entry, until) in entries {
            entry.insert_into(&set, *until);
        }
        // Not before another hour: a clock that was ahead for a moment must not bring back what it has outrun (F20).
        set.expire(self.clock.now().minus(WRONG_CLOCK));
    }

    /// The set of `realm`, which is made with its first entry and never replaced.
    fn set(&self, realm: RealmId) -> Arc<RevocationSet> {
        if let Some(set) = self.view.load().get(&realm) {
            return Arc::clone(set);
        }
        self.view.rcu(|view| {
            let mut view = HashMap::clone(view);
            view.entry(realm).or_default();
            view
        });
        self.of(realm)
    }

    async fn load(&self, realm: RealmId) -> Result<(), Unavailable> {
        let kept = self.kept(realm);
        let mut after = sql::Stored::before(self.clock.now().minus(kept + WRONG_CLOCK));
        loop {
            let page = self.db.list(realm, &sql::SINCE, after.since(realm), sql::stored).await?;
            let Some(last) = page.last() else { return Ok(()) };
            after = last.clone();
            self.add(realm, &self.counted(page, kept));
        }
    }

    async fn load_unit(&self, realm: RealmId, unit: UnitId) -> Result<(), Unavailable> {
        let mut after = sql::Stored::before(Timestamp::from_micros(0));
        loop {
            let page = self.db.list(realm, &sql::OF_UNIT, after.of_unit(realm, unit), sql::stored).await?;
            let Some(last) = page.last() else { return Ok(()) };
            after = last.clone();
            self.add(realm, &self.counted(page, self.kept(realm)));
        }
    }

    /// The entries with the time until which each counts: never sooner than this node's own reckoning asks.
    fn counted(&self, page: Vec<sql::Stored>, kept: Duration) -> Vec<(Entry, Timestamp)> {
        let now = self.clock.now();
        page.into_iter().map(|stored| (stored.entry, stored.at.max(now).plus(kept))).collect()
    }
}

#[async_trait]
impl Follower for Revocations {
    fn name(&self) -> &'static str {
        "revocations"
    }

    async fn apply(&self, changes: &[Change]) -> Result<(), Unavailable> {
        let now = self.clock.now();
        let mut named: HashMap<RealmId, Vec<(Entry, Timestamp)>> = HashMap::new();
        let mut units: Vec<(RealmId, UnitId)> = Vec::new();
        for change in changes {
            match change.kind.as_str() {
                ONE => {
                    let entry = Entry::decode(&change.subject)
                        .ok_or_else(|| Unavailable::new("an entry of the change log does not tell what was revoked"))?;
                    let until = now.plus(self.kept(change.realm));
                    named.entry(change.realm).or_default().push((entry, until));
                }
                OF_UNIT => units.push((change.realm, change.unit)),
                _ => {}
            }
        }
        for (realm, entries) in &named {
            self.add(*realm, entries);
        }
        units.sort_unstable();
        units.dedup();
        for (realm, unit) in units {
            self.load_unit(realm, unit).await?;
        }
        Ok(())
    }

    async fn reload(&self) -> Result<(), Unavailable> {
        // A realm that has just been made may not be in the view of realms yet; it has revoked nothing.
        for realm in self.tenancy.all() {
            self.load(realm.id).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
