//! Revocation (RFC 7009): a client gives its tokens back.

use core::time::Duration;

use claviger_testkit::kernel::{Clock as _, Timestamp};
use claviger_testkit::{Client, TestServer, tests};
use http::Method;
use serde_json::{Value, json};

use super::introspection::{FORMATS, api, introspected, is_active, machine_token, post, tokens_for};
use crate::people::{ADA, App, app, public_app, query, signed_in, text, user};

const REVOKE: &str = "/oauth2/revoke";

async fn revoke(client: &Client, app: &App, token: &str) -> (u16, String) {
    let answer = post(client, app, REVOKE, &[("token", token)]).await;
    let code = if answer.status() == 200 { String::new() } else { answer.code() };
    assert!(answer.status() != 200 || answer.text().is_empty(), "{}", answer.text());
    (answer.status(), code)
}

/// Sets settings of the realm's tokens.
async fn set(t: &TestServer, tokens: Value) {
    let answer = t.operator().patch_json("/api/v1/realms/main", &json!({ "settings": { "tokens": tokens } })).await;
    assert_eq!(answer.status(), 200, "{}", answer.text());
}

fn done() -> (u16, String) {
    (200, String::new())
}

tests! {
    async fn an_access_token_goes_alone_and_twice_is_once(t: TestServer) {
        user(&t, ADA).await;
        let app = app(&t).await;
        for format in FORMATS {
            let api = api(&t, "", format).await;
            let tokens = tokens_for(&t, &app, ADA, format).await;
            let token = text(&tokens, "access_token");
            let machine = machine_token(&t, &app, format).await;
            let before = t.durable_rows().await;
            assert_eq!(revoke(&t.client(), &app, &token).await, done());
            assert!(!is_active(&t, &api, &token).await && is_active(&t, &api, &machine).await, "{format}");
            let once = t.durable_rows().await;
            assert!(once > before);
            assert_eq!(revoke(&t.client(), &app, &token).await, done());
            assert_eq!(t.durable_rows().await, once, "{format}: nothing is left to revoke");
            let next: Value = app.refresh(&t.client(), &text(&tokens, "refresh_token")).await.json();
            assert!(is_active(&t, &api, &text(&next, "access_token")).await, "the sign-in goes on");
        }
        let tokens = app.tokens(&t, &mut signed_in(&t, ADA).await).await;
        let token = text(&tokens, "access_token");
        assert_eq!(app.userinfo(&t.client(), &token).await.status(), 200);
        assert_eq!(revoke(&t.client(), &app, &token).await, done());
        assert_eq!(app.userinfo(&t.client(), &token).await.status(), 401);
    }

    async fn a_refresh_token_takes_its_family_along(t: TestServer) {
        user(&t, ADA).await;
        let app = app(&t).await;
        for format in FORMATS {
            let api = api(&t, "", format).await;
            for which in ["present", "used"] {
                let tokens = tokens_for(&t, &app, ADA, format).await;
                let first = text(&tokens, "refresh_token");
                let next: Value = app.refresh(&t.client(), &first).await.json();
                let other = tokens_for(&t, &app, ADA, format).await;
                let given = if which == "present" { text(&next, "refresh_token") } else { first };
                assert_eq!(revoke(&t.client(), &app, &given).await, done());
                for dead in [&tokens, &next] {
                    assert!(!is_active(&t, &api, &text(dead, "access_token")).await, "{format} {which}");
                    assert_eq!(app.refresh(&t.client(), &text(dead, "refresh_token")).await.code(), "invalid_grant");
                }
                let rows = t.durable_rows().await;
                assert_eq!(revoke(&t.client(), &app, &given).await, done());
                assert_eq!(t.durable_rows().await, rows);
                assert!(is_active(&t, &api, &text(&other, "access_token")).await, "another sign-in goes on");
                assert_eq!(app.refresh(&t.client(), &text(&other, "refresh_token")).await.status(), 200);
            }
        }
    }

    async fn an_expired_refresh_token_takes_along_what_has_not_expired(t: TestServer) {
        user(&t, ADA).await;
        let app = app(&t).await;
        let api = api(&t, "", "opaque").await;
        set(&t, json!({ "refresh_idle": "10s" })).await;
        let tokens = tokens_for(&t, &app, ADA, "opaque").await;
        let (access, refresh) = (text(&tokens, "access_token"), text(&tokens, "refresh_token"));
        t.clock().advance(Duration::from_secs(11));
        assert_eq!(app.refresh(&t.client(), &refresh).await.code(), "invalid_grant");
        assert!(is_active(&t, &api, &access).await);
        assert_eq!(revoke(&t.client(), &app, &refresh).await, done());
        assert!(!is_active(&t, &api, &access).await);
    }

    async fn f22_a_token_is_revoked_for_nodes_by_whose_clocks_it_is_good(t: TestServer) {
        user(&t, ADA).await;
        let app = app(&t).await;
        let half_a_minute = Duration::from_secs(30);
        set(&t, json!({ "clock_skew": "0s" })).await;
        for format in FORMATS {
            let api = api(&t, "", format).await;
            let token = text(&tokens_for(&t, &app, ADA, format).await, "access_token");
            let issued = t.clock().now();
            t.clock().set(issued.minus(half_a_minute));
            assert!(!is_active(&t, &api, &token).await, "{format}: not yet, by this clock");
            assert_eq!(revoke(&t.client(), &app, &token).await, done());
            t.clock().set(issued);
            assert!(!is_active(&t, &api, &token).await, "{format}");

            let token = text(&tokens_for(&t, &app, ADA, format).await, "access_token");
            let over = Timestamp::from_seconds(introspected(&t, &api, &token).await["exp"].as_i64().unwrap());
            t.clock().set(over);
            assert!(!is_active(&t, &api, &token).await, "{format}: no more, by this clock");
            assert_eq!(revoke(&t.client(), &app, &token).await, done());
            t.clock().set(over.minus(half_a_minute));
            assert!(!is_active(&t, &api, &token).await, "{format}");
            t.clock().set(over.plus(half_a_minute * 4));
            let rows = t.durable_rows().await;
            assert_eq!(revoke(&t.client(), &app, &token).await, done());
            assert_eq!(t.durable_rows().await, rows, "long over by every clock");
        }
    }

    async fn f20_a_clock_that_was_an_hour_ahead_for_a_moment_brings_nothing_back(t: TestServer) {
        user(&t, ADA).await;
        let app = app(&t).await;
        for format in FORMATS {
            let api = api(&t, "", format).await;
            let tokens = tokens_for(&t, &app, ADA, format).await;
            let [token, machine] = [text(&tokens, "access_token"), machine_token(&t, &app, format).await];
            assert_eq!(revoke(&t.client(), &app, &token).await, done());
            let right = t.clock().now();
            t.clock().advance(Duration::from_hours(1));
            // What comes now makes the node look at what it may forget.
            let later = machine_token(&t, &app, format).await;
            assert_eq!(revoke(&t.client(), &app, &later).await, done());
            t.clock().set(right);
            assert!(!is_active(&t, &api, &token).await && is_active(&t, &api, &machine).await, "{format}");
        }
    }

    async fn a068_a_token_of_another_client_stays_and_an_unknown_one_is_as_if_revoked(t: TestServer) {
        user(&t, ADA).await;
        let (mine, other, public) = (app(&t).await, app(&t).await, public_app(&t).await);
        for format in FORMATS {
            let api = api(&t, "", format).await;
            let tokens = tokens_for(&t, &mine, ADA, format).await;
            let (access, refresh) = (text(&tokens, "access_token"), text(&tokens, "refresh_token"));
            let rows = t.durable_rows().await;
            for stranger in [&other, &public, &api] {
                for token in [&access, &refresh] {
                    assert_eq!(revoke(&t.client(), stranger, token).await, (400, "invalid_grant".to_owned()), "{format}");
                }
            }
            for unknown in ["unknown", "a.b.c", "cvat_AQAA", "cvrt_AQAA", &access[..access.len() - 2]] {
                assert_eq!(revoke(&t.client(), &mine, unknown).await, done(), "{unknown}");
            }
            let wrong = App { secret: Some("x".repeat(40)), ..mine.clone() };
            assert_eq!(revoke(&t.client(), &wrong, &access).await, (401, "invalid_client".to_owned()));
            assert_eq!(t.durable_rows().await, rows, "nothing was revoked");
            assert!(is_active(&t, &api, &access).await);
            assert_eq!(mine.refresh(&t.client(), &refresh).await.status(), 200);
        }
    }

    async fn a_public_client_gives_its_own_tokens_back_and_its_scripts_read_so(t: TestServer) {
        user(&t, ADA).await;
        let app = public_app(&t).await;
        let tokens = app.tokens(&t, &mut signed_in(&t, ADA).await).await;
        let token = text(&tokens, "refresh_token");
        let from = async |origin: &str| {
            let fields = [("token", token.as_str()), ("client_id", &app.client_id)];
            let request = t.client().request(Method::POST, REVOKE).header("origin", origin);
            let request = request.header("content-type", "application/x-www-form-urlencoded");
            t.client().send(request.body(query(&fields).into()).unwrap()).await
        };
        let answer = from("https://app.test").await;
        assert_eq!((answer.status(), answer.header("access-control-allow-origin")), (200, Some("https://app.test")));
        let answer = from("https://evil.tld").await;
        assert_eq!((answer.status(), answer.header("access-control-allow-origin")), (200, None));
        assert_eq!(answer.header("vary"), Some("Origin"));
        assert_eq!(app.refresh(&t.client(), &token).await.code(), "invalid_grant");
        assert_eq!(app.userinfo(&t.client(), &text(&tokens, "access_token")).await.status(), 401);
    }

    async fn a_wrong_hint_is_only_a_hint(t: TestServer) {
        user(&t, ADA).await;
        let app = app(&t).await;
        let tokens = app.tokens(&t, &mut signed_in(&t, ADA).await).await;
        for (token, hint) in [("access_token", "refresh_token"), ("refresh_token", "access_token"), ("refresh_token", "other")] {
            let fields = [("token", text(&tokens, token)), ("token_type_hint", hint.to_owned())];
            let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
            assert_eq!(post(&t.client(), &app, REVOKE, &fields).await.status(), 200);
        }
        assert_eq!(app.userinfo(&t.client(), &text(&tokens, "access_token")).await.status(), 401);
        assert_eq!(app.refresh(&t.client(), &text(&tokens, "refresh_token")).await.code(), "invalid_grant");
    }
}
