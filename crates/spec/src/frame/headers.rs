//! The headers that every answer bears.

use claviger_testkit::{Answer, Options, tests};
use http::Method;

use super::routes::{each, sample_path};

fn safe(what: &str, answer: &Answer) {
    let header =
        |name: &str| answer.header(name).unwrap_or_else(|| panic!("{what} lacks {name}: {:?}", answer.headers()));
    assert_eq!(header("x-content-type-options"), "nosniff", "{what}");
    assert_eq!(header("x-frame-options"), "DENY", "{what}");
    assert_eq!(header("x-xss-protection"), "0", "{what}");
    assert!(["no-referrer", "same-origin"].contains(&header("referrer-policy")), "{what}");
    assert_eq!(header("cross-origin-opener-policy"), "same-origin", "{what}");
    assert!(header("permissions-policy").contains("publickey-credentials-get=(self)"), "{what}");
    assert_eq!(header("strict-transport-security"), "max-age=63072000; includeSubDomains", "{what}");
    assert!(header("content-security-policy").starts_with("default-src 'none'"), "{what}");
    assert!(header("content-security-policy").contains("frame-ancestors 'none'"), "{what}");
    assert!(header("x-request-id").starts_with("req_"), "{what}");
    assert!(answer.header("server").is_none() && answer.header("x-powered-by").is_none(), "{what}");
    let policy = header("cross-origin-resource-policy");
    assert!(policy == "same-origin" || answer.header("access-control-allow-origin") == Some("*"), "{what}: {policy}");
    assert!(answer.header("access-control-allow-credentials").is_none(), "{what}");
    if header("cache-control") != "no-store" {
        assert!(answer.set_cookies().is_empty(), "{what} may be kept with its cookie");
    }
}

tests! {
    async fn a095_every_answer_of_every_route_bears_the_safe_headers(t: TestServer) {
        let client = t.client();
        for route in each(&t) {
            let path = sample_path(route.path);
            for method in [route.method.clone(), Method::OPTIONS, Method::TRACE, Method::HEAD] {
                let request = client.request(method.clone(), &path).header("accept", "text/html");
                let answer = client.send(request.body(bytes::Bytes::new()).unwrap()).await;
                safe(&format!("{method} {path} ({})", answer.status()), &answer);
            }
            safe(&path, &client.get(&format!("{path}?a=1&a=2&x=%zz")).await);
        }
        safe("unknown", &client.get("/nowhere").await);
        safe("of an unknown realm", &client.get("/realms/nobody/login").await);
    }

    async fn only_files_and_published_metadata_may_be_kept(t: TestServer) {
        for route in each(&t).into_iter().filter(|route| route.method == Method::GET) {
            let answer = t.client().get(&sample_path(route.path)).await;
            let rule = answer.header("cache-control").unwrap();
            let published = route.cross_origin || route.kind == claviger_testkit::http_base::Kind::Asset;
            assert!(rule == "no-store" || published, "{} may be kept: {rule}", route.path);
        }
    }

    async fn over_plain_http_nothing_is_promised_about_https(t: TestServer, Options::default().set("public_url", "http://localhost:7000")) {
        let answer = t.client().get("/livez").await;
        assert_eq!((answer.status(), answer.header("strict-transport-security")), (200, None));
    }

    async fn an_error_page_names_its_reference_and_carries_its_own_nonce(t: TestServer) {
        let mut browser = t.browser();
        let (first, second) = (browser.open("/nowhere").await, browser.open("/nowhere").await);
        assert_eq!(first.status(), 404);
        assert_eq!(first.text_of("reference").as_deref(), first.header("x-request-id"));
        let nonce = |answer: &Answer| {
            let policy = answer.header("content-security-policy").unwrap();
            policy.split("'nonce-").nth(1).unwrap().split('\'').next().unwrap().to_owned()
        };
        assert_ne!(nonce(&first), nonce(&second));
        assert!(nonce(&first).len() >= 22);
        assert!(first.text().contains(&format!("nonce=\"{}\"", nonce(&first))));
        for word in ["unsafe-inline", "unsafe-eval", "http:", "*"] {
            assert!(!first.header("content-security-policy").unwrap().contains(word), "{word}");
        }
    }

    async fn files_are_named_by_their_content_and_kept_for_good(t: TestServer) {
        let page = t.browser().open("/nowhere").await;
        let path = page.text().split("href=\"/assets/").nth(1).unwrap().split('"').next().unwrap().to_owned();
        let path = format!("/assets/{path}");
        let client = t.client();
        let file = client.get(&path).await;
        assert_eq!(file.header("cache-control"), Some("public, max-age=31536000, immutable"));
        assert_eq!(file.header("content-type"), Some("text/css; charset=utf-8"));
        let ask = client.request(Method::GET, &path).header("if-none-match", file.header("etag").unwrap());
        let again = client.send(ask.body(bytes::Bytes::new()).unwrap()).await;
        assert_eq!((again.status(), again.bytes().len()), (304, 0));
        let head = client.send(client.request(Method::HEAD, &path).body(bytes::Bytes::new()).unwrap()).await;
        assert_eq!(head.header("content-length").unwrap(), file.bytes().len().to_string());
        assert_eq!(head.bytes().len(), 0);
    }
}
