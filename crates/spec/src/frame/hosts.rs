//! Which hosts are answered, and whose word about addresses counts.

use claviger_testkit::http_base::{ForwardedHeader, Limits, TrustedProxies};
use claviger_testkit::{BareServer, tests};

use super::mirror;

tests! {
    async fn a119_a_request_for_another_host_is_refused(t: TestServer) {
        let hostile: &[(&str, &str)] = &[
            ("GET /login HTTP/1.1\r\nHost: evil.tld", "421"),
            ("GET /login HTTP/1.1\r\nHost: id.test.evil.tld", "421"),
            ("GET /login HTTP/1.1\r\nHost: id.test:8443", "421"),
            ("GET http://evil.tld/login HTTP/1.1\r\nHost: evil.tld", "421"),
            ("GET http://evil.tld/login HTTP/1.1\r\nHost: id.test", "400"),
            ("GET /login HTTP/1.1\r\nHost: id.test\r\nHost: evil.tld", "400"),
            ("GET /login HTTP/1.1\r\nHost: id.test\r\nHost: id.test", "400"),
            ("GET /login HTTP/1.1\r\nHost: evil.tld@id.test", "400"),
            ("GET /login HTTP/1.1", "400"),
            ("GET /login HTTP/1.0", "400"),
        ];
        for (head, status) in hostile {
            let mut raw = t.raw().await;
            raw.write(format!("{head}\r\nX-Forwarded-Host: evil.tld\r\nForwarded: host=evil.tld\r\nConnection: close\r\n\r\n")).await;
            let answer = raw.rest().await;
            assert_eq!(answer.split(' ').nth(1), Some(*status), "{head}: {answer}");
            assert!(!answer.contains("evil"), "{head}: {answer}");
        }
    }

    async fn health_is_answered_for_every_host(t: TestServer) {
        for path in ["/livez", "/readyz"] {
            let mut raw = t.raw().await;
            raw.write(format!("GET {path} HTTP/1.1\r\nHost: 10.0.0.7:8080\r\nConnection: close\r\n\r\n")).await;
            assert!(raw.rest().await.starts_with("HTTP/1.1 200 "));
        }
        assert_eq!(t.internal().get("/readyz").await.status(), 200);
    }
}

#[tokio::test]
async fn a105_only_a_listed_proxy_says_who_the_client_is() {
    let ask = |server: &BareServer, forwarded: &str| {
        let client = server.client();
        let request = client.request(http::Method::GET, "/echo").header("x-forwarded-for", forwarded);
        let request = request.body(bytes::Bytes::new()).unwrap();
        async move { client.send(request).await }
    };
    let open = BareServer::start(Limits::default(), mirror()).await;
    for forwarded in ["203.0.113.9", "garbage"] {
        assert_eq!(ask(&open, forwarded).await.json::<serde_json::Value>()["client"], "127.0.0.1");
    }
    let proxies = TrustedProxies::new(vec!["127.0.0.0/8".parse().unwrap()], ForwardedHeader::XForwardedFor);
    let behind = BareServer::trusting(proxies, Limits::default(), mirror()).await;
    assert_eq!(ask(&behind, "127.0.0.1, 203.0.113.9").await.json::<serde_json::Value>()["client"], "203.0.113.9");
    let refused = ask(&behind, "garbage").await;
    assert_eq!((refused.status(), refused.code().as_str()), (400, "bad_forwarded_address"));
}
