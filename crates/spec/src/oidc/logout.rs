//! RP-initiated logout: asked first, unless the client proves that it speaks of this session.

use claviger_testkit::{Browser, tests};

use crate::people::{ADA, App, app, is_signed_in, query, signed_in, text, user};

async fn logout(browser: &mut Browser, fields: &[(&str, &str)]) -> claviger_testkit::Page {
    browser.arrive_from("https://app.test", &format!("/oauth2/logout?{}", query(fields))).await
}

const BYE: &str = "https://app.test/bye";

async fn asked(browser: &mut Browser, fields: &[(&str, &str)]) {
    let page = logout(browser, fields).await;
    assert_eq!((page.status(), page.path()), (200, "/logout"), "{fields:?}: {}", page.text());
    assert!(page.text().contains("Stay signed in"), "{fields:?}: {}", page.text());
    assert!(is_signed_in(browser).await, "{fields:?}: nobody has confirmed yet");
}

async fn id_token(app: &App, t: &claviger_testkit::TestServer, browser: &mut Browser) -> String {
    text(&app.tokens(t, browser).await, "id_token")
}

tests! {
    async fn a034_without_a_hint_or_a_registered_address_the_person_is_asked(t: TestServer) {
        user(&t, ADA).await;
        let app = app(&t).await;
        let mut browser = signed_in(&t, ADA).await;
        let hint = id_token(&app, &t, &mut signed_in(&t, ADA).await).await;
        asked(&mut browser, &[]).await;
        asked(&mut browser, &[("post_logout_redirect_uri", BYE)]).await;
        asked(&mut browser, &[("client_id", &app.client_id), ("post_logout_redirect_uri", BYE)]).await;
        asked(&mut browser, &[("id_token_hint", "a.b.c"), ("post_logout_redirect_uri", BYE)]).await;
        asked(&mut browser, &[("id_token_hint", &hint), ("post_logout_redirect_uri", BYE)]).await;
    }

    async fn a034_an_unregistered_address_is_never_led_to(t: TestServer) {
        user(&t, ADA).await;
        let app = app(&t).await;
        let mut browser = signed_in(&t, ADA).await;
        let hint = id_token(&app, &t, &mut browser).await;
        let page = logout(&mut browser, &[("id_token_hint", &hint), ("post_logout_redirect_uri", "https://evil.tld/")]).await;
        assert_eq!((page.status(), page.path()), (200, "/logout"), "{}", page.text());
    }

    async fn a034_an_image_on_another_site_logs_nobody_out(t: TestServer) {
        user(&t, ADA).await;
        let mut browser = signed_in(&t, ADA).await;
        let answer = browser.post_from("https://evil.tld", "/logout", &[]).await;
        assert_eq!(answer.status(), 403);
        let parked = browser.post_from("https://evil.tld", "/oauth2/logout", &[]).await;
        assert_eq!(parked.status(), 303);
        assert!(is_signed_in(&mut browser).await);
    }

    async fn a_logout_without_a_hint_of_ours_is_nothing_to_remember(t: TestServer) {
        let app = app(&t).await;
        let id = app.client_id.as_str();
        for fields in [vec![], vec![("client_id", id)], vec![("post_logout_redirect_uri", BYE), ("id_token_hint", "a.b.c"), ("state", "s")]] {
            let by_get = t.client().get(&format!("/oauth2/logout?{}", query(&fields))).await;
            let by_post = t.client().post_form("/oauth2/logout", &fields).await;
            for answer in [by_get, by_post] {
                assert_eq!((answer.status(), answer.location()), (303, Some("/logout")), "{fields:?}: no ticket, so no row");
            }
        }
    }

    async fn whoever_confirms_is_signed_out_and_led_back(t: TestServer) {
        user(&t, ADA).await;
        let app = app(&t).await;
        let hint = id_token(&app, &t, &mut signed_in(&t, ADA).await).await;
        let mut browser = signed_in(&t, ADA).await;
        let page = logout(&mut browser, &[("id_token_hint", &hint), ("post_logout_redirect_uri", BYE), ("state", "s")]).await;
        let forged = browser.submit_once(&page, &page.form("sign-out").without("csrf"), None).await;
        assert_eq!(forged.status(), 403);
        let back = browser.press(&page, &page.form("sign-out"), "sign-out").await;
        assert_eq!(back.url(), format!("{BYE}?state=s"));
        assert!(!is_signed_in(&mut browser).await);
    }

    async fn whoever_is_not_signed_in_is_told_so(t: TestServer) {
        let page = logout(&mut t.browser(), &[]).await;
        assert!(page.status() == 200 && page.text().contains("signed out"), "{}", page.text());
    }

    async fn somebody_else_can_answer_a_request_for_consent(t: TestServer) {
        user(&t, ADA).await;
        user(&t, "bob@example.com").await;
        let app = crate::people::app_with(&t, "", serde_json::json!({})).await;
        let mut browser = signed_in(&t, ADA).await;
        let page = browser.arrive_from("https://app.test", &app.address(&[])).await;
        let ticket = page.parameter("request").unwrap();
        let page = browser.open(&format!("/logout?flow={ticket}")).await;
        let page = browser.press(&page, &page.form("sign-out"), "sign-out").await;
        assert_eq!(page.path(), "/login", "{}", page.text());
        let page = crate::people::submit_sign_in(&mut browser, &page, "bob@example.com", crate::people::PASSWORD).await;
        assert_eq!(page.path(), "/consent");
        assert!(page.text().replace("<wbr>", "").contains("bob@example.com"));
    }
}
