//! Sessions that a node has seen lately.

use core::time::Duration;

use claviger_kernel::Secret;
use claviger_storage::both_engines;

use super::house::{House, PASSWORD};

const OTHER: &str = "quiet orchard 12 thunder";

both_engines! {
    async fn f32_a_session_known_here_goes_on_for_a_while_when_the_store_is_away(scratch) {
        let house = House::open(scratch).await;
        let known = house.sign_up("ada@example.com", PASSWORD).await.opened.cookie;
        let unknown = house.sign_in("ada@example.com", PASSWORD).await.unwrap().opened.cookie;
        assert!(house.session_is_good(&known).await);
        house.scratch.store.close().await;
        let look = async |cookie: &Secret<String>| house.accounts.session(&house.cx, cookie.expose()).await;
        assert!(look(&known).await.unwrap().is_some());
        assert!(look(&unknown).await.is_err(), "not known here: nobody is told to sign in anew");
        house.scratch.clock.advance(Duration::from_mins(14));
        assert!(look(&known).await.unwrap().is_some());
        house.scratch.clock.advance(Duration::from_mins(2));
        assert!(look(&known).await.is_err(), "too long without the store");
        assert!(look(&Secret::from("forged")).await.unwrap().is_none(), "a forged cookie needs no store");
    }

    async fn f32_whether_a_session_idled_out_cannot_be_told_without_the_store(scratch) {
        let house = House::open(scratch).await;
        let known = house.sign_up("ada@example.com", PASSWORD).await.opened.cookie;
        house.scratch.clock.advance(Duration::from_mins(59));
        assert!(house.session_is_good(&known).await, "and the use keeps it");
        house.scratch.store.close().await;
        house.scratch.clock.advance(Duration::from_mins(2));
        assert!(house.accounts.session(&house.cx, known.expose()).await.is_err());
    }

    async fn a085_the_value_from_before_a_step_up_is_dead_where_it_was_known(scratch) {
        let house = House::open(scratch).await;
        let before = house.sign_up("ada@example.com", PASSWORD).await.opened.cookie;
        assert!(house.session_is_good(&before).await);
        let session = house.accounts.session(&house.cx, before.expose()).await.unwrap().unwrap();
        let (current, new) = (Secret::from(PASSWORD), Secret::from(OTHER));
        let changed = house.accounts.change_password(&house.cx, &session, &current, &new, "en").await.unwrap();
        assert!(!house.session_is_good(&before).await);
        assert!(house.session_is_good(&changed.cookie).await);
    }

    async fn a086_an_ended_session_is_refused_where_it_was_known(scratch) {
        let house = House::open(scratch).await;
        let cookie = house.sign_up("ada@example.com", PASSWORD).await.opened.cookie;
        let other = house.sign_in("ada@example.com", PASSWORD).await.unwrap().opened.cookie;
        assert!(house.session_is_good(&cookie).await && house.session_is_good(&other).await);
        let session = house.accounts.session(&house.cx, cookie.expose()).await.unwrap().unwrap();
        house.accounts.sign_out(&house.cx, &session).await.unwrap();
        assert!(!house.session_is_good(&cookie).await);
        assert!(house.session_is_good(&other).await);
        house.accounts.end_sessions(&house.cx, session.user).await.unwrap();
        assert!(!house.session_is_good(&other).await);
    }

    async fn a091_the_server_decides_when_a_known_session_is_over(scratch) {
        let house = House::open(scratch).await;
        let cookie = house.sign_up("ada@example.com", PASSWORD).await.opened.cookie;
        assert!(house.session_is_good(&cookie).await);
        house.scratch.clock.advance(Duration::from_secs(3599));
        assert!(house.session_is_good(&cookie).await, "used within the hour");
        house.scratch.clock.advance(Duration::from_secs(3601));
        assert!(!house.session_is_good(&cookie).await, "idle");
    }
}

#[test]
fn a085_a_step_up_on_one_node_kills_the_value_that_another_node_knows() {
    claviger_storage::scratch::run(claviger_storage::scratch::Engine::Postgres, |scratch| async move {
        let house = House::open(scratch).await;
        let before = house.sign_up("ada@example.com", PASSWORD).await.opened.cookie;
        let second = house.scratch.second().await.unwrap();
        let (accounts, cx) = house.beside(&second).await;
        let there = async |cookie: &Secret<String>| accounts.session(&cx, cookie.expose()).await.unwrap().is_some();
        assert!(there(&before).await);
        let session = house.accounts.session(&house.cx, before.expose()).await.unwrap().unwrap();
        let (current, new) = (Secret::from(PASSWORD), Secret::from(OTHER));
        let changed = house.accounts.change_password(&house.cx, &session, &current, &new, "en").await.unwrap();
        second.catch_up().await.unwrap();
        assert!(!there(&before).await);
        assert!(there(&changed.cookie).await, "and knows the new one by asking");
        house.accounts.sign_out(&house.cx, &session).await.unwrap();
        second.catch_up().await.unwrap();
        assert!(!there(&changed.cookie).await);
        second.close().await;
    });
}
