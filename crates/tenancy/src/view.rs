//! Every realm in memory, and the use cases that change them.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use async_trait::async_trait;
use claviger_audit::{Cx, unit};
use claviger_kernel::{Caller, RealmId, Unavailable};
use claviger_storage::{Change, Follower, Store, args};
use tokio::sync::Notify;

use crate::realm::{Stored, display_name, micros};
use crate::{Draft, NewRealm, PublicUrl, Realm, RealmChange, RealmName, RealmStatus, TenancyError, events, sql};

/// The complete view of realms.
///
/// The look-ups find realms that serve; [`Tenancy::all`] and [`Tenancy::get`] know the disabled ones too, for
/// administration.
pub struct Tenancy {
    db: Store,
    public_url: PublicUrl,
    view: ArcSwap<View>,
    tickets: AtomicU64,
    moved: Arc<Notify>,
}

#[derive(Default)]
struct View {
    /// The later a load began, the higher its ticket; an earlier one never replaces a later one.
    ticket: u64,
    /// By name.
    realms: Vec<Arc<Realm>>,
    by_name: HashMap<String, usize>,
    by_id: HashMap<RealmId, usize>,
}

impl Tenancy {
    /// Loads every realm. On an empty store there is none until the first start makes `main`.
    ///
    /// # Errors
    /// [`Unavailable`] if the store cannot answer, or if a row is damaged; the reason names the realm.
    pub async fn open(db: Store, public_url: PublicUrl) -> Result<Self, Unavailable> {
        let tenancy =
            Self { db, public_url, view: ArcSwap::default(), tickets: AtomicU64::new(0), moved: Arc::default() };
        tenancy.reload().await?;
        Ok(tenancy)
    }

    /// Loads every realm again; afterwards the view shows whatever was committed before the call.
    ///
    /// # Errors
    /// As [`Tenancy::open`]; the view then stays as it is.
    pub async fn reload(&self) -> Result<(), Unavailable> {
        let ticket = self.tickets.fetch_add(1, Ordering::Relaxed) + 1;
        let mut realms = Vec::new();
        let mut after = RealmId::from_bytes([0; 16]);
        loop {
            let page = self.db.list(after, &sql::REALMS, args![after], Stored::read).await?;
            let Some(last) = page.last() else { break };
            after = last.id();
            for stored in page {
                let id = stored.id();
                let realm = stored.realm(&self.public_url);
                let realm = realm.map_err(|problem| Unavailable::new(format!("the row of realm {id}: {problem}")))?;
                realms.push(Arc::new(realm));
            }
        }
        realms.sort_by(|left, right| left.name.as_str().cmp(right.name.as_str()));
        let by_name = realms.iter().enumerate().map(|(place, realm)| (realm.name.as_str().to_owned(), place)).collect();
        let by_id = realms.iter().enumerate().map(|(place, realm)| (realm.id, place)).collect();
        let loaded = Arc::new(View { ticket, realms, by_name, by_id });
        self.view.rcu(|current| if current.ticket > ticket { Arc::clone(current) } else { Arc::clone(&loaded) });
        self.moved.notify_waiters();
        Ok(())
    }

    /// Completes when the view is loaded the next time after this call.
    pub fn moved(&self) -> impl Future<Output = ()> + Send + use<> {
        Arc::clone(&self.moved).notified_owned()
    }

    /// The address under which the world reaches the server.
    pub const fn public_url(&self) -> &PublicUrl {
        &self.public_url
    }

    /// The realm of this name, if it serves.
    pub fn by_name(&self, name: &str) -> Option<Arc<Realm>> {
        let view = self.view.load();
        view.by_name.get(name).map(|place| &view.realms[*place]).filter(serves).cloned()
    }

    /// The realm of this id, if it serves.
    pub fn by_id(&self, id: RealmId) -> Option<Arc<Realm>> {
        self.get(id).filter(serves)
    }

    /// The realm that every server has; absent only before the first start has made it.
    pub fn main(&self) -> Option<Arc<Realm>> {
        self.by_name(RealmName::MAIN)
    }

    /// The realm of this id, whatever its status.
    pub fn get(&self, id: RealmId) -> Option<Arc<Realm>> {
        let view = self.view.load();
        view.by_id.get(&id).map(|place| Arc::clone(&view.realms[*place]))
    }

    /// Every realm, by name, whatever its status.
    pub fn all(&self) -> Vec<Arc<Realm>> {
        self.view.load().realms.clone()
    }

    /// Begins to make a realm. `keys` adds the realm's keys and commits; nobody else calls this.
    ///
    /// The new realm takes the id `id`, in which its first events stand, whoever asked for it.
    ///
    /// # Errors
    /// [`TenancyError`] for a name or settings that are no good; that a name is taken shows at commit.
    pub fn draft(&self, cx: &Cx, id: RealmId, new: NewRealm) -> Result<Draft, TenancyError> {
        let name: RealmName = new.name.parse()?;
        name.not_reserved()?;
        new.settings.check()?;
        let cx = cx.with(Caller { realm: id, organization: None, ..cx.caller });
        let now = cx.now();
        let realm = Realm {
            id,
            issuer: self.public_url.issuer(&name),
            base_path: self.public_url.base_path(&name),
            name,
            display_name: display_name(&new.display_name)?,
            status: RealmStatus::Active,
            longest_token_life: new.settings.longest_token_life(),
            stored: new.settings.to_stored(None),
            settings: new.settings,
            version: 1,
            created_at: now,
            updated_at: now,
        };
        let mut unit = unit(&cx, events::realm_created(&realm));
        let args = args![
            realm.id,
            realm.name.as_str(),
            &realm.display_name,
            realm.status.as_str(),
            &realm.stored,
            micros(realm.longest_token_life),
            now
        ];
        unit.one("realm_name", &sql::INSERT, args);
        unit.changed("realm", id.as_bytes());
        Ok(Draft { cx, unit, realm })
    }

    /// Changes a realm, if it is still the version that `from` names, and returns it as it is now.
    ///
    /// # Errors
    /// [`TenancyError::Changed`] if somebody was faster; [`TenancyError`] for values that are no good.
    pub async fn update(
        &self,
        cx: &Cx,
        id: RealmId,
        from: i64,
        change: RealmChange,
    ) -> Result<Arc<Realm>, TenancyError> {
        let before = self.get(id).ok_or(TenancyError::NotFound)?;
        if before.version != from {
            return Err(TenancyError::Changed);
        }
        let after = changed(&before, change)?;
        let cx = cx.with(Caller { realm: id, organization: None, ..cx.caller });
        let settings = before.settings.differing(&after.settings);
        let mut unit = unit(&cx, events::realm_updated(&before, &after, &settings));
        let args = args![
            id,
            from,
            &after.display_name,
            after.status.as_str(),
            &after.stored,
            micros(after.longest_token_life),
            unit.now()
        ];
        unit.one("realm", &sql::UPDATE, args);
        unit.changed("realm", id.as_bytes());
        let committed = cx.commit(unit).await;
        self.reload().await?;
        committed.map_err(|error| TenancyError::committing(error, after.name.as_str()))?;
        for caution in after.settings.cautions() {
            tracing::warn!(realm = after.name.as_str(), "{caution}; fit for a test alone");
        }
        self.get(id).ok_or(TenancyError::NotFound)
    }
}

/// What another node has changed. Everything is loaded again, and of two loads the one that began later wins: entries may
/// come twice, late and in any order (F44).
#[async_trait]
impl Follower for Tenancy {
    fn name(&self) -> &'static str {
        "realms"
    }

    async fn apply(&self, changes: &[Change]) -> Result<(), Unavailable> {
        if changes.iter().any(|change| change.kind == "realm") { Self::reload(self).await } else { Ok(()) }
    }

    async fn reload(&self) -> Result<(), Unavailable> {
        Self::reload(self).await
    }
}

fn serves(realm: &impl AsRef<Realm>) -> bool {
    realm.as_ref().status == RealmStatus::Active
}

/// The realm after `change`, or what is wrong with it. Pure.
fn changed(before: &Realm, change: RealmChange) -> Result<Realm, TenancyError> {
    let mut after = before.clone();
    if let Some(name) = change.display_name {
        after.display_name = display_name(&name)?;
    }
    if let Some(status) = change.status {
        if before.name.is_main() && status == RealmStatus::Disabled {
            return Err(TenancyError::MainStays);
        }
        after.status = status;
    }
    if let Some(settings) = change.settings {
        settings.check()?;
        after.stored = settings.to_stored(Some(&before.stored));
        after.longest_token_life = before.longest_token_life.max(settings.longest_token_life());
        after.settings = settings;
    }
    Ok(after)
}
