//! The authorization endpoint.

use claviger_oauth::authorize::{AuthorizationError, Consent, Outcome};
use claviger_oauth::clients::{AuthMethod, ClientKind, ClientSettings};
use claviger_oauth::scope::Scopes;
use claviger_session::sessions;
use claviger_storage::both_engines;

use super::house::{House, parameter};

fn told(refusal: AuthorizationError) -> (String, String) {
    match refusal {
        AuthorizationError::Respond(response) => (parameter(&response, "error"), parameter(&response, "iss")),
        other => panic!("the client is not told: {other:?}"),
    }
}

both_engines! {
    async fn a001_an_unregistered_address_gets_a_page_and_no_redirect(scratch) {
        let house = House::open(scratch).await;
        house.client("app", |_| {}).await;
        for asked in ["https://app.example.com.evil.tld/cb", "https://app.example.com@evil.tld/cb", ""] {
            let refusal = house.request("app", &[("redirect_uri", asked)]).await.unwrap_err();
            assert!(matches!(refusal, AuthorizationError::Page(_)), "{asked}: {refusal:?}");
        }
        let unknown = house.request("nobody", &[]).await.unwrap_err();
        assert!(matches!(unknown, AuthorizationError::Page(_)));
    }

    async fn a012_every_answer_names_the_issuer(scratch) {
        let house = House::open(scratch).await;
        house.client("app", |_| {}).await;
        let (_, issuer) = told(house.request("app", &[("response_type", "token")]).await.unwrap_err());
        assert_eq!(issuer, "https://id.test");
        let request = house.request("app", &[]).await.unwrap();
        let Outcome::Respond(response) = house.outcome(&request, Consent::NotAsked).await else { panic!("no answer") };
        assert_eq!(parameter(&response, "iss"), "https://id.test");
        assert_eq!(parameter(&response, "state"), "a state");
    }

    async fn a013_a_request_without_a_challenge_is_refused(scratch) {
        let house = House::open(scratch).await;
        house.client("app", |_| {}).await;
        house.client("exempt", |new| new.settings.require_pkce = false).await;
        let without = [("code_challenge", ""), ("code_challenge_method", "")];
        assert_eq!(told(house.request("app", &without).await.unwrap_err()).0, "invalid_request");
        assert!(house.request("exempt", &without).await.is_ok());
        for method in ["plain", "", "s256"] {
            let refusal = house.request("exempt", &[("code_challenge_method", method)]).await.unwrap_err();
            assert_eq!(told(refusal).0, "invalid_request", "a015 {method}");
        }
    }

    async fn a021_only_codes_are_given(scratch) {
        let house = House::open(scratch).await;
        house.client("app", |_| {}).await;
        for wanted in ["token", "id_token", "id_token token", "code token", "code id_token", "none"] {
            let refusal = house.request("app", &[("response_type", wanted)]).await.unwrap_err();
            assert_eq!(told(refusal).0, "unsupported_response_type", "{wanted}");
        }
    }

    async fn a022_a_response_mode_that_nobody_has_is_refused(scratch) {
        let house = House::open(scratch).await;
        house.client("app", |_| {}).await;
        for mode in ["fragment", "web_message", "query.jwt"] {
            let refusal = house.request("app", &[("response_mode", mode)]).await.unwrap_err();
            assert_eq!(told(refusal).0, "invalid_request", "{mode}");
        }
        assert!(house.request("app", &[("response_mode", "form_post")]).await.is_ok());
    }

    async fn a025_a_scope_that_was_never_assigned_is_refused(scratch) {
        let house = House::open(scratch).await;
        house.client("app", |_| {}).await;
        let refusal = house.request("app", &[("scope", "openid admin")]).await.unwrap_err();
        assert_eq!(told(refusal).0, "invalid_scope");
    }

    async fn a027_prompt_and_max_age_are_kept(scratch) {
        let house = House::open(scratch).await;
        house.client("app", |_| {}).await;
        let none = house.request("app", &[("prompt", "none")]).await.unwrap();
        let answer = house.oauth.authorize(&house.cx, &none, None, Consent::NotAsked).await.unwrap();
        let Outcome::Respond(response) = answer else { panic!("a page with prompt=none") };
        assert_eq!(parameter(&response, "error"), "login_required");
        house.scratch.clock.advance(std::time::Duration::from_secs(10));
        let login = house.request("app", &[("prompt", "login")]).await.unwrap();
        assert!(matches!(house.outcome(&login, Consent::NotAsked).await, Outcome::SignIn));
        let aged = house.request("app", &[("max_age", "1")]).await.unwrap();
        assert!(matches!(house.outcome(&aged, Consent::NotAsked).await, Outcome::SignIn));
        let young = house.request("app", &[("max_age", "60")]).await.unwrap();
        assert!(matches!(house.outcome(&young, Consent::NotAsked).await, Outcome::Respond(_)));
        for wrong in [("prompt", "none login"), ("prompt", "sometimes"), ("max_age", "-1"), ("max_age", "soon")] {
            assert_eq!(told(house.request("app", &[wrong]).await.unwrap_err()).0, "invalid_request", "{wrong:?}");
        }
    }

    async fn a028_consent_is_remembered_and_asked_again_for_more(scratch) {
        let house = House::open(scratch).await;
        house.client("app", |new| new.settings.first_party = false).await;
        let small = house.request("app", &[("scope", "openid")]).await.unwrap();
        let Outcome::Consent(question) = house.outcome(&small, Consent::NotAsked).await else { panic!("no question") };
        assert_eq!((question.scopes, question.redirect_host.as_str()), (vec!["openid".to_owned()], "app.example.com"));
        assert!(matches!(house.outcome(&small, Consent::Allowed).await, Outcome::Respond(_)));
        assert!(matches!(house.outcome(&small, Consent::NotAsked).await, Outcome::Respond(_)));
        let more = house.request("app", &[("scope", "openid email")]).await.unwrap();
        let Outcome::Consent(question) = house.outcome(&more, Consent::NotAsked).await else { panic!("no question") };
        assert_eq!(question.scopes, ["email"]);
        let Outcome::Respond(denied) = house.outcome(&more, Consent::Denied).await else { panic!("no answer") };
        assert_eq!(parameter(&denied, "error"), "access_denied");
    }

    async fn a032_a_parked_request_opens_only_in_its_own_browser(scratch) {
        let house = House::open(scratch).await;
        house.client("app", |_| {}).await;
        let request = house.request("app", &[]).await.unwrap();
        let ticket = house.oauth.park(&house.cx, &request, Some([1; 32])).await.unwrap();
        assert!(house.oauth.parked(&house.cx, &ticket, [1; 32]).await.is_ok());
        assert!(house.oauth.parked(&house.cx, &ticket, [2; 32]).await.is_err());
        let unowned = house.oauth.park(&house.cx, &request, None).await.unwrap();
        assert!(house.oauth.parked(&house.cx, &unowned, [2; 32]).await.is_ok());
        assert!(house.oauth.parked(&house.cx, &unowned, [1; 32]).await.is_err(), "the first browser owns it");
        for _ in 0..20 {
            let unowned = house.oauth.park(&house.cx, &request, None).await.unwrap();
            let open = |browser| house.oauth.parked(&house.cx, &unowned, [browser; 32]);
            let (one, two, three) = tokio::join!(open(1), open(2), open(3));
            let owners = [one, two, three].iter().filter(|owner| owner.is_ok()).count();
            assert_eq!(owners, 1, "of browsers that open it at once one owns it");
        }
        house.oauth.unpark(&house.cx, &ticket).await.unwrap();
        assert!(house.oauth.parked(&house.cx, &ticket, [1; 32]).await.is_err());
    }

    async fn a044_a_flood_in_a_parameter_is_refused(scratch) {
        let house = House::open(scratch).await;
        house.client("app", |_| {}).await;
        let scopes = "a ".repeat(10_000);
        assert_eq!(told(house.request("app", &[("scope", &scopes)]).await.unwrap_err()).0, "invalid_request");
        let state = "s".repeat(100_000);
        assert_eq!(told(house.request("app", &[("state", &state)]).await.unwrap_err()).0, "invalid_request");
    }

    async fn a_session_that_ended_between_look_and_commit_gets_no_code(scratch) {
        let house = House::open(scratch).await;
        house.client("app", |_| {}).await;
        let request = house.request("app", &[]).await.unwrap();
        let mut unit = claviger_audit::unit(&house.cx, claviger_audit::Event::new("test", "end"));
        sessions::end(&mut unit, house.session.id, "test");
        house.cx.commit(unit).await.unwrap();
        assert!(matches!(house.outcome(&request, Consent::NotAsked).await, Outcome::SignIn));
    }

    async fn a_public_client_may_answer_on_any_loopback_port(scratch) {
        let house = House::open(scratch).await;
        house
            .client("native", |new| {
                new.kind = ClientKind::Public;
                new.secret = None;
                new.settings.token_endpoint_auth_method = AuthMethod::None;
                new.settings.grant_types.retain(|grant| grant.as_str() != "client_credentials");
                new.settings.redirect_uris = vec!["http://127.0.0.1/cb".to_owned().try_into().unwrap()];
            })
            .await;
        assert!(house.request("native", &[("redirect_uri", "http://127.0.0.1:49152/cb")]).await.is_ok());
        let other = house.request("native", &[("redirect_uri", "http://127.0.0.1.evil.tld/cb")]).await.unwrap_err();
        assert!(matches!(other, AuthorizationError::Page(_)));
    }

    async fn a_parked_request_is_judged_by_what_its_client_may_do_now(scratch) {
        let house = House::open(scratch).await;
        let client = house.client("app", |_| {}).await;
        let request = house.request("app", &[]).await.unwrap();
        let narrower = ClientSettings { scopes: Scopes::parse("openid").unwrap(), ..client.settings.clone() };
        house.oauth.update_client(&house.cx, &client, &client.name, &narrower).await.unwrap();
        let Outcome::Respond(response) = house.outcome(&request, Consent::NotAsked).await else { panic!("no answer") };
        assert_eq!(parameter(&response, "error"), "invalid_scope");
        let elsewhere = vec!["https://app.example.com/new".to_owned().try_into().unwrap()];
        let moved = ClientSettings { redirect_uris: elsewhere, ..client.settings.clone() };
        let client = house.oauth.client(&house.cx, "app").await.unwrap().unwrap();
        house.oauth.update_client(&house.cx, &client, &client.name, &moved).await.unwrap();
        let refused = house.oauth.authorize(&house.cx, &request, Some(&house.session), Consent::NotAsked).await;
        assert!(matches!(refused, Err(AuthorizationError::Page(_))), "{refused:?}");
    }
}
