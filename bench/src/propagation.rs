//! From the answer to a revocation on one node to the first refusal on another: two processes on one PostgreSQL.

use anyhow::{Context as _, ensure};
use claviger_kernel::Secret;
use claviger_storage::{PostgresOptions, Store};
use serde::Deserialize;

use crate::Found;
use crate::figure::{millis, now, times};
use crate::load::{Line, Program};
use crate::place::{Engine, Place, folder};

/// What a node finds in its environment.
const URL: &str = "CLAVIGER_BENCH_URL";
const READ_URL: &str = "CLAVIGER_BENCH_READ_URL";
const DATA: &str = "CLAVIGER_BENCH_DATA";
const NOTIFY: &str = "CLAVIGER_BENCH_NOTIFY";
const CREDENTIALS: &str = "client_id=bench&client_secret=a-secret-for-the-benchmark-and-nothing-else";

/// With `NOTIFY`, and by looking at the log alone.
pub(crate) async fn row() -> anyhow::Result<Vec<Found>> {
    Ok(vec![measure("told by NOTIFY", true, 1_000).await?, measure("by looking every 500 ms", false, 100).await?])
}

async fn measure(how: &str, notify: bool, count: usize) -> anyhow::Result<Found> {
    let place = Place::make(Engine::Postgres).await?;
    let data = folder()?;
    let options = place.scratch.as_ref().and_then(|scratch| scratch.database()).context("a database")?.options();
    let environment = [
        (URL, options.url.expose().clone()),
        (READ_URL, options.read_url.context("the scratch database has a reader")?.expose().clone()),
        (DATA, data.path().display().to_string()),
        (NOTIFY, notify.to_string()),
    ];
    // One after the other: the first makes the realm and its keys.
    let nodes =
        [Program::start_with("ours-node", &environment).await?, Program::start_with("ours-node", &environment).await?];
    let (mut here, mut there) = (Line::open(&nodes[0]).await?, Line::open(&nodes[1]).await?);
    let mut times = times();
    for _ in 0..count {
        let token = token(&mut here).await?;
        while !is_active(&mut there, &token).await? {
            // The node has yet to learn of a key or of the client.
        }
        here.ask("/oauth2/revoke", format!("{CREDENTIALS}&token={token}")).await?;
        let began = now();
        ensure!(!is_active(&mut here, &token).await?, "refused at once where it was revoked");
        while is_active(&mut there, &token).await? {}
        times.saturating_record(u64::try_from(began.elapsed().as_nanos())?);
    }
    Ok(Found::text(format!(
        "revocation to refusal on another node, PostgreSQL, {how}, {count} times\n  {}; goal: most below 1000 ms\n",
        millis(&times)
    )))
}

#[derive(Deserialize)]
struct Issued {
    access_token: String,
}

async fn token(line: &mut Line) -> anyhow::Result<String> {
    let form = format!("grant_type=client_credentials&scope=notes:read&{CREDENTIALS}");
    let answer = line.ask("/oauth2/token", form).await?;
    Ok(serde_json::from_slice::<Issued>(&answer)?.access_token)
}

async fn is_active(line: &mut Line, token: &str) -> anyhow::Result<bool> {
    let answer = line.ask("/oauth2/introspect", format!("{CREDENTIALS}&token={token}")).await?;
    Ok(answer.starts_with(b"{\"active\":true"))
}

/// The shared database and the shared data folder, as a node finds them.
pub(crate) async fn place() -> anyhow::Result<(Place, String)> {
    let variable = |name: &str| std::env::var(name).with_context(|| format!("{name} is set by the measurement"));
    let options = PostgresOptions {
        url: Secret::new(variable(URL)?),
        read_url: Some(Secret::new(variable(READ_URL)?)),
        migrate_url: None,
        writers: 8,
        readers: 4,
        notify: variable(NOTIFY)? == "true",
    };
    let place = Place { store: Store::open_postgres(options).await?, folder: folder()?, scratch: None };
    Ok((place, variable(DATA)?))
}
