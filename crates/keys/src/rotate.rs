//! Keys move on: by schedule, by command, by force. Each step is one unit, so that a crash between two leaves a state
//! from which the next tick goes on (F06).

use std::sync::Arc;

use claviger_audit::{Cx, Event, Unit, unit};
use claviger_crypto::jose::{Algorithm, SigningKey};
use claviger_crypto::random_secret;
use claviger_kernel::{Caller, Clock, KeyId, RealmId, Secret, Timestamp, Unavailable};
use claviger_storage::{Lease, args};
use claviger_tenancy::Realm;

use crate::master::Place;
use crate::rules::{self, Schedule, Step};
use crate::turn::Turn;
use crate::{Key, KeyRing, KeyState, KeysError, Purpose, events, sql};

/// How often a step is tried again when somebody else has been faster.
pub(crate) const TRIES: usize = 5;

/// What a rotation by command did.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Rotation {
    /// The next key stands in the key set; it takes over at `takes_over`, or as soon after it as every node has told that
    /// it knows the key.
    Published {
        /// The next key.
        next: Key,
        /// When it takes over.
        takes_over: Timestamp,
    },
    /// The next key had been published long enough and is in use now.
    Activated(Key),
}

/// A key that was made and is not in the store yet.
pub(crate) struct NewKey {
    pub(crate) key: Key,
    secret: Secret<Vec<u8>>,
}

impl KeyRing {
    /// Brings the keys of every realm on to where they should be by now, and finishes a change of the master key that
    /// was interrupted. Returns when something is due next, if ever.
    ///
    /// Run any number of times, on any number of nodes: one of them at a time acts, and each step happens once. A realm
    /// whose turn fails is named in the log and does not hold up the others.
    ///
    /// # Errors
    /// The first fault that was met, after every realm has had its turn.
    pub async fn tick(&self, cx: &Cx) -> Result<Option<Timestamp>, Unavailable> {
        self.put_on();
        if !self.has_work(cx.now()) {
            return Ok(self.next_due());
        }
        let Some(mut turn) = Turn::take(cx).await? else {
            // Another node is at it. Should it die, its turn runs out.
            self.put_off(cx.now());
            return Ok(self.next_due());
        };
        let outcome = self.bring_on(cx, &mut turn).await;
        turn.end().await;
        outcome.map(|()| self.next_due())
    }

    fn has_work(&self, now: Timestamp) -> bool {
        self.masters.load().leaving.is_some()
            || self.tenancy.all().iter().any(|realm| self.realm(realm.id).is_err())
            || self.next_due().is_some_and(|at| at <= now)
    }

    async fn bring_on(&self, cx: &Cx, turn: &mut Turn) -> Result<(), Unavailable> {
        let mut fault = self.resume_change(cx).await.err();
        for realm in self.tenancy.all() {
            if !turn.keep(cx).await? {
                self.put_off(cx.now());
                break;
            }
            match self.advance(cx, &realm, Some(turn.lease())).await {
                Ok(()) => {}
                Err(KeysError::Elsewhere) => {
                    self.put_off(cx.now());
                    break;
                }
                Err(error) => {
                    tracing::error!(realm = %realm.id, %error, "keys could not be brought on");
                    fault = fault.or(Some(Unavailable::new(error.to_string())));
                }
            }
        }
        fault.map_or(Ok(()), Err)
    }

    /// When [`KeyRing::tick`] has something to do next.
    pub fn next_due(&self) -> Option<Timestamp> {
        let realms = self.tenancy.all();
        let plans = realms.iter().flat_map(|realm| {
            let keys = self.realm(realm.id).map(|view| view.keys.clone()).unwrap_or_default();
            let schedule = Schedule::of(realm);
            Purpose::ALL.into_iter().filter_map(move |purpose| rules::plan(purpose, &keys, &schedule))
        });
        plans.map(|(at, _)| at).min().map(|at| at.max(self.not_before()))
    }

    /// Waits until [`KeyRing::tick`] has something to do, also if that is brought forward meanwhile by a command or by a
    /// realm's settings.
    pub async fn until_due(&self, clock: &dyn Clock) {
        loop {
            let (keys, realms) = (self.moved.notified(), self.tenancy.moved());
            let wake = match self.next_due() {
                Some(at) if at <= clock.now() => return,
                Some(at) => clock.wake_at(at),
                None => Box::pin(core::future::pending()),
            };
            tokio::select! {
                () = wake => {}
                () = keys => {}
                () = realms => {}
            }
        }
    }

    /// Brings the keys of one realm on; by schedule only under a lease.
    pub(crate) async fn advance(&self, cx: &Cx, realm: &Realm, lease: Option<&Lease>) -> Result<(), KeysError> {
        if self.realm(realm.id).is_err() {
            self.reload(realm.id).await?;
        }
        for purpose in Purpose::ALL {
            self.advance_purpose(cx, realm, purpose, lease).await?;
        }
        Ok(())
    }

    async fn advance_purpose(
        &self,
        cx: &Cx,
        realm: &Realm,
        purpose: Purpose,
        lease: Option<&Lease>,
    ) -> Result<(), KeysError> {
        let cx = in_realm(cx, realm.id);
        let mut tries = 0;
        loop {
            let keys = self.keys(realm.id)?;
            let step = match rules::plan(purpose, &keys, &Schedule::of(realm)) {
                Some((at, step)) if at <= cx.now() => step,
                _ => return Ok(()),
            };
            if let Step::Activate { next, current: Some(_) } = step
                && !self.known_everywhere(next).await?
            {
                self.put_off(cx.now());
                return Ok(());
            }
            match self.take(&cx, purpose, &keys, step, lease).await {
                // Somebody else was faster: look again.
                Err(KeysError::Changed) if tries < TRIES => tries += 1,
                Err(error) => return Err(error),
                Ok(()) => tries = 0,
            }
        }
    }

    async fn take(
        &self,
        cx: &Cx,
        purpose: Purpose,
        keys: &[Key],
        step: Step,
        lease: Option<&Lease>,
    ) -> Result<(), KeysError> {
        let one = |id| keys.iter().find(|key| key.id == id).ok_or(KeysError::Changed);
        let number = rules::next_number(purpose, keys);
        let unit = match step {
            Step::Make => self.begin(cx, purpose, number, KeyState::Active, lease).await?,
            Step::Publish => self.begin(cx, purpose, number, KeyState::Pending, lease).await?,
            Step::Activate { next, current } => {
                let mut unit = unit_under(cx, events::key_activated(one(next)?), lease);
                if let Some(current) = current {
                    unit.record(events::key_retired(one(current)?));
                    let args = args![cx.realm(), current, unit.now()];
                    unit.one("key", &sql::RETIRE, args);
                }
                activate(&mut unit, next);
                unit
            }
            Step::Remove(id) => {
                let mut unit = unit_under(cx, events::key_removed(one(id)?, false), lease);
                remove(&mut unit, one(id)?);
                unit
            }
        };
        self.commit(cx, unit).await
    }

    async fn begin(
        &self,
        cx: &Cx,
        purpose: Purpose,
        number: u32,
        state: KeyState,
        lease: Option<&Lease>,
    ) -> Result<Unit, KeysError> {
        let new = self.make(cx, purpose, number, state).await?;
        let mut unit = unit_under(cx, events::key_created(&new.key), lease);
        self.insert(cx, &mut unit, &new);
        Ok(unit)
    }

    /// Asks for the next key of `purpose`: publishes it, and once it has been published long enough, and every node knows
    /// it, puts it to use. Asked again, the same key comes on. Any node may be asked.
    ///
    /// # Errors
    /// [`KeysError::Permanent`] for keyed hashes; [`KeysError`] otherwise.
    pub async fn rotate(&self, cx: &Cx, realm: RealmId, purpose: Purpose) -> Result<Rotation, KeysError> {
        if !purpose.rotates() {
            return Err(KeysError::Permanent);
        }
        let row = self.tenancy.get(realm).ok_or(KeysError::NoRealm)?;
        let cx = in_realm(cx, realm);
        for _ in 0..TRIES {
            match self.ask(&cx, &row, purpose).await {
                Err(KeysError::Changed) => {}
                other => return other,
            }
        }
        Err(KeysError::Changed)
    }

    async fn ask(&self, cx: &Cx, realm: &Realm, purpose: Purpose) -> Result<Rotation, KeysError> {
        let keys = self.keys(realm.id)?;
        let schedule = Schedule::of(realm);
        let find = |keys: &[Key], state| keys.iter().find(|key| key.purpose == purpose && key.state == state).cloned();
        match find(&keys, KeyState::Pending) {
            None => {
                let number = rules::next_number(purpose, &keys);
                let mut new = self.make(cx, purpose, number, KeyState::Pending).await?;
                new.key.soon = true;
                let mut unit = unit(cx, events::key_created(&new.key).with("asked_for", true));
                self.insert(cx, &mut unit, &new);
                self.commit(cx, unit).await?;
            }
            Some(next) if !next.soon => {
                let mut unit = unit(cx, events::key_rotation_requested(&next));
                unit.one("key", &sql::HURRY, args![cx.realm(), next.id, true]);
                self.commit(cx, unit).await?;
            }
            Some(_) => {}
        }
        let next = find(&self.keys(realm.id)?, KeyState::Pending).ok_or(KeysError::Changed)?;
        self.advance_purpose(cx, realm, purpose, None).await?;
        let keys = self.keys(realm.id)?;
        let now = keys.iter().find(|key| key.id == next.id).cloned().ok_or(KeysError::Changed)?;
        match (now.state, find(&keys, KeyState::Active)) {
            (KeyState::Active, _) => Ok(Rotation::Activated(now)),
            (KeyState::Pending, Some(current)) => {
                let takes_over = rules::takes_over(&current, &now, &schedule);
                Ok(Rotation::Published { next: now, takes_over })
            }
            _ => Err(KeysError::Changed),
        }
    }

    /// Makes a key. RSA keys take a second and are made where that holds up nobody.
    pub(crate) async fn make(
        &self,
        cx: &Cx,
        purpose: Purpose,
        number: u32,
        state: KeyState,
    ) -> Result<NewKey, Unavailable> {
        let (kid, secret) = match purpose {
            Purpose::Sign(algorithm) => {
                let key = self.make_signing(algorithm).await?;
                let secret = key.to_pkcs8().map_err(|error| Unavailable::new(error.to_string()))?;
                (Some(key.kid().to_owned()), secret)
            }
            _ => (None, Secret::new(random_secret(&*cx.entropy).expose().to_vec())),
        };
        let now = cx.now();
        let active_at = (state == KeyState::Active).then_some(now);
        let (id, soon) = (cx.id(), false);
        let (retiring_at, removed_at) = (None, None);
        let key = Key { id, purpose, number, kid, state, soon, published_at: now, active_at, retiring_at, removed_at };
        Ok(NewKey { key, secret })
    }

    async fn make_signing(&self, algorithm: Algorithm) -> Result<SigningKey, Unavailable> {
        let source = Arc::clone(&self.source);
        let made = match algorithm {
            Algorithm::Es256 => source.make(algorithm),
            Algorithm::Rs256 => tokio::task::spawn_blocking(move || source.make(algorithm))
                .await
                .map_err(|_| Unavailable::new("the maker of RSA keys has stopped"))?,
        };
        made.map_err(|error| Unavailable::new(error.to_string()))
    }

    /// Adds the row of `new`, wrapped under the master key that is current, and that must still be so at commit.
    pub(crate) fn insert(&self, cx: &Cx, unit: &mut Unit, new: &NewKey) {
        let master = Arc::clone(&self.masters.load().current);
        let NewKey { key, secret } = new;
        let place = Place { realm: cx.realm(), id: key.id, purpose: key.purpose, number: key.number };
        let wrapped = master.wrap(&*cx.entropy, &place, secret.expose());
        unit.require("master", &sql::MASTER_CURRENT, args![master.id().0]);
        let args = args![
            cx.realm(),
            key.id,
            key.purpose.as_str(),
            key.number,
            key.kid.as_deref(),
            key.state.as_str(),
            key.soon,
            key.published_at,
            key.active_at,
            master.id().0,
            wrapped
        ];
        unit.one("key", &sql::INSERT, args);
        unit.changed("keys", cx.realm().as_bytes());
    }

    /// Commits and, whatever came of it, shows in the view what stands in the store now.
    pub(crate) async fn commit(&self, cx: &Cx, unit: Unit) -> Result<(), KeysError> {
        let committed = cx.commit(unit).await;
        let shown = self.reload(cx.realm()).await;
        committed?;
        Ok(shown?)
    }
}

/// Begins a unit that asserts `lease` before anything else.
fn unit_under(cx: &Cx, event: Event, lease: Option<&Lease>) -> Unit {
    let mut unit = unit(cx, event);
    if let Some(lease) = lease {
        unit.under(lease);
    }
    unit
}

pub(crate) fn activate(unit: &mut Unit, next: KeyId) {
    let args = args![unit.realm(), next, unit.now()];
    unit.one("key", &sql::ACTIVATE, args);
    unit.changed("keys", unit.realm().as_bytes());
}

pub(crate) fn remove(unit: &mut Unit, key: &Key) {
    let wiped: &[u8] = &[];
    let args = args![unit.realm(), key.id, unit.now(), key.state.as_str(), wiped];
    unit.one("key", &sql::REMOVE, args);
    unit.changed("keys", unit.realm().as_bytes());
}

/// The same context in another realm: keys are changed in the realm that they belong to, whoever asks.
pub(crate) fn in_realm(cx: &Cx, realm: RealmId) -> Cx {
    cx.with(Caller { realm, organization: None, ..cx.caller })
}
