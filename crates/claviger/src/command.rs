//! The command line. Flags lie over the environment and the file.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};

use crate::commands::{self, OnStore};
use crate::config::{self, Flag, Settings};
use crate::{dev, logging, serve};

#[cfg(test)]
mod documented;

#[derive(Parser)]
#[command(name = "claviger", version, about = "Identity and access in one binary")]
struct CommandLine {
    #[command(flatten)]
    place: Place,
    #[command(subcommand)]
    command: Command,
}

/// Where the store is, and how to answer.
#[derive(Args)]
pub(crate) struct Place {
    /// The configuration file (TOML)
    #[arg(long, value_name = "FILE", env = "CLAVIGER_CONFIG", global = true)]
    config: Option<PathBuf>,
    /// The data folder
    #[arg(long, value_name = "DIR", global = true)]
    data: Option<String>,
    /// Answer in JSON; a server prints one line when it is ready
    #[arg(long, global = true)]
    json: bool,
    /// The realm that a command is about
    #[arg(long, value_name = "NAME", default_value = "main", global = true)]
    realm: String,
}

#[derive(Subcommand)]
enum Command {
    /// Serve until told to stop
    Serve(Listen),
    /// Serve on this machine with captured mail, a demo user and a demo application
    Dev(Listen),
    #[command(flatten)]
    OnStore(OnStore),
}

#[derive(Args)]
struct Listen {
    /// Where to listen; port 0 picks a free one
    #[arg(long, value_name = "ADDR")]
    listen: Option<String>,
}

impl Place {
    fn settings(&self, listen: Option<&str>) -> anyhow::Result<Settings> {
        let variables = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().unwrap_or_default())));
        let flag = |name, key, value: Option<&str>| value.map(|value| Flag { name, key, value: value.to_owned() });
        let flags = [flag("--listen", "listen", listen), flag("--data", "data", self.data.as_deref())];
        Ok(config::load(self.config.as_deref(), variables, flags.into_iter().flatten())?)
    }
}

/// Runs the program by the process's own arguments and environment.
#[allow(clippy::print_stderr, reason = "a command says on standard error why it failed")]
pub fn main() -> ExitCode {
    match run(CommandLine::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("claviger: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(line: CommandLine) -> anyhow::Result<()> {
    let place = line.place;
    match line.command {
        Command::Serve(listen) => {
            let settings = place.settings(listen.listen.as_deref())?;
            logging::start(&settings.log);
            runtime()?.block_on(serve::run(settings, place.json))
        }
        Command::Dev(listen) => {
            let settings = place.settings(listen.listen.as_deref())?;
            logging::start(&settings.log);
            runtime()?.block_on(dev::run(settings, place.json))
        }
        Command::OnStore(command) => {
            let settings = place.settings(None)?;
            // What a command has to say it says itself; only faults are logged beside it.
            logging::start_quietly(&settings.log);
            runtime()?.block_on(commands::run(&settings, command, &place.realm, place.json))
        }
    }
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Runtime::new().context("cannot start the runtime")
}
