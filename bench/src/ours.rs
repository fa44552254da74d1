//! Our server on a fresh SQLite store, with one confidential client.

use std::sync::Arc;

use anyhow::Context as _;
use claviger::config::{self, Flag};
use claviger::{Ambient, Held, Server, SystemClock};
use claviger_authenticators::password::HashSettings;
use claviger_crypto::SystemEntropy;
use claviger_http::base::{Listener, Shutdown, serve as listen};
use claviger_kernel::{Secret, SystemReason};
use claviger_keys::FreshKeys;
use claviger_oauth::clients::{AuthMethod, ClientKind, ClientSettings, GrantType, NewClient};
use claviger_oauth::scope::Scopes;
use claviger_storage::{SqliteOptions, Store};
use tokio::net::TcpListener;

use crate::load::announce;

const SECRET: &str = "a-secret-for-the-benchmark-and-nothing-else";

pub(crate) async fn serve() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let data = folder.path().display().to_string();
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let public_url = format!("http://localhost:{}", address.port());
    let flags = [("data", data), ("public_url", public_url.clone())].map(|(key, value)| Flag { name: key, key, value });
    let settings = config::load(None, [], flags)?;
    let store = Store::open_sqlite(SqliteOptions { path: folder.path().join("claviger.db"), readers: 4 }).await?;
    let ambient = Ambient {
        clock: Arc::new(SystemClock),
        entropy: Arc::new(SystemEntropy),
        key_source: Arc::new(FreshKeys),
        hashing: HashSettings::default(),
        transport: Arc::new(Held),
    };
    let server = Server::assemble(&settings, public_url.parse()?, store, ambient).await?;
    let main = server.services.tenancy.main().context("no realm main")?;
    let cx = server.services.system(main.id, SystemReason::DEVELOPMENT);
    let new = NewClient {
        client_id: Some("bench".to_owned()),
        name: "Bench".to_owned(),
        kind: ClientKind::Confidential,
        secret: Some(Secret::from(SECRET)),
        settings: ClientSettings {
            grant_types: vec![GrantType::ClientCredentials],
            scopes: Scopes::parse("notes:read")?,
            token_endpoint_auth_method: AuthMethod::ClientSecretPost,
            ..ClientSettings::default()
        },
    };
    server.services.oauth.create_client(&cx, new).await?;
    announce(address, &format!("localhost:{}", address.port()), "bench", SECRET)?;
    listen(vec![Listener::Tcp(listener)], Arc::clone(&server.public), Shutdown::new()).await;
    Ok(())
}
