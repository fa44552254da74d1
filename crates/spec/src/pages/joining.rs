//! What may change between signing up and the code from the mail.

use claviger_testkit::{TestServer, tests};
use serde_json::{Value, json};

use crate::people::{
    ADA, OTHER_PASSWORD, PASSWORD, code, sign_in_at, sign_up, sign_up_form, submit_code, submit_sign_in,
};

async fn open(t: &TestServer, open: bool) {
    let body = json!({ "settings": { "sign_up": { "open": open } } });
    assert_eq!(t.operator().patch_json("/api/v1/realms/main", &body).await.status(), 200);
}

tests! {
    async fn who_confirms_after_sign_up_was_closed_gets_no_account(t: TestServer) {
        let mut browser = t.browser();
        let page = sign_up(&mut browser, "", ADA).await;
        let digits = code(&t, "main", ADA).await;
        open(&t, false).await;
        let refused = submit_code(&mut browser, &page, &digits).await;
        assert_ne!(refused.path(), "/account", "{}", refused.text());
        let found: Value = t.operator().get(&format!("/api/v1/users?email={ADA}")).await.json();
        assert_eq!(found["items"], json!([]));
        open(&t, true).await;
        let done = submit_code(&mut browser, &page, &digits).await;
        assert_eq!((done.status(), done.path()), (200, "/account"), "the code was not used up: {}", done.text());
    }

    async fn whose_address_got_an_account_meanwhile_goes_on_at_its_sign_in(t: TestServer) {
        let (mut first, mut second) = (t.browser(), t.browser());
        let here = sign_up(&mut first, "", ADA).await;
        let mine = code(&t, "main", ADA).await;
        let page = second.open("/signup").await;
        let there = second.submit(&page, &sign_up_form(&page, ADA, OTHER_PASSWORD)).await;
        let theirs = code(&t, "main", ADA).await;
        assert_eq!(submit_code(&mut first, &here, &mine).await.path(), "/account");
        let page = submit_code(&mut second, &there, &theirs).await;
        assert_eq!((page.status(), page.path()), (200, "/login"), "{}", page.text());
        assert!(page.text().contains(ADA), "the address stands in the form");
        assert_eq!(sign_in_at(&mut t.browser(), "", ADA, OTHER_PASSWORD).await.status(), 422);
        assert_eq!(submit_sign_in(&mut second, &page, ADA, PASSWORD).await.path(), "/account", "in the same flow");
    }
}
