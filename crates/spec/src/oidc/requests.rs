//! What an authorization request must be, and what it is answered.

use core::time::Duration;

use claviger_testkit::kernel::Clock as _;
use claviger_testkit::{Browser, Page, tests};
use serde_json::json;

use crate::people::{
    ADA, App, CALLBACK, PASSWORD, app, app_with, claims, is_signed_in, logged, peer, public_app, query, signed_in,
    submit_sign_in, text, user,
};

async fn ask(browser: &mut Browser, app: &App, changes: &[(&'static str, &str)]) -> Page {
    browser.arrive_from("https://app.test", &app.address(changes)).await
}

/// The error that the client is told; `state` and `iss` come with it.
async fn told(browser: &mut Browser, app: &App, changes: &[(&'static str, &str)]) -> String {
    let back = ask(browser, app, changes).await;
    assert!(back.url().starts_with(CALLBACK), "{changes:?}: {} {} {}", back.status(), back.url(), back.text());
    assert_eq!(back.parameter("state").as_deref(), Some("st-4711"), "{changes:?}");
    assert_eq!(back.parameter("iss").as_deref(), Some("https://id.test"), "{changes:?}");
    assert_eq!(back.parameter("code"), None, "{changes:?}");
    back.parameter("error").unwrap_or_else(|| panic!("{changes:?}: no error in {}", back.url()))
}

tests! {
    async fn a012_every_answer_names_the_issuer_and_the_metadata_says_so(t: TestServer) {
        user(&t, ADA).await;
        let app = app(&t).await;
        let metadata: serde_json::Value = t.client().get("/.well-known/openid-configuration").await.json();
        assert_eq!(metadata["authorization_response_iss_parameter_supported"], true);
        let mut browser = signed_in(&t, ADA).await;
        let back = ask(&mut browser, &app, &[]).await;
        assert_eq!(back.parameter("iss").as_deref(), Some("https://id.test"));
        told(&mut browser, &app, &[("response_type", "token")]).await;
        let page = ask(&mut browser, &app, &[("response_mode", "form_post")]).await;
        assert_eq!(page.only_form().value("iss"), Some("https://id.test"));
    }

    async fn a013_a_request_without_a_challenge_is_refused(t: TestServer) {
        user(&t, ADA).await;
        let mut browser = signed_in(&t, ADA).await;
        for app in [app(&t).await, public_app(&t).await] {
            let changes = [("code_challenge", ""), ("code_challenge_method", "")];
            assert_eq!(told(&mut browser, &app, &changes).await, "invalid_request");
        }
    }

    async fn a015_a_challenge_that_is_not_s256_is_refused(t: TestServer) {
        user(&t, ADA).await;
        let (app, mut browser) = (app(&t).await, signed_in(&t, ADA).await);
        for changes in [
            [("code_challenge_method", "plain"), ("code_challenge", crate::people::VERIFIER)],
            [("code_challenge_method", ""), ("code_challenge", crate::people::VERIFIER)],
            [("code_challenge_method", "S512"), ("code_challenge", crate::people::CHALLENGE)],
            [("code_challenge_method", "S256"), ("code_challenge", "short")],
        ] {
            assert_eq!(told(&mut browser, &app, &changes).await, "invalid_request", "{changes:?}");
        }
    }

    async fn a021_only_the_code_response_type_exists(t: TestServer) {
        user(&t, ADA).await;
        let (app, mut browser) = (app(&t).await, signed_in(&t, ADA).await);
        for kind in ["token", "id_token token", "id_token", "code token", "code id_token", "none"] {
            assert_eq!(told(&mut browser, &app, &[("response_type", kind)]).await, "unsupported_response_type", "{kind}");
        }
        assert_eq!(told(&mut browser, &app, &[("response_type", "")]).await, "invalid_request");
    }

    async fn a021_a_request_cannot_be_edited_on_its_way(t: TestServer) {
        user(&t, ADA).await;
        let (app, mut browser) = (app_with(&t, "", json!({})).await, signed_in(&t, ADA).await);
        let page = ask(&mut browser, &app, &[]).await;
        let ticket = page.parameter("request").unwrap();
        let edited = format!("/consent?request={ticket}&response_type=token");
        let page = browser.open(&edited).await;
        let back = browser.press(&page, &page.form("allow"), "allow").await;
        assert!(back.parameter("code").is_some() && !back.url().contains("access_token"), "{}", back.url());
    }

    async fn a022_a_response_mode_that_the_client_cannot_have_is_refused(t: TestServer) {
        user(&t, ADA).await;
        let (app, mut browser) = (app(&t).await, signed_in(&t, ADA).await);
        for mode in ["fragment", "web_message", "query.jwt", "jwt"] {
            assert_eq!(told(&mut browser, &app, &[("response_mode", mode)]).await, "invalid_request", "{mode}");
        }
    }

    async fn a023_a_hostile_state_is_only_text_on_the_form_post_page(t: TestServer) {
        user(&t, ADA).await;
        let (app, mut browser) = (app(&t).await, signed_in(&t, ADA).await);
        let state = "\"><script>alert(1)</script>&amp;'";
        let page = ask(&mut browser, &app, &[("response_mode", "form_post"), ("state", state)]).await;
        assert_eq!(page.status(), 200);
        assert!(!page.text().contains("<script>alert"), "{}", page.text());
        let form = page.only_form();
        assert_eq!((form.action.as_str(), form.method.as_str()), (CALLBACK, "post"));
        assert_eq!(form.value("state"), Some(state));
        assert!(form.value("code").is_some());
        let policy = page.header("content-security-policy").unwrap();
        assert!(policy.contains("script-src 'nonce-") && !policy.contains("unsafe"), "{policy}");
        assert!(!policy.contains("form-action"), "the browser would stop the answer: {policy}");
    }

    async fn a027_prompt_none_shows_no_page(t: TestServer) {
        user(&t, ADA).await;
        let third_party = app_with(&t, "", json!({})).await;
        assert_eq!(told(&mut t.browser(), &third_party, &[("prompt", "none")]).await, "login_required");
        let mut browser = signed_in(&t, ADA).await;
        assert_eq!(told(&mut browser, &third_party, &[("prompt", "none")]).await, "consent_required");
        let first_party = app(&t).await;
        assert!(ask(&mut browser, &first_party, &[("prompt", "none")]).await.parameter("code").is_some());
        assert_eq!(told(&mut browser, &first_party, &[("prompt", "none login")]).await, "invalid_request");
    }

    async fn a027_prompt_login_asks_for_the_password_again(t: TestServer) {
        user(&t, ADA).await;
        let (app, mut browser) = (app(&t).await, signed_in(&t, ADA).await);
        t.clock().advance(Duration::from_mins(1));
        let before = t.clock().now().seconds();
        let page = ask(&mut browser, &app, &[("prompt", "login")]).await;
        assert_eq!(page.path(), "/login");
        let back = submit_sign_in(&mut browser, &page, ADA, PASSWORD).await;
        let tokens: serde_json::Value = app.redeem(&t.client(), &back.parameter("code").unwrap()).await.json();
        assert!(claims(&text(&tokens, "id_token"))["auth_time"].as_i64().unwrap() >= before);
    }

    async fn a027_max_age_asks_again_when_the_sign_in_is_older(t: TestServer) {
        user(&t, ADA).await;
        let (app, mut browser) = (app(&t).await, signed_in(&t, ADA).await);
        assert!(ask(&mut browser, &app, &[("max_age", "60")]).await.parameter("code").is_some());
        t.clock().advance(Duration::from_secs(2));
        let page = ask(&mut browser, &app, &[("max_age", "1")]).await;
        assert_eq!(page.path(), "/login");
        let back = submit_sign_in(&mut browser, &page, ADA, PASSWORD).await;
        assert!(back.parameter("code").is_some(), "{} {}", back.url(), back.text());
        assert_eq!(told(&mut browser, &app, &[("max_age", "soon")]).await, "invalid_request");
    }

    async fn a028_a_scope_beyond_the_consent_is_asked_for(t: TestServer) {
        user(&t, ADA).await;
        let (app, mut browser) = (app_with(&t, "", json!({})).await, signed_in(&t, ADA).await);
        let page = ask(&mut browser, &app, &[("scope", "openid email")]).await;
        browser.press(&page, &page.form("allow"), "allow").await;
        assert!(ask(&mut browser, &app, &[("scope", "openid")]).await.parameter("code").is_some());
        let page = ask(&mut browser, &app, &[("scope", "openid email profile")]).await;
        assert_eq!(page.path(), "/consent");
        assert!(page.text().contains("other profile details") && !page.text().contains("See your email address"));
    }

    async fn a028_consent_cannot_be_given_from_another_site_or_without_the_page(t: TestServer) {
        user(&t, ADA).await;
        let (app, mut browser) = (app_with(&t, "", json!({})).await, signed_in(&t, ADA).await);
        let page = ask(&mut browser, &app, &[]).await;
        let ticket = page.parameter("request").unwrap();
        let csrf = page.form("allow").value("csrf").unwrap().to_owned();
        let fields = [("flow", ticket.as_str()), ("decision", "allow"), ("csrf", &csrf)];
        assert_eq!(browser.post_from("https://evil.tld", "/consent", &fields).await.status(), 403);
        let forged = browser.submit_once(&page, &page.form("allow").without("csrf"), Some("allow")).await;
        assert_eq!(forged.status(), 403, "{}", forged.text());
        let mut other = signed_in(&t, ADA).await;
        let stolen = other.submit_once(&page, &page.form("allow"), Some("allow")).await;
        assert_eq!(stolen.status(), 403, "a form of one session is none of another");
    }

    async fn a029_consent_names_the_host_and_every_scope_and_shows_no_foreign_picture(t: TestServer) {
        user(&t, ADA).await;
        let name = "Acme Bank <img src=https://evil.tld/logo.png>";
        let app = app_with(&t, "", json!({ "redirect_uris": ["https://notes.evil.tld/cb"] })).await;
        let body = json!({ "name": name });
        t.operator().patch_json(&format!("/api/v1/clients/{}", app.client_id), &body).await;
        let mut browser = signed_in(&t, ADA).await;
        let changes = [("redirect_uri", "https://notes.evil.tld/cb"), ("scope", "openid email notes:read")];
        let page = ask(&mut browser, &app, &changes).await;
        assert_eq!(page.path(), "/consent", "{}", page.text());
        for told in ["notes.evil.tld", "See your email address", "notes:read", "Acme Bank &#60;img"] {
            assert!(page.text().contains(told), "{told}: {}", page.text());
        }
        assert!(!page.text().contains("<img"), "{}", page.text());
        assert!(page.header("content-security-policy").unwrap().contains("img-src 'self' data:"));
    }

    async fn a032_a_request_goes_on_only_in_the_browser_that_began_it(t: TestServer) {
        user(&t, ADA).await;
        let app = app(&t).await;
        let mut attacker = t.browser();
        let page = ask(&mut attacker, &app, &[]).await;
        let mut victim = t.browser();
        let shown = victim.open(page.url()).await;
        assert!(!shown.text().contains("Notes"), "the victim sees a page of its own: {}", shown.text());
        let signed_in = submit_sign_in(&mut victim, &shown, ADA, PASSWORD).await;
        assert_eq!(signed_in.path(), "/account", "and goes nowhere with the attacker's request");
        let posted = submit_sign_in(&mut victim, &page, ADA, PASSWORD).await;
        assert_eq!(posted.status(), 403, "the attacker's form was made for the attacker's browser");
        let again = attacker.open(page.url()).await;
        assert_eq!(again.path(), "/login", "the attacker is nobody still");
        assert!(!is_signed_in(&mut attacker).await);
    }

    async fn a032_a_ticket_opens_nothing_in_another_browser(t: TestServer) {
        user(&t, ADA).await;
        let app = app_with(&t, "", json!({})).await;
        let mut attacker = signed_in(&t, ADA).await;
        let page = ask(&mut attacker, &app, &[]).await;
        let ticket = page.parameter("request").unwrap();
        let mut victim = signed_in(&t, ADA).await;
        for path in ["/oauth2/authorize", "/consent"] {
            let refused = victim.open(&format!("{path}?request={ticket}")).await;
            assert_eq!((refused.status(), refused.location()), (400, None), "{path}: {}", refused.text());
        }
        assert_eq!(attacker.open(&format!("/consent?request={ticket}")).await.status(), 200);
    }

    async fn a032_a_post_of_another_site_leaves_what_the_browser_has_begun_alone(t: TestServer) {
        user(&t, ADA).await;
        let app = app(&t).await;
        let mut browser = t.browser();
        let page = ask(&mut browser, &app, &[]).await;
        let posts = [vec![("scope", "unheard-of"), ("response_mode", "form_post")], vec![("scope", "unheard-of")], vec![]];
        for changes in posts {
            let fields = app.changed(&changes);
            let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
            let answer = browser.post_from("https://evil.tld", "/oauth2/authorize", &fields).await;
            assert!(matches!(answer.status(), 200 | 303), "{changes:?}: {}", answer.text());
            assert!(answer.set_cookies().is_empty(), "{changes:?}: {:?}", answer.set_cookies());
        }
        let back = submit_sign_in(&mut browser, &page, ADA, PASSWORD).await;
        assert!(back.parameter("code").is_some(), "{} ({}): {}", back.url(), back.status(), back.text());
    }

    async fn a037_the_parameters_of_a_request_stand_in_no_address_cookie_or_log(t: TestServer) {
        user(&t, ADA).await;
        let app = app_with(&t, "", json!({})).await;
        let mut browser = t.browser_at(peer("192.0.2.7"));
        let changes = [("state", "CANARY-state"), ("nonce", "CANARY-nonce"), ("login_hint", "canary@example.com")];
        let (page, log) = logged(ask(&mut browser, &app, &changes)).await;
        assert_eq!(page.path(), "/login");
        assert!(!page.url().contains("CANARY") && !log.contains("CANARY") && !log.contains("canary@"), "{log}");
        let (page, log) = logged(submit_sign_in(&mut browser, &page, ADA, PASSWORD)).await;
        assert_eq!(page.path(), "/consent", "{}", page.text());
        assert!(!page.url().contains("CANARY") && !log.contains("CANARY") && !log.contains(PASSWORD), "{log}");
        for name in ["__Host-flow", "__Host-sid", "__Host-known"] {
            assert!(!browser.cookie(name).unwrap().contains("CANARY"));
        }
    }

    async fn a044_enormous_parameters_are_refused_and_not_repeated(t: TestServer) {
        let app = app(&t).await;
        let many = (0..10_000).map(|number| format!("s{number}")).collect::<Vec<_>>().join(" ");
        for (name, value) in [("scope", "x".repeat(1_000_000)), ("scope", many), ("state", "x".repeat(100_000))] {
            let parameters = app.changed(&[(name, value.as_str())]);
            let mut raw = t.raw().await;
            raw.write(format!("GET /oauth2/authorize?{} HTTP/1.1\r\nHost: id.test\r\n\r\n", query(&parameters))).await;
            let answer = raw.rest().await;
            assert!(answer.starts_with("HTTP/1.1 4") && !answer.contains("location:"), "{answer}");
            let fields: Vec<_> = parameters.iter().map(|(name, value)| (*name, value.as_str())).collect();
            let answer = t.client().post_form("/oauth2/authorize", &fields).await;
            let told = answer.location().is_some_and(|location| location.len() < 300 && location.contains("error=invalid_"));
            assert!((400..500).contains(&answer.status()) || told, "{} {:?}", answer.status(), answer.location());
        }
        let state = "x".repeat(3_000);
        let back = ask(&mut t.browser(), &app, &[("state", &state)]).await;
        assert_eq!((back.parameter("error").as_deref(), back.parameter("state")), (Some("invalid_request"), None));
    }

    async fn a045_scripts_of_other_origins_read_no_answer_of_the_authorization_endpoint(t: TestServer) {
        let app = app(&t).await;
        for origin in ["https://evil.tld", "https://app.test", "null"] {
            let request = t.client().request(http::Method::GET, &app.address(&[])).header("origin", origin);
            let answer = t.client().send(request.body(bytes::Bytes::new()).unwrap()).await;
            assert_eq!(answer.header("access-control-allow-origin"), None);
            assert_eq!(answer.header("access-control-allow-credentials"), None);
        }
    }

    async fn a088_a_half_finished_sign_in_is_nobody(t: TestServer) {
        let body = json!({ "email": ADA, "email_verified": false, "password": PASSWORD });
        crate::people::created(&t.operator().post_json("/api/v1/users", &body).await);
        let (app, mut browser) = (app(&t).await, t.browser());
        let page = ask(&mut browser, &app, &[]).await;
        let page = submit_sign_in(&mut browser, &page, ADA, PASSWORD).await;
        assert_eq!(page.path(), "/verify", "the password was right, the address is not proven yet");
        assert!(browser.cookie("__Host-sid").is_none());
        assert!(!is_signed_in(&mut browser).await);
        assert_eq!(told(&mut browser, &app, &[("prompt", "none")]).await, "login_required");
        assert_eq!(browser.open("/account/password").await.path(), "/login");
    }

    async fn request_objects_are_refused_by_name(t: TestServer) {
        user(&t, ADA).await;
        let (app, mut browser) = (app(&t).await, signed_in(&t, ADA).await);
        assert_eq!(told(&mut browser, &app, &[("request", "a.b.c")]).await, "request_not_supported");
        assert_eq!(told(&mut browser, &app, &[("request_uri", "https://x.test")]).await, "request_uri_not_supported");
    }

    async fn the_address_that_the_application_suggests_is_filled_in(t: TestServer) {
        let page = ask(&mut t.browser(), &app(&t).await, &[("login_hint", "ada+x@example.com")]).await;
        assert_eq!(page.form("sign-in").value("email"), Some("ada+x@example.com"));
    }

    async fn a201_what_a_client_calls_itself_cannot_shape_a_log_line(t: TestServer) {
        let hostile = "x\r\n2026-11-21T00:00:00Z  INFO forged \u{1b}[31m \u{9b}2J \u{85} \u{2028} end";
        let endless = "long".repeat(2_000);
        let client = t.client_at(peer("192.0.2.7"));
        for path in ["/oauth2/authorize", "/oauth2/logout", "/oauth2/token"] {
            for name in [hostile, &endless] {
                let fields = [("client_id", name), ("post_logout_redirect_uri", "https://evil.tld/")];
                let (_, log) = logged(client.post_form(path, &fields)).await;
                let lines: Vec<&str> = log.lines().filter(|line| line.contains("claviger::security")).collect();
                assert!(matches!(lines[..], [line] if line.len() < 2_000), "{path}: {log}");
                assert!(lines[0].contains(&name[..1]) && !log.contains("\n2026-11-21T00:00:00Z"), "{path}: {log}");
                let moves = |letter: char| letter != '\n' && (letter.is_control() || letter == '\u{2028}');
                assert!(!log.contains(moves), "{path}: {log:?}");
            }
        }
    }

    async fn a201_what_a_client_calls_itself_stays_one_field_of_its_line(t: TestServer) {
        let hostile = r#"x actor=operator fields="{}" y=""#;
        let client = t.client_at(peer("192.0.2.7"));
        for path in ["/oauth2/authorize", "/oauth2/logout", "/oauth2/token"] {
            let fields = [("client_id", hostile), ("post_logout_redirect_uri", "https://evil.tld/")];
            let (_, log) = logged(client.post_form(path, &fields)).await;
            assert!(log.contains(&format!("subject={hostile:?}")), "{path}: {log}");
        }
    }
}
