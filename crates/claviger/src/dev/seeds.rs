//! What is there from the first moment: a user, two clients, an API. Made by the same use cases as everything else, and
//! left alone where a kept data folder has them already.

use anyhow::{Context as _, ensure};
use claviger_accounts::{AdministrationError, NewAccount};
use claviger_audit::Cx;
use claviger_identity::emails::{self, EmailKey};
use claviger_identity::users::{Claims, NewUser};
use claviger_kernel::Secret;
use claviger_oauth::clients::{AuthMethod, ClientKind, ClientSettings, GrantType, NewClient};
use claviger_oauth::redirect::RedirectUri;
use claviger_oauth::resource_servers::ResourceServerSettings;
use claviger_oauth::scope::Scopes;

use super::credentials::Credentials;
use super::demo;
use crate::Services;

/// The user's address.
pub(super) const USER_EMAIL: &str = "ada@example.com";
/// The application, as people know it.
pub(super) const APPLICATION: &str = "Acme Notes";
/// The confidential client: the demo application's.
pub(super) const CLIENT_ID: &str = "acme-notes";
/// The public client.
pub(super) const PUBLIC_CLIENT_ID: &str = "acme-notes-browser";
/// The API, as its tokens name it.
const AUDIENCE: &str = "https://notes.example.com";
const API_SCOPES: &str = "notes:read notes:write";
/// The loopback exception of RFC 8252 makes these good for every port, and so for every start.
const LOOPBACKS: [&str; 2] = ["http://127.0.0.1", "http://[::1]"];

/// Makes what is missing.
pub(super) async fn plant(services: &Services, cx: &Cx, credentials: &Credentials) -> anyhow::Result<()> {
    let seeded = services.oauth.client(cx, CLIENT_ID).await?.is_some();
    ensure!(
        !(seeded && credentials.new),
        "this database has the demo's user and clients, but the data folder does not keep their secrets; name the folder \
         that was used with it (--data), or another database"
    );
    user(services, cx, &credentials.user_password).await.context("the demo user")?;
    api(services, cx).await.context("the demo API")?;
    confidential_client(services, cx, &credentials.client_secret).await.context("the demo client")?;
    public_client(services, cx).await.context("the public demo client")
}

async fn user(services: &Services, cx: &Cx, password: &Secret<String>) -> anyhow::Result<()> {
    let email = EmailKey::parse(USER_EMAIL)?;
    if emails::by_key(cx, &email).await?.is_some() {
        return Ok(());
    }
    let mut claims = Claims::default();
    for (name, value) in [
        ("name", "Ada Lovelace"),
        ("given_name", "Ada"),
        ("family_name", "Lovelace"),
        ("preferred_username", "ada"),
        ("locale", "en"),
        ("zoneinfo", "Europe/London"),
    ] {
        claims.set(name, value.into())?;
    }
    let user = NewUser { subject: None, claims };
    let new = NewAccount { user, email: &email, verified: true, password: Some(password), roles: &[] };
    match services.accounts.create(cx, new).await {
        Ok(_) | Err(AdministrationError::EmailTaken) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

async fn api(services: &Services, cx: &Cx) -> anyhow::Result<()> {
    if services.oauth.resource_server(cx, AUDIENCE).await?.is_none() {
        let scopes = Scopes::parse(API_SCOPES)?;
        let settings = ResourceServerSettings { name: "Acme Notes API".to_owned(), scopes, ..Default::default() };
        services.oauth.create_resource_server(cx, AUDIENCE, settings).await?;
    }
    Ok(())
}

async fn confidential_client(services: &Services, cx: &Cx, secret: &Secret<String>) -> anyhow::Result<()> {
    if services.oauth.client(cx, CLIENT_ID).await?.is_some() {
        return Ok(());
    }
    let settings = ClientSettings {
        grant_types: GrantType::ALL.to_vec(),
        scopes: Scopes::parse(&format!("openid profile email offline_access {API_SCOPES}"))?,
        introspects: vec![AUDIENCE.to_owned()],
        ..addresses()?
    };
    let new = NewClient {
        client_id: Some(CLIENT_ID.to_owned()),
        name: APPLICATION.to_owned(),
        kind: ClientKind::Confidential,
        secret: Some(secret.clone()),
        settings,
    };
    services.oauth.create_client(cx, new).await?;
    Ok(())
}

async fn public_client(services: &Services, cx: &Cx) -> anyhow::Result<()> {
    if services.oauth.client(cx, PUBLIC_CLIENT_ID).await?.is_some() {
        return Ok(());
    }
    let settings = ClientSettings { token_endpoint_auth_method: AuthMethod::None, ..addresses()? };
    let new = NewClient {
        client_id: Some(PUBLIC_CLIENT_ID.to_owned()),
        name: format!("{APPLICATION} in the browser"),
        kind: ClientKind::Public,
        secret: None,
        settings,
    };
    services.oauth.create_client(cx, new).await?;
    Ok(())
}

fn addresses() -> anyhow::Result<ClientSettings> {
    let at = |path: &str| LOOPBACKS.map(|host| RedirectUri::register(&format!("{host}{path}"))).into_iter().collect();
    let redirect_uris: Result<Vec<_>, _> = at(demo::CALLBACK);
    let post_logout_redirect_uris: Result<Vec<_>, _> = at(demo::SIGNED_OUT);
    Ok(ClientSettings {
        redirect_uris: redirect_uris?,
        post_logout_redirect_uris: post_logout_redirect_uris?,
        ..ClientSettings::default()
    })
}
