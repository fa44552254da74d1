//! The development server: what its ready line promises is there, and a kept folder keeps it.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use super::process::{Server, claviger, get, run};

#[test]
fn what_the_ready_line_names_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::develop(folder.path());
    let line = server.line();
    for (member, path, shown) in [
        ("url", "/login", "id=\"sign-in\""),
        ("url", "/.well-known/openid-configuration", "\"issuer\":\"http://localhost:"),
        ("internal_url", "/readyz", ""),
        ("demo_url", "/", "id=\"demo-sign-in\""),
        ("inbox_url", "/inbox", "Inbox"),
        ("inbox_url", "/inbox/messages.json", "[]"),
        ("inbox_url", "/", "id=\"user-password\""),
        ("inbox_url", "/gallery", "/gallery/sign-in.refused"),
        ("inbox_url", "/gallery/sign-in.refused", "id=\"summary\""),
    ] {
        let answer = get(server.address(member), path);
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains(shown), "{member} {path}: {answer}");
    }
    let set_up = server.ready("setup_url").split_once("/setup?").unwrap().1;
    assert!(get(server.address("url"), &format!("/setup?{set_up}")).starts_with("HTTP/1.1 303 "));
    assert!(server.ready("demo_url").starts_with("http://127.0.0.1:"), "the demo shares no cookies with localhost");
    assert_eq!(line["user"]["email"], "ada@example.com");
    let callback = format!("{}/callback", server.ready("demo_url"));
    for client in ["client", "public_client"] {
        assert_eq!(line[client]["redirect_uri"], *callback, "{client}");
    }
    assert!(line["client"]["client_secret"].is_string() && line["public_client"]["client_secret"].is_null());
    assert!(server.terminate().success());
}

#[test]
fn the_demo_takes_no_answer_that_it_did_not_ask_for() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::develop(folder.path());
    let begun = get(server.address("demo_url"), "/sign-in");
    assert!(begun.starts_with("HTTP/1.1 303 ") && begun.contains("code_challenge_method=S256"), "{begun}");
    let answer = get(server.address("demo_url"), "/callback?code=x&state=y&iss=z");
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert!(get(server.address("demo_url"), "/gallery").starts_with("HTTP/1.1 404 "));
}

#[test]
fn a_kept_folder_keeps_its_user_and_clients() {
    let folder = tempfile::tempdir().unwrap();
    let first = Server::develop(folder.path());
    let kept = ["user", "client"].map(|member| first.line()[member].clone());
    assert!(first.terminate().success());
    let file = folder.path().join("data/dev.json");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let again = Server::develop(folder.path());
    assert_eq!(again.line()["user"], kept[0]);
    assert_eq!(again.line()["client"]["client_secret"], kept[1]["client_secret"]);
    assert!(again.terminate().success());

    fs::remove_file(&file).unwrap();
    let (good, error) = run(claviger(folder.path()).args(["dev", "--listen", "127.0.0.1:0", "--data", "data"]));
    assert!(!good && error.contains("does not keep their secrets"), "{error}");
}

#[test]
fn two_development_servers_run_beside_each_other() {
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    // The default ports are whoever's: at most one of the two gets them, and the other one steps aside.
    let both = folders.each_ref().map(|folder| Server::develop_by_default(folder.path()));
    let addresses: Vec<_> = ["url", "internal_url", "demo_url", "inbox_url"]
        .into_iter()
        .flat_map(|member| both.each_ref().map(|server| server.address(member)))
        .collect();
    let distinct: BTreeSet<_> = addresses.iter().collect();
    assert_eq!(distinct.len(), 8, "{addresses:?}");
    for server in &both {
        let page = get(server.address("demo_url"), "/");
        assert!(page.starts_with("HTTP/1.1 200 ") && page.contains("id=\"demo-sign-in\""), "{page}");
        let begun = get(server.address("demo_url"), "/sign-in");
        assert!(begun.contains(&format!("location: {}/oauth2/authorize", server.ready("url"))), "its own: {begun}");
    }
}

#[test]
fn the_development_server_is_for_this_machine_only() {
    let folder = tempfile::tempdir().unwrap();
    let (good, error) = run(claviger(folder.path()).args(["dev", "--listen", "0.0.0.0:0"]));
    assert!(!good && error.contains("for this machine only"), "{error}");
}
