//! What comes into being together with a session: with it or not at all.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use claviger_accounts::{Added, Beside, Browser, Opening, StepError};
use claviger_audit::{Cx, Event, Unit};
use claviger_identity::emails::{self, EmailKey};
use claviger_kernel::Unavailable;
use claviger_session::sessions::{self, Filter, Sort};
use claviger_storage::{args, both_engines, statements};

use super::house::{House, PASSWORD};

statements! {
    /// Never so.
    NEVER: "select 1 from users where realm_id = $1 and id = $2 and epoch < 0";
    /// How often the unit of a test was committed.
    COMMITTED: "select count(*) from audit_events where realm_id = $1 and name = 'companion'";
}

/// Adds an event; asked for the first time it demands what is never so, under `label`.
#[derive(Debug)]
struct Companion {
    label: &'static str,
    asked: AtomicU32,
    stubborn: bool,
}

impl Companion {
    fn new(label: &'static str, stubborn: bool) -> Arc<Self> {
        Arc::new(Self { label, asked: AtomicU32::new(0), stubborn })
    }
}

impl Beside for Companion {
    fn add<'a>(&'a self, _: &'a Cx, unit: &'a mut Unit, opening: &'a Opening<'a>) -> Added<'a> {
        Box::pin(async move {
            unit.record(Event::new("companion", opening.session));
            let first = self.asked.fetch_add(1, Ordering::Relaxed) == 0;
            if first || self.stubborn {
                unit.require(self.label, &NEVER, args![unit.realm(), opening.user.id()]);
            }
            Ok::<(), Unavailable>(())
        })
    }
}

async fn signed_in_on(house: &House) -> usize {
    let user = emails::by_key(&house.cx, &EmailKey::parse("ada@example.com").unwrap()).await.unwrap().unwrap();
    let list = sessions::list(&house.cx, user.user, Filter::Alive, Sort::Newest, None, 10).await.unwrap();
    list.items.len()
}

async fn companions(house: &House) -> i64 {
    let cx = &house.cx;
    cx.db.list(cx.realm(), &COMMITTED, args![cx.realm()], |row| row.get(0)).await.unwrap()[0]
}

both_engines! {
    async fn a_session_is_not_opened_without_what_stands_beside_it(scratch) {
        let house = House::open(scratch).await;
        house.sign_up("ada@example.com", PASSWORD).await;
        let companion = Companion::new("client_active", true);
        let browser = Browser { beside: Some(Arc::clone(&companion) as Arc<dyn Beside>), ..Browser::default() };
        let refused = house.sign_in_at(&house.cx, "ada@example.com", PASSWORD, &browser).await;
        assert_eq!(refused.unwrap_err(), StepError::Wrong);
        assert_eq!((signed_in_on(&house).await, companions(&house).await), (1, 0), "neither of the two");
        assert_eq!(companion.asked.load(Ordering::Relaxed), 1);
    }

    async fn what_has_changed_meanwhile_is_looked_at_again(scratch) {
        let house = House::open(scratch).await;
        house.sign_up("ada@example.com", PASSWORD).await;
        let companion = Companion::new("grant", false);
        let browser = Browser { beside: Some(Arc::clone(&companion) as Arc<dyn Beside>), ..Browser::default() };
        house.sign_in_at(&house.cx, "ada@example.com", PASSWORD, &browser).await.unwrap();
        assert_eq!((signed_in_on(&house).await, companions(&house).await), (2, 1), "both, once");
        assert_eq!(companion.asked.load(Ordering::Relaxed), 2);
    }

    async fn what_never_stops_changing_is_given_up(scratch) {
        let house = House::open(scratch).await;
        house.sign_up("ada@example.com", PASSWORD).await;
        let companion = Companion::new("grant", true);
        let browser = Browser { beside: Some(Arc::clone(&companion) as Arc<dyn Beside>), ..Browser::default() };
        let refused = house.sign_in_at(&house.cx, "ada@example.com", PASSWORD, &browser).await;
        assert!(matches!(refused, Err(StepError::Unavailable(_))), "{refused:?}");
        assert_eq!((signed_in_on(&house).await, companions(&house).await), (1, 0));
    }
}
