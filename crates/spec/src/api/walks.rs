//! The ways that people take.

use core::time::Duration;

use claviger_testkit::{Answer, TestServer, tests};
use http::Method;
use serde_json::{Value, json};

use super::{ORIGIN, Script, signed_in, single_page_app};
use crate::people::{ADA, App, OTHER_PASSWORD, PASSWORD, app_with, claims, code, is_signed_in, text, user};

/// What a program asks that has no cookies and keeps its refresh token itself.
async fn posted_by_program(t: &TestServer, app: &App, step: &str, mut body: Value) -> Answer {
    body["client_id"] = app.client_id.clone().into();
    body["delivery"] = "body".into();
    t.client().post_json(&format!("/api/v1/auth/{step}"), &body).await
}

tests! {
    async fn a_stranger_signs_up_by_json_and_is_signed_in(t: TestServer) {
        let app = single_page_app(&t).await;
        let mut page = Script::new(t.browser(), &app);
        let asked = page.post("sign-up", json!({ "name": "Ada", "email": ADA, "password": PASSWORD })).await.json::<Value>();
        assert_eq!((&asked["state"], &asked["email"]), (&json!("confirm_sign_up"), &json!(ADA)), "{asked}");
        assert!(asked.get("binding").is_none(), "a browser is bound by its cookie: {asked}");
        let flow = text(&asked, "flow");
        let wrong = page.post("verify", json!({ "flow": flow, "code": "00000000" })).await;
        assert_eq!((wrong.status(), wrong.code().as_str()), (422, "code_refused"));
        assert_eq!(wrong.json::<Value>()["errors"][0]["pointer"], "/code");
        // Two mails of one moment would have no order.
        t.clock().advance(core::time::Duration::from_secs(1));
        let again = page.post("resend", json!({ "flow": flow })).await.json::<Value>();
        assert_eq!(again["state"], "confirm_sign_up");
        let digits = code(&t, "main", ADA).await;
        let done = page.post("verify", json!({ "flow": flow, "code": digits })).await.json::<Value>();
        assert_eq!((&done["state"], &done["token_type"]), (&json!("signed_in"), &json!("Bearer")), "{done}");
        assert!(done.get("refresh_token").is_none(), "{done}");
        assert_eq!(app.userinfo(&t.client(), &text(&done, "access_token")).await.json::<Value>()["email"], ADA);
        assert!(is_signed_in(&mut page.browser).await, "the hosted pages know the session too");
    }

    async fn a_user_signs_in_refreshes_and_signs_out_by_json(t: TestServer) {
        user(&t, ADA).await;
        let app = single_page_app(&t).await;
        let mut page = Script::new(t.browser(), &app);
        let first = page.sign_in(ADA).await;
        let token = claims(&text(&first, "access_token"));
        assert_eq!((&token["client_id"], &token["sid"]), (&json!(app.client_id), &first["session"]));
        assert_eq!(claims(&text(&first, "id_token"))["sid"], first["session"]);
        t.clock().advance(core::time::Duration::from_mins(4));
        let before = page.refresh_cookie().unwrap().1.to_owned();
        let next = page.refresh().await;
        assert_eq!(next.header("access-control-allow-origin"), Some(ORIGIN));
        assert_eq!(next.header("access-control-allow-credentials"), Some("true"));
        let next: Value = next.json();
        assert_eq!((&next["session"], &next["scope"]), (&first["session"], &first["scope"]));
        assert_ne!(next["access_token"], first["access_token"]);
        assert_ne!(page.refresh_cookie().unwrap().1, before);
        let out = page.post("sign-out", json!({})).await;
        assert_eq!((out.status(), page.refresh_cookie(), page.browser.cookie("__Host-sid")), (204, None, None));
        assert_eq!(app.userinfo(&t.client(), &text(&next, "access_token")).await.status(), 401);
        assert_eq!((page.refresh().await.status(), page.refresh().await.code().as_str()), (401, "signed_out"));
        assert_eq!(page.post("sign-out", json!({})).await.status(), 204, "and once more does no harm");
    }

    async fn a_forgotten_password_is_replaced_by_json(t: TestServer) {
        user(&t, ADA).await;
        let app = single_page_app(&t).await;
        let mut page = Script::new(t.browser(), &app);
        let asked = page.post("recover", json!({ "email": ADA })).await.json::<Value>();
        assert_eq!(asked["state"], "confirm_reset");
        let flow = text(&asked, "flow");
        let digits = code(&t, "main", ADA).await;
        let asked = page.post("verify", json!({ "flow": flow, "code": digits })).await.json::<Value>();
        assert_eq!(asked["state"], "new_password");
        let weak = page.post("reset", json!({ "flow": flow, "password": "short" })).await;
        assert_eq!((weak.status(), weak.code().as_str()), (422, "password_refused"));
        let done = page.post("reset", json!({ "flow": flow, "password": OTHER_PASSWORD })).await.json::<Value>();
        assert_eq!((&done["state"], &done["done"]), (&json!("sign_in"), &json!("password_reset")), "nobody is signed in by it");
        let body = json!({ "flow": flow, "email": ADA, "password": OTHER_PASSWORD });
        assert_eq!(page.post("sign-in", body).await.json::<Value>()["state"], "signed_in");
    }

    async fn an_address_that_nobody_has_proven_is_proven_first(t: TestServer) {
        let body = json!({ "email": ADA, "password": PASSWORD });
        assert_eq!(t.operator().post_json("/api/v1/users", &body).await.status(), 201);
        let app = single_page_app(&t).await;
        let mut page = Script::new(t.browser(), &app);
        let asked = page.post("sign-in", body.clone()).await.json::<Value>();
        assert_eq!(asked["state"], "confirm_address");
        let digits = code(&t, "main", ADA).await;
        let done = page.post("verify", json!({ "flow": asked["flow"], "code": digits })).await.json::<Value>();
        assert_eq!((&done["state"], &done["done"]), (&json!("sign_in"), &json!("address_confirmed")));
        page.sign_in(ADA).await;
    }

    async fn a_program_keeps_its_refresh_token_itself(t: TestServer) {
        user(&t, ADA).await;
        let app = single_page_app(&t).await;
        let post = async |step: &str, body: Value| posted_by_program(&t, &app, step, body).await;
        let asked = post("recover", json!({ "email": ADA })).await;
        assert!(asked.set_cookies().is_empty());
        let asked: Value = asked.json();
        let digits = code(&t, "main", ADA).await;
        let unbound = post("verify", json!({ "flow": asked["flow"], "code": digits })).await;
        assert_eq!((unbound.status(), unbound.code().as_str()), (400, "flow_gone"), "a32: the binding stands for the browser");
        let bound = json!({ "flow": asked["flow"], "binding": asked["binding"], "code": digits });
        assert_eq!(post("verify", bound).await.json::<Value>()["state"], "new_password");
        let answer = post("sign-in", json!({ "email": ADA, "password": PASSWORD, "device": "Notes on the desk" })).await;
        assert!(answer.set_cookies().is_empty());
        let first: Value = answer.json();
        let next = post("refresh", json!({ "refresh_token": first["refresh_token"] })).await.json::<Value>();
        let repeated = post("refresh", json!({ "refresh_token": first["refresh_token"] })).await.json::<Value>();
        assert_eq!(next["refresh_token"], repeated["refresh_token"], "a lost answer can be asked for again");
        let token = text(&next, "access_token");
        let seen = crate::people::bearer(&t.client(), Method::GET, "/api/v1/auth/sessions", &token).await.json::<Value>();
        assert_eq!((&seen["items"][0]["device"], &seen["items"][0]["current"]), (&json!("Notes on the desk"), &json!(true)));
        assert_eq!(post("sign-out", json!({ "refresh_token": next["refresh_token"] })).await.status(), 204);
        assert_eq!(post("refresh", json!({ "refresh_token": next["refresh_token"] })).await.status(), 401);
    }

    async fn whoever_signs_out_with_a_used_refresh_token_is_signed_out(t: TestServer) {
        user(&t, ADA).await;
        let app = single_page_app(&t).await;
        let post = async |step: &str, body: Value| posted_by_program(&t, &app, step, body).await;
        let first: Value = post("sign-in", json!({ "email": ADA, "password": PASSWORD })).await.json();
        // Used by a thief, or by the program itself, which never got the answer.
        let second: Value = post("refresh", json!({ "refresh_token": first["refresh_token"] })).await.json();
        t.clock().advance(Duration::from_mins(1));
        let other = single_page_app(&t).await;
        let foreign = json!({ "client_id": other.client_id, "delivery": "body", "refresh_token": first["refresh_token"] });
        assert_eq!(t.client().post_json("/api/v1/auth/sign-out", &foreign).await.status(), 204);
        assert_eq!(app.userinfo(&t.client(), &text(&second, "access_token")).await.status(), 200, "another's token");
        assert_eq!(post("sign-out", json!({ "refresh_token": first["refresh_token"] })).await.status(), 204);
        assert_eq!(app.userinfo(&t.client(), &text(&second, "access_token")).await.status(), 401);
        assert_eq!(post("refresh", json!({ "refresh_token": second["refresh_token"] })).await.code(), "signed_out");
    }

    async fn the_realm_says_for_how_long_a_used_refresh_token_still_tells_who_is_signed_in(t: TestServer) {
        user(&t, ADA).await;
        let app = single_page_app(&t).await;
        for (window, within, beyond) in [("5s", 5, 1), ("60s", 45, 16)] {
            let rule = json!({ "settings": { "tokens": { "refresh_retry_window": window, "refresh_retries": 1 } } });
            assert_eq!(t.operator().patch_json("/api/v1/realms/main", &rule).await.status(), 200);
            let mut page = signed_in(&t, &app).await;
            let mut tab = page.clone();
            assert_eq!(page.refresh().await.status(), 200);
            t.clock().advance(Duration::from_secs(within));
            assert_eq!(tab.clone().refresh().await.status(), 200, "{window}");
            assert_eq!(tab.clone().refresh().await.status(), 429, "{window}: twice is once too often");
            assert_eq!(tab.ask(Method::GET, "session").await.status(), 200, "{window}: but the tab is signed in");
            t.clock().advance(Duration::from_secs(beyond));
            assert_eq!(tab.ask(Method::GET, "session").await.status(), 401, "{window}");
            assert_eq!(page.refresh().await.status(), 200, "{window}: asking ends nothing");
        }
        let never = json!({ "settings": { "tokens": { "refresh_retry_window": "0s" } } });
        assert_eq!(t.operator().patch_json("/api/v1/realms/main", &never).await.status(), 200);
        let mut page = signed_in(&t, &app).await;
        let mut tab = page.clone();
        assert_eq!(page.refresh().await.status(), 200);
        assert_eq!(tab.ask(Method::GET, "session").await.status(), 401);
        assert_eq!(page.ask(Method::GET, "session").await.status(), 200);
        assert_eq!(tab.refresh().await.code(), "signed_out");
        assert_eq!(page.refresh().await.code(), "signed_out", "it was reuse");
    }

    async fn two_tabs_refresh_at_once_and_both_stay_signed_in(t: TestServer) {
        user(&t, ADA).await;
        let app = single_page_app(&t).await;
        let mut page = signed_in(&t, &app).await;
        for _ in 0..8 {
            let (mut one, mut other) = (page.clone(), page.clone());
            let (first, second) = tokio::join!(one.refresh(), other.refresh());
            assert_eq!((first.status(), second.status()), (200, 200), "{} {}", first.text(), second.text());
            assert_eq!(one.refresh_cookie(), other.refresh_cookie(), "whichever answer comes last, the cookie is the same");
            page = other;
        }
    }

    async fn two_first_sign_ins_at_once_both_get_their_tokens(t: TestServer) {
        user(&t, ADA).await;
        let app = single_page_app(&t).await;
        let pages: Vec<_> = (0..4)
            .map(|_| {
                let mut page = Script::new(t.browser(), &app);
                tokio::spawn(async move { page.sign_in(ADA).await })
            })
            .collect();
        for page in pages {
            assert!(page.await.unwrap()["access_token"].is_string());
        }
    }

    async fn tokens_are_for_the_api_that_is_asked_for(t: TestServer) {
        user(&t, ADA).await;
        let api = json!({ "audience": "https://notes.test", "name": "Notes", "scopes": ["notes:read"] });
        crate::people::created(&t.operator().post_json("/api/v1/resource-servers", &api).await);
        let app = single_page_app(&t).await;
        let mut page = Script::new(t.browser(), &app);
        let body = json!({ "email": ADA, "password": PASSWORD, "resource": "https://notes.test", "scope": "notes:read" });
        let tokens = page.post("sign-in", body).await.json::<Value>();
        let token = claims(&text(&tokens, "access_token"));
        assert_eq!((&token["aud"], &token["scope"]), (&json!("https://notes.test"), &json!("notes:read")));
        let seen = page.ask(Method::GET, "session").await.json::<Value>();
        assert_eq!(seen["user"]["email"], ADA, "the cookie tells who is signed in, whatever the tokens are for");
        for (member, value) in [("scope", "admin"), ("resource", "https://other.test")] {
            let refused = page.post("sign-in", json!({ "email": ADA, "password": PASSWORD, member: value })).await;
            assert_eq!(refused.status(), 400, "{member}");
            assert_eq!(refused.json::<Value>()["errors"][0]["pointer"], format!("/{member}"));
        }
    }

    async fn two_applications_of_one_site_keep_their_sign_ins_apart(t: TestServer) {
        user(&t, ADA).await;
        let (notes, mail) = (single_page_app(&t).await, single_page_app(&t).await);
        let mut page = signed_in(&t, &notes).await;
        let mut other = Script { client_id: mail.client_id.clone(), ..page.clone() };
        assert_eq!(other.refresh().await.status(), 401, "the cookie of the one is not the other's");
        other.sign_in(ADA).await;
        page.browser = other.browser.clone();
        assert_eq!((page.refresh().await.status(), other.refresh().await.status()), (200, 200));
    }

    async fn only_the_operators_own_public_applications_are_let_in(t: TestServer) {
        user(&t, ADA).await;
        let uri = json!([format!("{ORIGIN}/")]);
        let theirs = json!({ "redirect_uris": uri, "token_endpoint_auth_method": "none", "grant_types": ["authorization_code", "refresh_token"] });
        let confidential = json!({ "redirect_uris": uri, "first_party": true });
        let without = json!({ "redirect_uris": uri, "first_party": true, "token_endpoint_auth_method": "none", "grant_types": ["authorization_code"] });
        let mut names = vec!["nobody".to_owned()];
        for settings in [theirs, confidential, without] {
            names.push(app_with(&t, "", settings).await.client_id);
        }
        for client_id in names {
            let mut page = Script { browser: t.browser(), origin: ORIGIN, client_id };
            for step in ["sign-in", "recover", "refresh", "sign-out"] {
                let body = match step {
                    "sign-in" => json!({ "email": ADA, "password": PASSWORD }),
                    "recover" => json!({ "email": ADA }),
                    _ => json!({}),
                };
                let refused = page.post(step, body).await;
                assert_eq!((refused.status(), refused.code().as_str()), (403, "unknown_client"), "{step}");
            }
        }
    }
}
