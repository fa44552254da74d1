//! The whole server put together over a store: services, routes, background work. It does not listen yet.

use core::time::Duration;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use claviger_accounts::Accounts;
use claviger_audit::Cx;
use claviger_authenticators::password::{HashSettings, HashWorkers, PasswordPolicy};
use claviger_http::Surfaces;
use claviger_http::base::{
    Asset, Check, Frame, FrameOptions, Health, Limits, Route, Routes, Shutdown, TrustedProxies, assets, health_routes,
};
use claviger_identity::passwords::Passwords;
use claviger_kernel::{Caller, Clock, Entropy, Id, RealmId, SystemReason};
use claviger_keys::{KeyRing, KeySource, MasterOrigin};
use claviger_management::{Door, Management};
use claviger_notify::{Notifier, Transport};
use claviger_oauth::OAuth;
use claviger_session::Revocations;
use claviger_session::sessions::SessionCache;
use claviger_storage::nodes::Nodes;
use claviger_storage::{Ephemeral, Follower, PostgresOptions, RedisPatience, SqliteOptions, Store};
use claviger_tenancy::{PublicUrl, Tenancy};

use crate::config::Settings;
use crate::work;

/// What a server takes from its surroundings; a test hands in its own.
#[derive(Clone)]
pub struct Ambient {
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
    /// Where signing keys come from.
    pub key_source: Arc<dyn KeySource>,
    /// How passwords are hashed.
    pub hashing: HashSettings,
    /// For how long Redis is waited for, where the settings name one.
    pub redis_patience: RedisPatience,
    /// Where messages go.
    pub transport: Arc<dyn Transport>,
}

/// What the use cases stand on.
#[derive(Clone)]
pub struct Services {
    /// Rows.
    pub store: Store,
    /// Short-lived state.
    pub ephemeral: Ephemeral,
    /// Time, randomness, key making.
    pub ambient: Ambient,
    /// Realms.
    pub tenancy: Arc<Tenancy>,
    /// Keys.
    pub keys: Arc<KeyRing>,
    /// What has been revoked.
    pub revocations: Arc<Revocations>,
    /// This process among those that serve on the database.
    pub nodes: Arc<Nodes>,
    /// Messages.
    pub notifier: Notifier,
    /// Accounts and the sign-in engine.
    pub accounts: Accounts,
    /// The OAuth and OpenID Connect provider.
    pub oauth: OAuth,
}

impl Services {
    /// The context of Claviger acting by itself in `realm`.
    pub fn system(&self, realm: RealmId, reason: SystemReason) -> Cx {
        system(&self.store, &self.ephemeral, &self.ambient, realm, reason)
    }
}

/// A server, ready to listen.
pub struct Server {
    /// What the outside reaches.
    pub public: Arc<Frame>,
    /// What only the inside reaches.
    pub internal: Arc<Frame>,
    /// What the operator reaches over the socket in the data folder.
    pub operator: Arc<Frame>,
    /// Every public route, as declared.
    pub routes: Vec<Route>,
    /// The services.
    pub services: Services,
    health: Arc<Health>,
}

/// Connections of the internal listener.
const INTERNAL_CONNECTIONS: usize = 64;

impl Server {
    /// Puts a server together over `store`; on an empty one it makes the master key and the realm `main` first.
    ///
    /// # Errors
    /// What is missing or does not fit, by name (F19).
    pub async fn assemble(
        settings: &Settings,
        public_url: PublicUrl,
        store: Store,
        ambient: Ambient,
    ) -> anyhow::Result<Self> {
        let services = services(settings, public_url.clone(), store, ambient).await?;
        let health = Arc::new(Health::new(vec![writable(&services.store), views(&services), clock(&services)]));
        let routes = Routes::new()
            .merge(health_routes(&health))
            .merge(files())
            .merge(surfaces(&services))
            .merge(management(&services, Door::Bearer));
        let declared = routes.declared().cloned().collect();
        let limits = settings.limits.limits();
        let frame = |routes, limits, realms: Option<Arc<Tenancy>>, public_url: &PublicUrl| {
            Arc::new(Frame::new(FrameOptions {
                public_url: public_url.clone(),
                any_host: realms.is_none(),
                proxies: TrustedProxies::new(settings.proxies.trusted.clone(), settings.proxies.header),
                limits,
                clock: Arc::clone(&services.ambient.clock),
                entropy: Arc::clone(&services.ambient.entropy),
                realms,
                routes,
            }))
        };
        let few = Limits { connections: INTERNAL_CONNECTIONS, ..limits.clone() };
        Ok(Self {
            public: frame(routes, limits, Some(Arc::clone(&services.tenancy)), &public_url),
            internal: frame(health_routes(&health), few.clone(), None, &public_url),
            operator: frame(
                management(&services, Door::Operator),
                few,
                Some(Arc::clone(&services.tenancy)),
                &OPERATOR_URL.parse().context("the operator's address")?,
            ),
            routes: declared,
            health,
            services,
        })
    }

    /// Tells balancers to look elsewhere.
    pub fn drain(&self) {
        self.health.drain();
    }

    /// Does what is due without anybody asking, until `shutdown` begins.
    pub async fn work(&self, shutdown: &Shutdown) {
        tokio::select! {
            () = shutdown.begun() => {}
            () = Box::pin(work::all(&self.services)) => {}
        }
    }
}

/// The files that pages refer to.
pub(crate) fn files() -> Routes {
    let files = claviger_ui::assets().iter();
    assets(files.map(|file| Asset { path: file.path, content_type: file.content_type, bytes: file.bytes }))
}

/// The host that the operator's own client names; the socket is no place that a browser reaches.
pub(crate) const OPERATOR_URL: &str = "http://localhost";

fn surfaces(services: &Services) -> Routes {
    let ambient = &services.ambient;
    claviger_http::routes(&Arc::new(Surfaces {
        store: services.store.clone(),
        ephemeral: services.ephemeral.clone(),
        clock: Arc::clone(&ambient.clock),
        entropy: Arc::clone(&ambient.entropy),
        keys: Arc::clone(&services.keys),
        accounts: services.accounts.clone(),
        oauth: services.oauth.clone(),
    }))
}

fn management(services: &Services, door: Door) -> Routes {
    let ambient = &services.ambient;
    claviger_management::routes(&Arc::new(Management {
        door,
        store: services.store.clone(),
        ephemeral: services.ephemeral.clone(),
        clock: Arc::clone(&ambient.clock),
        entropy: Arc::clone(&ambient.entropy),
        tenancy: Arc::clone(&services.tenancy),
        keys: Arc::clone(&services.keys),
        accounts: services.accounts.clone(),
        oauth: services.oauth.clone(),
    }))
}

/// Opens the store that the settings name; SQLite in the data folder where they name none.
///
/// # Errors
/// The setting or the file that is in the way.
pub(crate) async fn open_store(settings: &Settings) -> anyhow::Result<Store> {
    make_data_folder(&settings.data)?;
    let database = &settings.database;
    let Some(url) = database.url.clone() else {
        let options = SqliteOptions { path: database_file(settings), readers: database.readers };
        return Store::open_sqlite(options).await.with_context(|| format!("data = {}", settings.data.display()));
    };
    let options = PostgresOptions {
        url,
        read_url: database.read_url.clone(),
        migrate_url: database.migrate_url.clone(),
        writers: database.writers,
        readers: database.readers,
        notify: database.notify,
    };
    // Which of the three addresses is at fault it says itself.
    Ok(Store::open_postgres(options).await?)
}

/// The embedded store.
pub(crate) fn database_file(settings: &Settings) -> PathBuf {
    settings.data.join("claviger.db")
}

fn make_data_folder(folder: &PathBuf) -> anyhow::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.with_context(|| format!("data: cannot make the folder {}", folder.display()))
}

async fn services(
    settings: &Settings,
    public_url: PublicUrl,
    store: Store,
    ambient: Ambient,
) -> anyhow::Result<Services> {
    let ephemeral = ephemeral(settings, &store, &ambient).await?;
    let tenancy = Arc::new(Tenancy::open(store.clone(), public_url).await?);
    let new_realm = Id::new(ambient.clock.now(), &*ambient.entropy);
    let cx = system(&store, &ephemeral, &ambient, new_realm, SystemReason::BOOTSTRAP);
    let source = Arc::clone(&ambient.key_source);
    let keys = KeyRing::unlock(&cx, Arc::clone(&tenancy), master_key(settings), source).await?;
    keys.ensure_main(&cx).await?;
    let keys = Arc::new(keys);
    let workers = HashWorkers::start(ambient.hashing.clone(), Arc::clone(&ambient.clock), Arc::clone(&ambient.entropy));
    let passwords = Passwords::new(workers.context("password hashing")?, PasswordPolicy::default());
    let notifier = Notifier::new(Arc::clone(&keys), Arc::clone(&tenancy), Arc::clone(&ambient.transport));
    let revocations = Revocations::new(store.clone(), Arc::clone(&tenancy), Arc::clone(&ambient.clock));
    let revocations = Arc::new(revocations);
    store.keep_time(Arc::clone(&ambient.clock));
    let (clock, entropy) = (Arc::clone(&ambient.clock), Arc::clone(&ambient.entropy));
    let nodes = Arc::new(Nodes::new(store.clone(), clock, entropy, env!("CARGO_PKG_VERSION")));
    // Realms before what is loaded realm by realm.
    store.follow(Arc::clone(&tenancy) as Arc<dyn Follower>);
    store.follow(Arc::clone(&keys) as Arc<dyn Follower>);
    store.follow(Arc::clone(&revocations) as Arc<dyn Follower>);
    let sessions = Arc::new(SessionCache::new(Arc::clone(&revocations)));
    store.follow(Arc::clone(&sessions) as Arc<dyn Follower>);
    store.catch_up().await.context("what has been revoked cannot be loaded")?;
    let accounts = Accounts::new(passwords, Arc::clone(&keys), Arc::clone(&tenancy), notifier.clone(), sessions);
    let oauth = OAuth::new(Arc::clone(&keys), Arc::clone(&tenancy), Arc::clone(&revocations), notifier.clone());
    store.follow(oauth.follower());
    Ok(Services { store, ephemeral, ambient, tenancy, keys, revocations, nodes, notifier, accounts, oauth })
}

/// Short-lived state, on Redis if the settings name one. One that does not answer now does not stop the start.
async fn ephemeral(settings: &Settings, store: &Store, ambient: &Ambient) -> anyhow::Result<Ephemeral> {
    let (store, clock, entropy) = (store.clone(), Arc::clone(&ambient.clock), Arc::clone(&ambient.entropy));
    match &settings.ephemeral.url {
        None => Ok(Ephemeral::in_database(store, clock, entropy)),
        Some(url) => Ok(Ephemeral::on_redis(url, ambient.redis_patience, store, clock, entropy).await?),
    }
}

fn system(store: &Store, ephemeral: &Ephemeral, ambient: &Ambient, realm: RealmId, reason: SystemReason) -> Cx {
    let now = ambient.clock.now();
    Cx {
        db: store.clone(),
        ephemeral: ephemeral.clone(),
        clock: Arc::clone(&ambient.clock),
        entropy: Arc::clone(&ambient.entropy),
        caller: Caller::system(realm, now, Id::new(now, &*ambient.entropy), reason),
    }
}

fn master_key(settings: &Settings) -> MasterOrigin {
    let keys = &settings.keys;
    match &keys.master_key {
        Some(key) => MasterOrigin::Value { key: key.clone(), other: keys.other_master_key.clone() },
        None => MasterOrigin::File(keys.master_key_file.clone().unwrap_or_else(|| settings.data.join("master.key"))),
    }
}

/// For how long a node whose database is away goes on to verify: what is revoked elsewhere meanwhile it cannot know.
const ALONE: Duration = Duration::from_mins(15);

fn views(services: &Services) -> Check {
    let (store, clock) = (services.store.clone(), Arc::clone(&services.ambient.clock));
    Check::new("views", move || {
        let current = store.views_current(clock.now(), ALONE);
        async move { current }
    })
}

/// A node whose clock is wrong issues tokens that others refuse (F20).
fn clock(services: &Services) -> Check {
    let nodes = Arc::clone(&services.nodes);
    Check::new("clock", move || {
        let agrees = nodes.clock_agrees();
        async move { agrees }
    })
}

fn writable(store: &Store) -> Check {
    let store = store.clone();
    Check::new("store", move || {
        let writable = store.writable();
        async move { writable }
    })
}
