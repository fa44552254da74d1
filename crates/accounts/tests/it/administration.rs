//! What an administrator does takes hold at once, whatever runs beside it.

use std::sync::Arc;

use claviger_accounts::{NewAccount, StepError};
use claviger_authorization::Role;
use claviger_identity::emails::EmailKey;
use claviger_identity::users::NewUser;
use claviger_kernel::{Secret, UserId};
use claviger_storage::both_engines;

use super::house::{House, PASSWORD};

async fn account(house: &House, email: &str) -> UserId {
    let key = EmailKey::parse(email).expect("an address");
    let password = Secret::from(PASSWORD);
    let new =
        NewAccount { user: NewUser::default(), email: &key, verified: true, password: Some(&password), roles: &[] };
    house.accounts.create(&house.cx, new).await.expect("an account").id()
}

both_engines! {
    async fn a087_a_disabled_user_is_refused_and_every_session_is_over(scratch) {
        let house = House::open(scratch).await;
        let user = account(&house, "ada@example.com").await;
        let cookie = house.sign_in("ada@example.com", PASSWORD).await.unwrap().opened.cookie;
        house.accounts.disable(&house.cx, user).await.unwrap();
        assert!(!house.session_is_good(&cookie).await);
        assert_eq!(house.sign_in("ada@example.com", PASSWORD).await.unwrap_err(), StepError::Wrong);
        house.accounts.enable(&house.cx, user).await.unwrap();
        assert!(!house.session_is_good(&cookie).await, "nothing revoked comes back");
        assert!(house.sign_in("ada@example.com", PASSWORD).await.is_ok());
    }

    async fn a_disable_that_races_a_sign_in_leaves_no_live_session(scratch) {
        let house = Arc::new(House::open(scratch).await);
        for round in 0..12 {
            let email = format!("ada{round}@example.com");
            let user = account(&house, &email).await;
            let signing_in = {
                let house = Arc::clone(&house);
                tokio::spawn(async move { house.sign_in(&email, PASSWORD).await })
            };
            for _ in 0..round {
                tokio::task::yield_now().await;
            }
            house.accounts.disable(&house.cx, user).await.unwrap();
            if let Ok(signed_in) = signing_in.await.unwrap() {
                assert!(!house.session_is_good(&signed_in.opened.cookie).await, "round {round}");
            }
        }
    }

    async fn two_users_cannot_have_one_address(scratch) {
        let house = House::open(scratch).await;
        account(&house, "ada@example.com").await;
        let key = EmailKey::parse("ADA@example.com").unwrap();
        let new = NewAccount { user: NewUser::default(), email: &key, verified: false, password: None, roles: &[] };
        let refused = house.accounts.create(&house.cx, new).await.unwrap_err();
        assert_eq!(refused, claviger_accounts::AdministrationError::EmailTaken);
    }

    async fn a118_set_up_works_once_and_stays_closed(scratch) {
        let house = House::open(scratch).await;
        let first = house.accounts.open_set_up(&house.cx).await.unwrap().unwrap();
        let link = house.accounts.open_set_up(&house.cx).await.unwrap().unwrap();
        let password = Secret::from(PASSWORD);
        let set_up = async |link: &Secret<String>| {
            house.accounts.set_up(&house.cx, link.expose(), "Ada", "ada@example.com", &password).await
        };
        assert!(set_up(&first).await.is_err(), "a newer link voids the older");
        let admin = set_up(&link).await.unwrap();
        assert!(set_up(&link).await.is_err());
        let other = account(&house, "bob@example.com").await;
        house.accounts.assign_role(&house.cx, other, Role::Admin).await.unwrap();
        house.accounts.disable(&house.cx, admin).await.unwrap();
        assert!(house.accounts.open_set_up(&house.cx).await.unwrap().is_none(), "closed for good");
    }

    async fn a186_a_disabled_administrator_does_not_stand_in_for_the_last(scratch) {
        let house = House::open(scratch).await;
        let (ada, eve) = (account(&house, "ada@example.com").await, account(&house, "eve@example.com").await);
        for user in [ada, eve] {
            house.accounts.assign_role(&house.cx, user, Role::Admin).await.unwrap();
        }
        house.accounts.disable(&house.cx, eve).await.unwrap();
        let refused = house.accounts.unassign_role(&house.cx, ada, Role::Admin).await.unwrap_err();
        assert_eq!(refused, claviger_accounts::AdministrationError::LastHolder);
        house.accounts.enable(&house.cx, eve).await.unwrap();
        house.accounts.unassign_role(&house.cx, ada, Role::Admin).await.unwrap();
    }
}
