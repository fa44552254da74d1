//! Commands: where they look for a store, and what they say of what is not there.

use super::process::{Server, claviger, run};

#[test]
fn a_command_on_a_folder_without_a_store_says_so_and_makes_none() {
    let folder = tempfile::tempdir().unwrap();
    let (good, error) = run(claviger(folder.path()).args(["user", "list", "--data", "elsewhere"]));
    assert!(!good && error.contains("the data folder elsewhere") && error.contains("claviger init"), "{error}");
    assert!(!folder.path().join("elsewhere").exists(), "a store that nobody asked for");
}

#[test]
fn the_link_of_a_server_that_does_not_run_names_the_port_at_which_it_will() {
    let folder = tempfile::tempdir().unwrap();
    let link = |address: &str| {
        let output = claviger(folder.path()).args(["init", "--data", "data"]).env("CLAVIGER_LISTEN", address).output();
        String::from_utf8(output.unwrap().stdout).unwrap()
    };
    assert!(link("127.0.0.1:8080").starts_with("url: http://localhost:8080/setup?token="), "the default port");
    assert!(link("127.0.0.1:4711").starts_with("url: http://localhost:4711/setup?token="), "a port of its own");
}

#[test]
fn what_a_command_does_not_find_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let _server = Server::start(folder.path(), &[]);
    for (words, sentence) in [
        (&["client", "revoke", "notes"][..], "there is no client notes in the realm main"),
        (&["key", "remove", "key_1"], "there is no key key_1 in the realm main"),
        (&["realm", "show", "acme"], "there is no realm acme"),
        (&["--realm", "acme", "key", "list"], "there is no realm acme"),
        (&["session", "end", "ada@example.com"], "<SESSION|--all>"),
    ] {
        let (good, error) = run(claviger(folder.path()).args(words).args(["--data", "data"]));
        assert!(!good && error.contains(sentence), "{words:?}: {error}");
    }
}

#[test]
fn what_was_called_set_is_called_update_and_can_still_be_typed() {
    let folder = tempfile::tempdir().unwrap();
    let said = |words: &[&str]| {
        let output = claviger(folder.path()).args(words).output().unwrap();
        assert!(output.status.success(), "{words:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    for what in ["client", "realm"] {
        let verbs = said(&[what, "--help"]);
        assert!(verbs.contains("  update ") && !verbs.contains("  set "), "{verbs}");
        assert_eq!(said(&[what, "set", "--help"]), said(&[what, "update", "--help"]));
    }
}
