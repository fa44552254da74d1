//! Whole walks: from an application's link to its tokens and back to nobody.

use claviger_testkit::tests;
use http::Method;

use crate::people::{
    ADA, CALLBACK, app, app_with, bearer, claims, public_app, realm, sign_in_at, signed_in, submit_sign_in, text, user,
    user_in,
};
use serde_json::json;

tests! {
    async fn a_client_gets_tokens_for_who_signs_in(t: TestServer) {
        let ada = user(&t, ADA).await;
        let app = app(&t).await;
        let mut browser = t.browser();
        let page = browser.arrive_from("https://app.test", &app.address(&[])).await;
        assert_eq!((page.status(), page.path()), (200, "/login"), "{}", page.text());
        assert!(page.text().contains("Notes"), "the page says where the person is going");
        let back = submit_sign_in(&mut browser, &page, ADA, crate::people::PASSWORD).await;
        assert!(back.url().starts_with(CALLBACK), "{} {}", back.url(), back.text());
        assert_eq!(back.parameter("state").as_deref(), Some("st-4711"));
        assert_eq!(back.parameter("iss").as_deref(), Some("https://id.test"));
        let answer = app.redeem(&t.client(), &back.parameter("code").unwrap()).await;
        assert_eq!(answer.status(), 200, "{}", answer.text());
        assert_eq!((answer.header("cache-control"), answer.header("pragma")), (Some("no-store"), Some("no-cache")));
        let tokens: serde_json::Value = answer.json();
        assert_eq!((tokens["token_type"].as_str(), tokens["expires_in"].as_u64()), (Some("Bearer"), Some(300)));
        let id_token = claims(&text(&tokens, "id_token"));
        assert_eq!((text(&id_token, "nonce"), text(&id_token, "aud")), ("n-4711".to_owned(), app.client_id.clone()));
        let userinfo = app.userinfo(&t.client(), &text(&tokens, "access_token")).await;
        let userinfo: serde_json::Value = userinfo.json();
        assert_eq!(userinfo["sub"], id_token["sub"]);
        assert_eq!((text(&userinfo, "email"), text(&userinfo, "name")), (ADA.to_owned(), "Ada Lovelace".to_owned()));
        assert_eq!(userinfo["email_verified"], true, "{ada}");
    }

    async fn a_refresh_token_gives_the_next_tokens(t: TestServer) {
        user(&t, ADA).await;
        let app = public_app(&t).await;
        let tokens = app.tokens(&t, &mut signed_in(&t, ADA).await).await;
        let first = app.refresh(&t.client(), &text(&tokens, "refresh_token")).await;
        assert_eq!(first.status(), 200, "{}", first.text());
        let next: serde_json::Value = first.json();
        assert_ne!(next["refresh_token"], tokens["refresh_token"]);
        let userinfo = bearer(&t.client(), Method::POST, "/oauth2/userinfo", &text(&next, "access_token")).await;
        assert_eq!(userinfo.status(), 200, "{}", userinfo.text());
    }

    async fn a_lost_refresh_answer_can_be_retried(t: TestServer) {
        user(&t, ADA).await;
        let app = public_app(&t).await;
        let tokens = app.tokens(&t, &mut signed_in(&t, ADA).await).await;
        let token = text(&tokens, "refresh_token");
        let first: serde_json::Value = app.refresh(&t.client(), &token).await.json();
        let again: serde_json::Value = app.refresh(&t.client(), &token).await.json();
        assert_eq!(first["refresh_token"], again["refresh_token"]);
        t.clock().advance(core::time::Duration::from_secs(31));
        let late = app.refresh(&t.client(), &token).await;
        assert_eq!((late.status(), late.code()), (400, "invalid_grant".to_owned()));
    }

    async fn a_third_party_client_asks_for_consent_once(t: TestServer) {
        user(&t, ADA).await;
        let app = app_with(&t, "", json!({})).await;
        let mut browser = signed_in(&t, ADA).await;
        let page = browser.arrive_from("https://app.test", &app.address(&[])).await;
        assert_eq!((page.status(), page.path()), (200, "/consent"), "{}", page.text());
        assert!(page.text().contains("app.test") && page.text().replace("<wbr>", "").contains(ADA));
        let back = browser.press(&page, &page.form("allow"), "allow").await;
        assert!(back.parameter("code").is_some(), "{} {}", back.url(), back.text());
        app.code(&mut browser, &[]).await;
    }

    async fn whoever_says_no_is_told_to_the_client(t: TestServer) {
        user(&t, ADA).await;
        let app = app_with(&t, "", json!({})).await;
        let mut browser = signed_in(&t, ADA).await;
        let page = browser.arrive_from("https://app.test", &app.address(&[])).await;
        let back = browser.press(&page, &page.form("deny"), "deny").await;
        assert_eq!(back.parameter("error").as_deref(), Some("access_denied"), "{} {}", back.url(), back.text());
        assert_eq!(back.parameter("state").as_deref(), Some("st-4711"));
    }

    async fn a_client_that_posts_from_its_own_site_is_served_too(t: TestServer) {
        user(&t, ADA).await;
        let app = app(&t).await;
        let mut browser = signed_in(&t, ADA).await;
        let parameters = app.parameters();
        let fields: Vec<_> = parameters.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let parked = browser.post_from("https://app.test", "/oauth2/authorize", &fields).await;
        assert_eq!(parked.status(), 303, "{}", parked.text());
        let back = browser.follow(parked).await;
        assert!(back.parameter("code").is_some(), "{} {}", back.url(), back.text());
    }

    async fn an_application_logs_its_user_out_and_gets_the_browser_back(t: TestServer) {
        user(&t, ADA).await;
        let app = app(&t).await;
        let mut browser = signed_in(&t, ADA).await;
        let tokens = app.tokens(&t, &mut browser).await;
        let fields = [
            ("id_token_hint", text(&tokens, "id_token")),
            ("post_logout_redirect_uri", "https://app.test/bye".to_owned()),
            ("state", "gone".to_owned()),
        ];
        let address = format!("/oauth2/logout?{}", crate::people::query(&fields));
        let back = browser.arrive_from("https://app.test", &address).await;
        assert_eq!(back.url(), "https://app.test/bye?state=gone", "{}", back.text());
        assert!(!crate::people::is_signed_in(&mut browser).await);
        let userinfo = app.userinfo(&t.client(), &text(&tokens, "access_token")).await;
        assert_eq!((userinfo.status(), userinfo.code()), (401, "invalid_token".to_owned()));
        let refresh = app.refresh(&t.client(), &text(&tokens, "refresh_token")).await;
        assert_eq!((refresh.status(), refresh.code()), (400, "invalid_grant".to_owned()));
    }

    async fn a_second_realm_issues_under_its_own_name_and_keys(t: TestServer) {
        let base = realm(&t, "acme").await;
        user_in(&t, &base, ADA).await;
        let app = app_with(&t, &base, json!({ "first_party": true })).await;
        let mut browser = t.browser();
        sign_in_at(&mut browser, &base, ADA, crate::people::PASSWORD).await;
        let tokens = app.tokens(&t, &mut browser).await;
        let id_token = claims(&text(&tokens, "id_token"));
        assert_eq!(text(&id_token, "iss"), "https://id.test/realms/acme");
        let access = text(&tokens, "access_token");
        assert_eq!(app.userinfo(&t.client(), &access).await.status(), 200);
        let elsewhere = bearer(&t.client(), Method::GET, "/oauth2/userinfo", &access).await;
        assert_eq!(elsewhere.status(), 401, "a token of acme is none of main");
        let keys: serde_json::Value = t.client().get("/.well-known/jwks.json").await.json();
        let others: serde_json::Value = t.client().get("/realms/acme/.well-known/jwks.json").await.json();
        for key in keys["keys"].as_array().unwrap() {
            assert!(others["keys"].as_array().unwrap().iter().all(|other| other["kid"] != key["kid"]));
        }
    }
}
