//! What has been revoked: refused at once on the node that did it, and by every node that starts afterwards.

use std::sync::Arc;
use std::time::Duration;

use claviger_audit::{Cx, Event, Unit};
use claviger_identity::users;
use claviger_kernel::{Clock, ManualClock, Secret, Timestamp};
use claviger_oauth::token::TokenRequest;
use claviger_oauth::{Client, OAuth, PresentedClient, TokenError};
use claviger_session::{Revocations, families, revocations, sessions};
use claviger_storage::scratch::{self, Engine};
use claviger_storage::{CommitError, Follower, both_engines};

use super::house::{House, SECRET, exchange_of};

/// The service of a node that has just started: its views know what the rows tell, and nothing else.
async fn started(house: &House) -> OAuth {
    let tenancy = Arc::clone(house.ring.tenancy());
    let revocations = Revocations::new(house.cx.db.clone(), Arc::clone(&tenancy), Arc::clone(&house.cx.clock));
    revocations.reload().await.unwrap();
    OAuth::new(Arc::clone(&house.ring), tenancy, Arc::new(revocations), house.notifier.clone())
}

async fn commit(house: &House, cx: &Cx, change: impl FnOnce(&mut Unit)) {
    let mut unit = claviger_audit::unit(cx, Event::new("test", "revoke"));
    change(&mut unit);
    house.cx.commit(unit).await.unwrap();
}

async fn tokens(house: &House, client: &Client) -> (String, said::Claims) {
    let code = house.code(&client.client_id, &[]).await;
    let access = house.exchange(&client.client_id, &code).await.unwrap().access_token;
    let claims = said::read(access.expose());
    (access.expose().clone(), claims)
}

/// What a token says, for a test that must name it.
mod said {
    use claviger_crypto::base64url_decode;

    pub(super) struct Claims {
        pub(super) jti: String,
        pub(super) fam: String,
    }

    pub(super) fn read(token: &str) -> Claims {
        let payload = base64url_decode(token.split('.').nth(1).unwrap()).unwrap();
        let claims: serde_json::Value = serde_json::from_slice(&payload).unwrap();
        let text = |name: &str| claims[name].as_str().unwrap().to_owned();
        Claims { jti: text("jti"), fam: text("fam") }
    }
}

both_engines! {
    async fn f45_a_node_that_starts_refuses_what_was_revoked_before(scratch) {
        let house = House::open(scratch).await;
        let app = house.client("app", |_| {}).await;
        let live = async |token: &str| {
            let here = house.oauth.userinfo(&house.cx, token).await.is_ok();
            let there = started(&house).await.userinfo(&house.cx, token).await.is_ok();
            assert_eq!(here, there, "a node that has just started judges as one that runs");
            here
        };
        let (one, claims) = tokens(&house, &app).await;
        let (other, _) = tokens(&house, &app).await;
        assert!(live(&one).await && live(&other).await);
        commit(&house, &house.cx, |unit| revocations::token(unit, &claims.jti)).await;
        assert!(!live(&one).await, "a token");
        assert!(live(&other).await, "and no other");

        let (one, claims) = tokens(&house, &app).await;
        commit(&house, &house.cx, |unit| families::revoke(unit, claims.fam.parse().unwrap(), "test")).await;
        assert!(!live(&one).await, "a family");

        let gone = house.client("gone", |_| {}).await;
        let (one, _) = tokens(&house, &gone).await;
        house.oauth.remove_client(&house.cx, &gone).await.unwrap();
        assert!(!live(&one).await, "a client");
        assert!(live(&other).await);

        let (one, _) = tokens(&house, &app).await;
        commit(&house, &house.cx, |unit| sessions::end_all(unit, house.user.id(), Some(house.session.id), "test")).await;
        assert!(live(&one).await, "the session that is kept");
        commit(&house, &house.cx, |unit| sessions::end(unit, house.session.id, "test")).await;
        assert!(!live(&one).await && !live(&other).await, "a session");
    }

    async fn f45_a_node_that_starts_refuses_a_user_whose_epoch_was_raised(scratch) {
        let house = House::open(scratch).await;
        let app = house.client("app", |_| {}).await;
        let (token, _) = tokens(&house, &app).await;
        commit(&house, &house.cx, |unit| {
            let raised = users::raise_epoch(unit, house.user.id(), "test");
            revocations::user(unit, raised);
        })
        .await;
        let set = |oauth: &Arc<Revocations>| oauth.len();
        let view = Arc::new(Revocations::new(
            house.cx.db.clone(),
            Arc::clone(house.ring.tenancy()),
            Arc::clone(&house.cx.clock),
        ));
        assert_eq!(set(&view), 0);
        view.reload().await.unwrap();
        assert_eq!(set(&view), 1);
        assert!(house.oauth.userinfo(&house.cx, &token).await.is_err());
    }

    async fn a_used_code_that_comes_back_again_and_again_is_work_once(scratch) {
        let house = House::open(scratch).await;
        house.client("app", |_| {}).await;
        let code = house.code("app", &[]).await;
        house.exchange("app", &code).await.unwrap();
        let comes_back = async || {
            assert_eq!(house.exchange("app", &code).await.unwrap_err().code(), "invalid_grant");
            house.cx.db.progress().looks
        };
        let before = house.cx.db.progress().looks;
        let looks = comes_back().await;
        assert!(looks > before, "every node is told");
        for _ in 0..3 {
            assert_eq!(comes_back().await, looks, "once");
        }
    }

    async fn what_was_issued_since_a_client_was_voided_is_put_off_by_a_node_that_has_not_heard_of_it(scratch) {
        let house = House::open(scratch).await;
        let app = house.client("app", |_| {}).await;
        house.cx.db.keep_time(Arc::clone(&house.cx.clock));
        house.cx.db.follow(house.oauth.follower());
        house.cx.db.catch_up().await.unwrap();
        // It keeps what it has read, and follows nothing.
        let deaf = started(&house).await;
        let presented = PresentedClient {
            client_id: Some("app".to_owned()),
            client_secret: Some(Secret::from(SECRET)),
            ..PresentedClient::default()
        };
        deaf.authenticate(&house.cx, &presented).await.unwrap();
        house.oauth.void_client(&house.cx, &app).await.unwrap();
        let code = house.code("app", &[]).await;
        let given = house.exchange("app", &house.code("app", &[]).await).await.unwrap().refresh_token.unwrap();
        let client = deaf.authenticate(&house.cx, &presented).await.unwrap();
        let refresh = TokenRequest {
            grant_type: Some("refresh_token".to_owned()),
            refresh_token: Some(given.clone()),
            ..TokenRequest::default()
        };
        for request in [exchange_of(&code), refresh] {
            let refusal = deaf.token(&house.cx, &client, &request).await.unwrap_err();
            assert!(matches!(refusal, TokenError::Unavailable(_)), "{:?}: {refusal:?}", request.grant_type);
        }
        let refusal = deaf.introspect(&house.cx, &client, Some(&given)).await.unwrap_err();
        assert!(matches!(refusal, TokenError::Unavailable(_)), "{refusal:?}");
        house.exchange("app", &code).await.unwrap();
        house.refresh("app", &given).await.unwrap();
    }

    async fn f21_an_entry_by_a_node_whose_clock_is_an_hour_slow_is_not_taken_for_an_old_one(scratch) {
        let house = House::open(scratch).await;
        let app = house.client("app", |_| {}).await;
        let (token, claims) = tokens(&house, &app).await;
        let slow: Arc<dyn Clock> = Arc::new(ManualClock::new(house.cx.now().minus(Duration::from_hours(1))));
        let cx = Cx { clock: slow, ..house.cx.clone() };
        commit(&house, &cx, |unit| revocations::token(unit, &claims.jti)).await;
        assert!(house.oauth.userinfo(&house.cx, &token).await.is_err());
        assert!(started(&house).await.userinfo(&house.cx, &token).await.is_err());
    }

    async fn entries_are_dropped_when_no_token_that_they_concern_can_live(scratch) {
        let house = House::open(scratch).await;
        let app = house.client("app", |_| {}).await;
        let (_, claims) = tokens(&house, &app).await;
        commit(&house, &house.cx, |unit| revocations::token(unit, &claims.jti)).await;
        let view = Revocations::new(
            house.cx.db.clone(),
            Arc::clone(house.ring.tenancy()),
            Arc::clone(&house.cx.clock),
        );
        assert_eq!(revocations::expire(&house.cx, &view, 100).await.unwrap(), 0);
        house.scratch.clock.advance(Duration::from_hours(3));
        assert_eq!(revocations::expire(&house.cx, &view, 100).await.unwrap(), 1);
        view.reload().await.unwrap();
        assert!(view.is_empty());
    }
}

/// On PostgreSQL a family can be opened between two statements of the unit that ends every sign-in.
#[test]
fn what_is_opened_while_every_sign_in_ends_leaves_no_token_behind() {
    scratch::run(Engine::Postgres, |scratch| async move {
        let house = House::open(scratch).await;
        let app = house.client("app", |_| {}).await;
        let code = house.code(&app.client_id, &[("scope", "openid offline_access")]).await;
        let token = house.exchange(&app.client_id, &code).await.unwrap().access_token;
        let family = said::read(token.expose()).fam;
        // The exchange once more, as far as its commit.
        let database = house.scratch.database().unwrap();
        let (exchange, watch) = (database.owner().await.unwrap(), database.owner().await.unwrap());
        let not_yet = "create temporary table opened as select * from token_families; delete from token_families";
        let opened = "begin; select 1 from sessions for share; insert into token_families select * from opened";
        exchange.batch_execute(not_yet).await.unwrap();
        exchange.batch_execute(opened).await.unwrap();
        let ends = async {
            loop {
                let mut unit = claviger_audit::unit(&house.cx, Event::new("test", "revoke"));
                sessions::end_all(&mut unit, house.user.id(), None, "test");
                match house.cx.commit(unit).await {
                    Ok(_) => break,
                    // It has a deadline, and the machine may be slow.
                    Err(CommitError::Unavailable(_)) => {}
                    Err(CommitError::Conflict(label)) => panic!("{label}"),
                }
            }
        };
        let goes_on = async {
            let waits = "select count(*) from pg_stat_activity \
                where datname = current_database() and wait_event_type = 'Lock'";
            while watch.query_one(waits, &[]).await.unwrap().get::<_, i64>(0) == 0 {}
            exchange.batch_execute("commit").await.unwrap();
        };
        let both = async { tokio::join!(ends, goes_on) };
        tokio::time::timeout(Duration::from_mins(1), both).await.expect("the unit waits for the exchange alone");
        assert!(house.oauth.userinfo(&house.cx, token.expose()).await.is_err(), "{family}");
        assert!(started(&house).await.userinfo(&house.cx, token.expose()).await.is_err());
    });
}

/// Nodes whose clocks are up to half a minute off the database's serve.
#[test]
fn f22_a_lost_answer_is_given_again_by_a_node_whose_clock_is_half_a_minute_ahead_of_the_others() {
    scratch::run(Engine::Postgres, |scratch| async move {
        let owner = scratch.database().unwrap().owner().await.unwrap();
        let database_time = async || {
            let now = "select (extract(epoch from clock_timestamp()) * 1000000)::bigint";
            Timestamp::from_micros(owner.query_one(now, &[]).await.unwrap().get(0))
        };
        let apart = Duration::from_secs(16);
        scratch.clock.set(database_time().await.minus(apart));
        let house = House::open(scratch).await;
        let app = house.client("app", |_| {}).await;
        let code = house.code(&app.client_id, &[]).await;
        let first = house.exchange(&app.client_id, &code).await.unwrap().refresh_token.unwrap();
        let slow = &house.cx;
        let clock = Arc::new(ManualClock::new(slow.now()));
        let fast = Cx {
            db: house.scratch.second().await.unwrap(),
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
            ..slow.clone()
        };
        house.scratch.clock.set(database_time().await.minus(apart));
        clock.set(database_time().await.plus(apart));
        for node in [slow, &fast] {
            node.db.keep_time(Arc::clone(&node.clock));
            node.db.catch_up().await.unwrap();
        }
        let refreshed = async |node: &Cx| house.refresh_at(node, &app.client_id, &first).await;
        let second = refreshed(slow).await.unwrap().refresh_token.unwrap();
        let again = refreshed(&fast).await.unwrap().refresh_token.unwrap();
        assert_eq!(second.expose(), again.expose());
    });
}
