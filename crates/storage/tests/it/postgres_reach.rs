//! What is said at the start of a database that lets nobody in: setting, place, and what to do.

use claviger_kernel::Secret;
use claviger_storage::scratch::{Engine, Link, Way, run};
use claviger_storage::{PostgresOptions, Store};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket};

const PASSWORD: &str = "hunter2";

/// The address of the database `notes` at `place`, under all three settings.
fn at(place: &str) -> PostgresOptions {
    let url = Secret::new(format!("postgres://ada:{PASSWORD}@{place}/notes"));
    PostgresOptions { url: url.clone(), read_url: Some(url), migrate_url: None, writers: 1, readers: 1, notify: false }
}

async fn refusal(options: PostgresOptions) -> String {
    let text = Store::open_postgres(options).await.map(drop).unwrap_err().to_string();
    assert!(!text.contains(PASSWORD), "{text}");
    text
}

/// A server that reads one greeting of each connection and answers it with these bytes.
async fn answering(bytes: Vec<u8>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let place = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let length = socket.read_u32().await.unwrap() as usize;
            socket.read_exact(&mut vec![0; length - 4]).await.unwrap();
            socket.write_all(&bytes).await.unwrap();
            // To the end, so that closing does not overtake what was sent.
            socket.shutdown().await.unwrap();
            let _ = socket.read_to_end(&mut Vec::new()).await;
        }
    });
    place
}

/// An ErrorResponse as PostgreSQL sends it.
fn error(code: &str, message: &str) -> Vec<u8> {
    let fields = format!("SFATAL\0VFATAL\0C{code}\0M{message}\0\0");
    let length = u32::try_from(fields.len() + 4).unwrap().to_be_bytes();
    [b"E".as_slice(), &length, fields.as_bytes()].concat()
}

#[tokio::test]
async fn a_refusal_of_the_servers_is_told_with_the_place_and_what_to_do() {
    let entry =
        |end: &str| format!("no pg_hba.conf entry for host \"10.0.0.7\", user \"ada\", database \"notes\"{end}");
    for (code, message, remedy) in [
        ("28P01", "password authentication failed for user \"ada\"", "correct user and password"),
        ("28P01", "Passwort-Authentifizierung für Benutzer »ada« fehlgeschlagen", "correct user and password"),
        ("28000", &entry(", no encryption"), "TLS to the database is not available yet"),
        ("28000", &entry(", SSL off"), "TLS to the database is not available yet"),
        (
            "28000",
            "connection is insecure (try using `sslmode=require`): SSL",
            "TLS to the database is not available yet",
        ),
        ("08P01", "SSL required", "TLS to the database is not available yet"),
        ("28000", "role \"ada\" is not permitted to log in", "the role's own attributes"),
        ("3D000", "database \"notes\" does not exist", "claviger init --postgres-roles NAME"),
        ("42501", "permission denied for database \"notes\"", "grant the role CONNECT"),
        ("53300", "sorry, too many clients already", "max_connections"),
        ("57P03", "the database system is starting up", "try again"),
    ] {
        let place = answering(error(code, message)).await;
        let text = refusal(at(&place)).await;
        let expected =
            format!("database.url: no connection to the database notes at {place} as ada: {message} ({code}); ");
        assert!(text.starts_with(&expected) && text[expected.len()..].contains(remedy), "{text}");
    }
}

#[tokio::test]
async fn what_is_no_postgresql_or_nothing_at_all_is_told_as_that() {
    // Held, so that nobody else gets it, and not listened on.
    let held = TcpSocket::new_v4().unwrap();
    held.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let nobody = held.local_addr().unwrap().to_string();
    let web = answering(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n".to_vec()).await;
    let silent = answering(Vec::new()).await;
    for (place, told, remedy) in [
        (nobody.as_str(), nobody.as_str(), "start the server, or correct host and port"),
        ("%2Fnowhere%2Fat-all", "/nowhere/at-all/.s.PGSQL.5432", "start the server, or correct host and port"),
        (&web, &web, "see that it is PostgreSQL"),
        (&silent, &silent, "see that it is PostgreSQL"),
    ] {
        let text = refusal(at(place)).await;
        let expected = format!("database.url: no connection to the database notes at {told}");
        assert!(text.starts_with(&expected) && text.contains(remedy), "{text}");
    }
}

#[test]
fn each_of_the_three_addresses_is_told_by_its_own_setting() {
    run(Engine::Postgres, async |scratch| {
        let good = scratch.database().unwrap().options();
        let link = Link::to(&good).await;
        link.set(Way::Cut);
        let bad = link.through(&good);
        let wrong = |url: &Secret<String>| Secret::new(url.expose().replacen(":scratch@", ":hunter2@", 1));
        let elsewhere = |url: &Secret<String>| Secret::new(format!("{}_gone", url.expose()));
        let reader = good.read_url.clone().unwrap();
        for (setting, options, code) in [
            ("database.url", PostgresOptions { url: bad.url.clone(), ..good.clone() }, "see that it is PostgreSQL"),
            ("database.read_url", PostgresOptions { read_url: bad.read_url.clone(), ..good.clone() }, "see that it"),
            ("database.migrate_url", PostgresOptions { migrate_url: Some(bad.url), ..good.clone() }, "see that it"),
            ("database.url", PostgresOptions { url: wrong(&good.url), ..good.clone() }, "(28P01); correct user"),
            (
                "database.read_url",
                PostgresOptions { read_url: Some(wrong(&reader)), ..good.clone() },
                "(28P01); correct",
            ),
            (
                "database.url",
                PostgresOptions { url: elsewhere(&good.url), ..good.clone() },
                "(3D000); correct the name",
            ),
        ] {
            let text = refusal(options).await;
            assert!(text.starts_with(&format!("{setting}: no connection to the database ")), "{text}");
            assert!(text.contains(code), "{text}");
        }
    });
}
