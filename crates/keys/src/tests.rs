//! The ring on both engines. [`World`] is a server's worth of it, with a clock moved by hand; it can be cut off at any
//! point of any call and started again, as a crash would have it.

mod crashes;
mod life;
mod masters;
mod nodes;
mod walk;

use core::future::{Future, poll_fn};
use core::pin::pin;
use core::task::Poll;
use core::time::Duration;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use claviger_audit::Cx;
use claviger_crypto::Context;
use claviger_crypto::jose::{Algorithm, KeyError, PublicJwk, SigningKey, Typ, VerifyingKey};
use claviger_kernel::{Caller, Clock as _, KeyId, RealmId, Secret, SystemReason, Timestamp};
use claviger_storage::args;
use claviger_storage::scratch::Scratch;
use claviger_tenancy::{NewRealm, Realm, RealmSettings, Tenancy};
use serde_json::json;

use crate::sql::{self, KeyRow};
use crate::{Key, KeyRing, KeySource, KeyState, MasterError, MasterOrigin, Purpose};

const ES256: Purpose = Purpose::Sign(Algorithm::Es256);
const RS256: Purpose = Purpose::Sign(Algorithm::Rs256);
const MINUTE: Duration = Duration::from_mins(1);
const DAY: Duration = Duration::from_hours(24);
/// How long others may keep the key set, by default.
const CACHE: Duration = Duration::from_mins(10);

claviger_storage::statements! {
    RUN_OUT: shared("a test makes time pass") "update leases set expires_at = 0";
}

/// RSA keys are made once for all tests and handed out in turn.
struct Prepared(AtomicUsize);

impl KeySource for Prepared {
    fn make(&self, algorithm: Algorithm) -> Result<SigningKey, KeyError> {
        static POOL: OnceLock<[Secret<Vec<u8>>; 3]> = OnceLock::new();
        if algorithm == Algorithm::Es256 {
            return SigningKey::generate(algorithm);
        }
        let make = |()| SigningKey::generate(Algorithm::Rs256).unwrap().to_pkcs8().unwrap();
        let pool = POOL.get_or_init(|| [(); 3].map(make));
        SigningKey::from_pkcs8(algorithm, &pool[self.0.fetch_add(1, Ordering::Relaxed) % 3])
    }
}

struct World {
    scratch: Scratch,
    folder: tempfile::TempDir,
    source: Arc<Prepared>,
    cx: Cx,
    ring: KeyRing,
}

impl World {
    /// A first start: the realm `main` with all its keys.
    async fn start(scratch: Scratch) -> Self {
        let world = Self::begin(scratch).await;
        world.tick().await;
        world
    }

    /// A first start, as far as it goes before the RSA key is made.
    async fn begin(scratch: Scratch) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let source = Arc::new(Prepared(AtomicUsize::new(0)));
        let cx = context(&scratch, scratch.id());
        let ring = unlock(&cx, folder.path().join("master.key"), &source).await.unwrap();
        let main = ring.ensure_main(&cx).await.unwrap();
        Self { cx: context(&scratch, main.id), scratch, folder, source, ring }
    }

    fn master_file(&self) -> PathBuf {
        self.folder.path().join("master.key")
    }

    /// Whoever had the turn to bring keys on has had it.
    async fn turn_runs_out(&self) {
        let mut unit = claviger_audit::quiet(&self.cx, "a test makes time pass");
        unit.any("lease", &RUN_OUT, args![]);
        self.cx.commit(unit).await.unwrap();
    }

    /// The process is gone and comes again, later than its leases lasted.
    async fn restart(&mut self) {
        self.try_restart().await.unwrap();
    }

    async fn try_restart(&mut self) -> Result<(), MasterError> {
        self.scratch.restart().await;
        self.cx = context(&self.scratch, self.cx.realm());
        self.turn_runs_out().await;
        self.ring = unlock(&self.cx, self.master_file(), &self.source).await?;
        Ok(())
    }

    fn now(&self) -> Timestamp {
        self.scratch.clock.now()
    }

    fn advance(&self, span: Duration) {
        self.scratch.clock.advance(span);
    }

    async fn tick(&self) {
        self.ring.tick(&self.cx).await.unwrap();
    }

    async fn realm(&self, name: &str) -> Arc<Realm> {
        let settings = RealmSettings::default();
        let new = NewRealm { name: name.to_owned(), display_name: name.to_owned(), settings };
        self.ring.create_realm(&self.cx, new).await.unwrap()
    }

    /// What stands in the store, whatever the view says.
    async fn rows(&self, realm: RealmId) -> Vec<KeyRow> {
        let first = KeyId::from_bytes([0; 16]);
        self.cx.db.list(realm, &sql::KEYS, args![realm, first], KeyRow::read).await.unwrap()
    }

    fn in_state(&self, purpose: Purpose, state: KeyState) -> Vec<Key> {
        let keys = self.ring.keys(self.cx.realm()).unwrap();
        keys.into_iter().filter(|key| key.purpose == purpose && key.state == state).collect()
    }

    fn active(&self, purpose: Purpose) -> Key {
        self.in_state(purpose, KeyState::Active).remove(0)
    }

    /// Exactly one key in use for each purpose, at most one waiting, and every one of them opens.
    async fn assert_whole(&self, realm: RealmId) {
        let rows = self.rows(realm).await;
        for purpose in Purpose::ALL {
            let count = |state| rows.iter().filter(|row| row.key.purpose == purpose && row.key.state == state).count();
            assert_eq!(count(KeyState::Active), 1, "active {purpose:?}");
            assert!(count(KeyState::Pending) <= 1, "pending {purpose:?}");
        }
        assert_eq!(self.ring.faults(), []);
        for algorithm in Algorithm::ALL {
            self.ring.signer(realm, algorithm).unwrap();
        }
        self.ring.opaque(realm).unwrap();
    }

    fn token(&self, algorithm: Algorithm, life: Duration) -> Token {
        let (signer, issued) = (self.ring.signer(self.cx.realm(), algorithm).unwrap(), self.now());
        let text = signer.sign_claims(Typ::AccessToken, &json!({ "iat": issued.seconds() })).unwrap();
        Token { text, algorithm, kid: signer.kid().to_owned(), issued, expires: issued.plus(life) }
    }

    fn key_set(&self) -> String {
        self.ring.jwks(self.cx.realm()).unwrap().body.clone()
    }

    fn assert_verifies(&self, token: &Token) {
        assert!(token.verifies_with(&self.key_set()), "{token:?} at {} with {}", self.now(), self.key_set());
    }
}

#[derive(Clone, Debug)]
struct Token {
    text: String,
    algorithm: Algorithm,
    kid: String,
    issued: Timestamp,
    expires: Timestamp,
}

impl Token {
    /// As somebody else's library does it, from the published document alone.
    fn verifies_with(&self, key_set: &str) -> bool {
        let document: serde_json::Value = serde_json::from_str(key_set).unwrap();
        let keys = document["keys"].as_array().unwrap();
        let Some(key) = keys.iter().find(|key| key["kid"] == self.kid.as_str()) else { return false };
        let key = PublicJwk::parse(key.to_string().as_bytes(), self.algorithm).unwrap();
        let (message, signature) = self.text.rsplit_once('.').unwrap();
        let signature = claviger_crypto::base64url_decode(signature).unwrap();
        VerifyingKey::new(&key).unwrap().verify(message.as_bytes(), &signature).is_ok()
    }
}

fn kids(key_set: &str) -> BTreeSet<String> {
    let document: serde_json::Value = serde_json::from_str(key_set).unwrap();
    let keys = document["keys"].as_array().unwrap();
    keys.iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

fn context(scratch: &Scratch, realm: RealmId) -> Cx {
    Cx {
        db: scratch.store.clone(),
        ephemeral: scratch.ephemeral(),
        clock: scratch.clock(),
        entropy: scratch.entropy(),
        caller: Caller::system(realm, scratch.clock.now(), scratch.id(), SystemReason::KEY_ROTATION),
    }
}

async fn tenancy(cx: &Cx) -> Arc<Tenancy> {
    Arc::new(Tenancy::open(cx.db.clone(), "https://id.test".parse().unwrap()).await.unwrap())
}

async fn unlock(cx: &Cx, file: PathBuf, source: &Arc<Prepared>) -> Result<KeyRing, MasterError> {
    let source: Arc<Prepared> = Arc::clone(source);
    KeyRing::unlock(cx, tenancy(cx).await, MasterOrigin::File(file), source).await
}

/// Runs `future` for so many turns and then drops it, wherever it stands; nothing if it was not done by then.
async fn cut<F: Future>(future: F, turns: usize) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut left = turns;
    poll_fn(|context| {
        left -= 1;
        match future.as_mut().poll(context) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if left == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

fn place(row: &[u8]) -> Context {
    Context::new("test/1", &[row])
}
