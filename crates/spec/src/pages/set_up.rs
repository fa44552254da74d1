//! The first administrator.

use claviger_testkit::tests;
use serde_json::Value;

use crate::people::{ADA, PASSWORD, set_up_link, sign_in_at};

tests! {
    async fn a_link_makes_the_first_administrator_once(t: TestServer) {
        let link = set_up_link(&t).await;
        let mut browser = t.browser();
        let page = browser.open(&link).await;
        assert_eq!(page.status(), 200, "{}", page.text());
        let weak = page.form("set-up").fill("name", "Ada").fill("email", ADA).fill("password", "short");
        let refused = browser.submit(&page, &weak).await;
        assert_eq!(refused.status(), 422);
        let form = refused.form("set-up").fill("password", PASSWORD);
        let done = browser.submit(&refused, &form).await;
        assert_eq!(done.path(), "/login", "{}", done.text());
        let again = browser.open(&link).await;
        assert_eq!(again.status(), 410);
        assert!(again.text().contains("Set-up is complete"));
        assert_eq!(sign_in_at(&mut t.browser(), "", ADA, PASSWORD).await.path(), "/account");
    }

    async fn a118_there_is_no_default_account_and_set_up_stays_closed(t: TestServer) {
        let users: Value = t.operator().get("/api/v1/users").await.json();
        assert_eq!(users["items"].as_array().unwrap().len(), 0, "a fresh server has nobody");
        for (name, password) in [("admin", "admin"), ("admin@localhost", "admin"), ("root@id.test", "password")] {
            assert_ne!(sign_in_at(&mut t.browser(), "", name, password).await.path(), "/account");
        }
        let link = set_up_link(&t).await;
        let mut browser = t.browser();
        let page = browser.open(&link).await;
        let form = page.form("set-up").fill("name", "Ada").fill("email", ADA).fill("password", PASSWORD);
        browser.submit(&page, &form).await;
        let users: Value = t.operator().get("/api/v1/users").await.json();
        let id = users["items"][0]["id"].as_str().unwrap().to_owned();
        t.operator().post_json(&format!("/api/v1/users/{id}/disable"), &serde_json::json!({})).await;
        assert_eq!(t.browser().open(&link).await.status(), 410, "whatever became of the administrator");
        let refused = t.operator().post_json("/api/v1/set-up", &serde_json::json!({})).await;
        assert!((400..500).contains(&refused.status()), "{}", refused.text());
    }

    async fn a118_a_link_that_is_not_ours_opens_nothing(t: TestServer) {
        let link = set_up_link(&t).await;
        for forged in ["/setup", "/setup?token=x", &link[..link.len() - 1], &format!("{link}A")] {
            let page = t.browser().open(forged).await;
            assert_eq!(page.status(), 410, "{forged}: {}", page.text());
            assert!(!page.url().contains("token"), "{}", page.url());
        }
    }
}
