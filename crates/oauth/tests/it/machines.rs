//! Client authentication and tokens for machines.

use core::future::{Future as _, poll_fn};
use core::task::Poll;

use claviger_kernel::Secret;
use claviger_oauth::clients::AuthMethod;
use claviger_oauth::scope::Scopes;
use claviger_oauth::token::TokenRequest;
use claviger_oauth::{PresentedClient, TokenError};
use claviger_storage::both_engines;
use claviger_storage::scratch::{self, Engine};

use super::house::{House, SECRET, api_called, presented};

fn credentials(scope: Option<&str>, resource: Option<&str>) -> TokenRequest {
    TokenRequest {
        grant_type: Some("client_credentials".to_owned()),
        scope: scope.map(str::to_owned),
        resource: resource.map(str::to_owned),
        ..TokenRequest::default()
    }
}

both_engines! {
    async fn a_machine_gets_a_token_for_an_api(scratch) {
        let house = House::open(scratch).await;
        house.client("robot", |_| {}).await;
        let scopes = Scopes::parse("notes:read").unwrap();
        let api = "https://api.example.com";
        house.oauth.create_resource_server(&house.cx, api, api_called("Notes", scopes)).await.unwrap();
        let tokens = house.token("robot", &credentials(Some("notes:read"), Some(api))).await.unwrap();
        assert!(tokens.refresh_token.is_none() && tokens.id_token.is_none());
        let unknown = house.token("robot", &credentials(None, Some("https://other.example.com"))).await;
        assert_eq!(unknown.unwrap_err(), TokenError::InvalidTarget);
        let scopes = Scopes::parse("books:read").unwrap();
        let unlinked = "https://books.example.com";
        house.oauth.create_resource_server(&house.cx, unlinked, api_called("Books", scopes)).await.unwrap();
        let refused = house.token("robot", &credentials(None, Some(unlinked))).await;
        assert_eq!(refused.unwrap_err(), TokenError::InvalidTarget, "nobody has linked the client to this API");
    }

    async fn a025_a_machine_gets_no_scope_of_a_person_and_none_that_it_lacks(scratch) {
        let house = House::open(scratch).await;
        house.client("robot", |_| {}).await;
        for scope in ["openid", "email", "admin", "notes:write", "notes:read openid", "\""] {
            let refused = house.token("robot", &credentials(Some(scope), None)).await.unwrap_err();
            assert_eq!(refused.code(), "invalid_scope", "{scope}");
        }
        assert_eq!(house.token("robot", &credentials(None, None)).await.unwrap().scope, "notes:read");
    }

    async fn a043_a_client_proves_itself_in_its_own_way_only(scratch) {
        let house = House::open(scratch).await;
        house.client("basic", |new| new.settings.token_endpoint_auth_method = AuthMethod::ClientSecretBasic).await;
        let ask = async |presented: PresentedClient| house.oauth.authenticate(&house.cx, &presented).await.map(drop);
        let basic = |secret: &str| Some(("basic".to_owned(), Secret::from(secret)));
        assert_eq!(ask(PresentedClient { basic: basic(SECRET), ..PresentedClient::default() }).await, Ok(()));
        let post = PresentedClient {
            client_id: Some("basic".to_owned()),
            client_secret: Some(Secret::from(SECRET)),
            ..PresentedClient::default()
        };
        assert_eq!(ask(post).await, Err(TokenError::InvalidClient));
        let named = PresentedClient { client_id: Some("basic".to_owned()), ..PresentedClient::default() };
        assert_eq!(ask(named).await, Err(TokenError::InvalidClient));
        let wrong = PresentedClient { basic: basic("wrong"), ..PresentedClient::default() };
        assert_eq!(ask(wrong).await, Err(TokenError::InvalidClient));
        let two = PresentedClient {
            basic: basic(SECRET),
            client_secret: Some(Secret::from(SECRET)),
            ..PresentedClient::default()
        };
        assert_eq!(ask(two).await.unwrap_err().code(), "invalid_request");
        assert_eq!(ask(PresentedClient::default()).await, Err(TokenError::InvalidClient));
    }

    async fn two_secrets_live_side_by_side_and_a_third_ends_the_first(scratch) {
        let house = House::open(scratch).await;
        let client = house.client("robot", |_| {}).await;
        let works = async |secret: &Secret<String>| {
            let presented = PresentedClient {
                client_id: Some("robot".to_owned()),
                client_secret: Some(secret.clone()),
                ..PresentedClient::default()
            };
            house.oauth.authenticate(&house.cx, &presented).await.is_ok()
        };
        let first = Secret::from(SECRET);
        let overlap = std::time::Duration::from_hours(1);
        house.scratch.clock.advance(std::time::Duration::from_secs(1));
        let second = house.oauth.rotate_secret(&house.cx, &client, overlap).await.unwrap();
        assert!(works(&first).await && works(&second).await);
        house.scratch.clock.advance(std::time::Duration::from_secs(1));
        let third = house.oauth.rotate_secret(&house.cx, &client, overlap).await.unwrap();
        assert!(!works(&first).await && works(&second).await && works(&third).await);
        house.scratch.clock.advance(overlap);
        assert!(!works(&second).await && works(&third).await);
    }

    async fn a_secret_that_is_replaced_at_once_is_refused_by_nodes_whose_clocks_are_behind(scratch) {
        let house = House::open(scratch).await;
        let client = house.client("robot", |_| {}).await;
        house.oauth.rotate_secret(&house.cx, &client, core::time::Duration::ZERO).await.unwrap();
        let half_a_minute = core::time::Duration::from_secs(30);
        house.scratch.clock.set(house.cx.now().minus(half_a_minute));
        let refused = house.oauth.authenticate(&house.cx, &presented("robot")).await.map(drop);
        assert_eq!(refused, Err(TokenError::InvalidClient));
    }

    async fn a_removed_client_is_refused_and_its_name_is_not_given_again(scratch) {
        let house = House::open(scratch).await;
        let client = house.client("robot", |_| {}).await;
        house.oauth.remove_client(&house.cx, &client).await.unwrap();
        assert_eq!(house.token("robot", &credentials(None, None)).await.unwrap_err(), TokenError::InvalidClient);
    }

    async fn a072_the_key_set_shows_public_members_only(scratch) {
        let house = House::open(scratch).await;
        let jwks = house.ring.jwks(house.cx.realm()).unwrap();
        let text = jwks.body.as_str();
        for member in ["\"d\"", "\"p\"", "\"q\"", "\"dp\"", "\"dq\"", "\"qi\"", "\"k\""] {
            assert!(!text.contains(member), "{member} in {text}");
        }
        assert!(text.contains("\"RS256\"") && text.contains("\"ES256\""));
    }
}

/// Nobody is issued anything that leaves no trace, and a node that is cut off from the database issues nothing: else it would
/// go on for a client that has been removed.
#[test]
fn a_machine_gets_no_token_before_the_row_of_its_minute_is_there() {
    scratch::run(Engine::Postgres, |scratch| async move {
        let house = House::open(scratch).await;
        house.client("robot", |_| {}).await;
        let robot = house.oauth.authenticate(&house.cx, &presented("robot")).await.unwrap();
        let request = credentials(None, None);
        let database = house.scratch.database().unwrap();
        let (holds, watch) = (database.owner().await.unwrap(), database.owner().await.unwrap());
        holds.batch_execute("begin; lock table audit_events in access exclusive mode").await.unwrap();
        let mut asked: Vec<_> = (0..3).map(|_| Box::pin(house.oauth.token(&house.cx, &robot, &request))).collect();
        let waits = "select count(*) from pg_stat_activity \
            where datname = current_database() and wait_event_type = 'Lock'";
        loop {
            for one in &mut asked {
                let answer = poll_fn(|context| Poll::Ready(one.as_mut().poll(context))).await;
                assert!(answer.is_pending(), "its row is not there: {answer:?}");
            }
            if watch.query_one(waits, &[]).await.unwrap().get::<_, i64>(0) > 0 {
                break;
            }
        }
        for one in &mut asked {
            let answer = poll_fn(|context| Poll::Ready(one.as_mut().poll(context))).await;
            assert!(answer.is_pending(), "its row is not there: {answer:?}");
        }
        holds.batch_execute("commit").await.unwrap();
        for one in asked {
            one.await.unwrap();
        }
        let rows = "select count(*) from audit_events where name = 'machine_tokens_issued'";
        assert_eq!(watch.query_one(rows, &[]).await.unwrap().get::<_, i64>(0), 1, "the others are counted");
    });
}
