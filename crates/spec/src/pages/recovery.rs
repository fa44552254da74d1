//! A forgotten password: whose mailbox, whose account, and how often.

use claviger_testkit::{Browser, Page, TestServer, tests};
use http::Method;
use serde_json::json;

use crate::people::{
    ADA, OTHER_PASSWORD, PASSWORD, code, created, is_signed_in, sign_in_at, sign_up_form, signed_in, submit_code, user,
};

async fn ask(browser: &mut Browser, email: &str) -> Page {
    let page = browser.open("/recover").await;
    browser.submit(&page, &page.only_form().fill("email", email)).await
}

async fn choose(browser: &mut Browser, page: &Page, password: &str) -> Page {
    browser.submit(page, &page.only_form().fill("password", password)).await
}

/// How many messages went to this address.
async fn mails(t: &TestServer, email: &str) -> usize {
    t.deliver("main").await;
    t.inbox().all().iter().filter(|received| received.mail.to == email).count()
}

tests! {
    async fn a119_no_header_decides_what_a_mail_says(t: TestServer) {
        user(&t, ADA).await;
        let mut browser = t.browser();
        let page = browser.open("/recover").await;
        let form = page.only_form().fill("email", ADA);
        let (csrf, cookie) = (form.value("csrf").unwrap(), browser.cookie("__Host-flow").unwrap().to_owned());
        let body = crate::people::query(&[("email", ADA), ("csrf", csrf)]);
        let post = |headers: &[(&'static str, &'static str)]| {
            let mut request = t.client().request(Method::POST, "/recover");
            request = request.header("content-type", "application/x-www-form-urlencoded");
            request = request.header("cookie", format!("__Host-flow={cookie}"));
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            request.body(body.clone().into()).unwrap()
        };
        let hostile = [("x-forwarded-host", "evil.tld"), ("forwarded", "host=evil.tld"), ("x-host", "evil.tld")];
        assert_eq!(t.client().send(post(&hostile)).await.status(), 303);
        let two = post(&[("host", "evil.tld")]);
        assert_eq!(t.client().send(two).await.status(), 400);
        t.deliver("main").await;
        let mail = t.inbox().newest_to(ADA).unwrap().mail;
        assert!(!mail.text.contains("evil") && !mail.html.contains("evil"), "{}", mail.text);
        for link in mail.html.split("href=\"").skip(1) {
            assert!(link.starts_with("https://id.test/"), "{link}");
        }
    }

    async fn a120_a_proven_mailbox_opens_its_own_account_only(t: TestServer) {
        user(&t, ADA).await;
        user(&t, "bob@example.com").await;
        let mut browser = t.browser();
        let page = ask(&mut browser, ADA).await;
        let page = submit_code(&mut browser, &page, &code(&t, "main", ADA).await).await;
        assert!(page.text().contains("Choose a new password"));
        let turned = page.only_form().rename("password", "email").fill("email", "bob@example.com");
        let again = browser.submit(&page, &turned).await;
        assert!(again.text().contains("one-time-code"), "another address begins anew: {}", again.text());
        let late = choose(&mut browser, &page, OTHER_PASSWORD).await;
        assert!(!late.text().contains("was changed"), "{}", late.text());
        for email in [ADA, "bob@example.com"] {
            assert_eq!(sign_in_at(&mut t.browser(), "", email, PASSWORD).await.path(), "/account", "{email}");
        }
        let with_both = page.only_form().fill("password", OTHER_PASSWORD).insert("email", "bob@example.com");
        browser.submit(&page, &with_both).await;
        assert_eq!(sign_in_at(&mut t.browser(), "", "bob@example.com", OTHER_PASSWORD).await.status(), 422);
    }

    async fn a121_a_code_resets_once_and_only_the_newest(t: TestServer) {
        user(&t, ADA).await;
        let (mut first, mut second) = (t.browser(), t.browser());
        let one = ask(&mut first, ADA).await;
        let old = code(&t, "main", ADA).await;
        let two = ask(&mut second, ADA).await;
        let new = code(&t, "main", ADA).await;
        assert_eq!(submit_code(&mut second, &two, &old).await.status(), 422, "a code belongs to its own flow");
        let chosen = submit_code(&mut second, &two, &new).await;
        let other = submit_code(&mut first, &one, &old).await;
        assert!(choose(&mut second, &chosen, OTHER_PASSWORD).await.text().contains("was changed"));
        let late = choose(&mut first, &other, "a third one 93 of reeds").await;
        assert_eq!(late.status(), 400, "one reset voids another that was begun before: {}", late.text());
        let again = choose(&mut second, &chosen, "a third one 93 of reeds").await;
        assert!(!again.text().contains("Your password was changed") || again.status() != 200, "{}", again.text());
        assert_eq!(sign_in_at(&mut t.browser(), "", ADA, OTHER_PASSWORD).await.path(), "/account");
    }

    async fn a121_a_code_dies_with_its_time(t: TestServer) {
        user(&t, ADA).await;
        let mut browser = t.browser();
        let page = ask(&mut browser, ADA).await;
        let digits = code(&t, "main", ADA).await;
        t.clock().advance(core::time::Duration::from_mins(31));
        let late = submit_code(&mut browser, &page, &digits).await;
        assert!((400..500).contains(&late.status()), "{}", late.text());
    }

    async fn a122_a_reset_signs_nobody_in(t: TestServer) {
        user(&t, ADA).await;
        let mut elsewhere = signed_in(&t, ADA).await;
        let mut browser = t.browser();
        let page = ask(&mut browser, ADA).await;
        let page = submit_code(&mut browser, &page, &code(&t, "main", ADA).await).await;
        let done = choose(&mut browser, &page, OTHER_PASSWORD).await;
        assert_eq!(done.path(), "/login");
        assert!(!is_signed_in(&mut browser).await, "the new password is asked for first");
        assert!(!is_signed_in(&mut elsewhere).await, "and whoever was signed in is out");
    }

    async fn a124_whoever_opens_the_mails_links_changes_nothing(t: TestServer) {
        user(&t, ADA).await;
        let mut browser = t.browser();
        let page = ask(&mut browser, ADA).await;
        let digits = code(&t, "main", ADA).await;
        let mail = t.inbox().newest_to(ADA).unwrap().mail;
        let mut scanner = t.browser();
        for link in mail.html.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next()) {
            for _ in 0..10 {
                let opened = scanner.open(link).await;
                if let Some(form) = opened.find_form("recover") {
                    scanner.submit(&opened, &form.fill("email", ADA)).await;
                }
            }
        }
        let forged = scanner.submit_once(&page, &page.form("verify").fill("code", &digits), None).await;
        assert_eq!(forged.status(), 403, "the code works in the browser that asked for it");
        let page = submit_code(&mut browser, &page, &digits).await;
        assert!(page.text().contains("Choose a new password"), "{}", page.text());
    }

    async fn a126_what_is_not_one_address_is_refused(t: TestServer) {
        user(&t, ADA).await;
        for hostile in [
            "a@evil.tld,ada@example.com", "a@evil.tld;ada@example.com", "ada@example.com a@evil.tld",
            "\"ada@example.com\"@evil.tld", "ada@example.com\r\nBcc: a@evil.tld", "ada@example.com\nx", "<ada@example.com>",
            "Ada <ada@example.com>", "ada@example.com@evil.tld", "@example.com", "ada@", "ada", "ada@[127.0.0.1]",
            "ada(comment)@example.com", "ada@localhost", "[\"ada@example.com\",\"a@evil.tld\"]",
        ] {
            let refused = ask(&mut t.browser_at(crate::people::peer("192.0.2.1")), hostile).await;
            assert_eq!(refused.status(), 422, "{hostile:?}: {}", refused.text());
            let mut browser = t.browser();
            let page = browser.open("/signup").await;
            let refused = browser.submit(&page, &sign_up_form(&page, hostile, PASSWORD)).await;
            assert_eq!(refused.status(), 422, "{hostile:?}: {}", refused.text());
        }
        let page = t.browser().open("/recover").await;
        let csrf = page.only_form().value("csrf").unwrap().to_owned();
        let twice = [("email", ADA), ("email", "a@evil.tld"), ("csrf", &csrf)];
        assert_eq!(t.client().post_form("/recover", &twice).await.status(), 400);
        t.deliver("main").await;
        assert!(t.inbox().all().is_empty(), "nobody was written to");
    }

    async fn a128_letters_that_look_alike_are_other_accounts(t: TestServer) {
        for stored in ["mike@example.com", "strasse@example.com", "kelvin@example.com"] {
            user(&t, stored).await;
        }
        for (typed, stored) in [
            ("m\u{131}ke@example.com", "mike@example.com"),
            ("mi\u{212a}e@example.com", "mike@example.com"),
            ("\u{17f}trasse@example.com", "strasse@example.com"),
            ("stra\u{df}e@example.com", "strasse@example.com"),
            ("mike@ex\u{e4}mple.com", "mike@example.com"),
            ("mik\u{e9}@example.com", "mike@example.com"),
        ] {
            let before = mails(&t, stored).await;
            let page = ask(&mut t.browser(), typed).await;
            assert!(matches!(page.status(), 200 | 422), "{typed}");
            assert_eq!(mails(&t, stored).await, before, "{typed} is not {stored}");
        }
    }

    async fn a128_mail_goes_to_the_stored_spelling(t: TestServer) {
        created(&t.operator().post_json("/api/v1/users", &json!({ "email": "Ada@example.com", "email_verified": true, "password": PASSWORD })).await);
        ask(&mut t.browser(), "aDA@EXAMPLE.COM").await;
        assert_eq!((mails(&t, "Ada@example.com").await, mails(&t, "aDA@EXAMPLE.COM").await), (1, 0));
    }

    async fn a129_nobody_can_claim_to_be_verified(t: TestServer) {
        let mut browser = t.browser();
        let page = browser.open("/signup").await;
        let form = sign_up_form(&page, ADA, PASSWORD).insert("email_verified", "true");
        let page = browser.submit(&page, &form).await;
        assert_eq!(page.path(), "/verify", "the code is asked for all the same");
        assert_eq!(sign_in_at(&mut t.browser(), "", ADA, PASSWORD).await.status(), 422);
    }

    async fn a132_one_mailbox_gets_five_resets_an_hour_and_is_not_locked(t: TestServer) {
        user(&t, ADA).await;
        for number in 0..30 {
            let mut browser = t.browser_at(crate::people::peer(&format!("198.51.100.{number}")));
            assert_eq!(ask(&mut browser, ADA).await.status(), 200, "and nobody is told");
        }
        assert_eq!(mails(&t, ADA).await, 5);
        assert_eq!(sign_in_at(&mut t.browser(), "", ADA, PASSWORD).await.path(), "/account");
    }

    async fn a135_whoever_proves_a_mailbox_keeps_nothing_that_another_has_prepared(t: TestServer) {
        let mut attacker = t.browser();
        let page = attacker.open("/signup").await;
        let prepared = attacker.submit(&page, &sign_up_form(&page, ADA, OTHER_PASSWORD)).await;
        t.deliver("main").await;
        let mut owner = t.browser();
        let page = crate::people::sign_up(&mut owner, "", ADA).await;
        let digits = code(&t, "main", ADA).await;
        assert_eq!(submit_code(&mut owner, &page, &digits).await.path(), "/account");
        assert_eq!(submit_code(&mut attacker, &prepared, &digits).await.status(), 422);
        assert_eq!(sign_in_at(&mut t.browser(), "", ADA, OTHER_PASSWORD).await.status(), 422);
        assert_eq!(sign_in_at(&mut t.browser(), "", ADA, PASSWORD).await.path(), "/account");
        assert!(!is_signed_in(&mut attacker).await);
    }

    async fn a123_a_stranger_cannot_change_an_account(t: TestServer) {
        user(&t, ADA).await;
        for path in ["/account", "/account/password"] {
            assert_eq!(t.browser().open(path).await.path(), "/login");
        }
        let answer = t.client().post_form("/account/password", &[("current_password", PASSWORD), ("password", OTHER_PASSWORD)]).await;
        assert_eq!((answer.status(), answer.location()), (303, Some("/login")));
        assert_eq!(sign_in_at(&mut t.browser(), "", ADA, PASSWORD).await.path(), "/account");
    }
}
