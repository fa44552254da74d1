//! Commands on a store: thin clients of the management routes. What they print is for people, or with `--json` the
//! route's own answer. Secrets come from a prompt, a file or standard input, never from an argument.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::Subcommand;
use claviger_kernel::Secret;
use http::Method;
use serde_json::{Value, json};

use crate::config::Settings;
use crate::operator::Operator;

mod client;
mod init;
mod key;
mod realm;
mod resource_server;
mod role;
mod session;
mod show;
mod user;

/// The commands, by the thing that they are about.
#[derive(Subcommand, Debug)]
pub(crate) enum OnStore {
    /// Make the store, its keys and the one-time link for the first administrator
    Init(init::InitArguments),
    /// Realms: isolated identity spaces
    #[command(subcommand)]
    Realm(realm::RealmCommand),
    /// Applications and their secrets
    #[command(subcommand)]
    Client(client::ClientCommand),
    /// APIs: audiences and scopes
    #[command(subcommand)]
    ResourceServer(resource_server::ResourceServerCommand),
    /// Signing keys and the master key
    #[command(subcommand)]
    Key(key::KeyCommand),
    /// People
    #[command(subcommand)]
    User(user::UserCommand),
    /// Where people are signed in
    #[command(subcommand)]
    Session(session::SessionCommand),
    /// Who holds which role
    #[command(subcommand)]
    Role(role::RoleCommand),
}

/// One route to ask.
pub(crate) struct Ask {
    method: Method,
    path: String,
    body: Option<Value>,
}

impl Ask {
    pub(crate) fn get(path: impl Into<String>) -> Self {
        Self { method: Method::GET, path: path.into(), body: None }
    }
    pub(crate) fn post(path: impl Into<String>, body: Value) -> Self {
        Self { method: Method::POST, path: path.into(), body: Some(body) }
    }
    pub(crate) fn patch(path: impl Into<String>, body: Value) -> Self {
        Self { method: Method::PATCH, path: path.into(), body: Some(body) }
    }
    pub(crate) fn put(path: impl Into<String>, body: Value) -> Self {
        Self { method: Method::PUT, path: path.into(), body: Some(body) }
    }
    pub(crate) fn delete(path: impl Into<String>) -> Self {
        Self { method: Method::DELETE, path: path.into(), body: None }
    }
}

/// Runs one command to its end.
pub(crate) async fn run(settings: &Settings, command: OnStore, realm: &str, json: bool) -> anyhow::Result<()> {
    let within = if realm == "main" { String::new() } else { format!("/realms/{}", part(realm)) };
    if let OnStore::Init(arguments) = &command
        && arguments.prints_roles()
    {
        return Ok(());
    }
    let operator = Operator::reach(settings, matches!(command, OnStore::Init(_))).await?;
    let asked = async {
        if realm != "main" {
            operator.ask(Method::GET, &format!("/api/v1/realms/{}", part(realm)), None).await?;
        }
        let ask = match command {
            OnStore::Init(_) => Ask::post(format!("{within}/api/v1/set-up"), json!({})),
            OnStore::Realm(command) => command.ask()?,
            OnStore::Client(command) => command.ask(&within)?,
            OnStore::ResourceServer(command) => command.ask(&within),
            OnStore::Key(command) => command.ask(&within),
            OnStore::User(command) => command.ask(&operator, &within).await?,
            OnStore::Session(command) => command.ask(&operator, &within).await?,
            OnStore::Role(command) => command.ask(&operator, &within).await?,
        };
        operator.ask(ask.method, &ask.path, ask.body.as_ref()).await
    };
    let answer = asked.await;
    operator.leave().await;
    show::answer(&answer?, json);
    Ok(())
}

/// A secret from a file, from standard input (`-`), or from a prompt that does not echo.
pub(crate) fn secret(source: Option<&Path>, prompt: &str) -> anyhow::Result<Secret<String>> {
    let mut text = match source {
        None => rpassword::prompt_password(format!("{prompt}: "))
            .context("cannot ask: name a file, or - for standard input")?,
        Some(path) if path == Path::new("-") => {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text).context("standard input")?;
            text
        }
        Some(path) => std::fs::read_to_string(path).with_context(|| path.display().to_string())?,
    };
    let kept = text.trim_end_matches(['\r', '\n']).len();
    text.truncate(kept);
    if text.is_empty() {
        bail!("{prompt}: nothing was given");
    }
    Ok(Secret::new(text))
}

/// Settings as JSON: from the argument itself, or from a file named `@path`.
pub(crate) fn settings(text: &str) -> anyhow::Result<Value> {
    let read;
    let json = match text.strip_prefix('@') {
        Some(path) => {
            read = std::fs::read_to_string(PathBuf::from(path)).with_context(|| path.to_owned())?;
            &read
        }
        None => text,
    };
    serde_json::from_str(json).context("settings are a JSON object, or @FILE")
}

/// A part of a path, percent-encoded.
pub(crate) fn part(text: &str) -> String {
    text.bytes().fold(String::new(), |mut path, byte| {
        use std::fmt::Write as _;
        if byte.is_ascii_alphanumeric() || b"._-".contains(&byte) {
            path.push(char::from(byte));
        } else {
            let _ = write!(path, "%{byte:02X}");
        }
        path
    })
}
