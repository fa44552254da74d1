//! Codes, refresh tokens, userinfo and what ends them.

use std::sync::Arc;
use std::time::Duration;

use claviger_audit::Event;
use claviger_identity::users;
use claviger_kernel::{ClientId, Secret};
use claviger_oauth::clients::ClientSettings;
use claviger_oauth::logout::LogoutParameters;
use claviger_oauth::scope::Scopes;
use claviger_oauth::{TokenError, grants};
use claviger_session::{families, revocations, sessions};
use claviger_storage::both_engines;

use super::house::{CALLBACK, House, api_called, exchange_of};

fn no_grant<T: std::fmt::Debug>(outcome: Result<T, TokenError>) {
    assert_eq!(outcome.unwrap_err().code(), "invalid_grant");
}

async fn withdraw(house: &House, client: ClientId) {
    let grant = grants::of(&house.cx, house.user.id(), client).await.unwrap().unwrap();
    let mut unit = claviger_audit::unit(&house.cx, Event::new("test", "withdraw"));
    grants::withdraw(&mut unit, grant.id);
    house.cx.commit(unit).await.unwrap();
}

both_engines! {
    async fn a_code_becomes_tokens_that_open_userinfo(scratch) {
        let house = House::open(scratch).await;
        house.client("app", |_| {}).await;
        let code = house.code("app", &[]).await;
        let tokens = house.exchange("app", &code).await.unwrap();
        assert_eq!((tokens.expires_in, tokens.scope.as_str()), (300, "openid profile email"));
        assert!(tokens.id_token.is_some() && tokens.refresh_token.is_some());
        let claims = house.oauth.userinfo(&house.cx, tokens.access_token.expose()).await.unwrap();
        assert_eq!(claims["sub"], house.user.subject());
        assert_eq!(claims["email"], "ada@example.com");
        assert_eq!(claims["email_verified"], true);
        assert_eq!(claims["name"], "Ada Lovelace");
    }

    async fn a017_a_code_used_twice_revokes_what_it_gave(scratch) {
        let house = House::open(scratch).await;
        house.client("app", |_| {}).await;
        let code = house.code("app", &[]).await;
        let tokens = house.exchange("app", &code).await.unwrap();
        no_grant(house.exchange("app", &code).await);
        assert!(!house.is_live(&tokens.access_token).await);
        no_grant(house.refresh("app", &tokens.refresh_token.unwrap()).await);
    }

    async fn a018_of_parallel_redemptions_at_most_one_succeeds(scratch) {
        let house = Arc::new(House::open(scratch).await);
        house.client("app", |_| {}).await;
        let code = house.code("app", &[]).await;
        let tries: Vec<_> = (0..50)
            .map(|_| {
                let (house, code) = (Arc::clone(&house), code.clone());
                tokio::spawn(async move { house.exchange("app", &code).await })
            })
            .collect();
        let mut won = 0;
        for attempt in tries {
            won += u32::from(attempt.await.unwrap().is_ok());
        }
        assert_eq!(won, 1);
    }

    async fn a019_a_code_in_wrong_hands_is_refused_and_burnt(scratch) {
        let house = House::open(scratch).await;
        house.client("app", |_| {}).await;
        house.client("other", |_| {}).await;
        let code = house.code("app", &[]).await;
        no_grant(house.exchange("other", &code).await);
        no_grant(house.exchange("app", &code).await);
        let code = house.code("app", &[]).await;
        let mut elsewhere = exchange_of(&code);
        elsewhere.redirect_uri = Some(format!("{CALLBACK}/"));
        no_grant(house.token("app", &elsewhere).await);
        no_grant(house.exchange("app", &code).await);
    }

    async fn a015_a_wrong_verifier_is_refused(scratch) {
        let house = House::open(scratch).await;
        house.client("app", |_| {}).await;
        for verifier in [None, Some("a".repeat(42)), Some("a".repeat(43)), Some("a".repeat(129))] {
            let code = house.code("app", &[]).await;
            let mut request = exchange_of(&code);
            request.code_verifier = verifier.map(Secret::new);
            no_grant(house.token("app", &request).await);
        }
    }

    async fn a020_a_code_lives_for_a_minute(scratch) {
        let house = House::open(scratch).await;
        house.client("app", |_| {}).await;
        let code = house.code("app", &[]).await;
        house.scratch.clock.advance(Duration::from_secs(61));
        no_grant(house.exchange("app", &code).await);
    }

    async fn a024_a_grant_that_the_client_lacks_is_refused(scratch) {
        let house = House::open(scratch).await;
        house.client("app", |new| new.settings.grant_types.truncate(1)).await;
        for (grant, code) in [
            ("password", "unsupported_grant_type"),
            ("client_credentials", "unauthorized_client"),
            ("refresh_token", "unauthorized_client"),
            ("urn:ietf:params:oauth:grant-type:device_code", "unsupported_grant_type"),
        ] {
            let mut request = exchange_of("x");
            request.grant_type = Some(grant.to_owned());
            assert_eq!(house.token("app", &request).await.unwrap_err().code(), code, "{grant}");
        }
        let code = house.code("app", &[]).await;
        assert!(house.exchange("app", &code).await.unwrap().refresh_token.is_none());
    }

    async fn a075_a_used_refresh_token_that_comes_back_kills_its_family(scratch) {
        let house = House::open(scratch).await;
        house.client("app", |_| {}).await;
        let code = house.code("app", &[]).await;
        let first = house.exchange("app", &code).await.unwrap();
        let first_refresh = first.refresh_token.unwrap();
        let second = house.refresh("app", &first_refresh).await.unwrap();
        let third = house.refresh("app", second.refresh_token.as_ref().unwrap()).await.unwrap();
        no_grant(house.refresh("app", &first_refresh).await);
        no_grant(house.refresh("app", third.refresh_token.as_ref().unwrap()).await);
        assert!(!house.is_live(&third.access_token).await);
    }

    async fn a079_a_lost_refresh_answer_can_be_asked_for_again(scratch) {
        let house = House::open(scratch).await;
        house.client("app", |_| {}).await;
        let code = house.code("app", &[]).await;
        let parent = house.exchange("app", &code).await.unwrap().refresh_token.unwrap();
        let first = house.refresh("app", &parent).await.unwrap();
        house.scratch.clock.advance(Duration::from_secs(5));
        let again = house.refresh("app", &parent).await.unwrap();
        assert_eq!(first.refresh_token, again.refresh_token);
        house.scratch.clock.advance(Duration::from_secs(31));
        no_grant(house.refresh("app", &parent).await);
    }

    async fn a077_parallel_refreshes_get_one_successor(scratch) {
        let house = Arc::new(House::open(scratch).await);
        house.client("app", |_| {}).await;
        let code = house.code("app", &[]).await;
        let parent = house.exchange("app", &code).await.unwrap().refresh_token.unwrap();
        let tries: Vec<_> = (0..8)
            .map(|_| {
                let (house, parent) = (Arc::clone(&house), parent.clone());
                tokio::spawn(async move { house.refresh("app", &parent).await })
            })
            .collect();
        let mut successors = Vec::new();
        for attempt in tries {
            successors.push(attempt.await.unwrap().unwrap().refresh_token.unwrap());
        }
        assert!(successors.windows(2).all(|pair| pair[0] == pair[1]));
        assert!(house.refresh("app", &successors[0]).await.is_ok());
    }

    async fn a081_a_refresh_token_is_its_clients_and_no_wider(scratch) {
        let house = House::open(scratch).await;
        house.client("app", |_| {}).await;
        house.client("other", |_| {}).await;
        let code = house.code("app", &[("scope", "openid")]).await;
        let token = house.exchange("app", &code).await.unwrap().refresh_token.unwrap();
        no_grant(house.refresh("other", &token).await);
        let mut wider = exchange_of("");
        wider.grant_type = Some("refresh_token".to_owned());
        wider.refresh_token = Some(token.clone());
        wider.scope = Some("openid email".to_owned());
        assert_eq!(house.token("app", &wider).await.unwrap_err().code(), "invalid_scope");
        assert!(house.refresh("app", &token).await.is_ok(), "another client's try costs the owner nothing");
    }

    async fn a082_what_ends_a_session_a_grant_or_a_user_ends_its_tokens(scratch) {
        let house = House::open(scratch).await;
        let client = house.client("app", |new| new.settings.first_party = false).await;
        let code = house.code("app", &[]).await;
        let withdrawn = house.exchange("app", &code).await.unwrap();
        let grant = grants::of(&house.cx, house.user.id(), client.id).await.unwrap().unwrap();
        let mut unit = claviger_audit::unit(&house.cx, Event::new("test", "withdraw"));
        grants::withdraw(&mut unit, grant.id);
        house.cx.commit(unit).await.unwrap();
        assert!(!house.is_live(&withdrawn.access_token).await);
        no_grant(house.refresh("app", &withdrawn.refresh_token.unwrap()).await);

        let code = house.code("app", &[]).await;
        let ended = house.exchange("app", &code).await.unwrap();
        let code = house.code("app", &[("scope", "openid offline_access")]).await;
        let offline = house.exchange("app", &code).await.unwrap();
        let mut unit = claviger_audit::unit(&house.cx, Event::new("test", "end"));
        sessions::end(&mut unit, house.session.id, "test");
        house.cx.commit(unit).await.unwrap();
        assert!(!house.is_live(&ended.access_token).await);
        no_grant(house.refresh("app", &ended.refresh_token.unwrap()).await);
        let offline = house.refresh("app", &offline.refresh_token.unwrap()).await.unwrap();

        let mut unit = claviger_audit::unit(&house.cx, Event::new("test", "disable"));
        let raised = users::disable(&mut unit, house.user.id());
        revocations::user(&mut unit, raised);
        house.cx.commit(unit).await.unwrap();
        assert!(!house.is_live(&offline.access_token).await);
        no_grant(house.refresh("app", &offline.refresh_token.unwrap()).await);
    }

    async fn a084_two_devices_that_refresh_at_once_lose_nothing(scratch) {
        let house = Arc::new(House::open(scratch).await);
        house.client("app", |_| {}).await;
        let mut devices = Vec::new();
        for _ in 0..2 {
            let code = house.code("app", &[]).await;
            devices.push(house.exchange("app", &code).await.unwrap().refresh_token.unwrap());
        }
        // Each with three tabs, all of which hold what the device holds.
        for round in 1..=5 {
            let tries: Vec<_> = devices
                .iter()
                .flat_map(|token| [token; 3])
                .map(|token| {
                    let (house, token) = (Arc::clone(&house), token.clone());
                    tokio::spawn(async move { house.refresh("app", &token).await })
                })
                .collect();
            let mut got = Vec::new();
            for one in tries {
                got.push(one.await.unwrap().unwrap().refresh_token.unwrap());
            }
            devices = got.chunks(3).map(|tabs| tabs[0].clone()).collect();
            assert!(got.chunks(3).all(|tabs| tabs[0] == tabs[1] && tabs[1] == tabs[2]), "round {round}: one successor");
            let keys = house.ring.opaque(house.cx.realm()).unwrap();
            for token in &devices {
                let family = families::find(&house.cx, &keys, token.expose()).await.unwrap().family;
                assert_eq!(family.generation, round, "no use is lost and none is counted twice");
            }
        }
        assert_ne!(devices[0], devices[1]);
    }

    async fn f24_what_has_expired_is_refused_although_nobody_swept_it(scratch) {
        let house = House::open(scratch).await;
        house.client("app", |_| {}).await;
        let code = house.code("app", &[]).await;
        let tokens = house.exchange("app", &code).await.unwrap();
        let late = house.code("app", &[]).await;
        house.scratch.clock.advance(Duration::from_hours(24 * 31));
        no_grant(house.exchange("app", &late).await);
        assert!(!house.is_live(&tokens.access_token).await);
        no_grant(house.refresh("app", &tokens.refresh_token.unwrap()).await);
        assert!(sessions::by_id(&house.cx, house.session.id).await.is_err());
    }

    async fn tokens_outlive_a_session_that_merely_idled_out(scratch) {
        let house = House::open(scratch).await;
        house.client("app", |_| {}).await;
        let code = house.code("app", &[]).await;
        let token = house.exchange("app", &code).await.unwrap().refresh_token.unwrap();
        house.scratch.clock.advance(Duration::from_hours(2));
        let refreshed = house.refresh("app", &token).await.unwrap();
        assert!(house.is_live(&refreshed.access_token).await);
    }

    async fn a083_a_family_ends_at_its_absolute_limit(scratch) {
        let house = House::open(scratch).await;
        house.client("app", |_| {}).await;
        let code = house.code("app", &[("scope", "openid offline_access")]).await;
        let mut token = house.exchange("app", &code).await.unwrap().refresh_token.unwrap();
        for _ in 0..2 {
            house.scratch.clock.advance(Duration::from_hours(13 * 24));
            token = house.refresh("app", &token).await.unwrap().refresh_token.unwrap();
        }
        house.scratch.clock.advance(Duration::from_hours(5 * 24));
        no_grant(house.refresh("app", &token).await);
    }

    async fn an_expired_access_token_is_told_apart(scratch) {
        let house = House::open(scratch).await;
        house.client("app", |_| {}).await;
        let code = house.code("app", &[]).await;
        let token = house.exchange("app", &code).await.unwrap().access_token;
        house.scratch.clock.advance(Duration::from_secs(301));
        let expired = house.oauth.userinfo(&house.cx, token.expose()).await.unwrap_err();
        assert_eq!(expired, TokenError::InvalidToken { expired: true });
        let garbage = house.oauth.userinfo(&house.cx, "garbage").await.unwrap_err();
        assert_eq!(garbage, TokenError::InvalidToken { expired: false });
    }

    async fn a060_an_id_token_is_no_access_token(scratch) {
        let house = House::open(scratch).await;
        house.client("app", |_| {}).await;
        let code = house.code("app", &[]).await;
        let tokens = house.exchange("app", &code).await.unwrap();
        for other in [tokens.id_token.unwrap(), tokens.refresh_token.unwrap()] {
            assert!(!house.is_live(&other).await);
        }
    }

    async fn a034_logout_goes_back_only_to_a_registered_address_with_a_hint(scratch) {
        let house = House::open(scratch).await;
        house.client("app", |_| {}).await;
        let code = house.code("app", &[]).await;
        let hint = house.exchange("app", &code).await.unwrap().id_token.unwrap().expose().clone();
        let ask = async |hint: Option<&str>, uri: &str| {
            let parameters = LogoutParameters {
                id_token_hint: hint.map(str::to_owned),
                client_id: Some("app".to_owned()),
                post_logout_redirect_uri: Some(uri.to_owned()),
                state: Some("x y".to_owned()),
            };
            house.oauth.read_logout(&house.cx, &parameters).await.unwrap()
        };
        let good = ask(Some(&hint), CALLBACK).await;
        assert_eq!(good.return_to.as_deref(), Some("https://app.example.com/cb?state=x+y"));
        assert!(good.speaks_of(&house.session));
        assert_eq!(ask(Some(&hint), "https://evil.tld/").await.return_to, None);
        let unhinted = ask(None, CALLBACK).await;
        assert_eq!(unhinted.return_to, None);
        assert!(!unhinted.speaks_of(&house.session));
    }

    async fn a034_a_hint_of_another_client_proves_nothing(scratch) {
        let house = House::open(scratch).await;
        house.client("app", |_| {}).await;
        house.client("other", |_| {}).await;
        let code = house.code("app", &[]).await;
        let hint = house.exchange("app", &code).await.unwrap().id_token.unwrap().expose().clone();
        let parameters = LogoutParameters {
            id_token_hint: Some(hint),
            client_id: Some("other".to_owned()),
            post_logout_redirect_uri: Some(CALLBACK.to_owned()),
            state: None,
        };
        let request = house.oauth.read_logout(&house.cx, &parameters).await.unwrap();
        assert_eq!(request.return_to, None);
        assert!(!request.speaks_of(&house.session));
    }

    async fn a082_a_code_on_its_way_is_worth_nothing_after_consent_is_withdrawn(scratch) {
        let house = House::open(scratch).await;
        let client = house.client("app", |new| new.settings.first_party = false).await;
        let code = house.code("app", &[]).await;
        withdraw(&house, client.id).await;
        no_grant(house.exchange("app", &code).await);
    }

    async fn a082_consents_given_at_the_same_time_are_withdrawn_together(scratch) {
        let house = Arc::new(House::open(scratch).await);
        let client = house.client("app", |new| new.settings.first_party = false).await;
        let consenting: Vec<_> = (0..6)
            .map(|_| {
                let house = Arc::clone(&house);
                tokio::spawn(async move { house.code("app", &[]).await })
            })
            .collect();
        let mut tokens = Vec::new();
        for consent in consenting {
            tokens.push(house.exchange("app", &consent.await.unwrap()).await.unwrap());
        }
        withdraw(&house, client.id).await;
        for token in tokens {
            assert!(!house.is_live(&token.access_token).await);
        }
    }

    async fn a_removed_api_gets_no_more_tokens(scratch) {
        let house = House::open(scratch).await;
        house.client("app", |_| {}).await;
        let (api, scopes) = ("https://api.example.com", Scopes::parse("notes:read").unwrap());
        let server = house.oauth.create_resource_server(&house.cx, api, api_called("Notes", scopes)).await.unwrap();
        let asked = [("resource", api), ("scope", "openid notes:read")];
        let code = house.code("app", &asked).await;
        let tokens = house.exchange("app", &code).await.unwrap();
        let late = house.code("app", &asked).await;
        house.oauth.remove_resource_server(&house.cx, server.id).await.unwrap();
        assert_eq!(house.exchange("app", &late).await.unwrap_err(), TokenError::InvalidTarget);
        let refreshed = house.refresh("app", &tokens.refresh_token.unwrap()).await;
        assert_eq!(refreshed.unwrap_err(), TokenError::InvalidTarget);
    }

    async fn a_token_for_another_resource_than_the_codes_is_refused(scratch) {
        let house = House::open(scratch).await;
        house.client("app", |_| {}).await;
        let code = house.code("app", &[]).await;
        let mut request = exchange_of(&code);
        request.resource = Some("https://api.example.com".to_owned());
        assert_eq!(house.token("app", &request).await.unwrap_err(), TokenError::InvalidTarget);
        assert!(house.exchange("app", &code).await.is_ok(), "the code is not burnt by it");
    }

    async fn a081_a_scope_taken_from_a_client_is_not_refreshed(scratch) {
        let house = House::open(scratch).await;
        let client = house.client("app", |_| {}).await;
        let code = house.code("app", &[]).await;
        let token = house.exchange("app", &code).await.unwrap().refresh_token.unwrap();
        let settings = ClientSettings { scopes: Scopes::parse("openid").unwrap(), ..client.settings.clone() };
        house.oauth.update_client(&house.cx, &client, &client.name, &settings).await.unwrap();
        assert_eq!(house.refresh("app", &token).await.unwrap().scope, "openid");
    }

    async fn a_token_of_somebody_elses_application_manages_nothing(scratch) {
        let house = House::open(scratch).await;
        house.client("own", |new| new.settings.scopes = Scopes::parse("openid claviger:manage").unwrap()).await;
        house.client("theirs", |new| new.settings.first_party = false).await;
        let own = house.code("own", &[("scope", "openid claviger:manage")]).await;
        let plain = house.code("own", &[("scope", "openid")]).await;
        let theirs = house.code("theirs", &[]).await;
        let own = house.exchange("own", &own).await.unwrap().access_token;
        let plain = house.exchange("own", &plain).await.unwrap().access_token;
        let theirs = house.exchange("theirs", &theirs).await.unwrap().access_token;
        assert!(house.oauth.check_managing_token(&house.cx, own.expose()).await.is_ok());
        assert!(house.is_live(&theirs).await, "it is good for everything else");
        let refused = house.oauth.check_managing_token(&house.cx, theirs.expose()).await.unwrap_err();
        assert_eq!(refused, TokenError::UnauthorizedClient);
        let refused = house.oauth.check_managing_token(&house.cx, plain.expose()).await.unwrap_err();
        assert_eq!(refused, TokenError::InsufficientScope("claviger:manage"), "it was not asked for managing");
    }
}
