//! What a connection may cost: slow and many ones harm nobody else.

use core::time::Duration;
use std::sync::Arc;

use bytes::Bytes;
use claviger_testkit::BareServer;
use claviger_testkit::http_base::{Access, Kind, Limits, Route};
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};

use super::mirror;

const GET: &str = "GET /echo HTTP/1.1\r\nHost: id.test\r\n\r\n";
const SHORT: Duration = Duration::from_millis(40);
/// Within this a head arrives that is sent at once, however busy the machine is.
const PATIENT: Duration = Duration::from_secs(2);

#[tokio::test]
async fn f12_a_head_that_does_not_end_is_cut_off() {
    let limits = |header_timeout| Limits { header_timeout, ..Limits::default() };
    let server = BareServer::start(limits(SHORT), mirror()).await;
    let patient = BareServer::start(limits(PATIENT), mirror()).await;
    // From the first byte on a fresh connection, from the first byte after an answer, and when no byte comes at all.
    let mut silent = server.raw().await;
    let mut fresh = server.raw().await;
    fresh.write("GET /echo HTTP/1.1\r\nHo").await;
    let mut later = patient.raw().await;
    later.write(GET).await;
    later.answer().await;
    later.write("GET /ec").await;
    assert_eq!((silent.rest().await, fresh.rest().await, later.rest().await), Default::default());
}

#[tokio::test]
async fn f12_a_body_that_does_not_come_is_answered_408_and_the_connection_closed() {
    let limits = Limits { request_timeout: SHORT, ..Limits::default() };
    let server = BareServer::start(limits, mirror()).await;
    let mut raw = server.raw().await;
    raw.write("POST /json HTTP/1.1\r\nHost: id.test\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{")
        .await;
    let answer = raw.rest().await;
    assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains("body_too_slow"), "{answer}");
}

#[tokio::test]
async fn a_handler_that_takes_too_long_is_stopped_with_503() {
    let limits = Limits { request_timeout: SHORT, ..Limits::default() };
    let stuck = Route::get("/stuck", Kind::Api, Access::Public).server_wide();
    let routes = mirror().add(stuck, &Arc::new(()), |_, _| core::future::pending());
    let server = BareServer::start(limits, routes).await;
    let answer = server.client().get("/stuck").await;
    assert_eq!((answer.status(), answer.code().as_str(), answer.header("retry-after")), (503, "timed_out", Some("1")));
}

#[tokio::test]
async fn an_idle_connection_is_kept_for_its_time_and_then_closed_in_order() {
    let limits = Limits { header_timeout: PATIENT, idle_timeout: PATIENT * 2, ..Limits::default() };
    let server = BareServer::start(limits, mirror()).await;
    let mut raw = server.raw().await;
    // Well over the time for a head, as a balancer's kept connections are.
    for _ in 0..3 {
        raw.write(GET).await;
        assert!(raw.answer().await.starts_with("HTTP/1.1 200 "));
    }
    assert_eq!(raw.rest().await, "");
}

#[tokio::test]
async fn f11_when_places_run_out_some_idle_connections_make_room_and_not_all() {
    let limits = Limits { connections: 40, ..Limits::default() };
    let server = BareServer::start(limits, mirror()).await;
    let mut idle = Vec::new();
    for _ in 0..40 {
        let mut raw = server.raw().await;
        raw.write(GET).await;
        raw.answer().await;
        idle.push(raw);
    }
    let mut another = server.raw().await;
    another.write(GET).await;
    assert!(another.answer().await.starts_with("HTTP/1.1 200 "));
    let mut kept = 0;
    for raw in &mut idle {
        raw.write("GET /echo HTTP/1.1\r\nHost: id.test\r\nConnection: close\r\n\r\n").await;
        kept += usize::from(raw.rest().await.starts_with("HTTP/1.1 200 "));
    }
    assert!((24..40).contains(&kept), "{kept} of 40 were kept");
}

#[tokio::test]
async fn f12_a_crowd_of_slow_heads_delays_an_honest_request_no_longer_than_a_head_may_take() {
    let limits = Limits { connections: 4, header_timeout: SHORT * 5, ..Limits::default() };
    let server = BareServer::start(limits, mirror()).await;
    let mut crowd = Vec::new();
    for _ in 0..32 {
        let mut raw = server.raw().await;
        raw.write("GET /").await;
        crowd.push(raw);
    }
    let mut honest = server.raw().await;
    honest.write(GET).await;
    assert!(honest.answer().await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn http2_is_spoken_by_prior_knowledge_within_the_same_bounds() {
    let server = BareServer::start(Limits::default(), mirror()).await;
    let stream = tokio::net::TcpStream::connect(server.address()).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    let connection = tokio::spawn(connection);
    let ask = |method: &str, uri: &str, lines: &[(&'static str, String)], body: Bytes| {
        let mut request = http::Request::builder().method(method).uri(uri);
        for (name, value) in lines {
            request = request.header(*name, value);
        }
        request.body(Full::new(body)).unwrap()
    };
    let large = vec![("x-large", "a".repeat(40_000))];
    let form = vec![("content-type", "application/x-www-form-urlencoded".to_owned())];
    let table = [
        ("GET", "https://id.test/echo", vec![], Bytes::new(), 200),
        ("HEAD", "https://id.test/echo", vec![], Bytes::new(), 200),
        ("GET", "https://evil.tld/echo", vec![], Bytes::new(), 421),
        ("GET", "https://id.test/echo", vec![("host", "evil.tld".to_owned())], Bytes::new(), 400),
        ("GET", "https://id.test/echo", large, Bytes::new(), 431),
        ("POST", "https://id.test/form", form.clone(), "a=1".into(), 200),
        ("POST", "https://id.test/form", form, vec![b'a'; 65 * 1024].into(), 413),
    ];
    for (method, uri, lines, body, status) in table {
        let answer = sender.send_request(ask(method, uri, &lines, body)).await.unwrap();
        assert_eq!(answer.status(), status, "{method} {uri}");
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(body.is_empty(), method == "HEAD" || status == 431, "{method} {uri}");
    }
    drop(sender);
    let _ = connection.await.unwrap();
}

#[tokio::test]
async fn cookies_reach_only_routes_that_declare_them_and_other_sites_reach_none_of_those() {
    let server = BareServer::start(Limits::default(), mirror()).await;
    let mut browser = server.browser();
    browser.plant("__Host-sid", "x");
    let seen = |page: &claviger_testkit::Page| page.json::<serde_json::Value>()["cookie"].clone();
    assert_eq!(seen(&browser.open("/echo").await), false);
    let here = browser.post_from("https://id.test", "/page", &[]).await;
    assert_eq!(here.status(), 403, "a page elsewhere says cross-site whatever it calls itself");
    let client = server.client();
    let request = client
        .request(http::Method::POST, "/page")
        .header("cookie", "__Host-sid=x")
        .header("sec-fetch-site", "same-origin");
    let answer = client.send(request.body(Bytes::new()).unwrap()).await;
    assert_eq!(answer.json::<serde_json::Value>()["cookie"], true);
    assert_eq!(browser.post_from("https://evil.tld", "/form", &[("a", "1")]).await.status(), 200);
}
