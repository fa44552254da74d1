//! From a stranger to a signed-in person and back, page by page.

use claviger_testkit::tests;

use crate::people::{
    ADA, OTHER_PASSWORD, PASSWORD, code, is_signed_in, realm, sign_in_at, sign_up, signed_in, submit_code,
    submit_sign_in, user, user_in,
};

tests! {
    async fn a_stranger_signs_up_types_the_code_and_is_signed_in(t: TestServer) {
        let mut browser = t.browser();
        let page = sign_up(&mut browser, "", ADA).await;
        assert_eq!((page.status(), page.path()), (200, "/verify"), "{}", page.text());
        let page = submit_code(&mut browser, &page, &code(&t, "main", ADA).await).await;
        assert_eq!((page.status(), page.path()), (200, "/account"), "{}", page.text());
        assert!(page.text().contains("Ada Lovelace") && page.text().contains(ADA));
    }

    async fn a_user_signs_in_and_out(t: TestServer) {
        user(&t, ADA).await;
        let mut browser = signed_in(&t, ADA).await;
        let page = browser.open("/account").await;
        let page = browser.press(&page, &page.form("sign-out"), "sign-out").await;
        assert_eq!((page.status(), page.path()), (200, "/logout"), "{}", page.text());
        assert!(page.text().contains("signed out"));
        assert!(!is_signed_in(&mut browser).await);
    }

    async fn the_start_page_leads_home_or_to_sign_in(t: TestServer) {
        user(&t, ADA).await;
        assert_eq!(t.browser().open("/").await.path(), "/login");
        let mut browser = signed_in(&t, ADA).await;
        assert_eq!(browser.open("/").await.path(), "/account");
        assert_eq!(browser.open("/login").await.path(), "/account");
    }

    async fn a_forgotten_password_is_replaced_by_a_code_from_the_mail(t: TestServer) {
        user(&t, ADA).await;
        let mut browser = t.browser();
        let page = browser.open("/login").await;
        let page = browser.open(&page.link("forgotten").unwrap_or_else(|| "/recover".to_owned())).await;
        let page = browser.submit(&page, &page.only_form().fill("email", ADA)).await;
        assert_eq!((page.status(), page.path()), (200, "/recover"), "{}", page.text());
        let page = submit_code(&mut browser, &page, &code(&t, "main", ADA).await).await;
        assert_eq!((page.status(), page.path()), (200, "/recover"), "{}", page.text());
        let page = browser.submit(&page, &page.only_form().fill("password", OTHER_PASSWORD)).await;
        assert_eq!((page.status(), page.path()), (200, "/login"), "{}", page.text());
        assert!(page.text().contains("Your password was changed"));
        let page = submit_sign_in(&mut browser, &page, ADA, OTHER_PASSWORD).await;
        assert_eq!(page.path(), "/account", "{}", page.text());
    }

    async fn a_signed_in_user_changes_the_password(t: TestServer) {
        user(&t, ADA).await;
        let mut browser = signed_in(&t, ADA).await;
        let page = browser.open("/account/password").await;
        let form = page.only_form().fill("current_password", PASSWORD).fill("password", OTHER_PASSWORD);
        let page = browser.submit(&page, &form).await;
        assert_eq!((page.status(), page.path()), (200, "/account/password"), "{}", page.text());
        assert!(page.text().contains("Your password was changed"));
        assert!(is_signed_in(&mut browser).await, "the browser itself stays signed in");
        assert_eq!(sign_in_at(&mut t.browser(), "", ADA, OTHER_PASSWORD).await.path(), "/account");
        assert_eq!(sign_in_at(&mut t.browser(), "", ADA, PASSWORD).await.status(), 422);
    }

    async fn another_code_can_be_asked_for_and_the_first_is_dead(t: TestServer) {
        let mut browser = t.browser();
        let page = sign_up(&mut browser, "", ADA).await;
        let first = code(&t, "main", ADA).await;
        let page = browser.press(&page, &page.form("resend"), "resend").await;
        assert!(page.status() == 200 && page.text().contains("We sent a new message"), "{}", page.text());
        let second = code(&t, "main", ADA).await;
        let refused = submit_code(&mut browser, &page, &first).await;
        assert_eq!(refused.status(), 422);
        assert_eq!(submit_code(&mut browser, &refused, &second).await.path(), "/account");
    }

    async fn whoever_mistyped_the_address_can_type_another(t: TestServer) {
        user(&t, ADA).await;
        let mut browser = t.browser();
        let page = browser.open("/recover").await;
        let page = browser.submit(&page, &page.only_form().fill("email", "ada@example.org")).await;
        let other = page.link("other-address").expect("a way back");
        let page = browser.open(&other).await;
        let page = browser.submit(&page, &page.only_form().fill("email", ADA)).await;
        assert!(page.text().replace("<wbr>", "").contains(ADA), "{}", page.text());
        let page = submit_code(&mut browser, &page, &code(&t, "main", ADA).await).await;
        assert!(page.text().contains("Choose a new password"), "{}", page.text());
    }

    async fn a_second_realm_has_users_and_cookies_of_its_own(t: TestServer) {
        let base = realm(&t, "acme").await;
        user_in(&t, &base, ADA).await;
        let mut browser = t.browser();
        let page = sign_in_at(&mut browser, &base, ADA, PASSWORD).await;
        assert_eq!((page.status(), page.path()), (200, "/realms/acme/account"), "{}", page.text());
        assert!(browser.cookie("__Host-sid-acme").is_some() && browser.cookie("__Host-sid").is_none());
        assert!(!is_signed_in(&mut browser).await, "a session of acme is none of main");
        let refused = sign_in_at(&mut t.browser(), "", ADA, PASSWORD).await;
        assert_eq!(refused.status(), 422, "a user of acme is none of main");
    }

    async fn a_realm_that_takes_no_newcomers_offers_no_sign_up(t: TestServer) {
        let patch = serde_json::json!({ "settings": { "sign_up": { "open": false } } });
        let answer = t.operator().patch_json("/api/v1/realms/main", &patch).await;
        assert_eq!(answer.status(), 200, "{}", answer.text());
        let mut browser = t.browser();
        let page = browser.open("/signup").await;
        assert_eq!(page.path(), "/login");
        assert!(!page.text().contains("/signup"));
    }
}
