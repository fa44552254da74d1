//! Every kind of value that this server gives out, sent wherever another is expected (RFC 8725 §3.12).

use bytes::Bytes;
use claviger_testkit::jose::{Algorithm, Typ};
use claviger_testkit::kernel::Clock as _;
use claviger_testkit::{Browser, Client, TestServer, tests};
use http::Method;
use serde_json::{Value, json};

use super::introspection::{api, machine_token, post};
use crate::people::{
    ADA, App, CALLBACK, PASSWORD, VERIFIER, app_with, bearer, created, query, set_up_link, sign_in_at, signed_in, text,
};

/// What is given out, by name.
type Values = Vec<(&'static str, String)>;

/// Where a value can be sent, and which kinds are taken there. What ends the thing it is shown comes last.
const PLACES: &[(&str, &[&str])] = &[
    ("userinfo", &["access token"]),
    ("management", &["access token"]),
    ("introspection", &["access token", "opaque access token", "refresh token"]),
    ("session cookie", &["session cookie"]),
    ("client secret", &["client secret"]),
    ("refresh token", &["refresh token"]),
    ("revocation", &[]),
    ("code", &["code"]),
    ("id_token_hint", &["ID token"]),
];

struct Cast {
    app: App,
    browser: Browser,
    values: Values,
}

async fn cast(t: &TestServer) -> Cast {
    let link = set_up_link(t).await;
    let person = json!({ "email": ADA, "email_verified": true, "password": PASSWORD, "roles": ["admin"] });
    created(&t.operator().post_json("/api/v1/users", &person).await);
    let scopes = "openid profile email offline_access notes:read claviger:manage";
    let app = app_with(t, "", json!({ "first_party": true, "scopes": scopes })).await;
    api(t, "", "opaque").await;
    let mut browser = t.browser();
    let page = sign_in_at(&mut browser, "", ADA, PASSWORD).await;
    assert_eq!(page.path(), "/account", "{}", page.text());
    let scope = [("scope", "openid claviger:manage")];
    let code = app.code(&mut browser, &scope).await;
    let tokens: Value = app.redeem(&t.client(), &code).await.json();
    let main = t.services().tenancy.main().unwrap();
    let now = t.clock().now().seconds();
    let logout = json!({ "iss": "https://id.test", "aud": app.client_id, "exp": now + 120, "iat": now, "jti": "l1",
        "sub": "usr_1", "events": { "http://schemas.openid.net/event/backchannel-logout": {} } });
    let signer = t.services().keys.signer(main.id, Algorithm::Es256).unwrap();
    let mut values = vec![
        ("ID token", text(&tokens, "id_token")),
        ("access token", text(&tokens, "access_token")),
        ("opaque access token", machine_token(t, &app, "opaque").await),
        ("refresh token", text(&tokens, "refresh_token")),
        ("logout token", signer.sign_claims(Typ::LogoutToken, &logout).unwrap()),
        ("code", app.code(&mut browser, &scope).await),
        ("client secret", app.secret.clone().unwrap()),
        ("mailed code", mailed_code(t).await),
    ];
    for (name, value) in browser.cookies() {
        let kind = if name == "__Host-sid" { "session cookie" } else { "another cookie" };
        values.push((kind, value.to_owned()));
    }
    values.push(("link", link.rsplit(['=', '/', '#']).next().unwrap().to_owned()));
    assert!(values.iter().any(|(kind, _)| *kind == "session cookie"));
    assert!(values.iter().any(|(kind, _)| *kind == "another cookie"), "the known device");
    Cast { app, browser, values }
}

/// The eight digits with which somebody begins an account.
async fn mailed_code(t: &TestServer) -> String {
    crate::people::sign_up(&mut t.browser(), "", "eve@example.com").await;
    crate::people::code(t, "main", "eve@example.com").await
}

/// Sends `value` to `place`: whether it is taken there for what belongs there. Every refusal is the place's own.
async fn is_taken(t: &TestServer, cast: &mut Cast, place: &str, value: &str) -> bool {
    let (client, app) = (t.client(), cast.app.clone());
    let taken_or = |answer: claviger_testkit::Answer, status: u16, code: &str| match answer.status() {
        200 => true,
        other => {
            assert_eq!((other, answer.code().as_str()), (status, code), "{place}: {}", answer.text());
            false
        }
    };
    match place {
        "userinfo" => taken_or(app.userinfo(&client, value).await, 401, "invalid_token"),
        "management" => {
            let answer = bearer(&client, Method::GET, "/api/v1/users", value).await;
            assert!([200, 401].contains(&answer.status()), "{}", answer.text());
            answer.status() == 200
        }
        "introspection" => {
            let answer = post(&client, &app, "/oauth2/introspect", &[("token", value)]).await;
            assert_eq!(answer.status(), 200, "{}", answer.text());
            answer.json::<Value>()["active"] == true
        }
        "session cookie" => {
            let request = client.request(Method::GET, "/account").header("cookie", format!("__Host-sid={value}"));
            let answer = client.send(request.body(Bytes::new()).unwrap()).await;
            assert!([200, 303].contains(&answer.status()), "{}", answer.text());
            answer.status() == 200
        }
        "client secret" => {
            let other = App { secret: Some(value.to_owned()), ..app };
            taken_or(other.token(&client, &[("grant_type", "client_credentials")]).await, 401, "invalid_client")
        }
        "refresh token" => taken_or(app.refresh(&client, value).await, 400, "invalid_grant"),
        "revocation" => is_revoked(t, &client, &app, value).await,
        "code" => {
            let fields = [
                ("grant_type", "authorization_code"),
                ("code", value),
                ("redirect_uri", CALLBACK),
                ("code_verifier", VERIFIER),
            ];
            taken_or(app.token(&client, &fields).await, 400, "invalid_grant")
        }
        "id_token_hint" => {
            let fields = [("id_token_hint", value), ("post_logout_redirect_uri", "https://app.test/bye")];
            let address = format!("/oauth2/logout?{}", query(&fields));
            let page = cast.browser.arrive_from("https://app.test", &address).await;
            page.url() == "https://app.test/bye"
        }
        _ => unreachable!("a place without a way to it: {place}"),
    }
}

/// Revocation answers alike whatever it is given; only what it has written tells.
async fn is_revoked(t: &TestServer, client: &Client, app: &App, value: &str) -> bool {
    let before = t.durable_rows().await;
    let answer = post(client, app, "/oauth2/revoke", &[("token", value)]).await;
    assert_eq!(answer.status(), 200, "{}", answer.text());
    t.durable_rows().await != before
}

tests! {
    async fn a060_whatever_is_sent_in_anothers_place_is_refused(t: TestServer) {
        let mut cast = cast(&t).await;
        let values = cast.values.clone();
        for (place, takes) in PLACES {
            let revocable = ["access token", "opaque access token", "refresh token"];
            let others = values.iter().filter(|(kind, _)| !takes.contains(kind));
            for (kind, value) in others.filter(|(kind, _)| *place != "revocation" || !revocable.contains(kind)) {
                assert!(!is_taken(&t, &mut cast, place, value).await, "{kind} as {place}");
            }
            // Only now what belongs there: nothing that was refused has used it up.
            for (kind, value) in values.iter().filter(|(kind, _)| takes.contains(kind)) {
                assert!(is_taken(&t, &mut cast, place, value).await, "{kind} as {place}");
            }
        }
        let again = cast.app.code(&mut signed_in(&t, ADA).await, &[]).await;
        let tokens: Value = cast.app.redeem(&t.client(), &again).await.json();
        for kind in ["access_token", "refresh_token"] {
            assert!(is_taken(&t, &mut cast, "revocation", &text(&tokens, kind)).await, "{kind}");
        }
    }
}
