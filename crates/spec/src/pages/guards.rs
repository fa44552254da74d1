//! What guards every page: cookies, forms, states, headers.

use core::time::Duration;

use claviger_testkit::{Browser, tests};

use crate::people::{
    ADA, OTHER_PASSWORD, PASSWORD, app, code, is_signed_in, sign_in_at, sign_up, sign_up_form, signed_in, submit_code,
    submit_sign_in, user,
};

const MALLORY: &str = "mallory@example.com";

/// Every page that a visitor or a user may see, with its form's fields.
const PAGES: [&str; 6] = ["/login", "/signup", "/recover", "/account", "/account/password", "/account/sessions"];

/// A browser with the cookies of `browser`, at whatever moment they were taken.
fn thief(browser: &Browser) -> Browser {
    browser.clone()
}

async fn sign_out(browser: &mut Browser) {
    let page = browser.open("/account").await;
    browser.press(&page, &page.form("sign-out"), "sign-out").await;
}

tests! {
    async fn a011_whatever_takes_a_credential_answers_303(t: TestServer) {
        user(&t, ADA).await;
        let mut browser = t.browser();
        let page = browser.open("/login").await;
        let form = page.form("sign-in").fill("email", ADA).fill("password", PASSWORD);
        assert_eq!(browser.submit_once(&page, &form, None).await.status(), 303);
        let page = browser.open("/account/password").await;
        let form = page.only_form().fill("current_password", PASSWORD).fill("password", OTHER_PASSWORD);
        assert_eq!(browser.submit_once(&page, &form, None).await.status(), 303);
        let mut newcomer = t.browser();
        let page = newcomer.open("/signup").await;
        let form = sign_up_form(&page, "bob@example.com", PASSWORD);
        let sent = newcomer.submit_once(&page, &form, None).await;
        assert_eq!(sent.status(), 303);
        let page = newcomer.follow(sent).await;
        let form = page.form("verify").fill("code", &code(&t, "main", "bob@example.com").await);
        assert_eq!(newcomer.submit_once(&page, &form, None).await.status(), 303);
    }

    async fn a030_no_page_can_be_framed(t: TestServer) {
        user(&t, ADA).await;
        let mut browser = signed_in(&t, ADA).await;
        let mut stranger = t.browser();
        for path in PAGES {
            for browser in [&mut browser, &mut stranger] {
                let page = browser.open(path).await;
                assert!(page.header("content-security-policy").unwrap().contains("frame-ancestors 'none'"), "{path}");
                assert_eq!(page.header("x-frame-options"), Some("DENY"), "{path}");
            }
        }
    }

    async fn a031_a_sign_in_that_another_site_starts_is_refused(t: TestServer) {
        user(&t, ADA).await;
        let mut browser = t.browser();
        let page = browser.open("/login").await;
        let csrf = page.form("sign-in").value("csrf").unwrap().to_owned();
        let fields = [("email", ADA), ("password", PASSWORD), ("csrf", csrf.as_str())];
        let answer = browser.post_from("https://evil.tld", "/login", &fields).await;
        assert_eq!((answer.status(), answer.set_cookies().len()), (403, 0));
        for path in ["/signup", "/verify", "/recover", "/setup", "/consent", "/logout", "/account/password"] {
            assert_eq!(browser.post_from("https://evil.tld", path, &fields).await.status(), 403, "{path}");
        }
        assert!(!is_signed_in(&mut browser).await);
    }

    async fn a031_a_form_of_another_browser_is_refused(t: TestServer) {
        user(&t, ADA).await;
        let page = t.browser().open("/login").await;
        let mut victim = t.browser();
        assert_eq!(submit_sign_in(&mut victim, &page, ADA, PASSWORD).await.status(), 403, "without any cookie");
        victim.open("/login").await;
        assert_eq!(submit_sign_in(&mut victim, &page, ADA, PASSWORD).await.status(), 403, "with a cookie of its own");
        assert!(!is_signed_in(&mut victim).await);
    }

    async fn a032_a_flow_that_was_begun_elsewhere_is_refused(t: TestServer) {
        let mut attacker = t.browser();
        let theirs = sign_up(&mut attacker, "", ADA).await;
        let flow = theirs.parameter("flow").unwrap();
        let mut victim = t.browser();
        let page = victim.open("/login").await;
        let forged = page.form("sign-in").fill("email", ADA).fill("password", PASSWORD);
        let csrf = forged.value("csrf").unwrap().to_owned();
        for path in ["/login", "/signup", "/verify", "/recover"] {
            let form = theirs.form("verify").fill("csrf", &csrf).fill("flow", &flow).fill("code", "12345678");
            let form = form.to(path);
            let answer = victim.submit_once(&page, &form, None).await;
            assert_eq!(answer.status(), 400, "{path}: {}", answer.text());
        }
        assert_eq!(victim.open(&format!("/verify?flow={flow}")).await.path(), "/login");
    }

    async fn a033_a_planted_cookie_is_not_ours(t: TestServer) {
        user(&t, ADA).await;
        let thiefs = signed_in(&t, ADA).await;
        let stolen = thiefs.cookie("__Host-sid").unwrap().to_owned();
        for planted in ["sid", "__host-sid", "__Secure-sid", "__Host-sid-acme"] {
            let mut browser = t.browser();
            browser.plant(planted, &stolen);
            assert!(!is_signed_in(&mut browser).await, "{planted}");
        }
        let mut victim = signed_in(&t, ADA).await;
        victim.plant("__Host-sid", &stolen);
        assert!(!is_signed_in(&mut victim).await, "of two nobody knows which is ours");
        let mut visitor = t.browser();
        let page = visitor.open("/login").await;
        visitor.plant("__Host-flow", thiefs.cookie("__Host-flow").unwrap());
        assert_eq!(submit_sign_in(&mut visitor, &page, ADA, PASSWORD).await.status(), 403);
    }

    async fn a033_a_planted_cookie_with_a_space_before_our_name_is_not_ours(t: TestServer) {
        user(&t, ADA).await;
        let stolen = signed_in(&t, ADA).await.cookie("__Host-sid").unwrap().to_owned();
        // To a browser these names have no prefix, so any host of the site may set them for all of it.
        for planted in ["\u{2000}__Host-sid", "\u{a0}__Host-sid", "\u{85}__Host-sid", "__Host-sid\u{3000}"] {
            let mut browser = t.browser();
            browser.plant(planted, &stolen);
            assert!(!is_signed_in(&mut browser).await, "{planted:?}");
            let mut victim = signed_in(&t, ADA).await;
            victim.plant(planted, &stolen);
            assert!(is_signed_in(&mut victim).await, "{planted:?} signs nobody out either");
        }
    }

    async fn a085_signing_in_gives_a_new_session_and_ends_the_one_before(t: TestServer) {
        user(&t, ADA).await;
        let mut browser = signed_in(&t, ADA).await;
        let (mut before, first) = (thief(&browser), browser.cookie("__Host-sid").unwrap().to_owned());
        let app = app(&t).await;
        t.clock().advance(Duration::from_secs(1));
        let page = browser.arrive_from("https://app.test", &app.address(&[("prompt", "login")])).await;
        submit_sign_in(&mut browser, &page, ADA, PASSWORD).await;
        assert_ne!(browser.cookie("__Host-sid").unwrap(), first);
        assert!(is_signed_in(&mut browser).await && !is_signed_in(&mut before).await);
    }

    async fn a085_a_cookie_that_was_set_before_is_not_taken_over(t: TestServer) {
        user(&t, ADA).await;
        user(&t, MALLORY).await;
        let mut attacker = signed_in(&t, MALLORY).await;
        let theirs = attacker.cookie("__Host-sid").unwrap().to_owned();
        let app = app(&t).await;
        for planted in ["cvse_planted", &theirs] {
            let mut victim = t.browser();
            victim.plant("__Host-sid", planted);
            t.clock().advance(Duration::from_secs(1));
            let page = victim.arrive_from("https://app.test", &app.address(&[("prompt", "login")])).await;
            submit_sign_in(&mut victim, &page, ADA, PASSWORD).await;
            assert_ne!(victim.cookie("__Host-sid").unwrap(), planted);
            let account = victim.open("/account").await.text().replace("<wbr>", "");
            assert!(account.contains(ADA), "signed in under a new session: {account}");
            let mut kept = t.browser();
            kept.plant("__Host-sid", planted);
            assert!(!is_signed_in(&mut kept).await, "who set the cookie before has nothing of it");
        }
        assert!(!is_signed_in(&mut attacker).await, "their session has ended with it");
    }

    async fn a085_a_password_change_gives_a_new_session_secret(t: TestServer) {
        user(&t, ADA).await;
        let mut browser = signed_in(&t, ADA).await;
        let mut before = thief(&browser);
        let page = browser.open("/account/password").await;
        let form = page.only_form().fill("current_password", PASSWORD).fill("password", OTHER_PASSWORD);
        browser.submit(&page, &form).await;
        assert!(is_signed_in(&mut browser).await && !is_signed_in(&mut before).await);
    }

    async fn a086_a_cookie_is_dead_after_signing_out(t: TestServer) {
        user(&t, ADA).await;
        let mut browser = signed_in(&t, ADA).await;
        let mut replay = thief(&browser);
        sign_out(&mut browser).await;
        assert!(!is_signed_in(&mut replay).await);
    }

    async fn a086_a_session_that_an_administrator_ends_is_dead_at_the_next_request(t: TestServer) {
        let ada = user(&t, ADA).await;
        let app = app(&t).await;
        let mut browser = signed_in(&t, ADA).await;
        let tokens = app.tokens(&t, &mut browser).await;
        let path = format!("/api/v1/users/{}/sign-out", crate::people::text(&ada, "id"));
        let answer = t.operator().post_json(&path, &serde_json::json!({})).await;
        assert!(answer.status() < 300, "{}", answer.text());
        assert!(!is_signed_in(&mut browser).await);
        assert_eq!(app.userinfo(&t.client(), &crate::people::text(&tokens, "access_token")).await.status(), 401);
        assert_eq!(app.refresh(&t.client(), &crate::people::text(&tokens, "refresh_token")).await.code(), "invalid_grant");
    }

    async fn a089_no_step_can_be_skipped(t: TestServer) {
        user(&t, ADA).await;
        let mut browser = t.browser();
        let page = browser.open("/recover").await;
        let page = browser.submit(&page, &page.only_form().fill("email", ADA)).await;
        let form = page.form("verify");
        let empty = browser.submit(&page, &form).await;
        assert_eq!((empty.status(), empty.path()), (422, "/recover"), "the same question: {}", empty.text());
        let ahead = form.clone().rename("code", "password").fill("password", OTHER_PASSWORD);
        let again = browser.submit(&page, &ahead).await;
        assert!(again.path() == "/recover" && again.text().contains("one-time-code"), "{}", again.text());
        let sideways = form.fill("code", "12345678").to("/verify");
        let refused = browser.submit(&page, &sideways).await;
        assert!(matches!(refused.status(), 200 | 422) && refused.text().contains("one-time-code"), "{}", refused.text());
        assert_eq!(sign_in_at(&mut t.browser(), "", ADA, OTHER_PASSWORD).await.status(), 422);
        assert_eq!(sign_in_at(&mut t.browser(), "", ADA, PASSWORD).await.path(), "/account");
    }

    async fn a091_the_server_decides_when_a_session_is_over(t: TestServer) {
        user(&t, ADA).await;
        let (mut idle, mut busy) = (signed_in(&t, ADA).await, signed_in(&t, ADA).await);
        for _ in 0..3 {
            t.clock().advance(Duration::from_mins(25));
            assert!(is_signed_in(&mut busy).await);
        }
        assert!(!is_signed_in(&mut idle).await, "an hour without use");
        for _ in 0..60 {
            t.clock().advance(Duration::from_mins(25));
            busy.open("/account").await;
        }
        assert!(!is_signed_in(&mut busy).await, "a day, however much it was used");
    }

    async fn a092_every_cookie_is_bound_and_hidden_from_scripts(t: TestServer) {
        user(&t, ADA).await;
        let mut browser = t.browser();
        let page = browser.open("/login").await;
        let form = page.form("sign-in").fill("email", ADA).fill("password", PASSWORD);
        let answer = browser.submit_once(&page, &form, None).await;
        let cookies: Vec<_> = page.set_cookies().into_iter().chain(answer.set_cookies()).collect();
        assert_eq!(cookies.len(), 3, "flow, then sid and known: {cookies:?}");
        for cookie in cookies {
            assert!(cookie.starts_with("__Host-") && cookie.len() <= 4096, "{cookie}");
            for attribute in ["; Secure", "; HttpOnly", "; SameSite=Lax", "; Path=/"] {
                assert!(cookie.contains(attribute), "{cookie}");
            }
            assert!(!cookie.contains("Domain"), "{cookie}");
        }
    }

    async fn over_plain_http_on_this_machine_cookies_go_without_prefix(t: TestServer, claviger_testkit::Options::default().set("public_url", "http://localhost:8080")) {
        user(&t, ADA).await;
        let mut browser = signed_in(&t, ADA).await;
        assert!(browser.cookie("sid").is_some() && browser.cookie("__Host-sid").is_none());
        assert!(is_signed_in(&mut browser).await);
    }

    async fn a093_what_belongs_to_one_browser_opens_nothing_in_another(t: TestServer) {
        let mut mine = t.browser();
        let page = sign_up(&mut mine, "", ADA).await;
        let digits = code(&t, "main", ADA).await;
        let mut other = t.browser();
        other.open("/login").await;
        assert_eq!(submit_code(&mut other, &page, &digits).await.status(), 403);
        assert_eq!(submit_code(&mut mine, &page, &digits).await.path(), "/account");
    }

    async fn a094_nothing_leaves_by_referer_title_or_third_parties(t: TestServer) {
        let link = crate::people::set_up_link(&t).await;
        let mut browser = t.browser();
        let away = browser.open_once(&link).await;
        assert_eq!((away.status(), away.location()), (303, Some("/setup")), "the secret leaves the address first");
        let page = browser.follow(away).await;
        assert_eq!((page.status(), page.url()), (200, "https://id.test/setup"));
        let mut newcomer = t.browser();
        let verify = sign_up(&mut newcomer, "", ADA).await;
        let digits = code(&t, "main", ADA).await;
        for page in [&page, &verify, &browser.open("/login").await, &browser.open("/recover").await] {
            assert!(matches!(page.header("referrer-policy"), Some("same-origin" | "no-referrer")), "{}", page.url());
            assert!(!page.url().contains(&digits) && !page.text().contains(&digits));
            let policy = page.header("content-security-policy").unwrap();
            assert!(policy.starts_with("default-src 'none'"), "{policy}");
            for outside in ["src=\"http", "src=\"//", "href=\"http"] {
                assert!(!page.text().contains(outside), "{}: {outside}", page.url());
            }
        }
    }

    async fn a095_no_page_is_kept(t: TestServer) {
        user(&t, ADA).await;
        let mut browser = signed_in(&t, ADA).await;
        let mut stranger = t.browser();
        for path in PAGES {
            for browser in [&mut browser, &mut stranger] {
                let page = browser.open(path).await;
                assert_eq!(page.header("cache-control"), Some("no-store"), "{path}");
            }
        }
        sign_out(&mut browser).await;
        for path in ["/account", "/account/password", "/account/sessions"] {
            assert_eq!(browser.open(path).await.path(), "/login");
        }
    }

    async fn a096_looking_at_a_page_changes_nothing_that_lasts(t: TestServer) {
        user(&t, ADA).await;
        let mut browser = signed_in(&t, ADA).await;
        let before = t.durable_rows().await;
        for path in PAGES.into_iter().chain(["/", "/verify", "/setup", "/logout", "/oauth2/logout", "/consent", "/setup?token=x"]) {
            t.browser().open(path).await;
            browser.open(path).await;
        }
        assert_eq!(t.durable_rows().await, before);
        assert!(is_signed_in(&mut browser).await);
    }

    async fn a097_another_site_cannot_tell_whether_somebody_is_signed_in(t: TestServer) {
        user(&t, ADA).await;
        let mut browser = signed_in(&t, ADA).await;
        for path in PAGES {
            let page = browser.open(path).await;
            assert_eq!(page.header("cross-origin-opener-policy"), Some("same-origin"), "{path}");
            assert_eq!(page.header("cross-origin-resource-policy"), Some("same-origin"), "{path}");
        }
    }

    async fn a099_one_realms_cookie_means_nothing_in_another(t: TestServer) {
        let base = crate::people::realm(&t, "acme").await;
        crate::people::user_in(&t, &base, ADA).await;
        user(&t, ADA).await;
        let (mut main, mut acme) = (signed_in(&t, ADA).await, t.browser());
        sign_in_at(&mut acme, &base, ADA, PASSWORD).await;
        let (of_main, of_acme) = (main.cookie("__Host-sid").unwrap().to_owned(), acme.cookie("__Host-sid-acme").unwrap().to_owned());
        main.plant("__Host-sid-acme", &of_main);
        assert_eq!(main.open("/realms/acme/account").await.path(), "/realms/acme/login");
        acme.plant("__Host-sid", &of_acme);
        assert!(!is_signed_in(&mut acme).await);
    }

    async fn a099_the_host_header_chooses_no_issuer(t: TestServer) {
        for host in ["evil.tld", "id.test.evil.tld", "acme.id.test"] {
            let request = http::Request::builder().uri("/.well-known/openid-configuration").header("host", host);
            let answer = t.client().send(request.body(bytes::Bytes::new()).unwrap()).await;
            assert_eq!(answer.status(), 421, "{host}");
            assert!(!answer.text().contains("evil.tld"), "{}", answer.text());
        }
    }

    async fn a214_no_parameter_chooses_where_a_sign_in_leads(t: TestServer) {
        user(&t, ADA).await;
        for target in ["//evil.tld", "\\evil.tld", "https:evil.tld", "https://evil.tld", "%252f%252fevil.tld", "/\tevil.tld"] {
            for name in ["return_to", "next", "redirect", "continue", "request"] {
                let mut browser = t.browser();
                let query = crate::people::query(&[(name, target)]);
                let page = browser.open(&format!("/login?{query}")).await;
                let form = page.form("sign-in").fill("email", ADA).fill("password", PASSWORD).insert(name, target);
                let answer = browser.submit_once(&page, &form, None).await;
                assert_eq!(answer.location(), Some("/account"), "{name}={target}");
            }
        }
    }

    async fn a_page_speaks_a_language_that_the_realm_has(t: TestServer) {
        for wanted in ["de, en;q=0.5", "xx", "*", "\"><script>", ""] {
            let request = t.client().request(http::Method::GET, "/login").header("accept-language", wanted);
            let answer = t.client().send(request.body(bytes::Bytes::new()).unwrap()).await;
            assert!(answer.text().contains("<html lang=\"en\""), "{wanted}: {}", answer.text());
        }
    }
}
