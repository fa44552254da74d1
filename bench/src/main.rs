//! Puts our server beside a bare program that does only the work that cannot be avoided, under the same load, in turns, and
//! prints the ratio. `cargo xtask bench` runs it.
//!
//! A figure by CPU time is one that other jobs on the machine hardly touch; a figure by the clock needs a quiet machine,
//! and each row says how busy it was. Where the bare program itself falls short of what it is known to reach, the row is
//! void.

mod bare;
mod callers;
mod ephemeral;
mod figure;
mod group;
mod introspect;
mod load;
mod ours;
mod place;
mod propagation;
mod refresh;
mod sessions;
mod store;
mod tokens;

use core::fmt::Display;
use core::pin::Pin;

use anyhow::{Context as _, bail, ensure};

/// What came of a row: text to print, and whether the machine was too busy for it to say anything.
pub(crate) struct Found {
    text: String,
    void: bool,
}

impl Found {
    /// A comparison with a bare program.
    pub(crate) fn comparison(comparison: &figure::Comparison) -> Self {
        Self { text: comparison.to_string(), void: comparison.is_void() }
    }

    /// What fits neither form.
    pub(crate) const fn text(text: String) -> Self {
        Self { text, void: false }
    }

    /// Times of ours alone.
    pub(crate) fn timing(timing: &figure::Timing) -> Self {
        Self { text: timing.to_string(), void: false }
    }
}

impl Display for Found {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(&self.text)
    }
}

type Running = Pin<Box<dyn Future<Output = anyhow::Result<Vec<Found>>>>>;

/// One row: its name, what it measures, and how.
struct Row {
    name: &'static str,
    what: &'static str,
    run: fn() -> Running,
}

const ROWS: &[Row] = &[
    Row { name: "tokens", what: "client credentials, ES256", run: || Box::pin(tokens::row()) },
    Row { name: "store-sqlite", what: "keyed reads and durable units on SQLite", run: || Box::pin(store::sqlite()) },
    Row { name: "store-postgres", what: "the same on PostgreSQL", run: || Box::pin(store::postgres()) },
    Row { name: "refresh-sqlite", what: "refresh rotation on SQLite", run: || Box::pin(refresh::sqlite()) },
    Row { name: "refresh-postgres", what: "the same on PostgreSQL", run: || Box::pin(refresh::postgres()) },
    Row {
        name: "sessions",
        what: "from a cookie to a session, with a million of them",
        run: || Box::pin(sessions::row()),
    },
    Row {
        name: "introspect",
        what: "introspection of signed and of opaque tokens",
        run: || Box::pin(introspect::row()),
    },
    Row {
        name: "ephemeral",
        what: "short-lived values with Redis, and with the database in its place",
        run: || Box::pin(ephemeral::row()),
    },
    Row {
        name: "propagation",
        what: "from a revocation to the refusal on another node",
        run: || Box::pin(propagation::row()),
    },
];

#[allow(clippy::print_stdout, reason = "the figures are what the program is for")]
fn main() -> anyhow::Result<()> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().context("cannot start the runtime")?;
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["serve", name] => runtime.block_on(serve(name)),
        ["--list"] => {
            for row in ROWS {
                println!("{:<18} {}", row.name, row.what);
            }
            Ok(())
        }
        _ => runtime.block_on(rows(&words)),
    }
}

async fn serve(name: &str) -> anyhow::Result<()> {
    match name {
        "bare-tokens" => bare::tokens().await,
        "ours-tokens" => ours::tokens().await,
        "bare-refresh-sqlite" => refresh::bare_sqlite().await,
        "bare-refresh-postgres" => refresh::bare_postgres().await,
        "ours-refresh-sqlite" => ours::refresh(place::Engine::Sqlite).await,
        "bare-introspect-signed" => introspect::bare_signed().await,
        "bare-introspect-opaque" => introspect::bare_opaque().await,
        "ours-node" => ours::node().await,
        "ours-introspect" => ours::introspect().await,
        "ours-refresh-postgres" => ours::refresh(place::Engine::Postgres).await,
        other => bail!("{other}: there is no such program"),
    }
}

#[allow(clippy::print_stdout, reason = "the figures are what the program is for")]
async fn rows(names: &[&str]) -> anyhow::Result<()> {
    for name in names {
        ensure!(ROWS.iter().any(|row| row.name == *name), "{name}: there is no such row; `--list` names them");
    }
    let mut void = 0;
    for row in ROWS.iter().filter(|row| names.is_empty() || names.contains(&row.name)) {
        for found in (row.run)().await.with_context(|| row.name.to_owned())? {
            println!("{found}");
            void += usize::from(found.void);
        }
    }
    ensure!(void == 0, "{void} comparisons are void: the machine was too busy");
    Ok(())
}
