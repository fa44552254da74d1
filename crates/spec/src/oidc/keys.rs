//! What was issued is void once its keys, or all that its client was issued, have been taken back.

use claviger_testkit::{Answer, TestServer, tests};
use serde_json::{Value, json};

use crate::people::{ADA, App, app, is_signed_in, signed_in, text, user};

/// Takes back everything that was issued so far.
#[derive(Clone, Copy, Debug)]
enum NotBefore {
    Client,
    Realm,
}

impl NotBefore {
    async fn set(self, t: &TestServer, app: &App) -> Answer {
        let path = match self {
            Self::Client => format!("/api/v1/clients/{}/revocations", app.client_id),
            Self::Realm => "/api/v1/keys/replacements".to_owned(),
        };
        t.operator().post_json(&path, &json!({})).await
    }
}

/// Whether userinfo, introspection and refresh take the tokens; they must agree.
async fn are_good(t: &TestServer, app: &App, tokens: &Value) -> bool {
    let access = text(tokens, "access_token");
    let userinfo = app.userinfo(&t.client(), &access).await;
    let secret = app.secret.as_deref().unwrap();
    let request = t.client().request(http::Method::POST, "/oauth2/introspect");
    let request = request.header("authorization", crate::people::basic(&app.client_id, secret));
    let request = request.header("content-type", "application/x-www-form-urlencoded");
    let introspected = t.client().send(request.body(crate::people::query(&[("token", &access)]).into()).unwrap()).await;
    let active = introspected.json::<Value>()["active"].as_bool().unwrap();
    let refreshed = app.refresh(&t.client(), &text(tokens, "refresh_token")).await;
    let answers = [userinfo.status() == 200, active, refreshed.status() == 200];
    assert!(answers.iter().all(|one| *one == answers[0]), "{answers:?}");
    if !answers[0] {
        assert_eq!((userinfo.status(), refreshed.code()), (401, "invalid_grant".to_owned()));
    }
    answers[0]
}

tests! {
    async fn a066_the_later_of_the_clients_and_the_realms_not_before_holds_on_every_path(t: TestServer) {
        user(&t, ADA).await;
        for [first, second] in [[NotBefore::Client, NotBefore::Realm], [NotBefore::Realm, NotBefore::Client]] {
            let (one, other) = (app(&t).await, app(&t).await);
            let mut ada = signed_in(&t, ADA).await;
            let (before, beside) = (one.tokens(&t, &mut ada).await, other.tokens(&t, &mut ada).await);
            let code = one.code(&mut ada, &[]).await;
            assert!(are_good(&t, &one, &one.tokens(&t, &mut ada).await).await);
            assert!(matches!(first.set(&t, &one).await.status(), 200 | 204), "{first:?}");
            assert!(!are_good(&t, &one, &before).await, "{first:?}");
            assert_eq!(one.redeem(&t.client(), &code).await.code(), "invalid_grant");
            let of_realm = matches!(first, NotBefore::Realm);
            assert_eq!(are_good(&t, &other, &beside).await, !of_realm, "another client's tokens");
            assert_eq!(is_signed_in(&mut ada).await, !of_realm);
            // What is issued between the two is good until the second.
            let mut ada = signed_in(&t, ADA).await;
            let between = one.tokens(&t, &mut ada).await;
            assert_eq!(one.userinfo(&t.client(), &text(&between, "access_token")).await.status(), 200);
            assert!(matches!(second.set(&t, &one).await.status(), 200 | 204), "{second:?}");
            assert!(!are_good(&t, &one, &between).await, "{second:?}");
            let mut ada = signed_in(&t, ADA).await;
            let after = one.tokens(&t, &mut ada).await;
            assert!(are_good(&t, &one, &after).await);
        }
    }

    async fn f20_a_node_whose_clock_is_off_wants_no_requests_until_it_is_set_right(t: TestServer) {
        let readiness = async || {
            let answer = t.internal().get("/readyz").await;
            (answer.status(), answer.json::<Value>()["failing"].clone())
        };
        t.set_clock_right().await;
        assert_eq!(readiness().await, (200, Value::Null));
        t.clock().advance(core::time::Duration::from_hours(1));
        t.beat().await;
        assert_eq!(readiness().await, (503, json!(["clock"])));
        assert_eq!(t.internal().get("/livez").await.status(), 200, "it is not to be restarted");
        t.set_clock_right().await;
        assert_eq!(readiness().await, (200, Value::Null));
    }
}
