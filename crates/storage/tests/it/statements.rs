//! The statement suite over this crate's own statements, and over some that it must refuse.

use claviger_storage::suite::check;
use claviger_storage::{STATEMENTS, Sql, both_engines, statements};

use super::stand_in::{self, TABLES};

statements! {
    /// Reads a whole realm.
    WHOLE_REALM: "select id from people where realm_id = $1";
    /// Reads a whole realm, whatever it filters.
    FILTERED: "select id from people where realm_id = $1 and epoch = $2";
    /// Reads everything.
    EVERYTHING: shared("a test of the suite") "select id from people";
    /// Names no column that exists.
    UNKNOWN: "select nothing from people where realm_id = $1 and id = $2";
    /// Of no tenant.
    OF_NOBODY: "select name from people where id = $1";
}

both_engines! {
    async fn the_engines_own_statements_pass_the_suite(scratch) {
        scratch.extend(TABLES).await;
        let own: Vec<&Sql> = STATEMENTS.concat();
        assert_eq!(check(&scratch, &own, &[]).await, []);
    }

    async fn statements_that_read_widely_or_name_no_tenant_are_refused(scratch) {
        scratch.extend(TABLES).await;
        for (sql, wrong) in [
            (&WHOLE_REALM, "reads beyond"),
            (&FILTERED, "reads beyond"),
            (&EVERYTHING, "reads beyond"),
            (&UNKNOWN, "refuses it"),
            (&OF_NOBODY, "does not constrain realm_id"),
        ] {
            let problems = check(&scratch, &[sql], &[]).await;
            assert!(problems.iter().any(|problem| problem.what.contains(wrong)), "{}: {problems:?}", sql.name);
        }
        let allowed = [(WHOLE_REALM.name, "a test of the suite")];
        assert_eq!(check(&scratch, &[&WHOLE_REALM, &stand_in::EPOCH], &allowed).await, []);
    }
}

#[test]
fn a_permission_to_read_widely_that_is_not_needed_is_a_problem() {
    claviger_storage::scratch::run(claviger_storage::scratch::Engine::Sqlite, async |scratch| {
        scratch.extend(TABLES).await;
        let stale = check(&scratch, &[&stand_in::EPOCH], &[(stand_in::EPOCH.name, "no reason")]).await;
        assert_eq!(stale.len(), 1);
    });
}
