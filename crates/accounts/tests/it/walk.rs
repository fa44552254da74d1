//! From a stranger to a session and back.

use std::sync::Arc;
use std::time::Duration;

use claviger_accounts::{Browser, Flow, FlowGone, Input, State, Step, StepError};
use claviger_audit::Event;
use claviger_authenticators::password::PasswordPolicy;
use claviger_identity::passwords::{self, Passwords};
use claviger_identity::users;
use claviger_kernel::Secret;
use claviger_session::families::{self, FamilyError, NewFamily};
use claviger_storage::{CommitError, both_engines};
use claviger_tenancy::RealmChange;
use serde_json::json;

use super::house::{House, OTHER_PASSWORD, PASSWORD};

async fn at_most_two_sessions(house: &House) {
    let tenancy = house.ring.tenancy();
    let realm = tenancy.main().unwrap();
    let settings = Some(realm.settings.patched(&json!({ "sessions": { "limit": 2 } })).unwrap());
    let change = RealmChange { settings, ..RealmChange::default() };
    tenancy.update(&house.cx, realm.id, realm.version, change).await.unwrap();
}

both_engines! {
    async fn a_stranger_signs_up_proves_the_mailbox_and_is_signed_in(scratch) {
        let house = House::open(scratch).await;
        let signed_in = house.sign_up("ada@example.com", PASSWORD).await;
        assert_eq!(signed_in.return_to.as_deref(), Some("/oauth2/authorize?request=x"));
        assert!(house.session_is_good(&signed_in.opened.cookie).await);
        assert!(house.sign_in(" ADA@Example.com", PASSWORD).await.is_ok());
    }

    async fn signing_out_ends_the_session_for_good(scratch) {
        let house = House::open(scratch).await;
        let cookie = house.sign_up("ada@example.com", PASSWORD).await.opened.cookie;
        let session = house.accounts.session(&house.cx, cookie.expose()).await.unwrap().unwrap();
        house.accounts.sign_out(&house.cx, &session).await.unwrap();
        assert!(!house.session_is_good(&cookie).await);
    }

    async fn a085_signing_in_again_ends_the_session_that_the_browser_had(scratch) {
        let house = House::open(scratch).await;
        let before = house.sign_up("ada@example.com", PASSWORD).await.opened.cookie;
        let session = house.accounts.session(&house.cx, before.expose()).await.unwrap();
        let browser = Browser { session, ..Browser::default() };
        let after = house.sign_in_at(&house.cx, "ada@example.com", PASSWORD, &browser).await.unwrap().opened.cookie;
        assert!(!house.session_is_good(&before).await);
        assert!(house.session_is_good(&after).await);
    }

    async fn a091_a_session_ends_when_idle_and_at_its_absolute_limit(scratch) {
        let house = House::open(scratch).await;
        let idle = house.sign_up("ada@example.com", PASSWORD).await.opened.cookie;
        let used = house.sign_in("ada@example.com", PASSWORD).await.unwrap().opened.cookie;
        for _ in 0..2 {
            house.scratch.clock.advance(Duration::from_mins(31));
            assert!(house.session_is_good(&used).await);
        }
        assert!(!house.session_is_good(&idle).await);
        for _ in 0..46 {
            house.scratch.clock.advance(Duration::from_mins(30));
            house.session_is_good(&used).await;
        }
        assert!(!house.session_is_good(&used).await, "24 hours are over, however much it was used");
    }

    async fn a_session_that_lay_unused_for_too_long_takes_no_room_from_one_that_is_used(scratch) {
        let house = House::open(scratch).await;
        at_most_two_sessions(&house).await;
        let used = house.sign_up("ada@example.com", PASSWORD).await.opened.cookie;
        let unused = house.sign_in("ada@example.com", PASSWORD).await.unwrap().opened.cookie;
        house.scratch.clock.advance(Duration::from_mins(40));
        assert!(house.session_is_good(&used).await);
        house.scratch.clock.advance(Duration::from_mins(30));
        let new = house.sign_in("ada@example.com", PASSWORD).await.unwrap().opened.cookie;
        assert!(!house.session_is_good(&unused).await, "its hour is over");
        assert!(house.session_is_good(&used).await, "two are as many as there may be");
        assert!(house.session_is_good(&new).await);
    }

    async fn a_new_session_never_makes_room_for_older_ones_however_far_the_clocks_of_nodes_are_apart(scratch) {
        let house = House::open(scratch).await;
        at_most_two_sessions(&house).await;
        let mut cookies = vec![house.sign_up("ada@example.com", PASSWORD).await.opened.cookie];
        house.scratch.clock.advance(Duration::from_secs(20));
        cookies.push(house.sign_in("ada@example.com", PASSWORD).await.unwrap().opened.cookie);
        // The next node's clock is as far behind.
        house.scratch.clock.set(house.cx.now().minus(Duration::from_secs(40)));
        cookies.push(house.sign_in("ada@example.com", PASSWORD).await.unwrap().opened.cookie);
        let mut good = Vec::new();
        for cookie in &cookies {
            good.push(house.session_is_good(cookie).await);
        }
        assert_eq!(good, [false, true, true], "the oldest has ended, the newest lives");
    }

    async fn a135_whoever_signed_up_first_with_somebodys_address_has_nothing_in_the_account(scratch) {
        let house = House::open(scratch).await;
        let mut stranger = house.flow(State::SignUp).await;
        let theirs = Secret::from(OTHER_PASSWORD);
        let input = Input::SignUp { name: "Eve", email: "ada@example.com", password: &theirs };
        house.step(&mut stranger, input).await.unwrap();
        let stale = house.code("ada@example.com").await;
        let owner = house.sign_up("ada@example.com", PASSWORD).await;
        assert!(house.session_is_good(&owner.opened.cookie).await);
        assert!(matches!(house.step(&mut stranger, Input::Code(&stale)).await, Ok(Step::Show)));
        let asked = State::SignIn { email: "ada@example.com".to_owned() };
        assert_eq!(stranger.state, asked, "the address has an account by now: whoever it is signs in to that one");
        assert_eq!(house.sign_in("ada@example.com", OTHER_PASSWORD).await.unwrap_err(), StepError::Wrong);
        assert!(house.sign_in("ada@example.com", PASSWORD).await.is_ok());
    }

    async fn a089_a_state_moves_on_only_by_proof(scratch) {
        let house = House::open(scratch).await;
        let mut flow = house.flow(State::SignUp).await;
        let password = Secret::from(PASSWORD);
        assert_eq!(house.step(&mut flow, Input::Code("12345678")).await.unwrap_err(), StepError::OutOfTurn);
        assert_eq!(house.step(&mut flow, Input::NewPassword(&password)).await.unwrap_err(), StepError::OutOfTurn);
        house.step(&mut flow, Input::SignUp { name: "", email: "ada@example.com", password: &password }).await.unwrap();
        for wrong in ["", "00000000", "abc"] {
            let refused = house.step(&mut flow, Input::Code(wrong)).await.unwrap_err();
            assert_eq!(refused, StepError::Code, "{wrong}");
        }
        assert!(matches!(flow.state, State::ConfirmSignUp(_)));
        assert!(matches!(house.sign_in("ada@example.com", PASSWORD).await, Err(StepError::Wrong)));
    }

    async fn a_code_dies_after_five_wrong_answers_and_a_new_one_can_be_had(scratch) {
        let house = House::open(scratch).await;
        let mut flow = house.flow(State::SignUp).await;
        let password = Secret::from(PASSWORD);
        house.step(&mut flow, Input::SignUp { name: "", email: "ada@example.com", password: &password }).await.unwrap();
        let right = house.code("ada@example.com").await;
        let wrong = if right == "00000000" { "00000001" } else { "00000000" };
        for _ in 0..5 {
            house.step(&mut flow, Input::Code(wrong)).await.unwrap_err();
        }
        assert_eq!(house.step(&mut flow, Input::Code(&right)).await.unwrap_err(), StepError::CodeOver);
        house.step(&mut flow, Input::Resend).await.unwrap();
        let fresh = house.code("ada@example.com").await;
        assert!(matches!(house.step(&mut flow, Input::Code(&fresh)).await, Ok(Step::SignedIn(_))));
    }

    async fn a032_a_flow_opens_only_in_the_browser_that_began_it(scratch) {
        let house = House::open(scratch).await;
        let flow = house.flow(State::SignUp).await;
        assert_eq!(Flow::load(&house.cx, flow.id, &[7; 32]).await.unwrap_err(), FlowGone::Gone);
    }

    async fn a_finished_flow_signs_nobody_in_again(scratch) {
        let house = House::open(scratch).await;
        house.sign_up("ada@example.com", PASSWORD).await;
        let mut flow = house.flow(State::SignIn { email: String::new() }).await;
        let password = Secret::from(PASSWORD);
        let input = || Input::Password { email: "ada@example.com", password: &password };
        let again = &mut flow.clone();
        assert!(matches!(house.step(&mut flow, input()).await, Ok(Step::SignedIn(_))));
        assert_eq!(house.step(again, input()).await.unwrap_err(), StepError::Gone);
    }

    async fn of_parallel_steps_the_first_wins_and_the_other_is_out_of_turn(scratch) {
        let house = House::open(scratch).await;
        let mut flow = house.flow(State::SignIn { email: String::new() }).await;
        let mut late = flow.clone();
        house.step(&mut flow, Input::WantsReset).await.unwrap();
        assert_eq!(house.step(&mut late, Input::WantsAccount).await.unwrap_err(), StepError::OutOfTurn);
        assert_eq!(late.state, State::Recover, "it is shown where the flow is now");
        house.step(&mut late, Input::WantsSignIn).await.unwrap();
    }

    async fn a117_a_password_change_asks_for_the_present_one_and_ends_the_other_sessions(scratch) {
        let house = House::open(scratch).await;
        let elsewhere = house.sign_up("ada@example.com", PASSWORD).await.opened.cookie;
        let here = house.sign_in("ada@example.com", PASSWORD).await.unwrap().opened.cookie;
        let session = house.accounts.session(&house.cx, here.expose()).await.unwrap().unwrap();
        let (old, new) = (Secret::from(PASSWORD), Secret::from(OTHER_PASSWORD));
        house.accounts.change_password(&house.cx, &session, &new, &old, "en").await.unwrap_err();
        assert!(house.session_is_good(&elsewhere).await, "a refused change changes nothing");
        let opened = house.accounts.change_password(&house.cx, &session, &old, &new, "en").await.unwrap();
        assert!(!house.session_is_good(&elsewhere).await);
        assert!(!house.session_is_good(&here).await, "the old cookie is dead (A085)");
        assert!(house.session_is_good(&opened.cookie).await);
        assert!(house.sign_in("ada@example.com", OTHER_PASSWORD).await.is_ok());
        assert!(house.mail("ada@example.com").await.mail.subject.contains("changed"));
    }

    async fn a116_a_common_or_telling_password_is_refused_with_its_reason(scratch) {
        let house = House::open(scratch).await;
        for weak in ["short", "passwordpassword1", "ada-lovelace-ada-lovelace"] {
            let mut flow = house.flow(State::SignUp).await;
            let password = Secret::from(weak);
            let input = Input::SignUp { name: "Ada Lovelace", email: "ada.lovelace@example.com", password: &password };
            assert!(matches!(house.step(&mut flow, input).await, Err(StepError::Password(_))), "{weak}");
        }
    }

    async fn a_password_that_was_changed_while_it_was_judged_proves_nothing(scratch) {
        let house = House::open(scratch).await;
        let cookie = house.sign_up("ada@example.com", PASSWORD).await.opened.cookie;
        let session = house.accounts.session(&house.cx, cookie.expose()).await.unwrap().unwrap();
        let (old, new) = (Secret::from(PASSWORD), Secret::from(OTHER_PASSWORD));
        let service = Passwords::new(Arc::clone(&house.workers), PasswordPolicy::default());
        let right = service.prove_user(&house.cx, session.user, &old).await.unwrap();
        house.accounts.change_password(&house.cx, &session, &old, &new, "en").await.unwrap();
        let mut unit = claviger_audit::unit(&house.cx, Event::new("test", "signed in"));
        passwords::succeeded(&mut unit, &right);
        assert_eq!(house.cx.commit(unit).await.err(), Some(CommitError::Conflict("password_same")));
    }

    async fn a_session_that_ends_for_a_newer_one_takes_its_refresh_tokens_along(scratch) {
        let house = House::open(scratch).await;
        let cookie = house.sign_up("ada@example.com", PASSWORD).await.opened.cookie;
        let session = house.accounts.session(&house.cx, cookie.expose()).await.unwrap().unwrap();
        let user = users::by_id(&house.cx, session.user).await.unwrap().unwrap().active().unwrap();
        let family = NewFamily {
            id: house.cx.id_of(user.shard()),
            user: &user,
            client: (house.cx.id(), 0),
            grant: house.cx.id(),
            session: Some(session.id),
            audience: "https://id.test",
            scope: "openid",
            nonce: None,
            authentication: (&session.acr, "pwd", session.authenticated_at),
            device: "",
            lifetimes: (Duration::from_hours(1), Duration::from_hours(1)),
        };
        let keys = house.ring.opaque(house.cx.realm()).unwrap();
        let mut unit = claviger_audit::unit(&house.cx, Event::new("test", "family"));
        families::open(&mut unit, &house.cx, &keys, &family);
        house.cx.commit(unit).await.unwrap();
        for _ in 0..100 {
            house.scratch.clock.advance(Duration::from_millis(1));
            house.sign_in("ada@example.com", PASSWORD).await.unwrap();
        }
        assert!(!house.session_is_good(&cookie).await, "100 others are newer");
        let found = families::by_id(&house.cx, family.id).await.unwrap().unwrap();
        assert_eq!(families::alive(&found, house.cx.now()), Err(FamilyError::Revoked));
    }
}
