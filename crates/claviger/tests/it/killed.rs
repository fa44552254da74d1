//! Killed by surprise (`kill -9`): what was promised stands, and nothing is half done.

use std::path::Path;
use std::thread;

use claviger_storage::{SqliteOptions, Store};

use super::browser::{ADA, Browser};
use super::process::{Server, claviger, get};

mod sql {
    claviger_storage::statements! {
        /// Counts changes of passwords.
        pub(super) CHANGES: shared("a test looks at everything") "select count(*) from audit_events where name = 'password_changed'";
    }
}

/// How many changes of passwords stand in the audit trail of a server that does not run.
fn changes(folder: &Path) -> i64 {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let options = SqliteOptions { path: folder.join("data/claviger.db"), readers: 1 };
        let store = Store::open_sqlite(options).await.unwrap();
        let read = |row: &claviger_storage::Row<'_>| row.get::<i64>(0);
        let count = store.get(&sql::CHANGES, Vec::new(), read).await.unwrap().unwrap();
        store.close().await;
        count
    })
}

fn server_with_ada(folder: &Path, password: &str) -> Server {
    std::fs::write(folder.join("password"), password).unwrap();
    let server = Server::start(folder, &[("CLAVIGER_LOG__LEVEL", "error")]);
    let made = claviger(folder)
        .args(["user", "create", ADA, "--verified", "--password-file", "password", "--data", "data"])
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    server
}

/// How many times a server answers `/livez` while it changes a password: a measure of time that needs no clock.
fn length_of_a_change(server: &Server, browser: &mut Browser, current: &str, new: &str) -> usize {
    let change = thread::scope(|scope| {
        let change = scope.spawn(|| browser.change_password(current, new));
        let mut answers = 0;
        while !change.is_finished() {
            get(server.address("url"), "/livez");
            answers += 1;
        }
        assert_eq!(change.join().unwrap().unwrap().status, 303);
        answers
    });
    change.max(1)
}

#[test]
fn f04_a_password_change_that_is_killed_anywhere_happened_wholly_or_not_at_all() {
    // `xtask long` asks for more than a run in passing does.
    let rounds = std::env::var("CLAVIGER_KILLS").map_or(8, |kills| kills.parse().expect("a number of kills"));
    let folder = tempfile::tempdir().unwrap();
    let mut password = "marmalade tide 47 lanterns".to_owned();
    let mut server = server_with_ada(folder.path(), &password);
    let mut here = Browser::sign_in(&server, &password).unwrap();
    let next = "quiet orchard 12 thunder".to_owned();
    let length = length_of_a_change(&server, &mut here, &password, &next);
    password = next;
    let mut made = 1;
    for round in 0..rounds {
        let next = format!("velvet harbor {round} umbrella kite");
        let mut here = Browser::sign_in(&server, &password).unwrap();
        let elsewhere = Browser::sign_in(&server, &password).unwrap();
        let promised = thread::scope(|scope| {
            let change = scope.spawn(|| here.change_password(&password, &next));
            for _ in 0..length * round / rounds.saturating_sub(2).max(1) {
                get(server.address("url"), "/livez");
            }
            server.kill();
            change.join().unwrap().is_some_and(|answer| answer.status == 303)
        });
        let changed = changes(folder.path()) > made;
        server = Server::start(folder.path(), &[("CLAVIGER_LOG__LEVEL", "error")]);
        let mut elsewhere = elsewhere.at(&server);
        assert!(changed || !promised, "round {round}: a change that was promised is gone");
        assert_eq!(Browser::sign_in(&server, &next).is_some(), changed, "round {round}: the new password");
        assert_eq!(elsewhere.is_signed_in(), !changed, "round {round}: the other session");
        assert_eq!(Browser::sign_in(&server, &password).is_some(), !changed, "round {round}: the old password");
        if changed {
            password = next;
            made += 1;
        }
    }
}
