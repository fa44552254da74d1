//! Our server on a fresh store, with what a row needs in it.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use claviger::config::{self, Flag};
use claviger::{Ambient, Server, SystemClock};
use claviger_accounts::NewAccount;
use claviger_audit::Cx;
use claviger_authenticators::password::HashSettings;
use claviger_crypto::SystemEntropy;
use claviger_http::base::{Listener, Shutdown, serve as listen};
use claviger_identity::ActiveUser;
use claviger_identity::emails::EmailKey;
use claviger_identity::users::NewUser;
use claviger_kernel::{Secret, SystemReason};
use claviger_keys::FreshKeys;
use claviger_notify::Inbox;
use claviger_oauth::Client;
use claviger_oauth::clients::{AuthMethod, ClientKind, ClientSettings, GrantType, NewClient};
use claviger_oauth::resource_servers::{ResourceServerSettings, TokenFormat};
use claviger_oauth::scope::Scopes;
use claviger_session::families::{self, NewFamily};
use claviger_storage::RedisPatience;
use tokio::net::TcpListener;

use crate::load::Ready;
use crate::place::{Engine, Place};
use crate::propagation;
use crate::refresh::{FAMILIES, USERS};

const SECRET: &str = "a-secret-for-the-benchmark-and-nothing-else";

/// A server that does not listen yet.
pub(crate) struct Ours {
    pub(crate) server: Arc<Server>,
    pub(crate) place: Place,
    listener: TcpListener,
    host: String,
}

impl Ours {
    pub(crate) async fn make(engine: Engine) -> anyhow::Result<Self> {
        let place = Place::make(engine).await?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let host = format!("localhost:{}", listener.local_addr()?.port());
        let data = place.folder.path().display().to_string();
        Self::open(place, listener, host, data).await
    }

    /// One of several nodes, which share a database, a data folder and a public address.
    pub(crate) async fn node(place: Place, data: String) -> anyhow::Result<Self> {
        Self::open(place, TcpListener::bind("127.0.0.1:0").await?, "localhost:8080".to_owned(), data).await
    }

    async fn open(place: Place, listener: TcpListener, host: String, data: String) -> anyhow::Result<Self> {
        let public_url = format!("http://{host}");
        let flags = [("data", data), ("public_url", public_url.clone())];
        let settings = config::load(None, [], flags.map(|(key, value)| Flag { name: key, key, value }))?;
        let ambient = Ambient {
            clock: Arc::new(SystemClock),
            entropy: Arc::new(SystemEntropy),
            key_source: Arc::new(FreshKeys),
            hashing: HashSettings::default(),
            redis_patience: RedisPatience::ORDINARY,
            transport: Arc::new(Inbox::new()),
        };
        let server = Server::assemble(&settings, public_url.parse()?, place.store.clone(), ambient).await?;
        Ok(Self { server: Arc::new(server), place, listener, host })
    }

    /// The context of the demonstration's maker in the realm `main`.
    pub(crate) fn cx(&self) -> anyhow::Result<Cx> {
        let services = &self.server.services;
        let main = services.tenancy.main().context("no realm main")?;
        Ok(services.system(main.id, SystemReason::DEVELOPMENT))
    }

    /// A confidential client that may do what the rows do.
    pub(crate) async fn client(&self, cx: &Cx) -> anyhow::Result<Client> {
        let new = NewClient {
            client_id: Some("bench".to_owned()),
            name: "Bench".to_owned(),
            kind: ClientKind::Confidential,
            secret: Some(Secret::from(SECRET)),
            settings: ClientSettings {
                grant_types: vec![GrantType::ClientCredentials, GrantType::AuthorizationCode, GrantType::RefreshToken],
                redirect_uris: vec!["https://app.example.com/cb".to_owned().try_into()?],
                scopes: Scopes::parse("openid offline_access notes:read")?,
                token_endpoint_auth_method: AuthMethod::ClientSecretPost,
                ..ClientSettings::default()
            },
        };
        let oauth = &self.server.services.oauth;
        oauth.create_client(cx, new).await?;
        oauth.client(cx, "bench").await?.context("the client that was just made")
    }

    /// Users without passwords.
    pub(crate) async fn users(&self, cx: &Cx, count: usize) -> anyhow::Result<Vec<ActiveUser>> {
        let mut users = Vec::with_capacity(count);
        for number in 0..count {
            let email = EmailKey::parse(&format!("user{number}@example.com"))?;
            let user = NewUser::default();
            let new = NewAccount { user, email: &email, verified: true, password: None, roles: &[] };
            users.push(self.server.services.accounts.create(cx, new).await?);
        }
        Ok(users)
    }

    /// Listens, with everything that a server does beside, until the process is ended.
    pub(crate) async fn serve(self, material: Option<String>) -> anyhow::Result<()> {
        let address = self.listener.local_addr()?;
        let path = self.place.folder.path().join("material");
        let material = match material {
            Some(text) => Some(std::fs::write(&path, text).map(|()| path)?),
            None => None,
        };
        let working = Arc::clone(&self.server);
        let shutdown = Shutdown::new();
        let stop = shutdown.clone();
        tokio::spawn(async move { working.work(&stop).await });
        Ready { address, host: self.host, material }.announce()?;
        listen(vec![Listener::Tcp(self.listener)], Arc::clone(&self.server.public), shutdown).await;
        Ok(())
    }
}

/// Client credentials.
pub(crate) async fn tokens() -> anyhow::Result<()> {
    let ours = Ours::make(Engine::Sqlite).await?;
    ours.client(&ours.cx()?).await?;
    ours.serve(None).await
}

/// Introspection: an API with signed tokens, and one with opaque ones.
pub(crate) async fn introspect() -> anyhow::Result<()> {
    let ours = Ours::make(Engine::Sqlite).await?;
    let cx = ours.cx()?;
    ours.client(&cx).await?;
    for (audience, token_format) in
        [("https://signed.example.com", TokenFormat::Jwt), ("https://opaque.example.com", TokenFormat::Opaque)]
    {
        let settings = ResourceServerSettings {
            name: "Notes".to_owned(),
            scopes: Scopes::parse("notes:read")?,
            access_life: Some(Duration::from_mins(15)),
            token_format,
            revocation_aware: true,
        };
        ours.server.services.oauth.create_resource_server(&cx, audience, settings).await?;
    }
    ours.serve(None).await
}

/// A node of several. The first one makes the client.
pub(crate) async fn node() -> anyhow::Result<()> {
    let (place, data) = propagation::place().await?;
    let ours = Ours::node(place, data).await?;
    let cx = ours.cx()?;
    if ours.server.services.oauth.client(&cx, "bench").await?.is_none() {
        ours.client(&cx).await?;
    }
    ours.serve(None).await
}

/// Refresh rotation: families of many users, each with its first token in the material.
pub(crate) async fn refresh(engine: Engine) -> anyhow::Result<()> {
    let ours = Ours::make(engine).await?;
    let cx = ours.cx()?;
    let client = ours.client(&cx).await?;
    let users = ours.users(&cx, USERS).await?;
    let keys = ours.server.services.keys.opaque(cx.realm())?;
    // The API of a token that is for no other: the issuer's own userinfo endpoint.
    let realm = ours.server.services.oauth.realm(&cx)?;
    let mut material = String::new();
    for first in (0..FAMILIES).step_by(100) {
        let mut unit = claviger_audit::quiet(&cx, "families of a measurement");
        for number in first..first + 100 {
            let new = NewFamily {
                id: cx.id(),
                user: &users[number % USERS],
                client: (client.id, client.epoch),
                grant: cx.id(),
                session: None,
                audience: &realm.issuer,
                // Without `openid`: an ID token is a second signature, RS256 by default, and would be all that is measured.
                scope: "offline_access notes:read",
                nonce: None,
                authentication: ("urn:claviger:aal:1", "pwd", cx.now()),
                device: "Firefox on Linux",
                lifetimes: (Duration::from_hours(24), Duration::from_hours(240)),
            };
            writeln!(material, "{}", families::open(&mut unit, &cx, &keys, &new).token.expose())?;
        }
        cx.commit(unit).await?;
    }
    ours.serve(Some(material)).await
}
