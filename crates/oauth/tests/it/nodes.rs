//! What one node has done and another has not heard of: the second must not call bad what the first has issued.

use std::time::Duration;

use claviger_keys::{Purpose, Rotation};
use claviger_storage::scratch::{self, Engine};

use super::house::House;

/// The key for opaque values that is published now takes over.
async fn rotated(house: &House) {
    let rotate = async || house.ring.rotate(&house.cx, house.cx.realm(), Purpose::Opaque).await.unwrap();
    assert!(matches!(rotate().await, Rotation::Published { .. }));
    house.scratch.clock.advance(Duration::from_hours(24));
    assert!(matches!(rotate().await, Rotation::Activated(_)));
}

#[test]
fn a_lost_answer_is_given_again_by_a_node_that_has_not_heard_of_the_key_it_was_made_with() {
    scratch::run(Engine::Postgres, |scratch| async move {
        let house = House::open(scratch).await;
        house.client("app", |_| {}).await;
        let code = house.code("app", &[]).await;
        let first = house.exchange("app", &code).await.unwrap().refresh_token.unwrap();
        let second = house.second().await;
        rotated(&house).await;
        let answer = house.refresh("app", &first).await.unwrap().refresh_token.unwrap();
        let again = second.refresh("app", &first).await.unwrap().refresh_token.unwrap();
        assert_eq!(answer.expose(), again.expose());
    });
}

#[test]
fn an_answer_whose_key_is_gone_for_good_is_not_given_again_by_any_node() {
    scratch::run(Engine::Postgres, |scratch| async move {
        let house = House::open(scratch).await;
        house.client("app", |_| {}).await;
        let code = house.code("app", &[]).await;
        let first = house.exchange("app", &code).await.unwrap().refresh_token.unwrap();
        let second = house.second().await;
        rotated(&house).await;
        house.refresh("app", &first).await.unwrap();
        let keys = house.ring.keys(house.cx.realm()).unwrap();
        let leaked = keys.iter().filter(|key| key.purpose == Purpose::Opaque).max_by_key(|key| key.number).unwrap();
        house.ring.remove(&house.cx, house.cx.realm(), leaked.id, true).await.unwrap();
        for refused in [house.refresh("app", &first).await, second.refresh("app", &first).await] {
            assert_eq!(refused.unwrap_err().code(), "invalid_grant");
        }
    });
}
