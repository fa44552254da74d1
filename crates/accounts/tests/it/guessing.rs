//! Guesses are counted before they are judged, and outside nobody sees the count.

use std::sync::Arc;
use std::time::Duration;

use claviger_accounts::{Browser, Flow, Input, State, Step, StepError};
use claviger_audit::Cx;
use claviger_identity::attempts;
use claviger_identity::emails::{self, EmailKey};
use claviger_kernel::{Clock, ManualClock, Secret, Timestamp};
use claviger_storage::both_engines;
use claviger_storage::scratch::{self, Engine};

use super::house::{House, OTHER_PASSWORD, PASSWORD};

both_engines! {
    async fn a_node_whose_clock_is_behind_takes_what_another_has_counted_for_no_reason_to_wait(scratch) {
        let house = House::open(scratch).await;
        house.sign_up("ada@example.com", PASSWORD).await;
        for attempt in 0..3 {
            assert!(house.sign_in("ada@example.com", OTHER_PASSWORD).await.is_err());
            house.scratch.clock.set(house.cx.now().minus(Duration::from_mins(1)));
            let signed_in = house.sign_in("ada@example.com", PASSWORD).await;
            assert!(signed_in.is_ok(), "after {attempt}: {:?}", signed_in.map(drop));
        }
    }

    async fn a102_of_many_parallel_guesses_only_the_free_ones_are_verified(scratch) {
        let house = std::sync::Arc::new(House::open(scratch).await);
        house.sign_up("ada@example.com", PASSWORD).await;
        let guesses: Vec<_> = (0..60)
            .map(|number| {
                let house = std::sync::Arc::clone(&house);
                // From 60 networks, so that only the account's own counter stands in the way.
                tokio::spawn(async move {
                    let cx = house.from(&format!("198.51.100.{number}"));
                    house.sign_in_at(&cx, "ada@example.com", OTHER_PASSWORD, &Browser::default()).await.is_ok()
                })
            })
            .collect();
        for guess in guesses {
            assert!(!guess.await.unwrap());
        }
        let locked = house.sign_in_at(&house.from("203.0.113.9"), "ada@example.com", PASSWORD, &Browser::default()).await;
        assert_eq!(locked.unwrap_err(), StepError::Wrong, "the account's counter is used up");
        house.scratch.clock.advance(Duration::from_secs(2));
        assert!(house.sign_in("ada@example.com", PASSWORD).await.is_ok(), "its first wait is one second");
    }

    async fn a103_name_variants_share_one_counter(scratch) {
        let house = House::open(scratch).await;
        house.sign_up("ada@example.com", PASSWORD).await;
        for name in ["ada@example.com", "ADA@example.com", " Ada@EXAMPLE.com ", "aDa@example.com", "adA@Example.Com"] {
            assert_eq!(house.sign_in(name, OTHER_PASSWORD).await.unwrap_err(), StepError::Wrong);
        }
        assert_eq!(house.sign_in("ada@example.com", PASSWORD).await.unwrap_err(), StepError::Wrong);
    }

    async fn a104_addresses_of_one_network_share_one_counter(scratch) {
        let house = House::open(scratch).await;
        house.sign_up("ada@example.com", PASSWORD).await;
        for number in 0..20 {
            let cx = house.from(&format!("2001:db8::{number:x}"));
            let name = format!("nobody{number}@example.com");
            assert_eq!(house.sign_in_at(&cx, &name, PASSWORD, &Browser::default()).await.unwrap_err(), StepError::Wrong);
        }
        let cx = house.from("2001:db8::ffff");
        let limited = house.sign_in_at(&cx, "ada@example.com", PASSWORD, &Browser::default()).await;
        assert_eq!(limited.unwrap_err(), StepError::Limited);
        let other = house.from("2001:db8:0:1::1");
        assert!(house.sign_in_at(&other, "ada@example.com", PASSWORD, &Browser::default()).await.is_ok());
    }

    async fn a107_strangers_cannot_lock_the_owner_out_of_a_known_browser(scratch) {
        let house = House::open(scratch).await;
        let known = house.sign_up("ada@example.com", PASSWORD).await.known;
        for number in 0..30 {
            let cx = house.from(&format!("198.51.100.{number}"));
            house.sign_in_at(&cx, "ada@example.com", OTHER_PASSWORD, &Browser::default()).await.unwrap_err();
            house.scratch.clock.advance(Duration::from_millis(100));
        }
        assert_eq!(house.sign_in("ada@example.com", PASSWORD).await.unwrap_err(), StepError::Wrong);
        let browser = Browser { known: Some(known), ..Browser::default() };
        assert!(house.sign_in_at(&house.cx, "ada@example.com", PASSWORD, &browser).await.is_ok());
    }

    async fn a101_every_refusal_costs_one_hash(scratch) {
        let house = House::open(scratch).await;
        house.sign_up("ada@example.com", PASSWORD).await;
        let mut costs = Vec::new();
        for name in ["nobody@example.com", "ada@example.com", "not an address"] {
            let before = house.workers.counters().done;
            house.sign_in(name, OTHER_PASSWORD).await.unwrap_err();
            costs.push(house.workers.counters().done - before);
        }
        for _ in 0..6 {
            house.sign_in("ada@example.com", OTHER_PASSWORD).await.unwrap_err();
        }
        let before = house.workers.counters().done;
        assert_eq!(house.sign_in("ada@example.com", PASSWORD).await.unwrap_err(), StepError::Wrong, "locked by now");
        costs.push(house.workers.counters().done - before);
        assert_eq!(costs, [1, 1, 1, 1]);
    }

    async fn success_takes_back_what_was_counted(scratch) {
        let house = House::open(scratch).await;
        house.sign_up("ada@example.com", PASSWORD).await;
        for _ in 0..10 {
            for _ in 0..4 {
                house.sign_in("ada@example.com", OTHER_PASSWORD).await.unwrap_err();
            }
            house.sign_in("ada@example.com", PASSWORD).await.unwrap();
            house.scratch.clock.advance(Duration::from_hours(2));
        }
    }

    async fn a_network_forgets_a_failure_every_three_minutes_however_busy_it_is(scratch) {
        let house = House::open(scratch).await;
        house.sign_up("ada@example.com", PASSWORD).await;
        let office = house.from("198.51.100.7");
        let ada = async || house.sign_in_at(&office, "ada@example.com", PASSWORD, &Browser::default()).await;
        let slip = async |number: u32| {
            let name = format!("nobody{number}@example.com");
            house.sign_in_at(&office, &name, PASSWORD, &Browser::default()).await.unwrap_err()
        };
        for number in 0..19 {
            assert_eq!(slip(number).await, StepError::Wrong);
        }
        for number in 20..40 {
            house.scratch.clock.advance(Duration::from_mins(4));
            assert_eq!(slip(number).await, StepError::Wrong);
            assert!(ada().await.is_ok(), "slip {number} is one of few within the hour");
        }
        for number in 40..80 {
            if slip(number).await == StepError::Limited {
                assert_eq!(ada().await.unwrap_err(), StepError::Limited, "without a pause they add up");
                return;
            }
        }
        panic!("a flood of failures is never limited");
    }

    async fn a_guess_that_nobody_judged_is_not_counted(scratch) {
        let house = House::open(scratch).await;
        house.sign_up("ada@example.com", PASSWORD).await;
        let key = EmailKey::parse("ada@example.com").unwrap();
        let user = emails::by_key(&house.cx, &key).await.unwrap().unwrap().user;
        let before = attempts::failures(&house.cx, user).await.unwrap();
        house.workers.shut_down();
        for name in ["ada@example.com", "nobody@example.com"] {
            for _ in 0..25 {
                let shed = house.sign_in_at(&house.from("198.51.100.7"), name, OTHER_PASSWORD, &Browser::default()).await;
                assert!(matches!(shed, Err(StepError::Unavailable(_))), "neither limited nor wrong: {shed:?}");
            }
        }
        assert_eq!(attempts::failures(&house.cx, user).await.unwrap(), before);
    }

    async fn a109_an_over_long_password_is_refused_before_hashing(scratch) {
        let house = House::open(scratch).await;
        let before = house.workers.counters().done;
        let refused = house.sign_in("ada@example.com", &"x".repeat(1_000_000)).await.unwrap_err();
        assert!(matches!(refused, StepError::Password(_)));
        assert_eq!(house.workers.counters().done, before);
    }

    async fn a132_asking_for_more_mails_than_are_sent_gives_no_more_guesses(scratch) {
        let house = House::open(scratch).await;
        house.sign_up("ada@example.com", PASSWORD).await;
        let mut flow = house.flow(State::Recover).await;
        let void = async |flow: &Flow| {
            let value = house.cx.ephemeral.get(house.cx.realm(), "mailbox", flow.id.as_bytes()).await.unwrap().unwrap();
            String::from_utf8(value).unwrap().contains("\"void\":true")
        };
        house.step(&mut flow, Input::Recover { email: "ada@example.com" }).await.unwrap();
        for _ in 0..4 {
            assert!(!void(&flow).await, "its code is in a mail");
            house.step(&mut flow, Input::Resend).await.unwrap();
        }
        house.step(&mut flow, Input::Resend).await.unwrap();
        house.notifier.deliver(&house.cx).await.unwrap();
        assert_eq!(house.inbox.all().len(), 6, "the sign-up's and five more");
        assert!(void(&flow).await, "a code that nobody got cannot be guessed either");
    }

    async fn a_code_answers_only_the_question_that_it_was_sent_for(scratch) {
        let house = House::open(scratch).await;
        house.sign_up("ada@example.com", PASSWORD).await;
        let mut joining = house.flow(State::SignUp).await;
        let password = Secret::from(OTHER_PASSWORD);
        let input = Input::SignUp { name: "Eve", email: "eve@example.com", password: &password };
        house.step(&mut joining, input).await.unwrap();
        let mut recovering = joining.clone();
        recovering.state = State::Recover;
        house.step(&mut recovering, Input::Recover { email: "ada@example.com" }).await.unwrap();
        let code = house.code("ada@example.com").await;
        assert_eq!(house.step(&mut joining, Input::Code(&code)).await.unwrap_err(), StepError::CodeOver);
        house.step(&mut recovering, Input::Code(&code)).await.unwrap();
    }

    async fn a_success_takes_back_the_wait_of_its_network_too(scratch) {
        let house = House::open(scratch).await;
        house.sign_up("ada@example.com", PASSWORD).await;
        for number in 0..22 {
            let name = format!("nobody{number}@example.com");
            house.sign_in(&name, PASSWORD).await.unwrap_err();
            house.scratch.clock.advance(Duration::from_secs(10));
        }
        for _ in 0..5 {
            assert!(house.sign_in("ada@example.com", PASSWORD).await.is_ok());
        }
        house.sign_in("nobody@example.com", PASSWORD).await.unwrap_err();
        assert_eq!(house.sign_in("ada@example.com", PASSWORD).await.unwrap_err(), StepError::Limited);
    }
}

/// Nodes whose clocks are up to half a minute off the database's serve, and share the counters.
#[test]
fn a_wait_is_as_long_on_a_node_whose_clock_is_behind() {
    scratch::run(Engine::Postgres, |scratch| async move {
        let house = House::open(scratch).await;
        house.sign_up("ada@example.com", PASSWORD).await;
        let owner = house.scratch.database().unwrap().owner().await.unwrap();
        let database_time = async || {
            let now = "select (extract(epoch from clock_timestamp()) * 1000000)::bigint";
            Timestamp::from_micros(owner.query_one(now, &[]).await.unwrap().get(0))
        };
        let (apart, store) = (Duration::from_secs(16), house.scratch.second().await.unwrap());
        let (accounts, behind) = house.beside(&store).await;
        let clock = Arc::new(ManualClock::new(behind.now()));
        let behind = Cx { clock: Arc::clone(&clock) as Arc<dyn Clock>, ..behind };
        house.scratch.clock.set(database_time().await.plus(apart));
        house.cx.db.keep_time(Arc::clone(&house.cx.clock));
        house.cx.db.catch_up().await.unwrap();
        // Five are free, and the sixth has its successor wait for a second.
        for _ in 0..6 {
            house.sign_in("ada@example.com", OTHER_PASSWORD).await.unwrap_err();
        }
        clock.set(database_time().await.minus(apart));
        behind.db.keep_time(Arc::clone(&behind.clock));
        behind.db.catch_up().await.unwrap();
        clock.advance(Duration::from_secs(3));
        let mut flow = house.flow(State::SignIn { email: String::new() }).await;
        let password = Secret::from(PASSWORD);
        let input = Input::Password { email: "ada@example.com", password: &password };
        let step = accounts.step(&behind, &mut flow, input, &Browser::default()).await;
        assert!(matches!(step, Ok(Step::SignedIn(_))), "{step:?}");
    });
}
