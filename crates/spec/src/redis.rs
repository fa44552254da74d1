//! Redis away, hung or emptied: sign-in, refresh and revocation go on, for none of them has its truth there.

use core::time::Duration;

use claviger_testkit::{Browser, Engine, LONG, Link, Options, ScratchRedis, TestServer, Way};
use serde_json::{Value, json};

use crate::people::{ADA, App, CALLBACK, PASSWORD, app, is_signed_in, signed_in, submit_sign_in, text, user};

const OTHER: &str = "grace@example.com";
/// How long a server waits for an answer that Redis owes it. An ordinary one waits for 50 ms (F40); on a machine that has
/// much else to do that is no time.
const SHORT: Duration = Duration::from_secs(2);

/// A server with its short-lived state on Redis, and the way there.
struct House {
    t: TestServer,
    redis: ScratchRedis,
    way: Link,
}

impl House {
    /// Its server waits no longer than `span` for an answer of Redis.
    async fn open(engine: Engine, span: Duration) -> Self {
        let redis = ScratchRedis::take().await;
        let (way, url) = redis.linked().await;
        let options = Options::default().set("ephemeral.url", url.expose()).redis_within(span);
        let t = TestServer::start(engine, options).await;
        t.services().ephemeral.redis_answers().expect("Redis is up");
        t.clock().advance(Duration::from_mins(1));
        Self { t, redis, way }
    }

    /// Cuts Redis off, or back again, and waits until the server knows.
    async fn cut(&self, cut: bool) {
        self.way.set(if cut { Way::Cut } else { Way::Open });
        let known = async {
            while self.t.services().ephemeral.redis_answers().is_err() != cut {
                let _ = tokio::time::timeout(Duration::from_millis(2), core::future::pending::<()>()).await;
            }
        };
        tokio::time::timeout(LONG, known).await.expect("the server knows within a while");
        // So that it is Redis' turn again, whatever has happened.
        self.t.clock().advance(Duration::from_mins(1));
    }

    /// What Redis holds of flows and parked requests: a test that finds none has tested nothing.
    async fn held(&self) -> usize {
        self.redis.names().await.len()
    }
}

/// People and tokens as they were before the fault.
struct Before {
    app: App,
    ada: Value,
    tokens: Value,
    revoked: Value,
    browser: Browser,
}

impl Before {
    async fn of(house: &House) -> Self {
        let t = &house.t;
        let ada = user(t, ADA).await;
        user(t, OTHER).await;
        let app = app(t).await;
        let mut browser = signed_in(t, ADA).await;
        let tokens = app.tokens(t, &mut browser).await;
        let mut other = signed_in(t, OTHER).await;
        let revoked = app.tokens(t, &mut other).await;
        let page = other.open("/logout").await;
        other.press(&page, &page.form("sign-out"), "sign-out").await;
        Self { app, ada, tokens, revoked, browser }
    }

    /// Nothing revoked is accepted, nobody is signed out, and everything new can be done.
    async fn holds(&mut self, t: &TestServer) {
        let client = t.client();
        let revoked = |name| text(&self.revoked, name);
        assert_eq!(self.app.userinfo(&client, &revoked("access_token")).await.status(), 401);
        assert_eq!(self.app.refresh(&client, &revoked("refresh_token")).await.code(), "invalid_grant");
        assert!(is_signed_in(&mut self.browser).await);
        let refreshed = self.app.refresh(&client, &text(&self.tokens, "refresh_token")).await;
        assert_eq!(refreshed.status(), 200, "{}", refreshed.text());
        self.tokens = refreshed.json();
        assert_eq!(self.app.userinfo(&client, &text(&self.tokens, "access_token")).await.status(), 200);
        let mut newcomer = t.browser();
        let page = newcomer.arrive_from("https://app.test", &self.app.address(&[])).await;
        let back = submit_sign_in(&mut newcomer, &page, ADA, PASSWORD).await;
        let code = back.parameter("code").unwrap_or_else(|| panic!("{}: {}", back.status(), back.text()));
        let redeemed = self.app.redeem(&client, &code).await;
        assert_eq!(redeemed.status(), 200, "{}", redeemed.text());
    }

    /// Whoever is disabled now is out at the next request.
    async fn ends(&mut self, t: &TestServer) {
        let path = format!("/api/v1/users/{}/disable", text(&self.ada, "id"));
        assert_eq!(t.operator().post_json(&path, &json!({})).await.status(), 200);
        self.is_out(t).await;
    }

    async fn is_out(&mut self, t: &TestServer) {
        let client = t.client();
        assert_eq!(self.app.userinfo(&client, &text(&self.tokens, "access_token")).await.status(), 401);
        assert_eq!(self.app.refresh(&client, &text(&self.tokens, "refresh_token")).await.code(), "invalid_grant");
        assert!(!is_signed_in(&mut self.browser).await);
    }
}

/// Whoever goes back to the application comes to a code, signed in already or not.
async fn begins_anew(app: &App, browser: &mut Browser) {
    let mut page = browser.arrive_from("https://app.test", &app.address(&[])).await;
    if !page.url().starts_with(CALLBACK) {
        page = submit_sign_in(browser, &page, ADA, PASSWORD).await;
    }
    assert!(page.parameter("code").is_some(), "{}: {}", page.status(), page.text());
}

macro_rules! on_redis {
    ($(async fn $name:ident($house:ident, $span:expr) $body:block)*) => {
        $(mod $name {
            #[allow(unused_imports, reason = "a test may need nothing of its surroundings")]
            use super::*;

            async fn test($house: House) $body

            fn run(engine: Engine) {
                let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
                runtime.expect("a runtime for the test").block_on(async { test(House::open(engine, $span).await).await });
            }

            #[test]
            fn sqlite() {
                run(Engine::Sqlite);
            }

            #[test]
            fn postgres() {
                run(Engine::Postgres);
            }
        })*
    };
}

on_redis! {
    async fn f37_sign_in_refresh_and_revocation_go_on_without_redis(house, LONG) {
        let mut before = Before::of(&house).await;
        assert!(house.held().await > 0);
        house.cut(true).await;
        before.holds(&house.t).await;
        before.ends(&house.t).await;
        house.cut(false).await;
        before.is_out(&house.t).await;
    }

    async fn f37_a_sign_in_that_is_under_way_when_redis_goes_is_not_answered_with_a_fault(house, LONG) {
        user(&house.t, ADA).await;
        let app = app(&house.t).await;
        let mut browser = house.t.browser();
        let page = browser.open("/login").await;
        let mut on_the_way = house.t.browser();
        let asked = on_the_way.arrive_from("https://app.test", &app.address(&[])).await;
        house.cut(true).await;
        let page = submit_sign_in(&mut browser, &page, ADA, PASSWORD).await;
        assert_eq!((page.status(), page.path()), (200, "/account"), "{}", page.text());
        let answer = submit_sign_in(&mut on_the_way, &asked, ADA, PASSWORD).await;
        assert!(answer.status() < 500, "{}: {}", answer.status(), answer.text());
        begins_anew(&app, &mut on_the_way).await;
    }

    async fn f37_a_sign_in_that_began_without_redis_is_finished_with_it(house, LONG) {
        user(&house.t, ADA).await;
        let app = app(&house.t).await;
        house.cut(true).await;
        let mut browser = house.t.browser();
        let page = browser.arrive_from("https://app.test", &app.address(&[])).await;
        house.cut(false).await;
        let back = submit_sign_in(&mut browser, &page, ADA, PASSWORD).await;
        assert!(back.parameter("code").is_some(), "{}: {}", back.status(), back.text());
    }

    async fn f38_a_flush_ends_what_is_under_way_and_nothing_else(house, LONG) {
        let mut before = Before::of(&house).await;
        let mut browser = house.t.browser();
        let asked = browser.arrive_from("https://app.test", &before.app.address(&[])).await;
        assert!(house.held().await > 1, "the request is parked there");
        house.redis.flush().await;
        let answer = submit_sign_in(&mut browser, &asked, ADA, PASSWORD).await;
        assert!(answer.status() < 500, "{}: {}", answer.status(), answer.text());
        begins_anew(&before.app, &mut browser).await;
        before.holds(&house.t).await;
        for part in ["flow", "authorization", "mailbox", "ask_hour", "claviger"] {
            house.redis.evict(part).await;
            before.holds(&house.t).await;
        }
        before.ends(&house.t).await;
    }

    async fn f39_another_redis_without_the_last_second_takes_over(house, LONG) {
        let mut before = Before::of(&house).await;
        house.cut(true).await;
        house.redis.flush().await;
        house.cut(false).await;
        before.holds(&house.t).await;
        before.ends(&house.t).await;
    }

    async fn f40_a_hung_redis_fails_no_sign_in_refresh_or_revocation(house, SHORT) {
        let mut before = Before::of(&house).await;
        house.way.set(Way::Silent);
        before.holds(&house.t).await;
        before.ends(&house.t).await;
    }
}
