//! Introspection (RFC 7662) of signed and of opaque access tokens, and what an API may choose.

use core::time::Duration;

use base64::Engine as _;
use claviger_testkit::kernel::Clock as _;
use claviger_testkit::{Answer, Client, TestServer, tests};
use http::Method;
use serde_json::{Value, json};

use crate::people::{
    ADA, App, app, app_with, basic, claims, created, logged, peer, public_app, query, realm, signed_in, text, user,
    user_in,
};

pub(super) const FORMATS: [&str; 2] = ["jwt", "opaque"];
const INACTIVE: &str = r#"{"active":false}"#;

/// POST of a form as `app`, in whichever way it proves itself.
pub(super) async fn post(client: &Client, app: &App, path: &str, fields: &[(&str, &str)]) -> Answer {
    let mut fields = fields.to_vec();
    let path = format!("{}{path}", app.base);
    let Some(secret) = &app.secret else {
        fields.push(("client_id", &app.client_id));
        return client.post_form(&path, &fields).await;
    };
    let request = client.request(Method::POST, &path).header("authorization", basic(&app.client_id, secret));
    let request = request.header("content-type", "application/x-www-form-urlencoded");
    client.send(request.body(query(&fields).into()).unwrap()).await
}

/// What `app` is told of a token.
pub(super) async fn introspected(t: &TestServer, app: &App, token: &str) -> Value {
    let answer = post(&t.client(), app, "/oauth2/introspect", &[("token", token)]).await;
    assert_eq!(answer.status(), 200, "{}", answer.text());
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    if answer.json::<Value>()["active"] != true {
        assert_eq!(answer.text(), INACTIVE, "nothing else is told");
    }
    answer.json()
}

pub(super) async fn is_active(t: &TestServer, app: &App, token: &str) -> bool {
    introspected(t, app, token).await["active"] == true
}

pub(super) fn audience(format: &str) -> String {
    format!("https://{format}.test")
}

/// An API whose tokens are of this format, and the client as which it asks.
pub(super) async fn api(t: &TestServer, base: &str, format: &str) -> App {
    let body =
        json!({ "audience": audience(format), "name": "Notes", "scopes": ["notes:read"], "token_format": format });
    created(&t.operator().post_json(&format!("{base}/api/v1/resource-servers"), &body).await);
    app_with(t, base, json!({ "introspects": [audience(format)], "scopes": "", "grant_types": ["client_credentials"] }))
        .await
}

/// Tokens of a user for the API of this format.
pub(super) async fn tokens_for(t: &TestServer, app: &App, email: &str, format: &str) -> Value {
    let mut browser = signed_in(t, email).await;
    let resource = audience(format);
    let code = app.code(&mut browser, &[("scope", "openid notes:read"), ("resource", &resource)]).await;
    let answer = app.redeem(&t.client(), &code).await;
    assert_eq!(answer.status(), 200, "{}", answer.text());
    answer.json()
}

/// A machine's own token for the API of this format.
pub(super) async fn machine_token(t: &TestServer, app: &App, format: &str) -> String {
    let fields = [("grant_type", "client_credentials"), ("scope", "notes:read"), ("resource", &audience(format))];
    text(&app.token(&t.client(), &fields).await.json(), "access_token")
}

async fn patch(t: &TestServer, path: &str, body: &Value) -> Value {
    let answer = t.operator().patch_json(path, body).await;
    assert_eq!(answer.status(), 200, "{}", answer.text());
    answer.json()
}

tests! {
    async fn an_api_is_told_the_same_of_a_signed_and_of_an_opaque_token(t: TestServer) {
        let ada = user(&t, ADA).await;
        let app = app(&t).await;
        for format in FORMATS {
            let api = api(&t, "", format).await;
            let token = text(&tokens_for(&t, &app, ADA, format).await, "access_token");
            assert_eq!(token.starts_with("cvat_"), format == "opaque", "{token}");
            let told = introspected(&t, &api, &token).await;
            for (name, value) in [
                ("active", json!(true)),
                ("client_id", json!(app.client_id)),
                ("sub", ada["subject"].clone()),
                ("aud", json!(audience(format))),
                ("iss", json!("https://id.test")),
                ("scope", json!("openid notes:read")),
                ("token_type", json!("Bearer")),
            ] {
                assert_eq!(told[name], value, "{format}: {name}");
            }
            let life = told["exp"].as_i64().unwrap() - told["iat"].as_i64().unwrap();
            assert_eq!(life, if format == "opaque" { 900 } else { 300 }, "{format}");
            let names: Vec<&str> = told.as_object().unwrap().keys().map(String::as_str).collect();
            let all = ["acr", "active", "aud", "auth_time", "client_id", "exp", "iat", "iss", "jti", "scope", "sid", "sub", "token_type"];
            assert_eq!(names.iter().copied().collect::<std::collections::BTreeSet<_>>(), all.into(), "{format}");
            if format == "jwt" {
                let says = claims(&token);
                for name in ["sub", "jti", "exp", "iat", "sid", "auth_time", "acr"] {
                    assert_eq!(says[name], told[name], "{name}");
                }
            }
            let own = introspected(&t, &app, &token).await;
            assert_eq!(own, told, "the client to which it was issued may ask as well");
        }
    }

    async fn an_opaque_token_tells_nothing_to_whoever_holds_it(t: TestServer) {
        let ada = user(&t, ADA).await;
        let app = app(&t).await;
        api(&t, "", "opaque").await;
        let token = text(&tokens_for(&t, &app, ADA, "opaque").await, "access_token");
        let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(token.strip_prefix("cvat_").unwrap()).unwrap();
        let inside = String::from_utf8_lossy(&bytes);
        for secret in [text(&ada, "subject"), app.client_id.clone(), audience("opaque"), "notes:read".to_owned()] {
            assert!(!inside.contains(&secret), "{secret}");
        }
        assert!(!token.contains('.'));
    }

    async fn a065_an_api_is_told_nothing_of_another_apis_tokens(t: TestServer) {
        user(&t, ADA).await;
        let app = app(&t).await;
        let [jwt, opaque] = [api(&t, "", "jwt").await, api(&t, "", "opaque").await];
        // Linked by scope and by default, as a caller of the API; that does not make it the API.
        let caller = app_with(&t, "", json!({ "default_audience": audience("jwt"), "scopes": "notes:read" })).await;
        for (format, its, other) in [("jwt", &jwt, &opaque), ("opaque", &opaque, &jwt)] {
            let token = text(&tokens_for(&t, &app, ADA, format).await, "access_token");
            assert!(is_active(&t, its, &token).await);
            for stranger in [other, &caller] {
                let (answer, log) = logged(post(&t.client_at(peer("192.0.2.9")), stranger, "/oauth2/introspect", &[("token", &token)])).await;
                assert_eq!((answer.status(), answer.text()), (200, INACTIVE), "{format}");
                assert!(log.contains("neither issued to this client nor for an API of its"), "{log}");
                assert!(!log.contains(&token));
            }
            let machine = machine_token(&t, &app, format).await;
            assert!(is_active(&t, its, &machine).await && !is_active(&t, other, &machine).await);
        }
    }

    async fn a065_whoever_does_not_prove_itself_is_told_nothing(t: TestServer) {
        user(&t, ADA).await;
        let (app, public) = (app(&t).await, public_app(&t).await);
        let token = text(&app.tokens(&t, &mut signed_in(&t, ADA).await).await, "access_token");
        let wrong = App { secret: Some("x".repeat(40)), ..app.clone() };
        let own = text(&public.tokens(&t, &mut signed_in(&t, ADA).await).await, "access_token");
        for (asks, token) in [(&wrong, &token), (&public, &token), (&public, &own)] {
            let answer = post(&t.client(), asks, "/oauth2/introspect", &[("token", token)]).await;
            assert_eq!((answer.status(), answer.code()), (401, "invalid_client".to_owned()));
        }
        let answer = t.client().post_form("/oauth2/introspect", &[("token", &token)]).await;
        assert_eq!((answer.status(), answer.code()), (401, "invalid_client".to_owned()));
        let body = json!({ "name": "x", "kind": "public", "settings": { "redirect_uris": ["https://x.test/cb"],
            "token_endpoint_auth_method": "none", "introspects": ["https://jwt.test"] } });
        assert_eq!(t.operator().post_json("/api/v1/clients", &body).await.status(), 400, "a public client is no API");
    }

    async fn a062_a_token_of_another_realm_is_no_token(t: TestServer) {
        let base = realm(&t, "acme").await;
        user(&t, ADA).await;
        user_in(&t, &base, ADA).await;
        let app = app(&t).await;
        for format in FORMATS {
            api(&t, "", format).await;
            let there = api(&t, &base, format).await;
            let token = machine_token(&t, &app, format).await;
            assert!(!is_active(&t, &there, &token).await, "{format}");
        }
    }

    async fn a064_a_forged_or_cut_opaque_token_dies_without_a_look_up(t: TestServer) {
        let app = app(&t).await;
        let api = api(&t, "", "opaque").await;
        let token = machine_token(&t, &app, "opaque").await;
        assert!(is_active(&t, &api, &token).await);
        t.scratch().store.close().await;
        let flipped = |at: usize| {
            let other = if token.as_bytes()[at] == b'A' { "B" } else { "A" };
            format!("{}{other}{}", &token[..at], &token[at + 1..])
        };
        let mut forged: Vec<String> = (5..token.len()).step_by(7).map(flipped).collect();
        forged.extend([token[..token.len() - 1].to_owned(), token[..40].to_owned(), format!("{token}A"), "cvat_".to_owned()]);
        for text in forged {
            assert!(!is_active(&t, &api, &text).await, "{text}");
        }
        assert!(is_active(&t, &api, &token).await);
    }

    async fn a_verdict_given_before_does_not_outlive_what_it_rested_on(t: TestServer) {
        let app = app(&t).await;
        for format in FORMATS {
            let api = api(&t, "", format).await;
            for way in ["token", "family", "session", "user", "client"] {
                let email = format!("{way}@{format}.example.com");
                let person = user(&t, &email).await;
                let victim = app_with(&t, "", json!({ "first_party": true })).await;
                let asks = if way == "client" { &victim } else { &app };
                let tokens = tokens_for(&t, asks, &email, format).await;
                let token = text(&tokens, "access_token");
                assert!(is_active(&t, &api, &token).await && is_active(&t, &api, &token).await);
                let done = match way {
                    "token" => post(&t.client(), asks, "/oauth2/revoke", &[("token", &token)]).await,
                    "family" => post(&t.client(), asks, "/oauth2/revoke", &[("token", &text(&tokens, "refresh_token"))]).await,
                    "session" => {
                        let mut browser = signed_in(&t, &email).await;
                        let code = asks.code(&mut browser, &[("scope", "openid notes:read"), ("resource", &audience(format))]).await;
                        let here = text(&asks.redeem(&t.client(), &code).await.json(), "access_token");
                        assert!(is_active(&t, &api, &here).await);
                        let page = browser.open("/logout").await;
                        let out = browser.press(&page, &page.form("sign-out"), "sign-out").await;
                        assert!(out.status() < 400, "{}", out.text());
                        assert!(!is_active(&t, &api, &here).await, "{format}: {way}");
                        assert!(is_active(&t, &api, &token).await, "the other session goes on");
                        continue;
                    }
                    "user" => t.operator().post_json(&format!("/api/v1/users/{}/disable", text(&person, "id")), &json!({})).await,
                    _ => {
                        let path = format!("/api/v1/clients/{}", victim.client_id);
                        t.operator().send(t.operator().request(Method::DELETE, &path).body(bytes::Bytes::new()).unwrap()).await
                    }
                };
                assert!(done.status() < 300, "{way}: {}", done.text());
                assert!(!is_active(&t, &api, &token).await, "{format}: {way}");
            }
        }
    }

    async fn a_token_lives_as_long_as_its_api_says(t: TestServer) {
        let app = app(&t).await;
        for (format, more, life) in [
            ("jwt", json!({}), 300),
            ("jwt", json!({ "revocation_aware": true }), 900),
            ("opaque", json!({}), 900),
            ("opaque", json!({ "access_token_seconds": 60 }), 60),
            ("jwt", json!({ "access_token_seconds": 600 }), 600),
        ] {
            let mut body = json!({ "audience": audience(format), "name": "Notes", "scopes": ["notes:read"], "token_format": format });
            body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            let made = created(&t.operator().post_json("/api/v1/resource-servers", &body).await);
            assert_eq!(made["token_format"], format);
            let fields = [("grant_type", "client_credentials"), ("scope", "notes:read"), ("resource", &audience(format))];
            let answer: Value = app.token(&t.client(), &fields).await.json();
            assert_eq!(answer["expires_in"], life, "{body}");
            let token = text(&answer, "access_token");
            t.clock().advance(Duration::from_secs(life - 1));
            assert!(is_active(&t, &app, &token).await, "{body}");
            t.clock().advance(Duration::from_secs(1));
            assert!(!is_active(&t, &app, &token).await, "{body}");
            let path = format!("/api/v1/resource-servers/{}", text(&made, "id"));
            let gone = t.operator().send(t.operator().request(Method::DELETE, &path).body(bytes::Bytes::new()).unwrap()).await;
            assert_eq!(gone.status(), 204);
        }
    }

    async fn an_api_can_be_changed_and_its_next_token_shows_it(t: TestServer) {
        let app = app(&t).await;
        let api = api(&t, "", "jwt").await;
        let before = machine_token(&t, &app, "jwt").await;
        let listed: Value = t.operator().get("/api/v1/resource-servers").await.json();
        let path = format!("/api/v1/resource-servers/{}", text(&listed["items"][0], "id"));
        let changed = patch(&t, &path, &json!({ "token_format": "opaque", "access_token_seconds": 120 })).await;
        assert_eq!((&changed["revocation_aware"], &changed["name"]), (&json!(true), &json!("Notes")), "whoever must ask is aware");
        assert_eq!(t.operator().get(&path).await.json::<Value>(), changed);
        let after = machine_token(&t, &app, "jwt").await;
        assert!(after.starts_with("cvat_") && !before.starts_with("cvat_"));
        assert!(is_active(&t, &api, &before).await && is_active(&t, &api, &after).await, "what was issued keeps its form");
        let reset = patch(&t, &path, &json!({ "access_token_seconds": null, "name": "Other" })).await;
        assert_eq!((&reset["access_token_seconds"], &reset["name"]), (&Value::Null, &json!("Other")));
        for wrong in [json!({ "token_format": "saml" }), json!({ "access_token_seconds": 1 }), json!({ "audience": "https://x.test" }), json!({ "name": "" })] {
            assert_eq!(t.operator().patch_json(&path, &wrong).await.status(), 400, "{wrong}");
        }
        assert_eq!(t.operator().patch_json("/api/v1/resource-servers/rsv_x", &json!({})).await.status(), 404);
    }

    async fn a_client_that_changes_is_what_it_is_now_at_the_next_request(t: TestServer) {
        let app = app(&t).await;
        let api = api(&t, "", "opaque").await;
        let token = machine_token(&t, &app, "opaque").await;
        assert!(is_active(&t, &api, &token).await);
        let path = format!("/api/v1/clients/{}", api.client_id);
        patch(&t, &path, &json!({ "settings": { "introspects": [] } })).await;
        assert!(!is_active(&t, &api, &token).await);
        patch(&t, &path, &json!({ "settings": { "introspects": [audience("opaque")] } })).await;
        assert!(is_active(&t, &api, &token).await);
        // The secret before stays good for as long as was said, and not a moment longer, although it is known here.
        let rotated = created(&t.operator().post_json(&format!("{path}/secrets"), &json!({ "overlap_seconds": 10 })).await);
        let newer = App { secret: Some(text(&rotated, "client_secret")), ..api.clone() };
        assert!(is_active(&t, &api, &token).await && is_active(&t, &newer, &token).await);
        t.clock().advance(Duration::from_secs(10));
        assert_eq!(post(&t.client(), &api, "/oauth2/introspect", &[("token", &token)]).await.code(), "invalid_client");
        assert!(is_active(&t, &newer, &token).await);
        t.operator().send(t.operator().request(Method::DELETE, &path).body(bytes::Bytes::new()).unwrap()).await;
        assert_eq!(post(&t.client(), &newer, "/oauth2/introspect", &[("token", &token)]).await.code(), "invalid_client");
    }

    async fn f32_with_the_store_away_an_api_that_is_known_here_is_told_as_before(t: TestServer) {
        user(&t, ADA).await;
        let app = app(&t).await;
        let mut known = Vec::new();
        for format in FORMATS {
            let api = api(&t, "", format).await;
            let tokens = tokens_for(&t, &app, ADA, format).await;
            let revoked = text(&tokens_for(&t, &app, ADA, format).await, "access_token");
            assert_eq!(post(&t.client(), &app, "/oauth2/revoke", &[("token", &revoked)]).await.status(), 200);
            assert!(is_active(&t, &api, &text(&tokens, "access_token")).await);
            known.push((api, tokens, revoked));
        }
        let stranger = app_with(&t, "", json!({})).await;
        t.scratch().store.close().await;
        for (api, tokens, revoked) in &known {
            let token = text(tokens, "access_token");
            assert!(is_active(&t, api, &token).await && !is_active(&t, api, revoked).await);
            for (asks, path, field, value) in [
                (&stranger, "/oauth2/introspect", "token", &token),
                (&app, "/oauth2/introspect", "token", &text(tokens, "refresh_token")),
                (&app, "/oauth2/revoke", "token", &token),
                (&app, "/oauth2/revoke", "token", &text(tokens, "refresh_token")),
                (&app, "/oauth2/token", "refresh_token", &text(tokens, "refresh_token")),
            ] {
                let answer = post(&t.client(), asks, path, &[("grant_type", "refresh_token"), (field, value)]).await;
                assert_eq!((answer.status(), answer.code()), (503, "temporarily_unavailable".to_owned()), "{path} {field}");
                assert!(answer.header("retry-after").is_some());
            }
        }
        t.clock().advance(Duration::from_mins(4));
        assert!(is_active(&t, &known[0].0, &text(&known[0].1, "access_token")).await);
        t.clock().advance(Duration::from_mins(1));
        assert!(!is_active(&t, &known[0].0, &text(&known[0].1, "access_token")).await, "no token lives longer for it");
    }

    async fn asking_and_issuing_to_machines_write_nothing(t: TestServer) {
        user(&t, ADA).await;
        let app = app(&t).await;
        for format in FORMATS {
            let api = api(&t, "", format).await;
            let tokens = tokens_for(&t, &app, ADA, format).await;
            machine_token(&t, &app, format).await;
            let before = t.durable_rows().await;
            let machine = machine_token(&t, &app, format).await;
            for token in [&machine, &text(&tokens, "access_token"), &text(&tokens, "refresh_token"), &"nothing".to_owned()] {
                introspected(&t, &api, token).await;
                introspected(&t, &app, token).await;
            }
            assert_eq!(t.durable_rows().await, before, "{format}: but for the count of the minute, which stood");
        }
    }

    async fn a_client_can_ask_about_its_own_refresh_token(t: TestServer) {
        let ada = user(&t, ADA).await;
        let (mine, other) = (app(&t).await, app(&t).await);
        let tokens = mine.tokens(&t, &mut signed_in(&t, ADA).await).await;
        let first = text(&tokens, "refresh_token");
        let told = introspected(&t, &mine, &first).await;
        assert_eq!((&told["active"], &told["sub"]), (&json!(true), &ada["subject"]));
        assert_eq!((&told["client_id"], told.get("token_type")), (&json!(mine.client_id), None));
        assert!(!is_active(&t, &other, &first).await);
        let second = text(&mine.refresh(&t.client(), &first).await.json(), "refresh_token");
        assert!(!is_active(&t, &mine, &first).await && is_active(&t, &mine, &second).await);
        t.clock().advance(Duration::from_mins(1));
        assert!(!is_active(&t, &mine, &first).await, "used long ago: asking about it ends nothing");
        assert!(is_active(&t, &mine, &second).await);
        assert_eq!(mine.refresh(&t.client(), &second).await.status(), 200);
    }

    async fn a_refresh_tokens_exp_is_the_earlier_of_its_idle_and_its_absolute_end(t: TestServer) {
        user(&t, ADA).await;
        let app = app(&t).await;
        let lives = json!({ "refresh_idle": "60m", "refresh_absolute": "90m" });
        patch(&t, "/api/v1/realms/main", &json!({ "settings": { "tokens": lives } })).await;
        let in_minutes = |minutes: u64| json!(t.clock().now().plus(Duration::from_mins(minutes)).seconds());
        let (idle, absolute) = (in_minutes(60), in_minutes(90));
        let first = text(&app.tokens(&t, &mut signed_in(&t, ADA).await).await, "refresh_token");
        assert_eq!(introspected(&t, &app, &first).await["exp"], idle);
        t.clock().advance(Duration::from_mins(20));
        assert_eq!(introspected(&t, &app, &first).await["exp"], idle, "being asked about is no use");
        let second = text(&app.refresh(&t.client(), &first).await.json(), "refresh_token");
        assert_eq!(introspected(&t, &app, &second).await["exp"], in_minutes(60));
        t.clock().advance(Duration::from_mins(20));
        let third = text(&app.refresh(&t.client(), &second).await.json(), "refresh_token");
        assert_eq!(introspected(&t, &app, &third).await["exp"], absolute);
        t.clock().advance(Duration::from_mins(50) - Duration::from_secs(1));
        assert!(is_active(&t, &app, &third).await);
        t.clock().advance(Duration::from_secs(1));
        assert!(!is_active(&t, &app, &third).await, "it is over when `exp` says so");
    }

    async fn asking_about_a_used_refresh_token_ends_nothing_whatever_the_realms_retry_rule(t: TestServer) {
        user(&t, ADA).await;
        let app = app(&t).await;
        for rule in [
            json!({ "refresh_retry_window": "60s", "refresh_retries": 1 }),
            json!({ "refresh_retry_window": "5s", "refresh_retries": 100 }),
            json!({ "refresh_retry_window": "0s" }),
        ] {
            patch(&t, "/api/v1/realms/main", &json!({ "settings": { "tokens": rule } })).await;
            let tokens = app.tokens(&t, &mut signed_in(&t, ADA).await).await;
            let first = text(&tokens, "refresh_token");
            let second = text(&app.refresh(&t.client(), &first).await.json(), "refresh_token");
            let rows = t.durable_rows().await;
            for _ in 0..3 {
                assert!(!is_active(&t, &app, &first).await && is_active(&t, &app, &second).await, "{rule}");
                t.clock().advance(Duration::from_secs(4));
            }
            assert_eq!(t.durable_rows().await, rows);
            // The realm's rule, and not how often was asked, says whether the answer is given once more.
            let again = app.refresh(&t.client(), &first).await;
            let expected = if rule["refresh_retry_window"] == "60s" { 200 } else { 400 };
            assert_eq!(again.status(), expected, "{rule}: {}", again.text());
            assert_eq!(is_active(&t, &app, &second).await, expected == 200, "{rule}");
        }
    }

    async fn a079_a_repeated_refresh_gives_the_identical_opaque_token(t: TestServer) {
        user(&t, ADA).await;
        let app = app(&t).await;
        api(&t, "", "opaque").await;
        let tokens = tokens_for(&t, &app, ADA, "opaque").await;
        let first: Value = app.refresh(&t.client(), &text(&tokens, "refresh_token")).await.json();
        t.clock().advance(Duration::from_secs(20));
        let again: Value = app.refresh(&t.client(), &text(&tokens, "refresh_token")).await.json();
        assert_eq!((&first["access_token"], &first["refresh_token"]), (&again["access_token"], &again["refresh_token"]));
        assert_eq!((&first["expires_in"], &again["expires_in"]), (&json!(900), &json!(880)));
        assert_ne!(first["access_token"], tokens["access_token"]);
    }

    async fn what_is_no_question_is_refused(t: TestServer) {
        let app = app(&t).await;
        for path in ["/oauth2/introspect", "/oauth2/revoke"] {
            let answer = post(&t.client(), &app, path, &[]).await;
            assert_eq!((answer.status(), answer.code()), (400, "invalid_request".to_owned()), "{path}");
            let answer = post(&t.client(), &app, path, &[("token", "a"), ("token", "b")]).await;
            assert_eq!((answer.status(), answer.code()), (400, "invalid_request".to_owned()), "{path}");
            let answer = post(&t.client(), &app, &format!("{path}?token=a"), &[("token", "a")]).await;
            assert_eq!((answer.status(), answer.code()), (400, "invalid_request".to_owned()), "{path}");
            assert_eq!(t.client().get(&format!("{path}?token=a")).await.status(), 405, "{path}");
            let body = json!({ "token": "a" });
            assert_eq!(t.client().post_json(path, &body).await.status(), 415, "{path}");
            for odd in ["é", "a.b.c", "..", "cvat_", "cvrt_", "cvat_====", &"a".repeat(20_000)] {
                let answer = post(&t.client(), &app, path, &[("token", odd), ("token_type_hint", "saml_assertion")]).await;
                assert_eq!(answer.status(), 200, "{path} {odd:.20}: {}", answer.text());
            }
        }
    }

    async fn the_endpoints_are_advertised(t: TestServer) {
        let metadata: Value = t.client().get("/.well-known/oauth-authorization-server").await.json();
        assert_eq!(metadata["introspection_endpoint"], "https://id.test/oauth2/introspect");
        assert_eq!(metadata["revocation_endpoint"], "https://id.test/oauth2/revoke");
        let methods = |of: &str| metadata[format!("{of}_endpoint_auth_methods_supported")].clone();
        assert_eq!(methods("introspection"), json!(["client_secret_basic", "client_secret_post"]));
        assert_eq!(methods("revocation"), methods("token"));
    }
}
