//! What requests leave in the log: one line each that nobody else can shape, and no secret.

use std::io;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use claviger_testkit::http_base::{Access, Kind, Limits, Reply, Route, Routes};
use claviger_testkit::{BareServer, Client};
use http::Method;
use tracing_subscriber::fmt::MakeWriter;

use super::mirror;

/// Keeps what is logged.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl Kept {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl io::Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Kept {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

fn routes() -> Routes {
    let route = Route::get("/panic", Kind::Api, Access::Public).server_wide().reads_cookie();
    mirror().add(route, &Arc::new(()), |_, request| async move {
        let cookie = request.cookie("sid");
        assert!(cookie.is_none(), "a fault with {:?} and {:?}", cookie, request.credentials());
        Ok(Reply::text("nothing"))
    })
}

/// Everything that can carry a secret carries one. Returns how many requests were sent.
async fn ask_with_secrets(client: &Client) -> usize {
    let form = "application/x-www-form-urlencoded";
    let table = [
        (Method::GET, "/echo?code=CANARY-query", "", ""),
        (Method::GET, "/echo?access_token=CANARY-query", "", ""),
        (Method::GET, "/echo?code=CANARY-query&code=CANARY-twice", "", ""),
        (Method::GET, "/panic", "", ""),
        (Method::POST, "/form", form, "password=CANARY-body"),
        (Method::POST, "/form", form, "password=CANARY-body&x=%zz"),
        (Method::POST, "/form", "text/plain", "CANARY-body"),
        (Method::POST, "/json", "application/json", r#"{"secret":"CANARY-body"}"#),
        (Method::POST, "/json", "application/json", r#"{"secret":CANARY-body}"#),
        (Method::POST, "/page", form, "password=CANARY-body"),
        (Method::DELETE, "/form?token=CANARY-query", "", ""),
    ];
    let count = table.len();
    for (method, path, content_type, body) in table {
        let mut request = client
            .request(method, path)
            .header("cookie", "__Host-sid=CANARY-cookie")
            .header("authorization", "Bearer CANARY-token")
            .header("referer", "https://id.test/?code=CANARY-referer");
        if !content_type.is_empty() {
            request = request.header("content-type", content_type);
        }
        client.send(request.body(Bytes::from_static(body.as_bytes())).unwrap()).await;
    }
    count
}

#[tokio::test]
async fn a202_no_secret_of_a_request_reaches_the_log() {
    let server = BareServer::start(Limits::default(), routes()).await;
    let client = Client::direct(Arc::clone(server.frame()));
    let kept = Kept::default();
    let everything = tracing_subscriber::fmt().with_writer(kept.clone()).with_max_level(tracing::Level::TRACE).finish();
    let guard = tracing::subscriber::set_default(everything);
    let sent = ask_with_secrets(&client).await;
    drop(guard);
    let log = kept.text();
    assert_eq!(log.matches("claviger::access").count(), sent, "{log}");
    assert!(!log.contains("CANARY"), "{log}");
}

#[tokio::test]
async fn a201_what_a_client_sends_cannot_shape_a_log_line() {
    let server = BareServer::start(Limits::default(), routes()).await;
    let client = Client::direct(Arc::clone(server.frame()));
    let endless = format!("/{}", "long".repeat(1_000));
    let hostile = [
        "/x\"y=\",\"status\":200",
        "/%0d%0a2026-11-21T00:00:00Z%20INFO%20forged",
        "/%1b[31mred",
        "/x'y`z\\u001b",
        &endless,
    ];
    let hostile: Vec<&str> = hostile.into_iter().filter(|path| path.parse::<http::Uri>().is_ok()).collect();
    assert!(hostile.len() >= 3, "{hostile:?}");
    for json in [true, false] {
        let kept = Kept::default();
        let lines = tracing_subscriber::fmt().with_writer(kept.clone()).with_ansi(false);
        let guard = if json {
            tracing::subscriber::set_default(lines.json().flatten_event(true).finish())
        } else {
            tracing::subscriber::set_default(lines.finish())
        };
        for path in &hostile {
            client.get(path).await;
        }
        drop(guard);
        let log = kept.text();
        assert_eq!(log.lines().count(), hostile.len(), "{log}");
        for line in log.lines() {
            assert!(line.len() < 600 && !line.contains('\u{1b}'), "{line}");
            if json {
                let line: serde_json::Value = serde_json::from_str(line).unwrap();
                assert_eq!(line["status"], 404);
            }
        }
    }
}
