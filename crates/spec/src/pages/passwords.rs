//! Passwords at the pages: what they may be, how often they may be guessed, and that nobody learns who has an account.

use core::time::Duration;

use claviger_testkit::{Options, Page, TestServer, tests};
use serde_json::json;

use crate::people::{
    ADA, OTHER_PASSWORD, PASSWORD, created, is_signed_in, peer, sign_in_at, sign_up_form, signed_in, submit_sign_in,
    text, user,
};

const REFUSED: &str = "Email address or password is wrong";

/// A page without what is new in each answer: nonce, tokens, ids, and the address that was typed.
fn plain(page: &Page, email: &str) -> String {
    let mut text = page.text().replace("<wbr>", "").replace(email, "[email]");
    let nonce = text.split("nonce=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap_or("-").to_owned();
    text = text.replace(&nonce, "[nonce]");
    for form in ["sign-in", "verify", "recover", "sign-up"] {
        let Some(form) = page.find_form(form) else { continue };
        for name in ["csrf", "flow"] {
            if let Some(value) = form.value(name) {
                text = text.replace(value, &format!("[{name}]"));
            }
        }
    }
    let mut headers: Vec<_> = page
        .headers()
        .iter()
        .filter(|(name, _)| !["x-request-id", "date", "set-cookie"].contains(&name.as_str()))
        .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap().replace(&nonce, "[nonce]")))
        .collect();
    headers.sort();
    format!("{} {}\n{text}", page.status(), headers.join("\n"))
}

/// The same length as [`ADA`], so that lengths can be compared.
const NOBODY: &str = "eve@example.com";

async fn guess(t: &TestServer, from: &str, email: &str) -> Page {
    let mut browser = t.browser_at(peer(from));
    sign_in_at(&mut browser, "", email, OTHER_PASSWORD).await
}

tests! {
    async fn a100_a_refused_sign_in_looks_the_same_for_everybody(t: TestServer) {
        user(&t, ADA).await;
        let disabled = user(&t, "ian@example.com").await;
        t.operator().post_json(&format!("/api/v1/users/{}/disable", text(&disabled, "id")), &json!({})).await;
        let expected = plain(&guess(&t, "192.0.2.1", ADA).await, ADA);
        assert!(expected.starts_with("422") && expected.contains(REFUSED), "{expected}");
        assert_eq!(plain(&guess(&t, "192.0.2.2", NOBODY).await, NOBODY), expected);
        let right = sign_in_at(&mut t.browser_at(peer("192.0.2.3")), "", "ian@example.com", PASSWORD).await;
        assert_eq!(plain(&right, "ian@example.com"), expected);
    }

    async fn a100_a_locked_account_looks_the_same(t: TestServer) {
        user(&t, ADA).await;
        for number in 1..=6 {
            guess(&t, &format!("198.51.100.{number}"), ADA).await;
        }
        let locked = sign_in_at(&mut t.browser_at(peer("192.0.2.1")), "", ADA, PASSWORD).await;
        let unknown = guess(&t, "192.0.2.2", NOBODY).await;
        assert_eq!(plain(&locked, ADA), plain(&unknown, NOBODY));
    }

    async fn a100_signing_up_and_recovering_look_the_same_for_everybody(t: TestServer) {
        user(&t, ADA).await;
        let mut seen = Vec::new();
        for email in [ADA, NOBODY] {
            let mut browser = t.browser();
            let page = browser.open("/signup").await;
            let form = sign_up_form(&page, email, OTHER_PASSWORD);
            let sent = browser.submit_once(&page, &form, None).await;
            let page = browser.follow(sent.clone()).await;
            let (sent_headers, resend) = (sent.headers().len(), browser.press(&page, &page.form("resend"), "resend").await);
            let mut other = t.browser();
            let ask = other.open("/recover").await;
            let recover = other.submit(&ask, &ask.only_form().fill("email", email)).await;
            let wrong = other.submit(&recover, &recover.form("verify").fill("code", "00000000")).await;
            seen.push((sent.status(), sent_headers, plain(&page, email), plain(&resend, email), plain(&recover, email), plain(&wrong, email)));
        }
        assert_eq!(seen[0], seen[1]);
    }

    async fn a100_the_owner_is_told_and_the_visitor_is_not(t: TestServer) {
        user(&t, ADA).await;
        let mut browser = t.browser();
        let page = browser.open("/signup").await;
        browser.submit(&page, &sign_up_form(&page, ADA, OTHER_PASSWORD)).await;
        t.deliver("main").await;
        let mail = t.inbox().newest_to(ADA).unwrap().mail;
        assert!(mail.subject.contains("already have an account"), "{}", mail.subject);
        assert!(crate::people::digits(&mail.text).is_none(), "and no code: {}", mail.text);
    }

    async fn a101_the_same_is_written_for_everybody(t: TestServer) {
        user(&t, ADA).await;
        let mut written = Vec::new();
        for (email, from) in [(ADA, "192.0.2.1"), (NOBODY, "192.0.2.2")] {
            let before = t.durable_rows().await;
            guess(&t, from, email).await;
            let after_guess = t.durable_rows().await;
            let mut browser = t.browser_at(peer(from));
            let page = browser.open("/recover").await;
            browser.submit(&page, &page.only_form().fill("email", email)).await;
            let after_recovery = t.durable_rows().await;
            let page = browser.open("/signup").await;
            browser.submit(&page, &sign_up_form(&page, email, OTHER_PASSWORD)).await;
            let after_sign_up = t.durable_rows().await;
            written.push([after_guess - before, after_recovery - after_guess, after_sign_up - after_recovery]);
            t.deliver("main").await;
            assert_eq!(t.inbox().all().iter().filter(|received| received.mail.to == email).count(), 2, "{email}");
        }
        assert_eq!(written[0], written[1]);
        assert!(written[0].iter().all(|rows| *rows > 0), "{written:?}");
    }

    async fn a102_of_parallel_guesses_only_the_free_ones_are_judged(t: TestServer) {
        user(&t, ADA).await;
        let guesses: Vec<_> = (0..40u8)
            .map(|number| {
                let mut browser = t.browser_at(peer(&format!("198.51.100.{number}")));
                tokio::spawn(async move { sign_in_at(&mut browser, "", ADA, OTHER_PASSWORD).await.status() })
            })
            .collect();
        for guess in guesses {
            assert_eq!(guess.await.unwrap(), 422);
        }
        let right = sign_in_at(&mut t.browser_at(peer("203.0.113.9")), "", ADA, PASSWORD).await;
        assert_eq!(right.status(), 422, "the counter is used up, so even the right one is not judged");
        t.clock().advance(Duration::from_mins(16));
        assert_eq!(sign_in_at(&mut t.browser_at(peer("203.0.113.9")), "", ADA, PASSWORD).await.path(), "/account");
    }

    async fn a103_name_variants_share_one_counter(t: TestServer) {
        user(&t, ADA).await;
        for (number, name) in [ADA, "ADA@example.com", " Ada@EXAMPLE.com ", "aDa@example.com", "ada@ｅxample.com"].iter().enumerate() {
            guess(&t, &format!("198.51.100.{number}"), name).await;
        }
        let right = sign_in_at(&mut t.browser_at(peer("203.0.113.9")), "", ADA, PASSWORD).await;
        assert_eq!(right.status(), 422, "five variants are five guesses at one account");
    }

    async fn a104_addresses_of_one_network_share_one_counter(t: TestServer) {
        user(&t, ADA).await;
        for number in 0..20 {
            let page = guess(&t, &format!("2001:db8:0:0:{number:x}::1"), &format!("nobody{number}@example.com")).await;
            assert_eq!(page.status(), 422);
        }
        let limited = sign_in_at(&mut t.browser_at(peer("2001:db8::ffff")), "", ADA, PASSWORD).await;
        assert_eq!(limited.status(), 429, "{}", limited.text());
        assert_eq!(limited.header("retry-after"), Some("900"));
        let other = sign_in_at(&mut t.browser_at(peer("2001:db8:0:1::1")), "", ADA, PASSWORD).await;
        assert_eq!(other.path(), "/account", "the next network is not concerned");
    }

    async fn a107_a_known_browser_comes_in_although_strangers_guess(t: TestServer) {
        user(&t, ADA).await;
        let mut browser = signed_in(&t, ADA).await;
        let page = browser.open("/account").await;
        browser.press(&page, &page.form("sign-out"), "sign-out").await;
        for number in 0..30 {
            guess(&t, &format!("198.51.100.{number}"), ADA).await;
        }
        assert_eq!(sign_in_at(&mut t.browser(), "", ADA, PASSWORD).await.status(), 422, "a new browser has to wait");
        assert_eq!(sign_in_at(&mut browser, "", ADA, PASSWORD).await.path(), "/account");
    }

    async fn a107_a_reset_opens_a_locked_account(t: TestServer) {
        user(&t, ADA).await;
        for number in 0..30 {
            guess(&t, &format!("198.51.100.{number}"), ADA).await;
        }
        let mut browser = t.browser();
        let page = browser.open("/recover").await;
        let page = browser.submit(&page, &page.only_form().fill("email", ADA)).await;
        let digits = crate::people::code(&t, "main", ADA).await;
        let page = crate::people::submit_code(&mut browser, &page, &digits).await;
        let page = browser.submit(&page, &page.only_form().fill("password", OTHER_PASSWORD)).await;
        assert_eq!(submit_sign_in(&mut browser, &page, ADA, OTHER_PASSWORD).await.path(), "/account");
    }

    async fn a109_an_endless_password_is_refused_before_it_is_counted_or_hashed(t: TestServer) {
        user(&t, ADA).await;
        let before = t.durable_rows().await;
        let mut browser = t.browser();
        for (length, status) in [(1_000_000, 413), (5_000, 400), (257, 400)] {
            let page = sign_in_at(&mut browser, "", ADA, &"x".repeat(length)).await;
            assert_eq!(page.status(), status, "{length}");
        }
        assert_eq!(t.durable_rows().await, before);
    }

    async fn a109_256_code_points_are_a_password(t: TestServer) {
        for (number, length) in [64, 256].into_iter().enumerate() {
            let letter = |place: u32| char::from_u32(0x4e00 + place * place * 7 % 5_003).unwrap();
            let phrase: String = (0..length).map(letter).collect();
            let email = format!("user{number}@example.com");
            created(&t.operator().post_json("/api/v1/users", &json!({ "email": email, "email_verified": true, "password": phrase })).await);
            let mut cut = phrase.clone();
            cut.pop();
            assert_eq!(sign_in_at(&mut t.browser(), "", &email, &cut).await.status(), 422, "nothing is cut off");
            assert_eq!(sign_in_at(&mut t.browser(), "", &email, &phrase).await.path(), "/account");
        }
    }

    async fn a110_a_full_queue_of_hashes_answers_503_and_the_rest_goes_on(t: TestServer, Options::default().slow_hashes()) {
        user(&t, ADA).await;
        let app = crate::people::public_app(&t).await;
        let tokens = app.tokens(&t, &mut signed_in(&t, ADA).await).await;
        let guesses: Vec<_> = (0..24u8)
            .map(|number| {
                let mut browser = t.browser_at(peer(&format!("198.51.100.{number}")));
                let email = format!("nobody{number}@example.com");
                tokio::spawn(async move {
                    let page = sign_in_at(&mut browser, "", &email, PASSWORD).await;
                    (page.status(), page.header("retry-after").is_some())
                })
            })
            .collect();
        assert_eq!(app.userinfo(&t.client(), &text(&tokens, "access_token")).await.status(), 200);
        let mut shed = 0;
        for guess in guesses {
            match guess.await.unwrap() {
                (422, false) => {}
                (503, true) => shed += 1,
                other => panic!("{other:?}"),
            }
        }
        assert!(shed > 0, "a queue of two cannot take 24");
    }

    async fn a112_the_same_password_is_told_apart_by_account(t: TestServer) {
        user(&t, "ab@example.com").await;
        user(&t, "a@example.com").await;
        assert_eq!(sign_in_at(&mut t.browser(), "", "a@example.com", &format!("b{PASSWORD}")).await.status(), 422);
        assert_eq!(sign_in_at(&mut t.browser(), "", "a@example.com", PASSWORD).await.path(), "/account");
    }

    async fn a113_the_same_characters_verify_however_they_are_encoded(t: TestServer) {
        let composed = "caf\u{e9} orchard 12 \u{1f600} thunder ";
        let decomposed = "cafe\u{301} orchard 12 \u{1f600} thunder ";
        created(&t.operator().post_json("/api/v1/users", &json!({ "email": ADA, "email_verified": true, "password": composed })).await);
        assert_eq!(sign_in_at(&mut t.browser(), "", ADA, decomposed).await.path(), "/account");
        assert_eq!(sign_in_at(&mut t.browser(), "", ADA, composed.trim_end()).await.status(), 422, "a space counts");
        let mut browser = t.browser();
        assert_eq!(sign_in_at(&mut browser, "", ADA, "caf\u{e9}\0 orchard").await.status(), 400);
    }

    async fn a116_a_password_that_others_would_try_is_refused_with_its_reason(t: TestServer) {
        let mut browser = t.browser();
        let page = browser.open("/signup").await;
        for (password, reason) in [
            ("short", "at least 15 characters"),
            ("passwordpassword", "Many people use this password"),
            ("lovelace ada lovelace", "without your name"),
            (&"x".repeat(300), "at most 256 characters"),
            ("", "Choose a password"),
        ] {
            let form = page.form("sign-up").fill("name", "Ada Lovelace").fill("email", "ada.lovelace@example.com");
            let refused = browser.submit(&page, &form.fill("password", password)).await;
            assert_eq!(refused.status(), 422, "{password}");
            assert!(refused.text().contains(reason), "{password}: {}", refused.text());
            assert!(password.is_empty() || !refused.text().contains(&format!("value=\"{password}\"")), "it is never written back");
            assert_eq!(refused.form("sign-up").value("email"), Some("ada.lovelace@example.com"), "what else was typed stays");
        }
    }

    async fn a_realm_decides_how_short_a_password_may_be(t: TestServer) {
        for (minimum, status) in [(24, 422), (8, 200)] {
            let patch = json!({ "settings": { "passwords": { "minimum": minimum } } });
            assert_eq!(t.operator().patch_json("/api/v1/realms/main", &patch).await.status(), 200);
            let mut browser = t.browser();
            let page = browser.open("/signup").await;
            let told = format!("At least {minimum} characters");
            assert!(page.text().contains(&told), "{told}: {}", page.text());
            let answer = browser.submit(&page, &sign_up_form(&page, ADA, "plum cascade 9")).await;
            assert_eq!(answer.status(), status, "{}", answer.text());
        }
    }

    async fn a117_a_change_needs_the_present_password_and_ends_the_other_sessions(t: TestServer) {
        user(&t, ADA).await;
        let (mut here, mut elsewhere) = (signed_in(&t, ADA).await, signed_in(&t, ADA).await);
        let page = here.open("/account/password").await;
        for current in ["", OTHER_PASSWORD] {
            let form = page.only_form().fill("current_password", current).fill("password", OTHER_PASSWORD);
            let refused = here.submit(&page, &form).await;
            assert_eq!(refused.status(), 403, "{}", refused.text());
        }
        assert!(is_signed_in(&mut elsewhere).await, "nothing was changed");
        let form = page.only_form().fill("current_password", PASSWORD).fill("password", OTHER_PASSWORD);
        assert_eq!(here.submit(&page, &form).await.status(), 200);
        assert!(is_signed_in(&mut here).await && !is_signed_in(&mut elsewhere).await);
        t.deliver("main").await;
        assert!(t.inbox().newest_to(ADA).unwrap().mail.subject.contains("was changed"));
    }

    async fn a117_a_change_cannot_be_posted_from_elsewhere(t: TestServer) {
        user(&t, ADA).await;
        let mut browser = signed_in(&t, ADA).await;
        let page = browser.open("/account/password").await;
        let form = page.only_form().fill("current_password", PASSWORD).fill("password", OTHER_PASSWORD);
        assert_eq!(browser.submit_once(&page, &form.clone().without("csrf"), None).await.status(), 403);
        let mut thief = signed_in(&t, ADA).await;
        assert_eq!(thief.submit_once(&page, &form, None).await.status(), 403);
        assert_eq!(t.browser().submit(&page, &form).await.path(), "/login");
    }
}
