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

/// One HTTP/2 frame (RFC 9113 §4.1).
fn h2_frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A literal header field without indexing (RFC 7541 §6.2.2).
fn h2_field(name: &str, value: &str) -> Vec<u8> {
    let part = |text: &str| [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
    [vec![0], part(name), part(value)].concat()
}

/// Sends a POST by HTTP/2 with `fields` and `body`, and returns the kind of the frame that answers its stream or ends
/// the connection: 1 is an answer, 3 refuses the stream, 7 ends the connection.
async fn h2_post(server: &BareServer, fields: &[(&str, &str)], body: &[u8]) -> u8 {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut stream = tokio::net::TcpStream::connect(server.address()).await.unwrap();
    let usual = [(":method", "POST"), (":scheme", "https"), (":path", "/form"), (":authority", "id.test")];
    let block: Vec<u8> = usual.iter().chain(fields).flat_map(|(name, value)| h2_field(name, value)).collect();
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    let bytes = [preface, h2_frame(4, 0, 0, &[]), h2_frame(1, 4, 1, &block), h2_frame(0, 1, 1, body)].concat();
    stream.write_all(&bytes).await.unwrap();
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head).await.unwrap();
        let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
        stream.read_exact(&mut payload).await.unwrap();
        if matches!(head[3], 1 | 3 | 7) {
            return head[3];
        }
    }
}

#[tokio::test]
async fn a211_http2_carries_no_framing_of_http1_and_no_line_ends() {
    let server = BareServer::start(Limits::default(), mirror()).await;
    let form = ("content-type", "application/x-www-form-urlencoded");
    assert_eq!(h2_post(&server, &[form, ("content-length", "3")], b"a=1").await, 1);
    let table: &[&[(&str, &str)]] = &[
        &[form, ("transfer-encoding", "chunked")],
        &[form, ("connection", "transfer-encoding")],
        &[form, ("content-length", "0")],
        &[form, ("content-length", "5")],
        &[form, ("content-length", "3"), ("content-length", "4")],
        &[form, ("x-forwarded-for", "1.1.1.1\r\ntransfer-encoding: chunked")],
        &[form, ("x\r\ntransfer-encoding", "chunked")],
        &[form, ("X-Upper", "1")],
        &[form, ("x y", "1")],
        &[form, (":path", "/echo")],
    ];
    for fields in table {
        assert_ne!(h2_post(&server, fields, b"a=1").await, 1, "{fields:?}");
    }
}
