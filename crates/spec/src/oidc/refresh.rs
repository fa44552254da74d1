//! Token families (RFC 9700 §4.14.2): a lost answer is given again, a stolen token ends everything that it could open.

use core::time::Duration;

use claviger_testkit::kernel::Clock as _;
use claviger_testkit::{Answer, Client, TestServer, tests};
use http::Method;
use serde_json::{Value, json};

use crate::people::{
    ADA, App, OTHER_PASSWORD, PASSWORD, app_with, claims, code, public_app, signed_in, submit_code, text, user,
};

fn assert_refused(answer: &Answer, code: &str) {
    assert_eq!((answer.status(), answer.code()), (400, code.to_owned()), "{}", answer.text());
    assert_eq!(answer.header("cache-control"), Some("no-store"));
}

fn refresh_token(tokens: &Value) -> String {
    text(tokens, "refresh_token")
}

/// Uses a refresh token that is good.
async fn refreshed(t: &TestServer, app: &App, token: &str) -> Value {
    let answer = app.refresh(&t.client(), token).await;
    assert_eq!(answer.status(), 200, "{}", answer.text());
    answer.json()
}

/// Ada, an application and the tokens that it holds of her.
async fn ada(t: &TestServer) -> (Value, App, Value) {
    let ada = user(t, ADA).await;
    let app = public_app(t).await;
    let tokens = app.tokens(t, &mut signed_in(t, ADA).await).await;
    (ada, app, tokens)
}

async fn account(t: &TestServer, user: &Value) -> Value {
    t.operator().get(&format!("/api/v1/users/{}", text(user, "id"))).await.json()
}

async fn at_risk(t: &TestServer) -> Vec<String> {
    let page: Value = t.operator().get("/api/v1/users?at_risk=true").await.json();
    let users = page["items"].as_array().unwrap();
    assert!(users.iter().all(|user| user["email"].is_string()), "whoever looks knows whom to ask: {page}");
    users.iter().map(|user| text(user, "id")).collect()
}

/// The notices that Ada got, as texts.
async fn notices(t: &TestServer) -> Vec<String> {
    t.deliver("main").await;
    let all = t.inbox().all();
    let notices = all.iter().filter(|received| received.mail.to == ADA && received.mail.subject.contains("used again"));
    notices.map(|received| received.mail.text.clone()).collect()
}

async fn assert_dead(t: &TestServer, app: &App, chain: &[&Value]) {
    for tokens in chain {
        let answer = app.userinfo(&t.client(), &text(tokens, "access_token")).await;
        assert_eq!(answer.status(), 401, "an access token of the family: {}", answer.text());
        assert_refused(&app.refresh(&t.client(), &refresh_token(tokens)).await, "invalid_grant");
    }
}

/// Uses up the first of three tokens, so that presenting it is theft. Gives what the family handed out.
async fn stolen(t: &TestServer, app: &App, first: &Value) -> [Value; 2] {
    let second = refreshed(t, app, &refresh_token(first)).await;
    let third = refreshed(t, app, &refresh_token(&second)).await;
    assert_refused(&app.refresh(&t.client(), &refresh_token(first)).await, "invalid_grant");
    [second, third]
}

/// Sets settings of the realm's tokens.
async fn set(t: &TestServer, tokens: Value) {
    let answer = t.operator().patch_json("/api/v1/realms/main", &json!({ "settings": { "tokens": tokens } })).await;
    assert_eq!(answer.status(), 200, "{}", answer.text());
}

async fn narrower(client: &Client, app: &App, token: &str, scope: &str) -> Answer {
    app.token(client, &[("grant_type", "refresh_token"), ("refresh_token", token), ("scope", scope)]).await
}

tests! {
    async fn a075_a_used_token_that_comes_back_ends_the_family_and_its_user_is_told(t: TestServer) {
        let (ada, app, first) = ada(&t).await;
        assert_eq!(account(&t, &ada).await.get("at_risk"), None);
        let second = refreshed(&t, &app, &refresh_token(&first)).await;
        let third = refreshed(&t, &app, &refresh_token(&second)).await;
        t.clock().advance(Duration::from_secs(31));
        assert_eq!(app.userinfo(&t.client(), &text(&third, "access_token")).await.status(), 200);
        assert_refused(&app.refresh(&t.client(), &refresh_token(&second)).await, "invalid_grant");
        assert_dead(&t, &app, &[&first, &second, &third]).await;

        let [notice] = &notices(&t).await[..] else { panic!("one notice") };
        assert!(notice.contains("Notes") && notice.contains("change your password"), "{notice}");
        assert!(notice.contains(&t.clock().now().to_string()[..10]), "when: {notice}");
        for tokens in [&first, &second, &third] {
            assert!(!notice.contains(&refresh_token(tokens)));
        }
        let risk = account(&t, &ada).await["at_risk"].clone();
        assert_eq!((&risk["cause"], &risk["times"]), (&json!("refresh_token_reused"), &json!(1)));
        let evidence = &risk["evidence"];
        assert_eq!((&evidence["presented"], &evidence["current"]), (&json!(1), &json!(2)));
        assert_eq!(evidence["client_id"], app.client_id);
        assert_eq!(claims(&text(&third, "access_token"))["fam"], evidence["family"]);
        assert_eq!(at_risk(&t).await, [text(&ada, "id")]);

        signed_in(&t, ADA).await;
        assert_eq!(account(&t, &ada).await.get("at_risk"), None, "the password was proven");
        assert!(at_risk(&t).await.is_empty());
    }

    async fn an_administrator_takes_the_mark_off(t: TestServer) {
        let (ada, app, first) = ada(&t).await;
        let path = format!("/api/v1/users/{}/clear-risk", text(&ada, "id"));
        assert_eq!(t.operator().post_json(&path, &json!({})).await.code(), "no_change");
        stolen(&t, &app, &first).await;
        assert_eq!(at_risk(&t).await.len(), 1);
        let cleared: Value = t.operator().post_json(&path, &json!({})).await.json();
        assert_eq!((cleared.get("at_risk"), &cleared["id"]), (None, &ada["id"]));
    }

    async fn a_password_change_takes_the_mark_off(t: TestServer) {
        let (ada, app, first) = ada(&t).await;
        let mut browser = signed_in(&t, ADA).await;
        stolen(&t, &app, &first).await;
        assert!(crate::people::is_signed_in(&mut browser).await, "the mark signs nobody out");
        assert_eq!(at_risk(&t).await.len(), 1);
        let page = browser.open("/account/password").await;
        let form = page.only_form().fill("current_password", PASSWORD).fill("password", OTHER_PASSWORD);
        browser.submit(&page, &form).await;
        assert_eq!(account(&t, &ada).await.get("at_risk"), None);
    }

    async fn a_thief_does_not_fill_the_mailbox(t: TestServer) {
        let (ada, app, first) = ada(&t).await;
        let mut browser = signed_in(&t, ADA).await;
        let others = [app.tokens(&t, &mut browser).await, app.tokens(&t, &mut browser).await];
        let late = app.tokens(&t, &mut browser).await;
        stolen(&t, &app, &first).await;
        for other in &others {
            stolen(&t, &app, other).await;
        }
        for _ in 0..3 {
            assert_refused(&app.refresh(&t.client(), &refresh_token(&first)).await, "invalid_grant");
        }
        assert_eq!(notices(&t).await.len(), 1, "one an hour, however many sign-ins are tried");
        assert_eq!(account(&t, &ada).await["at_risk"]["times"], 3, "a family ends once");
        t.clock().advance(Duration::from_hours(1));
        stolen(&t, &app, &late).await;
        assert_eq!(notices(&t).await.len(), 2);
    }

    async fn a076_a_grandparent_is_reuse_within_the_window_too(t: TestServer) {
        let (ada, app, first) = ada(&t).await;
        let [second, third] = stolen(&t, &app, &first).await;
        assert_dead(&t, &app, &[&first, &second, &third]).await;
        assert_eq!(at_risk(&t).await, [text(&ada, "id")]);
    }

    async fn a077_of_fifty_parallel_refreshes_eleven_get_the_one_successor(t: TestServer) {
        let (_, app, first) = ada(&t).await;
        let tries = (0..50).map(|_| {
            let (app, client, token) = (app.clone(), t.client(), refresh_token(&first));
            tokio::spawn(async move { app.refresh(&client, &token).await })
        });
        let (mut successors, mut waits) = (Vec::new(), 0);
        for attempt in tries.collect::<Vec<_>>() {
            let answer = attempt.await.unwrap();
            match answer.status() {
                200 => successors.push(answer.json::<Value>()),
                429 => {
                    assert_eq!((answer.code(), answer.header("retry-after")), ("slow_down".to_owned(), Some("1")));
                    waits += 1;
                }
                other => panic!("{other}: {}", answer.text()),
            }
        }
        assert_eq!((successors.len(), waits), (11, 39), "the first use and ten repeats");
        let ids = |tokens: &Value| {
            let access = claims(&text(tokens, "access_token"));
            (refresh_token(tokens), access["jti"].clone(), access["iat"].clone())
        };
        assert!(successors.windows(2).all(|pair| ids(&pair[0]) == ids(&pair[1])), "one leaf");
        refreshed(&t, &app, &refresh_token(&successors[0])).await;
        assert!(at_risk(&t).await.is_empty());
    }

    async fn a078_two_tabs_get_the_same_successor_and_afterwards_it_is_reuse(t: TestServer) {
        let (_, app, first) = ada(&t).await;
        let here = refreshed(&t, &app, &refresh_token(&first)).await;
        assert_eq!(app.userinfo(&t.client(), &text(&here, "access_token")).await.status(), 200);
        t.clock().advance(Duration::from_millis(50));
        let there = refreshed(&t, &app, &refresh_token(&first)).await;
        assert_eq!(refresh_token(&here), refresh_token(&there));
        for tokens in [&here, &there] {
            assert_eq!(app.userinfo(&t.client(), &text(tokens, "access_token")).await.status(), 200);
        }
        t.clock().advance(Duration::from_secs(30));
        assert_refused(&app.refresh(&t.client(), &refresh_token(&first)).await, "invalid_grant");
        assert_dead(&t, &app, &[&here, &there]).await;
    }

    async fn a079_a_lost_answer_is_given_again_until_the_window_ends(t: TestServer) {
        let (_, app, first) = ada(&t).await;
        let lost = refreshed(&t, &app, &refresh_token(&first)).await;
        t.clock().advance(Duration::from_secs(30));
        let again = refreshed(&t, &app, &refresh_token(&first)).await;
        assert_eq!(refresh_token(&lost), refresh_token(&again));
        refreshed(&t, &app, &refresh_token(&again)).await;
        assert!(at_risk(&t).await.is_empty());
    }

    async fn f02_the_answer_to_a_retry_is_the_answer_that_was_lost(t: TestServer) {
        let (_, app, first) = ada(&t).await;
        let lost = refreshed(&t, &app, &refresh_token(&first)).await;
        t.clock().advance(Duration::from_secs(7));
        let again = refreshed(&t, &app, &refresh_token(&first)).await;
        assert_eq!(refresh_token(&lost), refresh_token(&again));
        let [before, after] = [&lost, &again].map(|tokens| claims(&text(tokens, "access_token")));
        assert_eq!(before, after, "the access token says the same to the letter");
        assert_eq!(again["expires_in"].as_u64().unwrap() + 7, lost["expires_in"].as_u64().unwrap());
        let id = claims(&text(&again, "id_token"));
        assert_eq!(id["iat"], t.clock().now().seconds(), "an ID token is of now, or clients would refuse a late one");
        assert_eq!((&id["sub"], &id["sid"], id.get("nonce")), (&before["sub"], &before["sid"], None));
    }

    async fn a_repeat_outlives_a_rotation_of_the_keys(t: TestServer) {
        let (_, app, first) = ada(&t).await;
        let lost = refreshed(&t, &app, &refresh_token(&first)).await;
        let rotated = t.operator().post_json("/api/v1/keys/rotations", &json!({ "purpose": "opaque" })).await;
        assert_eq!(rotated.status(), 200, "{}", rotated.text());
        let again = refreshed(&t, &app, &refresh_token(&first)).await;
        assert_eq!(refresh_token(&lost), refresh_token(&again));
        let [before, after] = [&lost, &again].map(|tokens| claims(&text(tokens, "access_token")));
        assert_eq!(before["jti"], after["jti"]);
        let next = refreshed(&t, &app, &refresh_token(&again)).await;
        assert_eq!(refresh_token(&next), refresh_token(&refreshed(&t, &app, &refresh_token(&again)).await));
    }

    async fn the_realm_says_how_long_and_how_often_a_token_may_be_repeated(t: TestServer) {
        let (_, app, first) = ada(&t).await;
        set(&t, json!({ "refresh_retry_window": "5s", "refresh_retries": 2 })).await;
        let second = refreshed(&t, &app, &refresh_token(&first)).await;
        for _ in 0..2 {
            assert_eq!(refresh_token(&refreshed(&t, &app, &refresh_token(&first)).await), refresh_token(&second));
        }
        let third = app.refresh(&t.client(), &refresh_token(&first)).await;
        assert_eq!((third.status(), third.code()), (429, "slow_down".to_owned()));
        let third = refreshed(&t, &app, &refresh_token(&second)).await;
        t.clock().advance(Duration::from_secs(6));
        assert_refused(&app.refresh(&t.client(), &refresh_token(&second)).await, "invalid_grant");
        assert_dead(&t, &app, &[&third]).await;

        set(&t, json!({ "refresh_retry_window": "0s" })).await;
        let strict = app.tokens(&t, &mut signed_in(&t, ADA).await).await;
        let next = refreshed(&t, &app, &refresh_token(&strict)).await;
        assert_refused(&app.refresh(&t.client(), &refresh_token(&strict)).await, "invalid_grant");
        assert_dead(&t, &app, &[&next]).await;
        for wrong in [json!({ "refresh_retry_window": "61s" }), json!({ "refresh_retries": 0 })] {
            let body = json!({ "settings": { "tokens": wrong } });
            assert_eq!(t.operator().patch_json("/api/v1/realms/main", &body).await.status(), 400);
        }
    }

    async fn a081_a_token_is_good_for_its_own_client_and_no_wider_scope(t: TestServer) {
        let (_, app, first) = ada(&t).await;
        let other = public_app(&t).await;
        assert_refused(&other.refresh(&t.client(), &refresh_token(&first)).await, "invalid_grant");
        assert_refused(&narrower(&t.client(), &app, &refresh_token(&first), "openid notes:read").await, "invalid_scope");
        let second = refreshed(&t, &app, &refresh_token(&first)).await;
        let third = refreshed(&t, &app, &refresh_token(&second)).await;
        assert_refused(&other.refresh(&t.client(), &refresh_token(&first)).await, "invalid_grant");
        assert_eq!(app.userinfo(&t.client(), &text(&third, "access_token")).await.status(), 200);
        assert!(notices(&t).await.is_empty(), "another client's try costs the owner nothing");
        refreshed(&t, &app, &refresh_token(&third)).await;
    }

    async fn a_repeat_with_fewer_scopes_is_another_access_token_of_the_same_leaf(t: TestServer) {
        let (_, app, first) = ada(&t).await;
        let whole = refreshed(&t, &app, &refresh_token(&first)).await;
        let fewer: Value = narrower(&t.client(), &app, &refresh_token(&first), "openid").await.json();
        assert_eq!((text(&whole, "scope").as_str(), text(&fewer, "scope").as_str()), ("openid profile email", "openid"));
        assert_eq!(refresh_token(&whole), refresh_token(&fewer));
        let [one, two] = [&whole, &fewer].map(|tokens| claims(&text(tokens, "access_token")));
        assert_ne!(one["jti"], two["jti"], "two tokens bear two names");
        assert_eq!(one["iat"], two["iat"]);
        let next = refreshed(&t, &app, &refresh_token(&fewer)).await;
        assert_eq!(text(&next, "scope"), "openid profile email", "the family keeps what was granted");
    }

    async fn a082_whatever_ends_a_sign_in_ends_its_refresh_tokens_at_once(t: TestServer) {
        let paths = ["reset", "disable", "consent withdrawal", "password set by an administrator", "signed out everywhere"];
        for (number, path) in paths.into_iter().enumerate() {
            let email = format!("user{number}@example.com");
            let user = user(&t, &email).await;
            let id = text(&user, "id");
            let app = app_with(&t, "", json!({ "token_endpoint_auth_method": "none", "first_party": true,
                "grant_types": ["authorization_code", "refresh_token"] })).await;
            let tokens = app.tokens(&t, &mut signed_in(&t, &email).await).await;
            let operator = t.operator();
            match path {
                "reset" => {
                    let mut browser = t.browser();
                    let page = browser.open("/recover").await;
                    let page = browser.submit(&page, &page.only_form().fill("email", &email)).await;
                    let page = submit_code(&mut browser, &page, &code(&t, "main", &email).await).await;
                    browser.submit(&page, &page.only_form().fill("password", OTHER_PASSWORD)).await;
                }
                "disable" => {
                    assert_eq!(operator.post_json(&format!("/api/v1/users/{id}/disable"), &json!({})).await.status(), 200);
                }
                "consent withdrawal" => {
                    let granted: Value = operator.get(&format!("/api/v1/users/{id}/grants")).await.json();
                    assert_eq!(granted["items"][0]["client_id"], app.client_id);
                    let grant = format!("/api/v1/users/{id}/grants/{}", text(&granted["items"][0], "id"));
                    let request = || operator.request(Method::DELETE, &grant).body(bytes::Bytes::new()).unwrap();
                    assert_eq!(operator.send(request()).await.status(), 204);
                    assert_eq!(operator.send(request()).await.status(), 404, "once");
                    let left: Value = operator.get(&format!("/api/v1/users/{id}/grants")).await.json();
                    assert_eq!(left["items"], json!([]));
                }
                "signed out everywhere" => {
                    assert_eq!(operator.post_json(&format!("/api/v1/users/{id}/sign-out"), &json!({})).await.status(), 200);
                }
                _ => {
                    let body = json!({ "password": OTHER_PASSWORD }).to_string();
                    let request = operator.request(Method::PUT, &format!("/api/v1/users/{id}/password"));
                    let request = request.header("content-type", "application/json").body(body.into()).unwrap();
                    assert_eq!(operator.send(request).await.status(), 204);
                }
            }
            assert_refused(&app.refresh(&t.client(), &refresh_token(&tokens)).await, "invalid_grant");
            let answer = app.userinfo(&t.client(), &text(&tokens, "access_token")).await;
            assert_eq!(answer.status(), 401, "{path}");
        }
    }

    async fn a083_sliding_use_ends_at_the_absolute_limit(t: TestServer) {
        let (_, app, mut tokens) = ada(&t).await;
        for _ in 0..2 {
            t.clock().advance(Duration::from_hours(14 * 24) - Duration::from_secs(1));
            tokens = refreshed(&t, &app, &refresh_token(&tokens)).await;
        }
        t.clock().advance(Duration::from_hours(2 * 24));
        let last = refreshed(&t, &app, &refresh_token(&tokens)).await;
        t.clock().advance(Duration::from_secs(2));
        assert_refused(&app.refresh(&t.client(), &refresh_token(&tokens)).await, "invalid_grant");
        assert_refused(&app.refresh(&t.client(), &refresh_token(&last)).await, "invalid_grant");
        assert!(at_risk(&t).await.is_empty(), "what is over is not stolen");
        let idle = app.tokens(&t, &mut signed_in(&t, ADA).await).await;
        t.clock().advance(Duration::from_hours(14 * 24));
        assert_refused(&app.refresh(&t.client(), &refresh_token(&idle)).await, "invalid_grant");
    }

    async fn a084_two_devices_that_refresh_at_once_lose_nothing(t: TestServer) {
        let (_, app, phone) = ada(&t).await;
        let laptop = app.tokens(&t, &mut signed_in(&t, ADA).await).await;
        let mut held = [phone, laptop];
        for _ in 0..5 {
            let both = held.map(|tokens| {
                let (app, client) = (app.clone(), t.client());
                tokio::spawn(async move { app.refresh(&client, &refresh_token(&tokens)).await })
            });
            let mut next = Vec::new();
            for one in both {
                let answer = one.await.unwrap();
                assert_eq!(answer.status(), 200, "{}", answer.text());
                next.push(answer.json::<Value>());
            }
            held = next.try_into().unwrap();
        }
        assert_ne!(refresh_token(&held[0]), refresh_token(&held[1]));
        for tokens in &held {
            assert_eq!(app.userinfo(&t.client(), &text(tokens, "access_token")).await.status(), 200);
        }
    }
}
