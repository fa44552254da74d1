//! The database is away, slow or full: what needs it is put off, what does not goes on, and nobody is told to drop a token.

use std::time::Duration;

use claviger_storage::scratch::Way;
use http::Method;
use serde_json::json;
use tokio::runtime::Runtime;
use tokio::time::{Instant, timeout};

use super::cluster::{Nodes, until};
use super::people::{App, PASSWORD, Person, Tokens};
use super::wire::{Answer, Ask};

const ADA: &str = "ada@example.com";
/// How long the refusal of what needs the database may take: a second for a place, the deadline of two and a half for a
/// unit, and another try; and the machine has much else to do.
const REFUSED: Duration = Duration::from_secs(30);

/// For how many seconds the database stays away; `xtask long` asks for ten minutes.
const AWAY: &str = "CLAVIGER_AWAY_SECONDS";

/// How soon all is as before once the database is back (F32): held to it by `xtask long`; in passing the machine has much
/// else to do.
fn back() -> Duration {
    Duration::from_secs(if std::env::var_os(AWAY).is_some() { 10 } else { 60 })
}

/// A user in a browser, and an application that has asked every node before.
struct World {
    nodes: Nodes,
    app: App,
    person: Person,
    tokens: Tokens,
    code: String,
}

impl World {
    async fn start(count: usize, settings: &[(&str, &str)]) -> Self {
        let nodes = Nodes::start_with(count, settings).await;
        nodes.user(0, ADA).await;
        // Tokens that live as long as they may.
        let long = json!({ "settings": { "tokens": { "access": "15m" } } });
        nodes.command(0, Ask::json(Method::PATCH, "/api/v1/realms/main", &long)).await;
        let app = nodes.confidential_app(0).await;
        let mut person = nodes.sign_in(&[0], ADA).await;
        let tokens = nodes.tokens(&[0], &mut person, &app).await;
        for node in 0..count {
            assert!(nodes.is_active(node, &app, &tokens.access).await);
            assert!(nodes.is_signed_in(node, &mut person).await);
        }
        let code = nodes.code(&[0], &mut person, &app).await;
        Self { nodes, app, person, tokens, code }
    }

    /// What goes on without a database.
    async fn validates(&self, node: usize) {
        for path in ["/.well-known/jwks.json", "/.well-known/openid-configuration", "/readyz", "/livez"] {
            let answer = self.nodes.get(node, path).await.expect("the node answers");
            assert_eq!(answer.status, 200, "{path}: {answer:?}");
        }
        assert_eq!(self.nodes.readiness(node).await.expect("the node answers").status, 200);
        assert!(self.nodes.is_active(node, &self.app, &self.tokens.access).await);
    }

    /// What needs the database: each is told to come back, and none that something of theirs is bad.
    async fn is_put_off(&mut self, node: usize) {
        let Self { nodes, app, tokens, .. } = self;
        let put_off = |what: &str, answer: Option<Answer>| {
            let answer = answer.expect("the node answers");
            assert!(answer.is_busy(), "{what}: {answer:?}");
        };
        put_off("refresh", nodes.refresh(node, app, &tokens.refresh).await);
        put_off("a code", nodes.redeem(node, app, &self.code).await);
        put_off("userinfo", nodes.userinfo(node, &tokens.access).await);
        put_off("introspection of a refresh token", nodes.introspect(node, app, &tokens.refresh).await);
        put_off("revocation", nodes.revoke(node, app, &tokens.refresh).await);
        let (_, sign_in) = nodes.try_sign_in(&[node], ADA, PASSWORD).await.expect("the node answers");
        put_off("sign-in", Some(sign_in));
        put_off("the account page", self.person.ask(nodes, node, Ask::get("/account")).await);
        let user = Ask::json(Method::POST, "/api/v1/users", &json!({ "email": "bo@example.com" }));
        put_off("management", nodes.operator(node, user).await);
    }

    /// The tokens, the cookie and the code that were there before are as good as before.
    async fn is_back(&mut self, node: usize) {
        let Self { nodes, app, tokens, .. } = self;
        until(back(), "a refresh works again", async || {
            let answer = nodes.refresh(node, app, &tokens.refresh).await.expect("the node answers");
            assert!(answer.status == 200 || answer.is_busy(), "{answer:?}");
            if answer.status == 200 {
                *tokens = Tokens::of(&answer);
            }
            answer.status == 200
        })
        .await;
        until(back(), "everything works again", async || {
            let userinfo = nodes.userinfo(node, &tokens.access).await.expect("the node answers");
            let page = self.person.ask(nodes, node, Ask::get("/account")).await.expect("the node answers");
            let sign_in = nodes.try_sign_in(&[node], ADA, PASSWORD).await.expect("the node answers").1;
            assert!(userinfo.status == 200 || userinfo.is_busy(), "{userinfo:?}");
            assert!(page.status == 200 || page.is_busy(), "{page:?}");
            assert!(sign_in.status == 303 || sign_in.is_busy(), "{sign_in:?}");
            (userinfo.status, page.status, sign_in.status) == (200, 200, 303)
        })
        .await;
    }
}

#[test]
fn f32_what_was_made_under_a_key_that_a_node_could_not_hear_of_is_put_off_and_not_refused() {
    Runtime::new().unwrap().block_on(async {
        let mut world = World::start(2, &[]).await;
        world.nodes.link(1).set(Way::Cut);
        // Every key is new, and of that one node knows nothing.
        world.nodes.command(0, Ask::json(Method::POST, "/api/v1/keys/replacements", &json!({}))).await;
        world.person = world.nodes.sign_in(&[0], ADA).await;
        world.tokens = world.nodes.tokens(&[0], &mut world.person, &world.app).await;
        world.code = world.nodes.code(&[0], &mut world.person, &world.app).await;
        world.is_put_off(1).await;
        world.nodes.link(1).set(Way::Open);
        world.is_back(1).await;
    });
}

#[test]
fn f32_with_the_database_down_checks_go_on_and_nobody_is_told_to_drop_a_token() {
    Runtime::new().unwrap().block_on(async {
        let mut world = World::start(2, &[]).await;
        world.nodes.link(0).set(Way::Cut);
        world.is_put_off(0).await;
        world.validates(0).await;
        // The other node has its own way to the database and notices nothing.
        assert!(world.nodes.is_signed_in(1, &mut world.person.clone()).await);
        let next = world.nodes.refresh(1, &world.app, &world.tokens.refresh).await.unwrap();
        world.tokens = Tokens::of(&next);
        world.nodes.link(1).set(Way::Cut);
        let away = std::env::var(AWAY).map_or(0, |seconds| seconds.parse().expect("a number of seconds"));
        let start = Instant::now();
        loop {
            for node in 0..2 {
                world.is_put_off(node).await;
                world.validates(node).await;
            }
            if start.elapsed() >= Duration::from_secs(away) {
                break;
            }
        }
        for node in 0..2 {
            world.nodes.link(node).set(Way::Open);
        }
        for node in 0..2 {
            world.is_back(node).await;
        }
        let code = world.nodes.redeem(0, &world.app, &world.code).await.unwrap();
        assert!(
            code.status == 200 || start.elapsed() > Duration::from_secs(30),
            "within its minute it is good: {code:?}"
        );
    });
}

#[test]
fn f32_what_was_revoked_while_a_node_was_cut_off_is_refused_there_as_soon_as_it_is_back() {
    Runtime::new().unwrap().block_on(async {
        let world = World::start(2, &[]).await;
        world.nodes.link(0).set(Way::Cut);
        let revoked = world.nodes.revoke(1, &world.app, &world.tokens.refresh).await.unwrap();
        assert_eq!(revoked.status, 200, "{revoked:?}");
        world.nodes.link(0).set(Way::Open);
        until(back(), "the node knows what it has missed", async || {
            !world.nodes.is_active(0, &world.app, &world.tokens.access).await
        })
        .await;
        let refresh = world.nodes.refresh(0, &world.app, &world.tokens.refresh).await.unwrap();
        assert_eq!(refresh.code().as_deref(), Some("invalid_grant"), "{refresh:?}");
    });
}

#[test]
fn f31_a_database_that_hangs_or_crawls_holds_nobody_for_long_and_no_check_at_all() {
    Runtime::new().unwrap().block_on(async {
        let mut world = World::start(1, &[]).await;
        for way in [Way::Silent, Way::Slow(Duration::from_secs(5))] {
            world.nodes.link(0).set(way);
            let start = Instant::now();
            let refresh = timeout(REFUSED, world.nodes.refresh(0, &world.app, &world.tokens.refresh));
            let answer = refresh.await.expect("an answer in time").expect("the node answers");
            assert!(answer.is_busy(), "{way:?} after {:?}: {answer:?}", start.elapsed());
            world.validates(0).await;
            world.nodes.link(0).set(Way::Open);
            world.is_back(0).await;
        }
    });
}

#[test]
fn f30_with_every_connection_busy_a_request_waits_a_second_and_checks_wait_for_nothing() {
    Runtime::new().unwrap().block_on(async {
        let world = World::start(1, &[("CLAVIGER_DATABASE__WRITERS", "1")]).await;
        let owner = world.nodes.scratch().database().unwrap().owner().await.unwrap();
        owner.batch_execute("begin; lock table token_families in share mode").await.unwrap();
        let ask = || world.nodes.refresh(0, &world.app, &world.tokens.refresh);
        let (first, second) = tokio::join!(ask(), ask());
        for answer in [first, second] {
            let answer = answer.expect("the node answers");
            assert!(answer.is_busy(), "{answer:?}");
        }
        world.validates(0).await;
        assert_eq!(
            world.nodes.userinfo(0, &world.tokens.access).await.unwrap().status,
            200,
            "a read has places of its own"
        );
        owner.batch_execute("rollback").await.unwrap();
        until(back(), "a refresh works again", async || {
            let answer = ask().await.expect("the node answers");
            assert!(answer.status == 200 || answer.is_busy(), "{answer:?}");
            answer.status == 200
        })
        .await;
    });
}

#[test]
fn f33_with_deadlocks_and_serialization_failures_injected_every_effect_happens_once() {
    const ROUNDS: usize = 60;
    Runtime::new().unwrap().block_on(async {
        let mut world = World::start(3, &[]).await;
        let owner = world.nodes.scratch().database().unwrap().owner().await.unwrap();
        // One transaction in twenty is ended by the server, in favour of nobody.
        owner
            .batch_execute(
                "create sequence tries; grant usage on sequence tries to claviger_app; \
                 create function clash() returns trigger language plpgsql as $$ begin \
                    if nextval('tries') % 20 = 0 then raise exception 'clash' using errcode = '40001'; end if; \
                    if nextval('tries') % 20 = 10 then raise exception 'clash' using errcode = '40P01'; end if; \
                    return new; end $$; \
                 create trigger clash before update on token_families for each row execute function clash()",
            )
            .await
            .unwrap();
        for round in 0..ROUNDS {
            let answer = world.nodes.refresh(round % 3, &world.app, &world.tokens.refresh).await.unwrap();
            world.tokens = Tokens::of(&answer);
        }
        let uses = "select count(*) from audit_events where name = 'token_refreshed'";
        let uses: i64 = owner.query_one(uses, &[]).await.unwrap().get(0);
        assert_eq!(usize::try_from(uses).unwrap(), ROUNDS, "each refresh once");
        let clashes: i64 = owner.query_one("select last_value from tries", &[]).await.unwrap().get(0);
        assert!(clashes > 2 * i64::try_from(ROUNDS).unwrap(), "some were ended and ran again");
    });
}
