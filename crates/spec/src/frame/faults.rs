//! What one request does must not reach another.

use std::sync::Arc;

use claviger_testkit::BareServer;
use claviger_testkit::http_base::{Access, Kind, Limits, Refusal, Reply, Route, Routes};
use tokio::sync::Notify;

use super::mirror;

fn failing() -> Routes {
    let shared = Arc::new(std::sync::Mutex::new(0_u32));
    let route = |path, kind| Route::get(path, kind, Access::Public).server_wide();
    mirror()
        .add(route("/panic", Kind::Api), &shared, |_, _| async { panic!("a fault: {}", "hunter2") })
        .add(route("/panic-page", Kind::Page), &shared, |_, _| async { panic!("a fault: {}", "hunter2") })
        .add(route("/panic-oauth", Kind::OAuth), &shared, |_, _| async { panic!("a fault: {}", "hunter2") })
        .add(route("/refuse/{mark}", Kind::Api), &shared, |_, request| async move {
            let mark = request.part("mark").to_owned();
            tokio::task::yield_now().await;
            Err::<Reply, _>(Refusal::malformed("refused", format!("This is {mark}.")).at("/mark", mark))
        })
}

#[tokio::test]
async fn f08_a_panic_is_a_500_for_its_request_alone() {
    let server = BareServer::start(Limits::default(), failing()).await;
    let client = server.client();
    for (kind, path) in [("api", "/panic"), ("page", "/panic-page"), ("oauth", "/panic-oauth")] {
        let answer = client.get(path).await;
        assert_eq!(answer.status(), 500, "{kind}");
        let reference = answer.header("x-request-id").unwrap();
        assert!(answer.text().contains(reference), "{kind}: {}", answer.text());
        assert!(!answer.text().contains("hunter2") && !answer.text().contains("panic"), "{kind}: {}", answer.text());
    }
    assert_eq!(server.frame().panics(), 3);
    // The same connection goes on after it.
    let mut raw = server.raw().await;
    for (path, status) in [("/panic", 500), ("/echo", 200), ("/panic", 500), ("/echo", 200)] {
        raw.write(format!("GET {path} HTTP/1.1\r\nHost: id.test\r\n\r\n")).await;
        assert!(raw.answer().await.starts_with(&format!("HTTP/1.1 {status} ")));
    }
    assert_eq!(server.frame().panics(), 5);
}

#[tokio::test]
async fn a203_an_error_tells_of_its_own_request_alone() {
    let server = BareServer::start(Limits::default(), failing()).await;
    let mut asked = tokio::task::JoinSet::new();
    for mark in 0..2_000 {
        let frame = Arc::clone(server.frame());
        asked.spawn(async move {
            let client = claviger_testkit::Client::direct(frame);
            let answer = client.get(&format!("/refuse/m{mark}m")).await;
            let text = answer.text();
            assert_eq!(text.matches(&format!("m{mark}m")).count(), 2, "{text}");
            assert!(text.contains(answer.header("x-request-id").unwrap()), "{text}");
        });
    }
    while let Some(done) = asked.join_next().await {
        done.unwrap();
    }
}

#[tokio::test]
async fn a_stop_lets_running_requests_finish_and_takes_no_new_ones() {
    let gate = Arc::new((Notify::new(), Notify::new()));
    let slow = Route::get("/slow", Kind::Api, Access::Public).server_wide();
    let routes = mirror().add(slow, &gate, |gate, _| async move {
        gate.0.notify_one();
        gate.1.notified().await;
        Ok(Reply::text("done"))
    });
    let server = BareServer::start(Limits::default(), routes).await;
    let mut idle = server.raw().await;
    idle.write("GET /echo HTTP/1.1\r\nHost: id.test\r\n\r\n").await;
    idle.answer().await;
    let mut running = server.raw().await;
    running.write("GET /slow HTTP/1.1\r\nHost: id.test\r\n\r\n").await;
    gate.0.notified().await;
    let address = server.address();
    server.begin_to_stop();
    // The idle connection is closed, the running one is not.
    assert_eq!(idle.rest().await, "");
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
    gate.1.notify_one();
    let answer = running.rest().await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("done"), "{answer}");
    server.stopped().await;
}

#[tokio::test]
async fn a_request_that_never_ends_does_not_hold_up_a_stop() {
    let limits = Limits { drain_timeout: core::time::Duration::from_millis(50), ..Limits::default() };
    let begun = Arc::new(Notify::new());
    let stuck = Route::get("/stuck", Kind::Api, Access::Public).server_wide();
    let routes = Routes::new().add(stuck, &begun, |begun, _| async move {
        begun.notify_one();
        core::future::pending().await
    });
    let server = BareServer::start(limits, routes).await;
    let mut raw = server.raw().await;
    raw.write("GET /stuck HTTP/1.1\r\nHost: id.test\r\n\r\n").await;
    begun.notified().await;
    server.stopped().await;
    assert_eq!(raw.rest().await, "");
}
