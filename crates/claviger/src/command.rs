//! The command line. Flags lie over the environment and the file.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};

use crate::config::{self, Flag};
use crate::{logging, serve};

#[derive(Parser)]
#[command(name = "claviger", version, about = "Identity and access in one binary")]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serves until told to stop
    Serve(ServeArguments),
}

#[derive(Args)]
struct ServeArguments {
    /// The configuration file (TOML)
    #[arg(long, value_name = "FILE", env = "CLAVIGER_CONFIG")]
    config: Option<PathBuf>,
    /// Where to listen; port 0 picks a free one
    #[arg(long, value_name = "ADDR")]
    listen: Option<String>,
    /// The data folder
    #[arg(long, value_name = "DIR")]
    data: Option<String>,
    /// Print one JSON line when ready
    #[arg(long)]
    json: bool,
}

impl ServeArguments {
    fn flags(&self) -> impl Iterator<Item = Flag> {
        let flag = |name, key, value: &Option<String>| value.clone().map(|value| Flag { name, key, value });
        [flag("--listen", "listen", &self.listen), flag("--data", "data", &self.data)].into_iter().flatten()
    }
}

/// Runs the program by the process's own arguments and environment.
#[allow(clippy::print_stderr, reason = "a command says on standard error why it failed")]
pub fn main() -> ExitCode {
    let Command::Serve(arguments) = CommandLine::parse().command;
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("claviger: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &ServeArguments) -> anyhow::Result<()> {
    let variables = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().unwrap_or_default())));
    let settings = config::load(arguments.config.as_deref(), variables, arguments.flags())?;
    logging::start(&settings.log);
    let runtime = tokio::runtime::Runtime::new().context("cannot start the runtime")?;
    runtime.block_on(serve::run(settings, arguments.json))
}
