//! The database is away for ten minutes, by a clock that is moved by hand (F32).

use core::time::Duration;
use std::sync::Arc;

use claviger_testkit::kernel::SystemReason;
use claviger_testkit::{Answer, Browser, Engine, Hasty, LONG, Options, Page, TestServer, Way, run};
use serde_json::json;

use super::introspection::{is_active, post};
use crate::people::{ADA, App, PASSWORD, app, logged, signed_in, text, user};

/// What needs no database says what it said before.
async fn goes_on(t: &TestServer) {
    for path in
        ["/.well-known/jwks.json", "/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"]
    {
        assert_eq!(t.client().get(path).await.status(), 200, "{path}");
    }
    assert_eq!(t.internal().get("/readyz").await.status(), 200);
}

fn assert_put_off(what: &str, answer: &Answer) {
    assert_eq!(answer.status(), 503, "{what}: {}", answer.text());
    assert!(answer.header("retry-after").is_some(), "{what}: when to come back");
    assert_eq!(answer.header("www-authenticate"), None, "{what}: nobody's token is bad");
    assert!(answer.set_cookies().is_empty(), "{what}: no cookie is taken away");
}

/// The database is back: `ask` may still meet a lost connection, and is told to come back until it does not.
async fn works_again(what: &str, ask: impl AsyncFn() -> Answer) {
    let asking = async {
        loop {
            let answer = ask().await;
            if answer.status() == 200 {
                return;
            }
            assert_put_off(what, &answer);
            let _ = tokio::time::timeout(Duration::from_millis(2), core::future::pending::<()>()).await;
        }
    };
    tokio::time::timeout(LONG, asking).await.unwrap_or_else(|_| panic!("{what}: never again"));
}

/// A signed-in person, a visitor before the sign-in form, and an application with tokens, some of them revoked, and a code.
struct Held {
    app: App,
    browser: Browser,
    visitor: Browser,
    sign_in: Page,
    access: String,
    refresh: String,
    code: String,
    revoked: String,
}

impl Held {
    async fn by(t: &TestServer) -> Self {
        let long = json!({ "settings": { "tokens": { "access": "15m" }, "flows": { "code": "10m" } } });
        assert_eq!(t.operator().patch_json("/api/v1/realms/main", &long).await.status(), 200);
        user(t, ADA).await;
        let app = app(t).await;
        let mut browser = signed_in(t, ADA).await;
        let tokens = app.tokens(t, &mut browser).await;
        let revoked = text(&app.tokens(t, &mut browser).await, "access_token");
        assert_eq!(post(&t.client(), &app, "/oauth2/revoke", &[("token", &revoked)]).await.status(), 200);
        let code = app.code(&mut browser, &[]).await;
        let (access, refresh) = (text(&tokens, "access_token"), text(&tokens, "refresh_token"));
        assert!(is_active(t, &app, &access).await && !is_active(t, &app, &revoked).await);
        let mut visitor = t.browser();
        let sign_in = visitor.open("/login").await;
        Self { app, browser, visitor, sign_in, access, refresh, code, revoked }
    }

    async fn is_put_off(&mut self, t: &TestServer) {
        assert_put_off("refresh", &self.app.refresh(&t.client(), &self.refresh).await);
        assert_put_off("a code", &self.app.redeem(&t.client(), &self.code).await);
        assert_put_off("userinfo", &self.app.userinfo(&t.client(), &self.access).await);
        let account = self.browser.open_once("/account").await;
        assert_put_off("the account page", &account);
        let form = self.sign_in.form("sign-in").fill("email", ADA).fill("password", PASSWORD);
        let sign_in = self.visitor.submit_once(&self.sign_in, &form, None).await;
        assert_put_off("sign-in", &sign_in);
        let made = t.operator().post_json("/api/v1/users", &json!({ "email": "bo@example.com" })).await;
        assert_put_off("management", &made);
    }
}

#[test]
fn f32_for_ten_minutes_without_the_database_checks_go_on_and_afterwards_all_is_as_before() {
    run(Engine::Postgres, Options::default().by_link(), async |t| {
        let mut held = Held::by(&t).await;
        t.link().set(Way::Cut);
        for minute in 1..=10 {
            t.clock().advance(Duration::from_mins(1));
            held.is_put_off(&t).await;
            goes_on(&t).await;
            assert!(is_active(&t, &held.app, &held.access).await, "a live token at minute {minute}");
            assert!(!is_active(&t, &held.app, &held.revoked).await, "a revoked one at minute {minute}");
        }
        t.link().set(Way::Open);
        works_again("refresh", async || held.app.refresh(&t.client(), &held.refresh).await).await;
        works_again("userinfo", async || held.app.userinfo(&t.client(), &held.access).await).await;
        works_again("management", async || t.operator().get("/api/v1/users").await).await;
        works_again("the sign-in form", async || t.client().get("/login").await).await;
        assert_eq!(held.browser.open("/account").await.path(), "/account");
        signed_in(&t, ADA).await;
        goes_on(&t).await;
        // What lives is alive, and what was over is over.
        t.clock().advance(Duration::from_mins(5));
        assert!(!is_active(&t, &held.app, &held.access).await, "no token lives longer for it");
    });
}

#[test]
fn messages_that_wait_for_the_database_are_told_of_in_some_lines_of_log_and_in_one_when_they_go() {
    run(Engine::Postgres, Options::default().by_link(), async |t| {
        let services = t.services();
        let mut cx = services.system(services.tenancy.main().unwrap().id, SystemReason::DELIVERY);
        let clock = Arc::new(Hasty::new(t.clock().clone()));
        cx.clock = clock.clone();
        t.link().set(Way::Cut);
        let outage = async {
            clock.waited(1000).await;
            t.link().set(Way::Open);
            works_again("management", async || t.operator().get("/api/v1/users").await).await;
            works_again("the sign-in form", async || t.client().get("/login").await).await;
            clock.waited(clock.waits() + 100).await;
        };
        let work = async {
            tokio::select! {
                () = services.notifier.run(&cx) => {}
                () = outage => {}
            }
        };
        let ((), log) = logged(Box::pin(work)).await;
        let lines = |text: &str| log.lines().filter(|line| line.contains(text)).count();
        // One to begin with and one for each doubling: a thousand failures are ten lines, and a million twenty.
        assert!((10..=24).contains(&lines("messages wait")), "{log}");
        assert_eq!(lines("messages are delivered again"), 1, "{log}");
    });
}
