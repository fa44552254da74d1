//! `claviger init`

use clap::Args;

#[derive(Args, Debug)]
pub(crate) struct InitArguments {
    /// Only print the SQL that makes this PostgreSQL database and its three roles, for a superuser to run once
    #[arg(long, value_name = "DATABASE")]
    postgres_roles: Option<String>,
}

impl InitArguments {
    /// Prints the SQL, if that is what was asked for.
    #[allow(clippy::print_stdout, reason = "the SQL is what was asked for")]
    pub(super) fn prints_roles(&self) -> bool {
        let Some(database) = &self.postgres_roles else { return false };
        print!("{}", claviger_storage::roles_sql(database));
        true
    }
}
