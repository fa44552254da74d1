//! How it starts, refuses to start, and ends.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;

use super::process::{Server, claviger, get, run};

#[test]
fn serve_says_where_it_is_reached_and_ends_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &[]);
    assert!(server.ready("url").starts_with("http://localhost:"));
    assert!(get(server.address("url"), "/readyz").starts_with("HTTP/1.1 200 "));
    assert!(get(server.address("internal_url"), "/readyz").starts_with("HTTP/1.1 200 "));
    assert!(get(server.address("internal_url"), "/login").starts_with("HTTP/1.1 404 "));
    let mode = |name: &str| fs::metadata(folder.path().join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("data"), mode("data/master.key")), (0o700, 0o600));
    assert!(server.terminate().success());
    // And again over what the first run left.
    assert!(Server::start(folder.path(), &[]).terminate().success());
}

#[test]
fn f19_a_configuration_that_is_not_understood_stops_the_start_and_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let table = [
        ("listne = 'x'", "unknown setting listne in claviger.toml; did you mean listen?"),
        ("[limits]\nheader_timeout = 10", "limits.header_timeout (in claviger.toml): expected a text in quotes"),
        // A free port: the one that is meant for servers may be in use where tests run.
        ("listen = '127.0.0.1:0'\npublic_url = 'http://id.example.com'", "public_url: "),
        ("listen = ", "claviger.toml, line 1: "),
        ("listen = '0.0.0.0:0'", "public_url is needed"),
        ("listen = '203.0.113.1:1'\npublic_url = 'https://id.test'", "listen: cannot listen on 203.0.113.1:1"),
        ("listen = '127.0.0.1:0'\n[database]\nurl = 'hunter2'", "database.url: "),
        (
            "listen = '127.0.0.1:0'\n[database]\nurl = 'postgres://ada:hunter2@127.0.0.1:1/notes'\nread_url = 'postgres://a:hunter2@b/c'",
            "database.url: no connection to the database notes at 127.0.0.1:1 as ada: ",
        ),
    ];
    for (text, message) in table {
        fs::write(folder.path().join("claviger.toml"), text).unwrap();
        let (good, error) = run(claviger(folder.path()).args(["serve", "--config", "claviger.toml"]));
        assert!(!good && error.contains(message) && !error.contains("hunter2"), "{text}: {error}");
    }
    for (name, value, message) in [
        ("CLAVIGER_LISTNE", "x", "unknown environment variable CLAVIGER_LISTNE; did you mean CLAVIGER_LISTEN?"),
        ("CLAVIGER_CONFIG", "absent.toml", "cannot read the configuration file absent.toml"),
        ("CLAVIGER_LISTEN", "nowhere", "listen (from the environment variable CLAVIGER_LISTEN): "),
        ("CLAVIGER_KEYS__MASTER_KEY", "hunter2", "CLAVIGER_KEYS__MASTER_KEY"),
    ] {
        let (good, error) =
            run(claviger(folder.path()).arg("serve").env("CLAVIGER_LISTEN", "127.0.0.1:0").env(name, value));
        assert!(!good && error.contains(message) && !error.contains("hunter2"), "{name}: {error}");
    }
}

#[test]
fn f19_without_its_master_key_over_existing_data_it_refuses_and_makes_no_new_one() {
    let folder = tempfile::tempdir().unwrap();
    assert!(Server::start(folder.path(), &[]).terminate().success());
    let key = folder.path().join("data/master.key");
    let kept = fs::read(&key).unwrap();
    fs::remove_file(&key).unwrap();
    let serve = || run(claviger(folder.path()).args(["serve", "--listen", "127.0.0.1:0", "--data", "data"]));
    let (good, error) = serve();
    assert!(!good && error.contains("master.key"), "{error}");
    assert!(!key.exists(), "a new master key over existing data");
    fs::write(&key, &kept[..20]).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    let (good, error) = serve();
    assert!(!good && error.contains("master.key"), "{error}");
    assert_eq!(fs::read(&key).unwrap(), kept[..20]);
    fs::write(&key, &kept).unwrap();
    assert!(Server::start(folder.path(), &[]).terminate().success());
}

#[test]
fn a_port_that_another_process_holds_is_named_and_what_chooses_another() {
    let folder = tempfile::tempdir().unwrap();
    let held = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = held.local_addr().unwrap().to_string();
    for (setting, chooser) in [("LISTEN", "`--listen ADDR`, CLAVIGER_LISTEN"), ("INTERNAL_LISTEN", "CLAVIGER_INTERNAL")]
    {
        for what in ["serve", "dev"] {
            let mut command = claviger(folder.path());
            command.args([what, "--data", "data"]).env("CLAVIGER_LISTEN", "127.0.0.1:0");
            let (good, error) = run(command.env(format!("CLAVIGER_{setting}"), &at));
            let told = format!("{}: cannot listen on {at}, because another process does", setting.to_lowercase());
            assert!(!good && error.contains(&told) && error.contains(chooser), "{what}: {error}");
            assert!(!folder.path().join("data/claviger.db").exists(), "it is found out before anything is made");
        }
    }
}

#[test]
fn a_data_folder_that_another_process_holds_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let _first = Server::start(folder.path(), &[]);
    let (good, error) = run(claviger(folder.path()).args(["serve", "--listen", "127.0.0.1:0", "--data", "data"]));
    assert!(!good && error.contains("data") && error.contains("in use by another process"), "{error}");
}
