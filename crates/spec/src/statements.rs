//! Every statement of every crate, prepared and explained on both engines.

use claviger_testkit::{Engine, statement_problems, statements};

/// Statements that read widely on purpose.
const WIDE: &[(&str, &str)] = &[
    ("claviger_keys::sql::MASTERS", "a handful of rows, read at the start"),
    ("claviger_notify::outbox::sql::NEXT", "the first row of an ordered index"),
    ("claviger_accounts::set_up::sql::OF_REALM", "one row a realm"),
    ("claviger_accounts::set_up::sql::USE", "one row a realm"),
    ("claviger_oauth::clients::sql::REMOVE_OLDER_SECRETS", "scans a subquery of one row"),
];

/// What PostgreSQL's planner makes of empty tables: partial indexes that hold next to nothing.
const WIDE_ON_POSTGRES: &[(&str, &str)] = &[
    ("claviger_keys::sql::HURRY", "an index over pending keys, one a purpose"),
    ("claviger_keys::sql::RETIRE", "an index over active keys, one a purpose"),
    ("claviger_keys::sql::ACTIVATE", "an index over pending keys, one a purpose"),
    ("claviger_keys::sql::MASTER_CURRENT", "an index over one row"),
    ("claviger_notify::outbox::sql::CLAIM", "an index over what waits"),
    ("claviger_notify::outbox::sql::LATER", "an index over what waits"),
    ("claviger_notify::outbox::sql::FINISH", "an index over what waits"),
];

fn check(engine: Engine) {
    assert!(statements().len() > 80, "the suite must see the statements");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let wide: Vec<_> = match engine {
        Engine::Sqlite => WIDE.to_vec(),
        Engine::Postgres => [WIDE, WIDE_ON_POSTGRES].concat(),
    };
    let problems = runtime.block_on(statement_problems(engine, &wide));
    assert!(problems.is_empty(), "{} problems:\n{}", problems.len(), problems.join("\n"));
}

mod every_statement_keeps_the_rules {
    use super::{Engine, check};

    #[test]
    fn sqlite() {
        check(Engine::Sqlite);
    }

    #[test]
    fn postgres() {
        check(Engine::Postgres);
    }
}
