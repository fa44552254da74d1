//! A forgotten password.

use claviger_accounts::{Input, State, Step, StepError};
use claviger_identity::emails::{self, EmailKey};
use claviger_kernel::{Secret, UserId};
use claviger_storage::{args, both_engines};

use super::house::{House, OTHER_PASSWORD, PASSWORD};

mod sql {
    claviger_storage::statements! {
        /// An address changes hands.
        pub(super) MOVE: "update emails set user_id = $3 where realm_id = $1 and user_id = $2";
    }
}

async fn owner(house: &House, email: &str) -> UserId {
    emails::by_key(&house.cx, &EmailKey::parse(email).unwrap()).await.unwrap().unwrap().user
}

both_engines! {
    async fn a082_a_reset_ends_every_session_and_signs_nobody_in(scratch) {
        let house = House::open(scratch).await;
        let cookie = house.sign_up("ada@example.com", PASSWORD).await.opened.cookie;
        let mut flow = house.flow(State::Recover).await;
        house.step(&mut flow, Input::Recover { email: "Ada@example.com" }).await.unwrap();
        let code = house.code("ada@example.com").await;
        house.step(&mut flow, Input::Code(&code)).await.unwrap();
        let new = Secret::from(OTHER_PASSWORD);
        assert!(matches!(house.step(&mut flow, Input::NewPassword(&new)).await, Ok(Step::PasswordReset)));
        assert!(!house.session_is_good(&cookie).await);
        assert_eq!(house.sign_in("ada@example.com", PASSWORD).await.unwrap_err(), StepError::Wrong);
        assert!(house.sign_in("ada@example.com", OTHER_PASSWORD).await.is_ok());
    }

    async fn a_reset_sets_no_password_once_the_address_is_somebody_elses(scratch) {
        let house = House::open(scratch).await;
        house.sign_up("ada@example.com", PASSWORD).await;
        house.sign_up("bob@example.com", PASSWORD).await;
        let mut flow = house.flow(State::Recover).await;
        house.step(&mut flow, Input::Recover { email: "ada@example.com" }).await.unwrap();
        let code = house.code("ada@example.com").await;
        house.step(&mut flow, Input::Code(&code)).await.unwrap();
        let [ada, bob] = [owner(&house, "ada@example.com").await, owner(&house, "bob@example.com").await];
        let mut unit = claviger_audit::quiet(&house.cx, "the address moves on");
        unit.one("email", &sql::MOVE, args![house.cx.realm(), ada, bob]);
        house.cx.commit(unit).await.unwrap();
        let new = Secret::from(OTHER_PASSWORD);
        assert_eq!(house.step(&mut flow, Input::NewPassword(&new)).await.unwrap_err(), StepError::Gone);
        for email in ["ada@example.com", "bob@example.com"] {
            assert_eq!(house.sign_in(email, OTHER_PASSWORD).await.unwrap_err(), StepError::Wrong, "{email}");
        }
    }

    async fn a121_of_two_resets_begun_the_first_to_finish_voids_the_other(scratch) {
        let house = House::open(scratch).await;
        house.sign_up("ada@example.com", PASSWORD).await;
        let mut flows = Vec::new();
        for _ in 0..2 {
            let mut flow = house.flow(State::Recover).await;
            house.step(&mut flow, Input::Recover { email: "ada@example.com" }).await.unwrap();
            let code = house.code("ada@example.com").await;
            house.step(&mut flow, Input::Code(&code)).await.unwrap();
            flows.push(flow);
        }
        let (one, other) = (Secret::from(OTHER_PASSWORD), Secret::from("a third one 93 of reeds"));
        house.step(&mut flows[1], Input::NewPassword(&one)).await.unwrap();
        assert_eq!(house.step(&mut flows[0], Input::NewPassword(&other)).await.unwrap_err(), StepError::Gone);
        assert!(house.sign_in("ada@example.com", OTHER_PASSWORD).await.is_ok());
    }

    async fn a_void_reset_is_refused_before_anything_is_hashed(scratch) {
        let house = House::open(scratch).await;
        house.sign_up("ada@example.com", PASSWORD).await;
        let mut flow = house.flow(State::Recover).await;
        house.step(&mut flow, Input::Recover { email: "ada@example.com" }).await.unwrap();
        let code = house.code("ada@example.com").await;
        house.step(&mut flow, Input::Code(&code)).await.unwrap();
        let ada = owner(&house, "ada@example.com").await;
        house.accounts.end_sessions(&house.cx, ada).await.unwrap();
        let hashes = house.workers.counters().done;
        let new = Secret::from(OTHER_PASSWORD);
        // Nothing else bounds how often somebody may ask in a flow that leads nowhere any more.
        for _ in 0..3 {
            assert_eq!(house.step(&mut flow, Input::NewPassword(&new)).await.unwrap_err(), StepError::Gone);
        }
        assert_eq!(house.workers.counters().done, hashes);
    }

    async fn a100_a_reset_for_an_unknown_address_looks_the_same_and_leads_nowhere(scratch) {
        let house = House::open(scratch).await;
        let mut flow = house.flow(State::Recover).await;
        house.step(&mut flow, Input::Recover { email: "nobody@example.com" }).await.unwrap();
        assert_eq!(flow.state, State::ConfirmReset { email: "nobody@example.com".to_owned() });
        assert!(house.mail("nobody@example.com").await.mail.subject.starts_with("No account"));
        assert_eq!(house.step(&mut flow, Input::Code("00000000")).await.unwrap_err(), StepError::Code);
    }

    async fn a100_signing_up_with_a_taken_address_looks_the_same_and_its_owner_is_told(scratch) {
        let house = House::open(scratch).await;
        house.sign_up("ada@example.com", PASSWORD).await;
        let hashes = house.workers.counters().done;
        let mut flow = house.flow(State::SignUp).await;
        let password = Secret::from(OTHER_PASSWORD);
        let input = Input::SignUp { name: "Eve", email: "ada@example.com", password: &password };
        house.step(&mut flow, input).await.unwrap();
        assert!(matches!(flow.state, State::ConfirmSignUp(_)));
        assert_eq!(house.workers.counters().done, hashes + 1);
        assert!(house.mail("ada@example.com").await.mail.subject.contains("already have an account"));
        assert_eq!(house.step(&mut flow, Input::Code("00000000")).await.unwrap_err(), StepError::Code);
        assert!(house.sign_in("ada@example.com", PASSWORD).await.is_ok());
    }

    async fn a132_one_mailbox_gets_five_mails_an_hour(scratch) {
        let house = House::open(scratch).await;
        for _ in 0..8 {
            let mut flow = house.flow(State::Recover).await;
            house.step(&mut flow, Input::Recover { email: "ada@example.com" }).await.unwrap();
            house.notifier.deliver(&house.cx).await.unwrap();
        }
        assert_eq!(house.inbox.all().len(), 5);
    }

    async fn strangers_who_sign_up_with_an_address_leave_its_owner_the_resets(scratch) {
        let house = House::open(scratch).await;
        house.sign_up("ada@example.com", PASSWORD).await;
        let password = Secret::from(OTHER_PASSWORD);
        for _ in 0..8 {
            let mut flow = house.flow(State::SignUp).await;
            let input = Input::SignUp { name: "Eve", email: "ada@example.com", password: &password };
            house.step(&mut flow, input).await.unwrap();
        }
        let mut flow = house.flow(State::Recover).await;
        house.step(&mut flow, Input::Recover { email: "ada@example.com" }).await.unwrap();
        house.notifier.deliver(&house.cx).await.unwrap();
        assert!(house.inbox.all().iter().any(|received| received.mail.subject.starts_with("Reset")));
    }

    async fn a128_mail_goes_to_the_stored_address_only(scratch) {
        let house = House::open(scratch).await;
        house.sign_up("mike@example.com", PASSWORD).await;
        let mut flow = house.flow(State::Recover).await;
        house.step(&mut flow, Input::Recover { email: "mıke@example.com" }).await.unwrap();
        let mail = house.mail("mıke@example.com").await;
        assert!(mail.mail.subject.starts_with("No account"), "{}", mail.mail.subject);
    }
}
