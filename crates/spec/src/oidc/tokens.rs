//! The token endpoint, userinfo and the published documents.

use core::time::Duration;

use bytes::Bytes;
use claviger_testkit::{Answer, Client, tests};
use http::Method;
use serde_json::{Value, json};

use crate::people::{
    ADA, App, app, app_with, basic, bearer, claims, created, logged, peer, public_app, query, realm, signed_in, text,
    user,
};

const FORM: &str = "application/x-www-form-urlencoded";

async fn post(client: &Client, authorization: Option<&str>, fields: &[(&str, &str)]) -> Answer {
    let mut request = client.request(Method::POST, "/oauth2/token").header("content-type", FORM);
    if let Some(value) = authorization {
        request = request.header("authorization", value);
    }
    client.send(request.body(query(fields).into()).unwrap()).await
}

async fn from_origin(client: &Client, app: &App, origin: &str, token: &str) -> Answer {
    let fields = [("grant_type", "refresh_token"), ("refresh_token", token), ("client_id", &app.client_id)];
    let request = client.request(Method::POST, "/oauth2/token").header("content-type", FORM).header("origin", origin);
    client.send(request.body(query(&fields).into()).unwrap()).await
}

tests! {
    async fn a_machine_gets_a_token_for_itself(t: TestServer) {
        let app = app_with(&t, "", json!({ "scopes": "notes:read openid" })).await;
        let answer = app.token(&t.client(), &[("grant_type", "client_credentials")]).await;
        let tokens: Value = answer.json();
        assert_eq!((text(&tokens, "scope"), tokens.get("refresh_token")), ("notes:read".to_owned(), None));
        let access = claims(&text(&tokens, "access_token"));
        assert_eq!(text(&access, "client_id"), app.client_id);
        assert!(text(&access, "sub").starts_with("svc_"), "A026: machines have a namespace of their own");
        let answer = app.userinfo(&t.client(), &text(&tokens, "access_token")).await;
        assert_eq!(answer.status(), 401, "there is no person behind it");
    }

    async fn a026_a_client_that_is_called_like_a_person_is_still_a_machine(t: TestServer) {
        let ada = user(&t, ADA).await;
        for reserved in ["usr_x", "svc_x"] {
            let body = json!({ "client_id": reserved, "name": "Notes", "settings": { "grant_types": ["client_credentials"] } });
            assert_eq!(t.operator().post_json("/api/v1/clients", &body).await.status(), 400, "{reserved}");
        }
        let body = json!({ "client_id": ada["subject"], "name": "Notes", "settings": { "grant_types": ["client_credentials"] } });
        let made = created(&t.operator().post_json("/api/v1/clients", &body).await);
        let app = App { client_id: text(&made, "client_id"), secret: Some(text(&made, "client_secret")), base: String::new() };
        let tokens: Value = app.token(&t.client(), &[("grant_type", "client_credentials")]).await.json();
        let access = text(&tokens, "access_token");
        assert_ne!(claims(&access)["sub"], ada["subject"]);
        assert!(text(&claims(&access), "sub").starts_with("svc_"));
        assert_eq!(app.userinfo(&t.client(), &access).await.status(), 401);
    }

    async fn a024_a_grant_that_nobody_or_not_this_client_has_is_refused(t: TestServer) {
        let (all, public) = (app(&t).await, public_app(&t).await);
        let fields = [("grant_type", "password"), ("username", ADA), ("password", "x")];
        let answer = all.token(&t.client(), &fields).await;
        assert_eq!((answer.status(), answer.code()), (400, "unsupported_grant_type".to_owned()));
        let answer = public.token(&t.client(), &[("grant_type", "client_credentials")]).await;
        assert_eq!((answer.status(), answer.code()), (400, "unauthorized_client".to_owned()));
        let answer = all.token(&t.client(), &[]).await;
        assert_eq!((answer.status(), answer.code()), (400, "invalid_request".to_owned()));
    }

    async fn a025_a_machine_cannot_ask_for_scopes_that_it_was_not_given(t: TestServer) {
        let app = app(&t).await;
        for scope in ["notes:write", "notes:read notes:write", "openid", "no\"quotes"] {
            let answer = app.token(&t.client(), &[("grant_type", "client_credentials"), ("scope", scope)]).await;
            assert_eq!((answer.status(), answer.code()), (400, "invalid_scope".to_owned()), "{scope}");
        }
    }

    async fn a043_a_client_proves_itself_in_its_own_way_only(t: TestServer) {
        let app = app(&t).await;
        let (id, secret) = (app.client_id.clone(), app.secret.clone().unwrap());
        let grant = ("grant_type", "client_credentials");
        let in_form = [grant, ("client_id", &id), ("client_secret", &secret)];
        let answer = post(&t.client(), None, &in_form).await;
        assert_eq!((answer.status(), answer.code()), (401, "invalid_client".to_owned()), "registered for the header");
        let answer = post(&t.client(), Some(&basic(&id, &secret)), &in_form).await;
        assert_eq!(answer.status(), 400, "two ways at once: {}", answer.text());
        let answer = post(&t.client(), None, &[grant, ("client_id", &id)]).await;
        assert_eq!(answer.code(), "invalid_client");
        let assertion = [grant, ("client_id", &id), ("client_assertion", "a.b.c")];
        assert_eq!(post(&t.client(), None, &assertion).await.code(), "invalid_client");
        for header in [basic(&id, "wrong"), basic("nobody", &secret), "Basic %%%".to_owned(), "Bearer x".to_owned()] {
            let answer = post(&t.client(), Some(&header), &[grant]).await;
            assert_eq!((answer.status(), answer.code()), (401, "invalid_client".to_owned()), "{header}");
            assert!(answer.header("www-authenticate").unwrap().starts_with("Basic "), "{header}");
        }
    }

    async fn credentials_in_the_header_are_form_encoded(t: TestServer) {
        let body = json!({ "name": "Odd", "client_secret": "a+b%c&d=e/f:g!aaaaaaaaaaaaaaaaaaaa",
            "settings": { "grant_types": ["client_credentials"] } });
        let made = created(&t.operator().post_json("/api/v1/clients", &body).await);
        let encoded: String = form_urlencoded::byte_serialize(b"a+b%c&d=e/f:g!aaaaaaaaaaaaaaaaaaaa").collect();
        let header = basic(made["client_id"].as_str().unwrap(), &encoded);
        let answer = post(&t.client(), Some(&header), &[("grant_type", "client_credentials")]).await;
        assert_eq!(answer.status(), 200, "{}", answer.text());
    }

    async fn parameters_of_the_token_endpoint_do_not_stand_in_the_address(t: TestServer) {
        let app = app(&t).await;
        let secret = app.secret.clone().unwrap();
        let path = format!("/oauth2/token?client_id={}&client_secret={secret}", app.client_id);
        let answer = t.client().post_form(&path, &[("grant_type", "client_credentials")]).await;
        assert_eq!((answer.status(), answer.code()), (400, "invalid_request".to_owned()));
    }

    async fn a045_only_scripts_of_the_clients_own_origin_read_its_tokens(t: TestServer) {
        user(&t, ADA).await;
        let app = public_app(&t).await;
        let tokens = app.tokens(&t, &mut signed_in(&t, ADA).await).await;
        let token = text(&tokens, "refresh_token");
        for origin in ["https://evil.tld", "https://app.test.evil.tld", "http://app.test", "null"] {
            let answer = from_origin(&t.client(), &app, origin, &token).await;
            assert_eq!(answer.header("access-control-allow-origin"), None, "{origin}");
            assert_eq!(answer.header("vary"), Some("Origin"));
        }
        let answer = from_origin(&t.client(), &app, "https://app.test", &token).await;
        assert_eq!(answer.header("access-control-allow-origin"), Some("https://app.test"));
        assert_eq!(answer.header("access-control-allow-credentials"), None);
        let confidential = crate::people::app(&t).await;
        let answer = from_origin(&t.client(), &confidential, "https://app.test", "x").await;
        assert_eq!(answer.header("access-control-allow-origin"), None, "a confidential client has no scripts");
    }

    async fn a_script_of_a_public_client_reads_userinfo(t: TestServer) {
        user(&t, ADA).await;
        let app = public_app(&t).await;
        let tokens = app.tokens(&t, &mut signed_in(&t, ADA).await).await;
        let asked = |method: Method, origin: &str| {
            let request = t.client().request(method, "/oauth2/userinfo").header("origin", origin);
            request.header("authorization", format!("Bearer {}", text(&tokens, "access_token")))
        };
        let preflight = asked(Method::OPTIONS, "https://app.test").body(Bytes::new()).unwrap();
        let answer = t.client().send(preflight).await;
        assert_eq!(answer.status(), 204);
        assert_eq!(answer.header("access-control-allow-headers"), Some("authorization"));
        for (origin, readable) in [("https://app.test", true), ("https://evil.tld", false)] {
            let answer = t.client().send(asked(Method::GET, origin).body(Bytes::new()).unwrap()).await;
            assert_eq!(answer.header("access-control-allow-origin").is_some(), readable, "{origin}");
        }
        t.clock().advance(Duration::from_mins(10));
        let expired = t.client().send(asked(Method::GET, "https://app.test").body(Bytes::new()).unwrap()).await;
        assert_eq!(expired.status(), 401);
        assert_eq!(expired.header("access-control-allow-origin"), Some("https://app.test"), "so that it can refresh");
    }

    async fn a069_a_token_in_the_address_is_refused_and_not_logged(t: TestServer) {
        user(&t, ADA).await;
        let app = app(&t).await;
        let token = text(&app.tokens(&t, &mut signed_in(&t, ADA).await).await, "access_token");
        let client = t.client_at(peer("192.0.2.7"));
        let (answer, log) = logged(client.get(&format!("/oauth2/userinfo?access_token={token}"))).await;
        assert_eq!((answer.status(), answer.code()), (400, "invalid_request".to_owned()));
        assert!(!log.contains(&token), "{log}");
        let answer = client.post_form("/oauth2/userinfo", &[("access_token", &token)]).await;
        assert_eq!((answer.status(), answer.code()), (400, "invalid_request".to_owned()));
    }

    async fn userinfo_challenges_as_bearer_tokens_ask_for(t: TestServer) {
        user(&t, ADA).await;
        let app = app(&t).await;
        let nothing = t.client().get("/oauth2/userinfo").await;
        assert_eq!((nothing.status(), nothing.header("www-authenticate")), (401, Some("Bearer realm=\"https://id.test\"")));
        let forged = app.userinfo(&t.client(), "a.b.c").await;
        assert!(forged.header("www-authenticate").unwrap().contains("error=\"invalid_token\""));
        let mut browser = signed_in(&t, ADA).await;
        let token = text(&app.tokens(&t, &mut browser).await, "access_token");
        let code = app.code(&mut browser, &[("scope", "email")]).await;
        let narrow: Value = app.redeem(&t.client(), &code).await.json();
        assert_eq!(narrow.get("id_token"), None);
        let refused = app.userinfo(&t.client(), &text(&narrow, "access_token")).await;
        assert_eq!((refused.status(), refused.code()), (403, "insufficient_scope".to_owned()));
        t.clock().advance(Duration::from_mins(10));
        let expired = app.userinfo(&t.client(), &token).await;
        assert_eq!(expired.status(), 401);
        let challenge = expired.header("www-authenticate").unwrap();
        assert!(challenge.contains("error_description=\"expired\""), "{challenge}");
    }

    async fn userinfo_tells_what_the_scopes_open_and_no_more(t: TestServer) {
        user(&t, ADA).await;
        let app = app(&t).await;
        let mut browser = signed_in(&t, ADA).await;
        for (scope, has, lacks) in [("openid", "sub", "email"), ("openid email", "email", "name"), ("openid profile", "name", "email")] {
            let code = app.code(&mut browser, &[("scope", scope)]).await;
            let tokens: Value = app.redeem(&t.client(), &code).await.json();
            let info: Value = app.userinfo(&t.client(), &text(&tokens, "access_token")).await.json();
            assert!(info.get(has).is_some() && info.get(lacks).is_none(), "{scope}: {info}");
        }
    }

    async fn a_refresh_token_of_another_client_is_refused(t: TestServer) {
        user(&t, ADA).await;
        let (mine, other) = (public_app(&t).await, public_app(&t).await);
        let tokens = mine.tokens(&t, &mut signed_in(&t, ADA).await).await;
        let answer = other.refresh(&t.client(), &text(&tokens, "refresh_token")).await;
        assert_eq!((answer.status(), answer.code()), (400, "invalid_grant".to_owned()));
    }

    async fn a087_a_disabled_users_tokens_are_refused_at_once(t: TestServer) {
        let ada = user(&t, ADA).await;
        let app = public_app(&t).await;
        let mut browser = signed_in(&t, ADA).await;
        let code = app.code(&mut browser, &[]).await;
        let tokens = app.tokens(&t, &mut browser).await;
        let path = format!("/api/v1/users/{}/disable", text(&ada, "id"));
        assert!(t.operator().post_json(&path, &json!({})).await.status() < 300);
        assert_eq!(app.userinfo(&t.client(), &text(&tokens, "access_token")).await.status(), 401);
        assert_eq!(app.refresh(&t.client(), &text(&tokens, "refresh_token")).await.code(), "invalid_grant");
        assert_eq!(app.redeem(&t.client(), &code).await.code(), "invalid_grant");
        assert!(!crate::people::is_signed_in(&mut browser).await);
        let page = crate::people::sign_in_at(&mut t.browser(), "", ADA, crate::people::PASSWORD).await;
        assert_eq!(page.status(), 422);
        assert!(page.text().contains("is wrong, or this sign-in is not possible"));
    }

    async fn a072_the_key_set_holds_public_halves_only(t: TestServer) {
        let base = realm(&t, "acme").await;
        for path in ["/.well-known/jwks.json".to_owned(), format!("{base}/.well-known/jwks.json")] {
            let answer = t.client().get(&path).await;
            assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
            let keys: Value = answer.json();
            let keys = keys["keys"].as_array().unwrap();
            assert!(keys.len() >= 2, "{keys:?}");
            for key in keys {
                for private in ["d", "p", "q", "dp", "dq", "qi", "k", "oth"] {
                    assert!(key.get(private).is_none(), "{path}: {private}");
                }
                assert!(key.get("kid").is_some() && key.get("alg").is_some(), "{key}");
            }
        }
    }

    async fn the_key_set_is_kept_and_asked_for_by_its_tag(t: TestServer) {
        let first = t.client().get("/.well-known/jwks.json").await;
        assert_eq!(first.header("cache-control"), Some("public, max-age=600"));
        let tag = first.header("etag").unwrap().to_owned();
        for (tags, status) in [(tag.clone(), 304), (format!("\"x\", W/{tag}"), 304), ("*".to_owned(), 304), ("\"x\"".to_owned(), 200)] {
            let request = t.client().request(Method::GET, "/.well-known/jwks.json").header("if-none-match", &tags);
            let answer = t.client().send(request.body(Bytes::new()).unwrap()).await;
            assert_eq!((answer.status(), answer.bytes().is_empty()), (status, status == 304), "{tags}");
        }
    }

    async fn discovery_names_what_answers(t: TestServer) {
        let base = realm(&t, "acme").await;
        let paths = [
            ("https://id.test", "/.well-known/openid-configuration".to_owned()),
            ("https://id.test", "/.well-known/oauth-authorization-server".to_owned()),
            ("https://id.test/realms/acme", format!("{base}/.well-known/openid-configuration")),
            ("https://id.test/realms/acme", format!("/.well-known/oauth-authorization-server{base}")),
        ];
        for (issuer, path) in paths {
            let answer = t.client().get(&path).await;
            assert_eq!(answer.header("access-control-allow-origin"), Some("*"), "{path}");
            let metadata: Value = answer.json();
            assert_eq!(metadata["issuer"], issuer, "{path}");
            for (name, value) in metadata.as_object().unwrap() {
                if !name.ends_with("_endpoint") && name != "jwks_uri" {
                    continue;
                }
                let path = value.as_str().unwrap().strip_prefix("https://id.test").unwrap();
                let options = t.client().request(Method::OPTIONS, path).body(Bytes::new()).unwrap();
                assert_eq!(t.client().send(options).await.status(), 204, "{name} at {path}");
            }
        }
    }

    async fn a_token_of_one_realm_is_none_of_another(t: TestServer) {
        user(&t, ADA).await;
        realm(&t, "acme").await;
        let app = public_app(&t).await;
        let tokens = app.tokens(&t, &mut signed_in(&t, ADA).await).await;
        let elsewhere = bearer(&t.client(), Method::GET, "/realms/acme/oauth2/userinfo", &text(&tokens, "access_token")).await;
        assert_eq!(elsewhere.status(), 401);
        let moved = App { base: "/realms/acme".to_owned(), ..app.clone() };
        assert_eq!(moved.refresh(&t.client(), &text(&tokens, "refresh_token")).await.code(), "invalid_client");
    }
}
