//! Every statement of the server, for the suite over all of them.

use claviger_storage::scratch::{Engine, store};
use claviger_storage::{Sql, suite};

/// The statements of every crate.
pub fn statements() -> Vec<&'static Sql> {
    let crates: [&[&[&Sql]]; 10] = [
        claviger_storage::STATEMENTS,
        claviger_audit::STATEMENTS,
        claviger_tenancy::STATEMENTS,
        claviger_keys::STATEMENTS,
        claviger_notify::STATEMENTS,
        claviger_identity::STATEMENTS,
        claviger_session::STATEMENTS,
        claviger_authorization::STATEMENTS,
        claviger_accounts::STATEMENTS,
        claviger_oauth::STATEMENTS,
    ];
    crates.into_iter().flatten().flat_map(|list| list.iter().copied()).collect()
}

/// What is wrong with them on `engine`, a sentence each. `wide` names those that may read widely, with the reason.
pub async fn statement_problems(engine: Engine, wide: &[(&'static str, &str)]) -> Vec<String> {
    let scratch = store(engine).await;
    suite::check(&scratch, &statements(), wide).await.iter().map(ToString::to_string).collect()
}
