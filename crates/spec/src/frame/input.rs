//! Bad input: 4xx with a reason, flat memory, no panic.

use bytes::Bytes;
use claviger_testkit::http_base::{BodyKind, Limits};
use claviger_testkit::{BareServer, Client, tests};
use http::Method;

use super::mirror;
use super::routes::{each, sample_path};

const FORM: &str = "application/x-www-form-urlencoded";
const JSON: &str = "application/json";

async fn post(client: &Client, path: &str, content_type: &str, body: impl Into<Bytes>) -> (u16, String) {
    let request = client.request(Method::POST, path).header("content-type", content_type);
    let answer = client.send(request.body(body.into()).unwrap()).await;
    let code = if answer.status() < 400 { String::new() } else { answer.code() };
    (answer.status(), code)
}

#[tokio::test]
async fn a008_a_parameter_given_twice_is_refused_wherever_it_stands() {
    let server = BareServer::start(Limits::default(), mirror()).await;
    let client = server.client();
    assert_eq!(post(&client, "/form", FORM, "state=1&state=1").await, (400, "invalid_request".into()));
    assert_eq!(post(&client, "/form?state=1", FORM, "state=1").await, (400, "invalid_request".into()));
    assert_eq!(client.get("/echo?client_id=a&client_id=b").await.code(), "duplicate_parameter");
    assert_eq!(post(&client, "/form", FORM, "state=1").await.0, 200);
}

#[tokio::test]
async fn a044_a_body_that_cannot_be_read_is_refused_with_a_reason() {
    let server = BareServer::start(Limits::default(), mirror()).await;
    let client = server.client();
    let fields = (0..101).map(|place| format!("f{place}=1")).collect::<Vec<_>>().join("&");
    let large = format!("scope={}", "a".repeat(64 * 1024));
    for (content_type, body, status) in [
        (FORM, "a=%zz".to_owned(), 400),
        (FORM, "a=%ff".to_owned(), 400),
        (FORM, "a=%00".to_owned(), 400),
        (FORM, fields, 400),
        (FORM, large, 413),
        (JSON, "{}".to_owned(), 415),
        ("text/plain", "a=1".to_owned(), 415),
        ("multipart/form-data; boundary=x", "a=1".to_owned(), 415),
        ("application/x-www-form-urlencoded; charset=utf-16", "a=1".to_owned(), 415),
    ] {
        let (found, code) = post(&client, "/form", content_type, body.clone()).await;
        assert_eq!((found, code.as_str()), (status, "invalid_request"), "{content_type} {body:.40}");
    }
}

#[tokio::test]
async fn a058_json_that_two_readers_could_read_differently_is_refused() {
    let server = BareServer::start(Limits::default(), mirror()).await;
    let client = server.client();
    for (body, status, code) in [
        (Bytes::from(r#"{"a":[1,"x",null,true,1.5]}"#), 200, ""),
        (Bytes::from(r#"{"sub":"a","sub":"b"}"#), 400, "malformed_json"),
        (Bytes::from_static(b"{\"a\":\"\xff\"}"), 400, "malformed_json"),
        (Bytes::from("[".repeat(100_000)), 400, "malformed_json"),
        (Bytes::from(format!("{}{}", "[".repeat(65), "]".repeat(65))), 400, "malformed_json"),
        (Bytes::from(r#"{"a":"\u0000"}"#), 400, "malformed_json"),
        (Bytes::from("{} {}"), 400, "malformed_json"),
        (Bytes::new(), 400, "malformed_json"),
        (Bytes::from(format!("\"{}\"", "a".repeat(256 * 1024))), 413, "body_too_large"),
    ] {
        assert_eq!(
            post(&client, "/json", JSON, body.clone()).await,
            (status, code.into()),
            "{:?}",
            body.slice(..body.len().min(40))
        );
    }
    assert_eq!(post(&client, "/json", "text/plain", "{}").await, (415, "wrong_content_type".into()));
    assert_eq!(post(&client, "/json", FORM, "a=1").await, (415, "wrong_content_type".into()));
}

#[tokio::test]
async fn a224_what_is_too_large_is_refused_before_it_is_read() {
    let server = BareServer::start(Limits::default(), mirror()).await;
    // The body is announced and never sent: an answer means that nobody waited for it.
    for (path, content_type, length) in
        [("/form", FORM, 64 * 1024 + 1), ("/json", JSON, 256 * 1024 + 1), ("/json", JSON, usize::MAX / 4)]
    {
        let mut raw = server.raw().await;
        raw.write(format!(
            "POST {path} HTTP/1.1\r\nHost: id.test\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n\r\n"
        ))
        .await;
        let answer = raw.rest().await;
        assert!(answer.starts_with("HTTP/1.1 413 ") && answer.contains("connection: close"), "{answer}");
    }
    // Chunks announce nothing: they are counted, and the rest is not read.
    let mut raw = server.raw().await;
    raw.write(format!(
        "POST /form HTTP/1.1\r\nHost: id.test\r\nContent-Type: {FORM}\r\nTransfer-Encoding: chunked\r\n\r\n"
    ))
    .await;
    let chunk = format!("1000\r\n{}\r\n", "a".repeat(0x1000));
    for _ in 0..17 {
        raw.write(&chunk).await;
    }
    assert!(raw.rest().await.starts_with("HTTP/1.1 413 "));
    let mut raw = server.raw().await;
    raw.write("GET /echo HTTP/1.1\r\nHost: id.test\r\nContent-Length: 5\r\n\r\nhello").await;
    assert!(raw.rest().await.starts_with("HTTP/1.1 400 "));
}

#[tokio::test]
async fn a224_a_head_that_is_too_large_is_refused() {
    let server = BareServer::start(Limits::default(), mirror()).await;
    let cookie = format!("Cookie: a={}\r\n", "b".repeat(1 << 20));
    let many = "X-Line: 1\r\n".repeat(10_000);
    let query = format!("GET /echo?state={} HTTP/1.1\r\nHost: id.test\r\n\r\n", "a".repeat(100 * 1024));
    let lines = [cookie, many].map(|lines| format!("GET /echo HTTP/1.1\r\nHost: id.test\r\n{lines}\r\n"));
    for head in lines.into_iter().chain([query]) {
        let mut raw = server.raw().await;
        raw.write(&head).await;
        let answer = raw.rest().await;
        // The rest of a megabyte that nobody reads may turn the end of the connection into a reset.
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431 "), "{answer}");
    }
    let mut raw = server.raw().await;
    raw.write(format!("GET /echo HTTP/1.1\r\nHost: id.test\r\nX: {}\r\n\r\n", "a".repeat(31 * 1024))).await;
    assert!(raw.answer().await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn a069_a_token_in_the_query_is_refused() {
    let server = BareServer::start(Limits::default(), mirror()).await;
    let answer = server.client().get("/echo?access_token=hunter2").await;
    assert_eq!((answer.status(), answer.code().as_str()), (400, "token_in_query"));
    assert!(!answer.text().contains("hunter2"));
}

#[tokio::test]
async fn paths_are_taken_as_they_stand() {
    let server = BareServer::start(Limits::default(), mirror()).await;
    let client = server.client();
    assert_eq!(client.get("/echo/a%2Fb%C3%A9").await.status(), 200);
    for (path, status) in [
        ("/echo/", 404),
        ("//echo", 404),
        ("/./echo", 404),
        ("/x/../echo", 404),
        ("/%65cho", 404),
        ("/ECHO", 404),
        ("/echo/a/b", 404),
        ("/echo/%ff", 400),
        ("/echo/%00", 400),
        ("/echo/%zz", 400),
    ] {
        assert_eq!(client.get(path).await.status(), status, "{path}");
    }
}

tests! {
    async fn a224_no_route_falls_over_bad_input(t: TestServer) {
        for client in [t.client(), t.operator()] {
            for route in each(&t) {
                for (content_type, body) in bad_bodies(route.body) {
                    let shown = format!("{} {} {content_type} {:?}", route.method, route.path, body.slice(..body.len().min(20)));
                    let mut request = client.request(route.method.clone(), &sample_path(route.path));
                    if !content_type.is_empty() {
                        request = request.header("content-type", content_type);
                    }
                    let answer = client.send(request.body(body).unwrap()).await;
                    assert!((400..500).contains(&answer.status()), "{shown}: {} {}", answer.status(), answer.text());
                }
                let long = "x".repeat(20_000);
                for query in ["a=1&a=2", "a=%zz", "%ff=1", "a=%00", "limit=-1&after=%F0%9F%98%80", long.as_str()] {
                    let path = format!("{}?{query}", sample_path(route.path));
                    let request = client.request(route.method.clone(), &path);
                    let answer = client.send(request.body(Bytes::new()).unwrap()).await;
                    assert!(answer.status() < 500, "{} {}?{query:.20}: {}", route.method, route.path, answer.status());
                }
            }
        }
        assert_eq!((t.server().public.panics(), t.server().operator.panics()), (0, 0));
    }
}

/// Bodies that no route can take: of the wrong type, of no type, broken, doubled, deep, large, of the wrong shape.
fn bad_bodies(kind: BodyKind) -> Vec<(&'static str, Bytes)> {
    let (right, other) = if kind == BodyKind::Json { (JSON, FORM) } else { (FORM, JSON) };
    let mut bodies = vec![
        ("text/plain", Bytes::from("a=1")),
        (other, "a=1".into()),
        ("", "a=1".into()),
        (right, Bytes::from_static(b"a=%ff&b=%zz\xff\xfe{")),
        (right, "a=1&a=2".into()),
        (right, vec![b'a'; 300 * 1024].into()),
    ];
    if kind == BodyKind::Json {
        bodies.push((JSON, format!("{{\"a\":{}{}}}", "[".repeat(1000), "]".repeat(1000)).into()));
        bodies.extend(
            ["null", "[]", "7", "\"x\"", r#"{"unknown":1}"#, r#"{"a":1,"a":2}"#, "{}x"].map(|body| (JSON, body.into())),
        );
    }
    bodies
}
