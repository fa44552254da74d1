//! Where an answer may go (RFC 9700 §2.1, §4.1): to the registered address, byte by byte, or nowhere.

use claviger_testkit::{TestServer, tests};
use serde_json::json;

use crate::people::{ADA, App, app, app_with, logged, peer, public_app, query, signed_in, user};

/// Asks with these changes; the answer must be the error page, and lead nowhere. Gives what was logged.
async fn refused(t: &TestServer, app: &App, changes: &[(&'static str, &str)]) -> String {
    let mut browser = t.browser_at(peer("192.0.2.7"));
    let address = app.address(changes);
    let (page, log) = logged(browser.arrive_from("https://evil.tld", &address)).await;
    assert_eq!((page.status(), page.location()), (400, None), "{address}: {}", page.text());
    assert!(page.text_of("reference").is_some(), "an error page with a reference: {}", page.text());
    log
}

async fn refused_redirect(t: &TestServer, app: &App, address: &str) {
    let log = refused(t, app, &[("redirect_uri", address)]).await;
    assert!(log.contains("redirect_uri_rejected"), "{address}: {log}");
}

tests! {
    async fn a001_a_host_that_only_begins_like_the_registered_one_is_refused(t: TestServer) {
        let app = app_with(&t, "", json!({ "redirect_uris": ["https://app.example.com/"] })).await;
        refused_redirect(&t, &app, "https://app.example.com.evil.tld/").await;
        refused_redirect(&t, &app, "https://app.example.comevil.tld/").await;
    }

    async fn a002_the_registered_host_as_user_name_is_refused(t: TestServer) {
        let app = app(&t).await;
        refused_redirect(&t, &app, "https://app.test@evil.tld/callback").await;
        refused_redirect(&t, &app, "https://app.test:x@evil.tld/callback").await;
    }

    async fn a003_no_character_of_a_registered_address_is_a_pattern(t: TestServer) {
        let app = app_with(&t, "", json!({ "redirect_uris": ["https://foo.example.com/cb"] })).await;
        refused_redirect(&t, &app, "https://fooaexample.com/cb").await;
        for wildcard in ["https://*.example.com/cb", "https://app.test/*", ".*"] {
            let body = json!({ "name": "Notes", "settings": { "redirect_uris": [wildcard] } });
            assert_eq!(t.operator().post_json("/api/v1/clients", &body).await.status(), 400, "{wildcard}");
        }
    }

    async fn a004_the_first_address_that_is_asked_for_is_not_learned(t: TestServer) {
        let app = app_with(&t, "", json!({ "redirect_uris": [], "grant_types": ["client_credentials"] })).await;
        refused_redirect(&t, &app, "https://app.test/callback").await;
        let client: serde_json::Value = t.operator().get(&format!("/api/v1/clients/{}", app.client_id)).await.json();
        assert_eq!(client["settings"]["redirect_uris"], json!([]));
    }

    async fn a005_what_parsers_read_differently_is_refused(t: TestServer) {
        let app = app(&t).await;
        for address in [
            "https://app.test\\@evil.tld/callback", "https://evil.tld\\.app.test/callback", "https:\\\\app.test/callback",
            "https:/app.test/callback", "https:app.test/callback", "//app.test/callback", "/callback", "callback",
            "https://app.test/callback\t", "https://app.test/callback\n", " https://app.test/callback",
            "https://app.test/callback ", "https://app.te\tst/callback", "https://app.test/%63allback",
            "https://app.test/callback%2f", "https://app.test/callback%2e%2e/", "https://app.test/x/%2e%2e/callback",
            "https://app.test/x/../callback", "https://app.test/./callback", "https://app.test//callback",
            "https://app.test/callback/", "https://app.test/callback;x=1", "https://app.test/callback#frag",
            "https://app.test/callback#", "https://app.test/callback?", "https://app.test/callback?x=1",
            "HTTPS://app.test/callback", "https://APP.test/callback", "https://app.test./callback",
            "https://app.test:443/callback", "https://app.test:/callback", "https://app.test:8443/callback",
            "http://app.test/callback", "https://[::1%25lo]/callback", "https://app。test/callback",
            "https://app.test%00.evil.tld/callback", "https://xn--app-.test/callback", "https://аpp.test/callback",
            "https://app.test/Callback", "javascript://app.test/callback", "data:text/html,x", "https://@app.test/callback",
        ] {
            refused_redirect(&t, &app, address).await;
        }
    }

    async fn a006_an_address_that_a_browser_would_run_or_read_in_clear_cannot_be_registered(t: TestServer) {
        for address in ["javascript:alert(1)", "data:text/html,x", "http://app.test/cb", "https://app.test/cb#f"] {
            let body = json!({ "name": "Notes", "settings": { "redirect_uris": [address] } });
            assert_eq!(t.operator().post_json("/api/v1/clients", &body).await.status(), 400, "{address}");
        }
    }

    async fn a007_only_the_port_of_a_loopback_address_may_vary(t: TestServer) {
        user(&t, ADA).await;
        let settings = json!({ "first_party": true, "redirect_uris": ["http://127.0.0.1/cb"],
            "token_endpoint_auth_method": "none", "grant_types": ["authorization_code"] });
        let app = app_with(&t, "", settings).await;
        let mut browser = signed_in(&t, ADA).await;
        let address = app.address(&[("redirect_uri", "http://127.0.0.1:49152/cb")]);
        let back = browser.arrive_from("https://app.test", &address).await;
        assert!(back.url().starts_with("http://127.0.0.1:49152/cb?code="), "{} {}", back.url(), back.text());
        for other in ["http://127.0.0.1.evil.tld/cb", "http://localhost.evil.tld/cb", "http://127.0.0.1:1/other",
            "http://127.0.0.2/cb", "https://127.0.0.1/cb", "http://127.0.0.1:99999/cb", "http://localhost/cb"] {
            refused_redirect(&t, &app, other).await;
        }
    }

    async fn a008_a_parameter_given_twice_leads_nowhere(t: TestServer) {
        let app = app(&t).await;
        for name in ["redirect_uri", "client_id", "state", "scope"] {
            let mut parameters = app.parameters();
            let value = parameters.iter().find(|(known, _)| *known == name).unwrap().1.clone();
            parameters.push((name, value));
            let answer = t.client().get(&format!("/oauth2/authorize?{}", query(&parameters))).await;
            assert_eq!((answer.status(), answer.location()), (400, None), "{name}");
            let fields: Vec<_> = parameters.iter().map(|(name, value)| (*name, value.as_str())).collect();
            let answer = t.client().post_form("/oauth2/authorize", &fields).await;
            assert_eq!((answer.status(), answer.location()), (400, None), "{name} in the body");
            let (last, rest) = fields.split_last().unwrap();
            let split = format!("/oauth2/authorize?{}", query(&[*last]));
            let answer = t.client().post_form(&split, rest).await;
            assert_eq!((answer.status(), answer.location()), (400, None), "{name} in the query and the body");
        }
    }

    async fn an_unknown_client_is_told_to_the_person_and_nobody_else(t: TestServer) {
        let app = app(&t).await;
        for client_id in ["nobody", "' or 1=1 --"] {
            let log = refused(&t, &app, &[("client_id", client_id)]).await;
            assert!(log.contains("client_unknown"), "{log}");
        }
        refused(&t, &app, &[("client_id", "")]).await;
        refused(&t, &app, &[("redirect_uri", "")]).await;
    }

    async fn a_removed_client_leads_nowhere(t: TestServer) {
        let app = public_app(&t).await;
        let path = format!("/api/v1/clients/{}", app.client_id);
        let request = t.operator().request(http::Method::DELETE, &path).body(bytes::Bytes::new()).unwrap();
        assert_eq!(t.operator().send(request).await.status(), 204);
        refused(&t, &app, &[]).await;
    }
}
