//! Developer commands, run as `cargo xtask <command>`.
//!
//! Everything that a developer or a continuous-integration run does beyond plain cargo stands here. This program imports
//! no crate of ours, so that it still builds when one of them does not.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command line speaks on its standard streams")]

mod bench;
mod catalogue;
mod check;
mod command;
mod deny;
mod docs;
mod e2e;
mod engines;
mod house;
mod long;
mod mutate;
mod services;
mod stages;
mod suite;
mod texts;
mod workspace;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::workspace::Workspace;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Developer commands of Claviger")]
struct Arguments {
    #[command(subcommand)]
    command: Commands,
}

#[derive(Subcommand)]
enum Commands {
    /// Run every test on both engines, then the end-to-end cases
    Test {
        /// Take no tool from the machine; unpack all of them from packages
        #[arg(long)]
        unpack: bool,
    },
    /// Format, clippy, the rules of the house, and the SQLite tests of what changed
    Check,
    /// PostgreSQL, Redis, Chromium, Node and Python for tests
    Services {
        #[command(subcommand)]
        action: services::Action,
        /// Take no tool from the machine; unpack all of them from packages
        #[arg(long, global = true)]
        unpack: bool,
    },
    /// Real clients and a real browser against the development build
    E2e {
        /// Take no tool from the machine; unpack all of them from packages
        #[arg(long)]
        unpack: bool,
        /// Run only the cases whose line contains this text
        filter: Option<String>,
    },
    /// Every attack and fault row with its tests, or the reason why it has none
    Catalogue {
        /// Print only rows that are missing, stale or unknown, and the sums
        #[arg(long)]
        brief: bool,
    },
    /// Take away the checks that ★ rows stand on, one by one, and expect a test to go red
    Mutate {
        /// Only print the list
        #[arg(long)]
        list: bool,
        /// Only see that the list fits the tree and the catalogue
        #[arg(long)]
        check: bool,
        /// Take no tool from the machine; unpack all of them from packages
        #[arg(long)]
        unpack: bool,
        /// Only the mutants of these rows
        rows: Vec<String>,
    },
    /// The exhaustive runs: thousands of kills, mutations and cases, with a seed of their own
    Long {
        /// Only print what there is
        #[arg(long)]
        list: bool,
        /// The chance to begin with; another in each run where absent
        #[arg(long)]
        seed: Option<u64>,
        /// Only these
        names: Vec<String>,
    },
    /// Put our server beside a bare program under the same load, in turns, and print the ratios
    Bench {
        /// Only print what there is
        #[arg(long)]
        list: bool,
        /// Take no tool from the machine; unpack all of them from packages
        #[arg(long)]
        unpack: bool,
        /// Only these rows
        rows: Vec<String>,
    },
    /// Build the API documentation and check the book's links
    Docs,
    /// Check bans, licences and sources of every dependency
    Deny,
    /// Check who imports whom, what the public text says, and how long files are
    House,
    /// Stops what a run started once that run has ended, however it ended
    #[command(hide = true)]
    Guard { record: PathBuf },
}

fn main() -> ExitCode {
    match dispatch(Arguments::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(command: Commands) -> anyhow::Result<()> {
    match command {
        Commands::Test { unpack } => suite::run(&Workspace::find()?, unpack),
        Commands::Check => check::run(&Workspace::find()?),
        Commands::Services { action, unpack } => services::run(&Workspace::find()?, &action, unpack),
        Commands::E2e { unpack, filter } => e2e::run_alone(&Workspace::find()?, unpack, filter.as_deref()),
        Commands::Catalogue { brief } => catalogue::run(&Workspace::find()?, brief),
        Commands::Mutate { list, check, unpack, rows } => {
            let work = match (list, check) {
                (true, _) => mutate::Work::List,
                (false, true) => mutate::Work::Check,
                (false, false) => mutate::Work::Try { unpack },
            };
            mutate::run(&Workspace::find()?, &rows, &work)
        }
        Commands::Long { list, seed, names } => long::run(&Workspace::find()?, &names, seed, list),
        Commands::Bench { list, unpack, rows } => bench::run(&Workspace::find()?, &rows, list, unpack),
        Commands::Docs => docs::run(&Workspace::find()?),
        Commands::Deny => deny::run(&Workspace::find()?),
        Commands::House => house::run(&Workspace::find()?),
        Commands::Guard { record } => services::guard::serve(&record),
    }
}
