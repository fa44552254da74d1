//! What one node has done and another has not heard of: the second must not call bad what the first has issued, nor let live
//! what it has been asked to end.

use std::time::Duration;

use claviger_kernel::Secret;
use claviger_keys::{Purpose, Rotation};
use claviger_oauth::PresentedClient;
use claviger_oauth::clients::{AuthMethod, ClientKind, GrantType};
use claviger_storage::scratch::{self, Engine, Scratch};

use super::house::{House, Second, exchange_of, presented};

/// The key for opaque values that is published now takes over.
async fn rotated(house: &House) {
    let rotate = async || house.ring.rotate(&house.cx, house.cx.realm(), Purpose::Opaque).await.unwrap();
    assert!(matches!(rotate().await, Rotation::Published { .. }));
    house.scratch.clock.advance(Duration::from_hours(24));
    assert!(matches!(rotate().await, Rotation::Activated(_)));
}

/// A refresh token, and a second node that has not heard of the key by which the first would answer to it.
async fn a_key_ahead(scratch: Scratch) -> (House, Second, Secret<String>) {
    let house = House::open(scratch).await;
    house.client("app", |_| {}).await;
    let code = house.code("app", &[]).await;
    let token = house.exchange("app", &code).await.unwrap().refresh_token.unwrap();
    let second = house.second().await;
    rotated(&house).await;
    (house, second, token)
}

#[test]
fn a_lost_answer_is_given_again_by_a_node_that_has_not_heard_of_the_key_it_was_made_with() {
    scratch::run(Engine::Postgres, |scratch| async move {
        let (house, second, first) = a_key_ahead(scratch).await;
        let answer = house.refresh("app", &first).await.unwrap().refresh_token.unwrap();
        let again = second.refresh("app", &first).await.unwrap().refresh_token.unwrap();
        assert_eq!(answer.expose(), again.expose());
    });
}

#[test]
fn an_answer_whose_key_is_gone_for_good_is_not_given_again_by_any_node() {
    scratch::run(Engine::Postgres, |scratch| async move {
        let (house, second, first) = a_key_ahead(scratch).await;
        house.refresh("app", &first).await.unwrap();
        let keys = house.ring.keys(house.cx.realm()).unwrap();
        let leaked = keys.iter().filter(|key| key.purpose == Purpose::Opaque).max_by_key(|key| key.number).unwrap();
        house.ring.remove(&house.cx, house.cx.realm(), leaked.id, true).await.unwrap();
        for refused in [house.refresh("app", &first).await, second.refresh("app", &first).await] {
            assert_eq!(refused.unwrap_err().code(), "invalid_grant");
        }
    });
}

/// The answer to the first request was lost, and the client asks the next node.
#[test]
fn who_gives_a_token_back_once_more_to_another_node_is_refused_there_from_then_on() {
    scratch::run(Engine::Postgres, |scratch| async move {
        let house = House::open(scratch).await;
        house.client("app", |_| {}).await;
        house
            .client("own", |new| {
                (new.kind, new.secret) = (ClientKind::Public, None);
                new.settings.token_endpoint_auth_method = AuthMethod::None;
                new.settings.grant_types = vec![GrantType::AuthorizationCode, GrantType::RefreshToken];
            })
            .await;
        let second = house.second().await;
        let there = async |token: &Secret<String>| second.oauth.userinfo(&second.cx, token.expose()).await.is_ok();

        let tokens = house.exchange("app", &house.code("app", &[]).await).await.unwrap();
        let given = tokens.refresh_token.unwrap();
        let here = house.oauth.authenticate(&house.cx, &presented("app")).await.unwrap();
        house.oauth.revoke(&house.cx, &here, Some(&given)).await.unwrap();
        assert!(there(&tokens.access_token).await, "it has not heard of it");
        second.oauth.revoke(&second.cx, &second.client("app").await, Some(&given)).await.unwrap();
        assert!(!there(&tokens.access_token).await, "revoked, it has said");

        // Signing out in an application of the operator's own is the same.
        let own = PresentedClient { client_secret: None, ..presented("own") };
        let here = house.oauth.authenticate(&house.cx, &own).await.unwrap();
        let code = house.code("own", &[]).await;
        let tokens = house.oauth.token(&house.cx, &here, &exchange_of(&code)).await.unwrap();
        let given = tokens.refresh_token.unwrap();
        house.oauth.revoke(&house.cx, &here, Some(&given)).await.unwrap();
        assert!(there(&tokens.access_token).await, "it has not heard of it");
        let app = second.oauth.first_party(&second.cx, "own").await.unwrap().unwrap();
        assert!(second.oauth.family_to_end(&second.cx, &app, given.expose()).await.unwrap().is_none());
        assert!(!there(&tokens.access_token).await, "nothing is left to end, it has said");
    });
}
