//! Redeeming codes (RFC 6749 §4.1.3, RFC 7636 §4.6, RFC 9700 §2.1.1): once, soon, by whom they were made for.

use core::time::Duration;

use claviger_testkit::{Answer, TestServer, tests};
use serde_json::json;

use crate::people::{ADA, App, CALLBACK, VERIFIER, app, app_with, public_app, signed_in, text, user};

const GRANT: (&str, &str) = ("grant_type", "authorization_code");

fn assert_refused(answer: &Answer, code: &str) {
    assert_eq!((answer.status(), answer.code()), (400, code.to_owned()), "{}", answer.text());
    assert_eq!(answer.header("cache-control"), Some("no-store"));
}

/// A code of Ada's for this client.
async fn code(t: &TestServer, app: &App) -> String {
    app.code(&mut signed_in(t, ADA).await, &[]).await
}

tests! {
    async fn a014_a_verifier_without_a_challenge_is_refused(t: TestServer) {
        user(&t, ADA).await;
        let app = app_with(&t, "", json!({ "first_party": true, "require_pkce": false })).await;
        let mut browser = signed_in(&t, ADA).await;
        let code = app.code(&mut browser, &[("code_challenge", ""), ("code_challenge_method", "")]).await;
        assert_refused(&app.redeem(&t.client(), &code).await, "invalid_grant");
    }

    async fn a015_a_missing_or_wrong_verifier_is_refused(t: TestServer) {
        user(&t, ADA).await;
        let app = app(&t).await;
        let mut browser = signed_in(&t, ADA).await;
        let (short, long) = (&VERIFIER[..42], VERIFIER.repeat(3));
        for verifier in [None, Some("x".repeat(43)), Some(short.to_owned()), Some(long), Some(VERIFIER.to_lowercase())] {
            let code = app.code(&mut browser, &[]).await;
            let mut fields = vec![GRANT, ("code", code.as_str()), ("redirect_uri", CALLBACK)];
            fields.extend(verifier.as_deref().map(|verifier| ("code_verifier", verifier)));
            assert_refused(&app.token(&t.client(), &fields).await, "invalid_grant");
            assert_refused(&app.redeem(&t.client(), &code).await, "invalid_grant");
        }
    }

    async fn a017_a_code_that_comes_twice_takes_back_what_it_gave(t: TestServer) {
        user(&t, ADA).await;
        let app = public_app(&t).await;
        let code = code(&t, &app).await;
        let tokens: serde_json::Value = app.redeem(&t.client(), &code).await.json();
        assert_eq!(app.userinfo(&t.client(), &text(&tokens, "access_token")).await.status(), 200);
        assert_refused(&app.redeem(&t.client(), &code).await, "invalid_grant");
        assert_eq!(app.userinfo(&t.client(), &text(&tokens, "access_token")).await.status(), 401);
        assert_refused(&app.refresh(&t.client(), &text(&tokens, "refresh_token")).await, "invalid_grant");
    }

    async fn a018_of_fifty_parallel_redemptions_one_succeeds(t: TestServer) {
        user(&t, ADA).await;
        let app = public_app(&t).await;
        let code = code(&t, &app).await;
        let tries = (0..50).map(|_| {
            let (app, client, code) = (app.clone(), t.client(), code.clone());
            tokio::spawn(async move { app.redeem(&client, &code).await.status() })
        });
        let mut won = 0;
        for attempt in tries.collect::<Vec<_>>() {
            match attempt.await.unwrap() {
                200 => won += 1,
                status => assert_eq!(status, 400),
            }
        }
        assert_eq!(won, 1, "of fifty that redeem one code one succeeds");
    }

    async fn a019_a_code_of_another_client_is_refused_and_burnt(t: TestServer) {
        user(&t, ADA).await;
        let (mine, other) = (public_app(&t).await, public_app(&t).await);
        let code = code(&t, &mine).await;
        assert_refused(&other.redeem(&t.client(), &code).await, "invalid_grant");
        assert_refused(&mine.redeem(&t.client(), &code).await, "invalid_grant");
    }

    async fn a019_another_redirect_address_is_refused_and_burns_the_code(t: TestServer) {
        user(&t, ADA).await;
        let app = public_app(&t).await;
        let mut browser = signed_in(&t, ADA).await;
        for address in [Some("https://app.test/other"), None] {
            let code = app.code(&mut browser, &[]).await;
            let mut fields = vec![GRANT, ("code", code.as_str()), ("code_verifier", VERIFIER)];
            fields.extend(address.map(|address| ("redirect_uri", address)));
            assert_refused(&app.token(&t.client(), &fields).await, "invalid_grant");
            assert_refused(&app.redeem(&t.client(), &code).await, "invalid_grant");
        }
    }

    async fn a020_a_code_is_over_after_a_minute(t: TestServer) {
        user(&t, ADA).await;
        let app = public_app(&t).await;
        let mut browser = signed_in(&t, ADA).await;
        let code = app.code(&mut browser, &[]).await;
        t.clock().advance(Duration::from_secs(59));
        assert_eq!(app.redeem(&t.client(), &code).await.status(), 200);
        let code = app.code(&mut browser, &[]).await;
        t.clock().advance(Duration::from_secs(61));
        assert_refused(&app.redeem(&t.client(), &code).await, "invalid_grant");
    }

    async fn a_code_dies_with_the_session_that_it_was_made_in(t: TestServer) {
        user(&t, ADA).await;
        let app = public_app(&t).await;
        let mut browser = signed_in(&t, ADA).await;
        let code = app.code(&mut browser, &[]).await;
        let page = browser.open("/account").await;
        browser.press(&page, &page.form("sign-out"), "sign-out").await;
        assert_refused(&app.redeem(&t.client(), &code).await, "invalid_grant");
    }

    async fn a_mangled_code_is_refused(t: TestServer) {
        user(&t, ADA).await;
        let app = public_app(&t).await;
        let code = code(&t, &app).await;
        for mangled in [code.to_uppercase(), format!("{code}A"), code[..code.len() - 1].to_owned(), "x".to_owned()] {
            assert_refused(&app.redeem(&t.client(), &mangled).await, "invalid_grant");
        }
        assert_refused(&app.token(&t.client(), &[GRANT, ("redirect_uri", CALLBACK)]).await, "invalid_request");
        assert_eq!(app.redeem(&t.client(), &code).await.status(), 200, "and what is not the code does not burn it");
    }
}
