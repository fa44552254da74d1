//! The management surface: who may ask what, and what it never tells.

use std::collections::BTreeSet;

use bytes::Bytes;
use claviger_testkit::http_base::{Access, BodyKind};
use claviger_testkit::{Answer, Client, TestServer, tests};
use http::Method;
use serde_json::{Value, json};

use crate::frame::routes::sample_path;

const PASSWORD: &str = "marmalade tide 47 lanterns";

async fn ask(client: &Client, method: Method, path: &str, bearer: Option<&str>, body: Option<&Value>) -> Answer {
    let mut request = client.request(method, path);
    if let Some(token) = bearer {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    if body.is_some() {
        request = request.header("content-type", "application/json");
    }
    let body = body.map_or_else(Bytes::new, |value| Bytes::from(value.to_string()));
    client.send(request.body(body).unwrap()).await
}

/// A user made by the operator, and an access token for managing that the user got by signing in.
async fn user(t: &TestServer, email: &str, roles: &[&str]) -> (String, String) {
    user_with(t, email, roles, "openid claviger:manage").await
}

/// The same with a token of these scopes.
async fn user_with(t: &TestServer, email: &str, roles: &[&str], scope: &str) -> (String, String) {
    let operator = t.operator();
    let new = json!({ "email": email, "email_verified": true, "password": PASSWORD, "roles": roles });
    let made = operator.post_json("/api/v1/users", &new).await;
    assert_eq!(made.status(), 201, "{}", made.text());
    let id = made.json::<Value>()["id"].as_str().unwrap().to_owned();
    let client_id = format!("console-{}", email.replace('@', "."));
    let client = json!({
        "name": "Console", "client_id": client_id, "kind": "public",
        "settings": {
            "redirect_uris": ["https://console.test/cb"], "first_party": true, "scopes": "openid claviger:manage",
        },
    });
    assert_eq!(operator.post_json("/api/v1/clients", &client).await.status(), 201);
    let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    let mut browser = t.browser();
    let authorize = format!(
        "/oauth2/authorize?client_id={client_id}&redirect_uri=https%3A%2F%2Fconsole.test%2Fcb&response_type=code&scope={}\
         &code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256",
        scope.replace(' ', "+")
    );
    let page = browser.open(&authorize).await;
    let form = page.only_form().fill("email", email).fill("password", PASSWORD);
    let answered = browser.submit(&page, &form).await;
    let code = answered.parameter("code").expect("a code");
    let fields = [
        ("grant_type", "authorization_code"),
        ("client_id", client_id.as_str()),
        ("redirect_uri", "https://console.test/cb"),
        ("code", code.as_str()),
        ("code_verifier", verifier),
    ];
    let tokens = t.client().post_form("/oauth2/token", &fields).await;
    (id, tokens.json::<Value>()["access_token"].as_str().expect("an access token").to_owned())
}

tests! {
    async fn a188_every_management_route_asks_for_its_permission(t: TestServer) {
        let (_, admin) = user(&t, "admin@example.com", &["admin"]).await;
        let (_, plain) = user(&t, "plain@example.com", &[]).await;
        // What is below `auth` is for whoever signs in, and no management.
        let managing = |path: &str| path.starts_with("/api/v1/") && !path.starts_with("/api/v1/auth/");
        let routes: Vec<_> = t.routes().iter().filter(|route| managing(route.path)).cloned().collect();
        assert!(routes.len() > 20);
        for route in routes {
            assert!(matches!(route.access, Access::Permission(_)), "{} declares no permission", route.path);
            let path = sample_path(route.path);
            // A body that no route takes: whoever gets as far as reading it holds the permission.
            let body = (route.body == BodyKind::Json).then(|| json!({ "nothing": "of the kind" }));
            let client = t.client();
            let outcome = async |bearer: Option<&str>| {
                ask(&client, route.method.clone(), &path, bearer, body.as_ref()).await.status()
            };
            let line = format!("{} {}", route.method, route.path);
            assert_eq!(outcome(None).await, 401, "{line} for nobody (A183)");
            assert_eq!(outcome(Some("forged")).await, 401, "{line} for a forged token");
            assert_eq!(outcome(Some(&plain)).await, 403, "{line} for a user without a role");
            let admin = outcome(Some(&admin)).await;
            assert!([200, 400, 404].contains(&admin), "{line} for an administrator: {admin}");
        }
    }

    async fn a183_a_user_id_in_an_anonymous_body_counts_for_nothing(t: TestServer) {
        let (ada, _) = user(&t, "ada@example.com", &["admin"]).await;
        let body = json!({ "user_id": ada, "userId": ada, "actor": ada });
        for path in [format!("/api/v1/users/{ada}/disable"), "/api/v1/clients".to_owned(), "/api/v1/set-up".to_owned()] {
            assert_eq!(t.client().post_json(&path, &body).await.status(), 401, "{path}");
        }
    }

    async fn a182_unknown_members_are_refused(t: TestServer) {
        let operator = t.operator();
        for (path, body) in [
            ("/api/v1/users", json!({ "email": "a@example.com", "status": "active" })),
            ("/api/v1/clients", json!({ "name": "x", "trusted": true })),
            ("/api/v1/clients", json!({ "name": "x", "settings": { "skip_consent": true } })),
            ("/api/v1/realms", json!({ "name": "acme", "owner": "me" })),
            ("/api/v1/realms", json!({ "name": "acme", "settings": { "tokens": { "forever": true } } })),
            ("/api/v1/resource-servers", json!({ "audience": "https://api.test", "name": "x", "key": 1 })),
        ] {
            let refused = operator.post_json(path, &body).await;
            let told = (refused.status(), refused.text().contains("unknown field"));
            assert_eq!(told, (400, true), "{path} {body}: {}", refused.text());
        }
    }

    async fn a187_a_secret_is_shown_once_and_never_again(t: TestServer) {
        let operator = t.operator();
        let canary = "canary-secret-canary-secret-canary-secret";
        let new = json!({
            "name": "App", "client_id": "app", "client_secret": canary,
            "settings": { "redirect_uris": ["https://app.test/cb"] },
        });
        let made = operator.post_json("/api/v1/clients", &new).await;
        assert_eq!(made.json::<Value>()["client_secret"], canary);
        let (_, _) = user(&t, "ada@example.com", &["admin"]).await;
        for path in ["/api/v1/clients", "/api/v1/clients/app", "/api/v1/users", "/api/v1/keys", "/api/v1/realms"] {
            let shown = operator.get(path).await;
            assert_eq!(shown.status(), 200);
            for secret in [canary, PASSWORD, "argon2", "hash", "private"] {
                assert!(!shown.text().contains(secret), "{path} shows {secret}");
            }
        }
    }

    async fn a180_nothing_of_one_realm_is_found_in_another(t: TestServer) {
        let operator = t.operator();
        let (ada, token) = user(&t, "ada@example.com", &["admin"]).await;
        let realm = json!({ "name": "acme", "display_name": "Acme" });
        assert_eq!(operator.post_json("/api/v1/realms", &realm).await.status(), 201);
        let there = "/realms/acme/api/v1";
        assert_eq!(operator.get(&format!("{there}/users/{ada}")).await.status(), 404);
        assert_eq!(operator.get(&format!("{there}/clients/console-ada.example.com")).await.status(), 404);
        let crossed = ask(&t.client(), Method::GET, &format!("{there}/users"), Some(&token), None).await;
        assert_eq!(crossed.status(), 401, "a062: a token of one realm opens nothing in another");
        assert_eq!(operator.get(&format!("{there}/users")).await.json::<Value>()["items"], json!([]));
        let same = json!({ "email": "ada@example.com", "password": PASSWORD });
        assert_eq!(operator.post_json(&format!("{there}/users"), &same).await.status(), 201);
    }

    async fn a186_the_last_administrator_stays(t: TestServer) {
        let operator = t.operator();
        let (ada, _) = user(&t, "ada@example.com", &["admin"]).await;
        let path = format!("/api/v1/users/{ada}/roles/admin");
        let refused = ask(&operator, Method::DELETE, &path, None, None).await;
        assert_eq!((refused.status(), refused.code().as_str()), (409, "last_holder"));
        let disable = format!("/api/v1/users/{ada}/disable");
        let refused = operator.post_json(&disable, &json!({})).await;
        assert_eq!((refused.status(), refused.code().as_str()), (409, "last_holder"));
        let (bob, _) = user(&t, "bob@example.com", &["admin"]).await;
        assert_eq!(operator.post_json(&disable, &json!({})).await.status(), 200);
        let refused = ask(&operator, Method::DELETE, &format!("/api/v1/users/{bob}/roles/admin"), None, None).await;
        assert_eq!(refused.code(), "last_holder", "a disabled administrator is none");
        assert_eq!(ask(&operator, Method::DELETE, &path, None, None).await.status(), 204);
    }

    async fn of_two_administrators_who_disable_each_other_at_once_one_stays(t: TestServer) {
        let (ada, _) = user(&t, "ada@example.com", &["admin"]).await;
        let (bob, _) = user(&t, "bob@example.com", &["admin"]).await;
        for _ in 0..5 {
            let both = [&ada, &bob].map(|id| {
                let (operator, path) = (t.operator(), format!("/api/v1/users/{id}/disable"));
                tokio::spawn(async move { operator.post_json(&path, &json!({})).await.status() })
            });
            let mut outcomes = Vec::new();
            for one in both {
                outcomes.push(one.await.unwrap());
            }
            let done = outcomes.iter().filter(|status| **status == 200).count();
            assert!(done <= 1 && outcomes.iter().all(|status| [200, 409, 503].contains(status)), "{outcomes:?}");
            for id in [&ada, &bob] {
                t.operator().post_json(&format!("/api/v1/users/{id}/enable"), &json!({})).await;
            }
        }
    }

    async fn only_a_token_that_was_asked_for_managing_manages(t: TestServer) {
        let (_, token) = user_with(&t, "ada@example.com", &["admin"], "openid").await;
        let refused = ask(&t.client(), Method::GET, "/api/v1/users", Some(&token), None).await;
        assert_eq!((refused.status(), refused.code().as_str()), (403, "insufficient_scope"));
        let challenge = "Bearer error=\"insufficient_scope\", scope=\"claviger:manage\"";
        assert_eq!(refused.header("www-authenticate"), Some(challenge));
        let theirs = json!({ "name": "Theirs", "settings": {
            "redirect_uris": ["https://app.test/cb"], "scopes": "openid claviger:manage" } });
        assert_eq!(t.operator().post_json("/api/v1/clients", &theirs).await.status(), 400, "not of the operator's own");
    }

    async fn a086_a_disabled_administrator_is_refused_at_the_next_request(t: TestServer) {
        let (ada, token) = user(&t, "ada@example.com", &["admin"]).await;
        user(&t, "bob@example.com", &["admin"]).await;
        let client = t.client();
        assert_eq!(ask(&client, Method::GET, "/api/v1/users", Some(&token), None).await.status(), 200);
        let disabled = t.operator().post_json(&format!("/api/v1/users/{ada}/disable"), &json!({})).await;
        assert_eq!(disabled.json::<Value>()["status"], "disabled");
        assert_eq!(ask(&client, Method::GET, "/api/v1/users", Some(&token), None).await.status(), 401);
    }

    async fn a_client_lives_through_its_whole_life(t: TestServer) {
        let operator = t.operator();
        let new = json!({ "name": "App", "client_id": "app", "settings": { "redirect_uris": ["https://app.test/cb"] } });
        assert_eq!(operator.post_json("/api/v1/clients", &new).await.status(), 201);
        assert_eq!(operator.post_json("/api/v1/clients", &new).await.code(), "client_id_taken");
        let patch = json!({ "name": "Better", "settings": { "first_party": true } });
        let changed = ask(&operator, Method::PATCH, "/api/v1/clients/app", None, Some(&patch)).await.json::<Value>();
        assert_eq!((&changed["name"], &changed["settings"]["first_party"]), (&json!("Better"), &json!(true)));
        assert_eq!(changed["settings"]["redirect_uris"], json!(["https://app.test/cb"]), "what was not named stays");
        let rotated = operator.post_json("/api/v1/clients/app/secrets", &json!({})).await.json::<Value>();
        assert_eq!(rotated["secrets"].as_array().unwrap().len(), 2);
        assert_eq!(ask(&operator, Method::DELETE, "/api/v1/clients/app", None, None).await.status(), 204);
        assert_eq!(operator.get("/api/v1/clients/app").await.status(), 404);
        assert_eq!(operator.post_json("/api/v1/clients", &new).await.code(), "client_id_taken", "a name is given once");
    }

    async fn a_list_of_users_shows_the_address_of_each(t: TestServer) {
        let operator = t.operator();
        for (email, verified) in [("Ada@Example.com", true), ("bo@example.com", false), ("cy@example.com", true)] {
            let new = json!({ "email": email, "email_verified": verified });
            assert_eq!(operator.post_json("/api/v1/users", &new).await.status(), 201);
        }
        let listed = operator.get("/api/v1/users").await.json::<Value>();
        let shown: BTreeSet<_> = listed["items"].as_array().unwrap().iter().map(|user| {
            (user["email"].as_str().unwrap(), user["email_verified"].as_bool().unwrap())
        }).collect();
        let expected = [("Ada@example.com", true), ("bo@example.com", false), ("cy@example.com", true)];
        assert_eq!(shown, expected.into(), "as typed, but for the domain");
        for user in listed["items"].as_array().unwrap() {
            let alone = operator.get(&format!("/api/v1/users/{}", user["id"].as_str().unwrap())).await.json::<Value>();
            assert_eq!(&alone, user, "one user reads as in the list");
        }
        let (_, token) = user(&t, "dee@example.com", &[]).await;
        let refused = ask(&t.client(), Method::GET, "/api/v1/users", Some(&token), None).await;
        assert_eq!(refused.status(), 403, "addresses are for administrators");
        assert!(!refused.text().contains("Ada@"), "{}", refused.text());
    }

    async fn a_page_of_a_list_says_where_the_next_begins(t: TestServer) {
        let operator = t.operator();
        for number in 0..5 {
            let new = json!({ "email": format!("u{number}@example.com") });
            assert_eq!(operator.post_json("/api/v1/users", &new).await.status(), 201);
        }
        let first = operator.get("/api/v1/users?limit=3").await.json::<Value>();
        let next = first["next"].as_str().unwrap();
        let second = operator.get(&format!("/api/v1/users?limit=3&after={next}")).await.json::<Value>();
        assert_eq!((first["items"].as_array().unwrap().len(), second["items"].as_array().unwrap().len()), (3, 2));
        assert!(second.get("next").is_none());
        for wrong in ["limit=0", "limit=201", "limit=x", "after=x"] {
            assert_eq!(operator.get(&format!("/api/v1/users?{wrong}")).await.status(), 400, "{wrong}");
        }
    }
}
