//! A211: one request must not hide in another. Everything over raw sockets, because honest clients do not send it.

use claviger_testkit::BareServer;
use claviger_testkit::http_base::Limits;

use super::mirror;

const SMUGGLED: &str = "GET /echo?smuggled=1 HTTP/1.1\r\nHost: id.test\r\n\r\n";

/// Sends `head` and a body in which a second request hides, and returns all answers.
async fn send(server: &BareServer, head: &str, body: &str) -> String {
    let mut raw = server.raw().await;
    raw.write(format!("{head}\r\n\r\n{body}")).await;
    raw.rest().await
}

fn head(lines: &[&str]) -> String {
    format!(
        "POST /form HTTP/1.1\r\nHost: id.test\r\nContent-Type: application/x-www-form-urlencoded\r\n{}",
        lines.join("\r\n")
    )
}

#[tokio::test]
async fn a211_a_request_with_two_ends_is_refused_and_the_connection_closed() {
    let server = BareServer::start(Limits::default(), mirror()).await;
    let chunked = format!("0\r\n\r\n{SMUGGLED}");
    let table: &[&[&str]] = &[
        &["Content-Length: 3", "Transfer-Encoding: chunked"],
        &["Transfer-Encoding: chunked", "Content-Length: 3"],
        &["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"],
        &["Transfer-Encoding: chunked", "transfer-encoding: identity"],
        &["Transfer-Encoding: chunked, chunked"],
        &["Transfer-Encoding: gzip, chunked"],
        &["Transfer-Encoding: chunked, identity"],
        &["Transfer-Encoding: identity"],
        &["Transfer-Encoding: xchunked"],
        &["Transfer-Encoding : chunked"],
        &["Transfer-Encoding:\x0bchunked"],
        &["X: y\rTransfer-Encoding: chunked"],
        &[" Transfer-Encoding: chunked"],
        &["Content-Length: 0", "Content-Length: 5"],
        &["Content-Length: 5", "Content-Length: 5"],
        &["Content-Length: 5, 5"],
        &["Content-Length: +5"],
        &["Content-Length: -5"],
        &["Content-Length: 0x5"],
        &["Content-Length: 5 5"],
        &["Content-Length: 99999999999999999999"],
        &["Content-Length: "],
        &["Content-Length : 5"],
    ];
    for lines in table {
        let answers = send(&server, &head(lines), &chunked).await;
        assert!(answers.starts_with("HTTP/1.1 400 "), "{lines:?}: {answers}");
        assert_eq!(answers.matches("HTTP/1.1 ").count(), 1, "{lines:?}: {answers}");
        assert!(!answers.contains("smuggled"), "{lines:?}: {answers}");
    }
}

#[tokio::test]
async fn a211_broken_chunks_are_refused_and_the_connection_closed() {
    let server = BareServer::start(Limits::default(), mirror()).await;
    for chunk in [
        "zz\r\nabc\r\n0\r\n\r\n",
        "-1\r\na\r\n0\r\n\r\n",
        "ffffffffffffffffff\r\na\r\n0\r\n\r\n",
        "3\nabc\n0\n\n",
        "3\r\nabcd\r\n0\r\n\r\n",
    ] {
        let answers = send(&server, &head(&["Transfer-Encoding: chunked"]), &format!("{chunk}{SMUGGLED}")).await;
        assert!(answers.starts_with("HTTP/1.1 400 "), "{chunk:?}: {answers}");
        assert_eq!(answers.matches("HTTP/1.1 ").count(), 1, "{chunk:?}: {answers}");
    }
}

#[tokio::test]
async fn an_honest_chunked_body_is_read() {
    let server = BareServer::start(Limits::default(), mirror()).await;
    let mut raw = server.raw().await;
    raw.write(format!("{}\r\n\r\n3\r\na=1\r\n4\r\n&b=2\r\n0\r\n\r\n", head(&["Transfer-Encoding: chunked"]))).await;
    let answer = raw.answer().await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains(r#"["a","1"],["b","2"]"#), "{answer}");
    // The connection goes on: the head after it is seen from its first byte.
    raw.write(SMUGGLED).await;
    assert!(raw.answer().await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order_but_not_with_chunks() {
    let server = BareServer::start(Limits::default(), mirror()).await;
    let mut raw = server.raw().await;
    let get = |name: &str| format!("GET /echo?{name}=1 HTTP/1.1\r\nHost: id.test\r\n\r\n");
    raw.write(format!("{}{}{}\r\n\r\n0\r\n\r\n", get("first"), get("second"), head(&["Transfer-Encoding: chunked"])))
        .await;
    let answers = raw.rest().await;
    let place = |text: &str| answers.find(text).unwrap_or_else(|| panic!("{text} in {answers}"));
    assert!(place("first") < place("second") && place("second") < place("HTTP/1.1 400 "));
}
