use claviger_kernel::{Actor, Caller, Id, RealmId, Source, SystemReason, Timestamp, UnitId};
use claviger_storage::scratch::Scratch;
use claviger_storage::{ColumnError, CommitError, Row, Value, args, both_engines};

use crate::unit::content_hash;
use crate::{Cx, Event, quiet, unit};

claviger_storage::statements! {
    PUT: "insert into ledger (realm_id, id, amount) values ($1, $2, $3)";
    SPEND: "update ledger set amount = amount - $3 where realm_id = $1 and id = $2 and amount >= $3";
    AMOUNT: "select amount from ledger where realm_id = $1 and id = $2";
    EVENTS: "select realm_id, id, unit_id, at, actor, request_id, source, name, subject, fields, content_hash \
        from audit_events where realm_id = $1 order by id limit 100";
    FORGE: "update audit_events set subject = $3 where realm_id = $1 and unit_id = $2";
}

const LEDGER: &str = "
-- tenant keyed
create table ledger (
  realm_id {id} not null,
  id {bytes} not null,
  amount {int} not null,
  primary key (realm_id, id)
) {keyed};
";

/// A row of the trail, column by column, and what is stored as its hash.
struct Recorded {
    columns: Vec<Value>,
    hash: [u8; 32],
    unit: UnitId,
    actor: String,
    source: Option<String>,
    name: String,
    subject: String,
    fields: String,
}

impl Recorded {
    fn read(row: &Row<'_>) -> Result<Self, ColumnError> {
        let (realm, id, unit): (RealmId, Id<()>, UnitId) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let (at, actor, request): (Timestamp, String, Id<()>) = (row.get(3)?, row.get(4)?, row.get(5)?);
        let (source, name, subject): (Option<String>, String, String) = (row.get(6)?, row.get(7)?, row.get(8)?);
        let fields: String = row.get(9)?;
        let columns = args![realm, id, unit, at, &actor, request, source.clone(), &name, &subject, &fields];
        Ok(Self { columns, hash: row.get(10)?, unit, actor, source, name, subject, fields })
    }
}

async fn context(scratch: &Scratch) -> Cx {
    scratch.extend(LEDGER).await;
    let caller = Caller {
        source: Some(Source::new([192, 0, 2, 7].into())),
        actor: Actor::Operator,
        ..Caller::system(scratch.id(), scratch.clock().now(), scratch.id(), SystemReason::BOOTSTRAP)
    };
    Cx {
        db: scratch.store.clone(),
        ephemeral: scratch.ephemeral(),
        clock: scratch.clock(),
        entropy: scratch.entropy(),
        caller,
    }
}

async fn trail(cx: &Cx) -> Vec<Recorded> {
    cx.db.list(cx.realm(), &EVENTS, args![cx.realm()], Recorded::read).await.unwrap()
}

async fn amount(cx: &Cx) -> Option<i64> {
    cx.db.get(&AMOUNT, args![cx.realm(), b"a"], |row| row.get(0)).await.unwrap()
}

async fn deposited(cx: &Cx, amount: i64) {
    let mut unit = unit(cx, Event::new("deposited", "a").with("amount", amount));
    unit.one("account", &PUT, args![cx.realm(), b"a", amount]);
    cx.commit(unit).await.unwrap();
}

both_engines! {
    async fn a_change_and_all_its_events_stand_together(scratch) {
        let cx = context(&scratch).await;
        let mut unit = unit(&cx, Event::new("deposited", "a").with("amount", 5i64).with("first", true));
        unit.one("account", &PUT, args![cx.realm(), b"a", 5i64]);
        unit.record(Event::new("owner_told", "a"));
        cx.commit(unit).await.unwrap();
        let trail = trail(&cx).await;
        assert_eq!((amount(&cx).await, trail.len()), (Some(5), 2));
        assert_eq!(trail[0].unit, trail[1].unit);
        let mut names: Vec<_> = trail.iter().map(|event| event.name.as_str()).collect();
        names.sort_unstable();
        assert_eq!(names, ["deposited", "owner_told"]);
        let event = trail.iter().find(|event| event.name == "deposited").unwrap();
        assert_eq!((event.subject.as_str(), event.fields.as_str()), ("a", r#"{"amount":5,"first":true}"#));
        assert_eq!((event.actor.as_str(), event.source.as_deref()), ("operator", Some("192.0.2.7")));
    }

    async fn a_change_that_does_not_happen_leaves_no_event(scratch) {
        let cx = context(&scratch).await;
        deposited(&cx, 5).await;
        let mut unit = unit(&cx, Event::new("spent", "a"));
        unit.one("account", &SPEND, args![cx.realm(), b"a", 6i64]);
        assert_eq!(cx.commit(unit).await.unwrap_err(), CommitError::Conflict("account"));
        assert_eq!((amount(&cx).await, trail(&cx).await.len()), (Some(5), 1));
    }

    async fn the_hash_fits_its_row_and_no_other(scratch) {
        let cx = context(&scratch).await;
        deposited(&cx, 5).await;
        let before = trail(&cx).await.remove(0);
        assert_eq!(content_hash(&before.columns), before.hash);
        let mut forger = quiet(&cx, "a test changes the trail");
        forger.one("event", &FORGE, args![cx.realm(), before.unit, "b"]);
        cx.commit(forger).await.unwrap();
        let after = trail(&cx).await.remove(0);
        assert_eq!((after.hash, after.subject.as_str()), (before.hash, "b"));
        assert_ne!(content_hash(&after.columns), after.hash);
    }

    async fn a_quiet_change_leaves_no_event(scratch) {
        let cx = context(&scratch).await;
        let mut unit = quiet(&cx, "a test");
        unit.one("account", &PUT, args![cx.realm(), b"a", 5i64]);
        cx.commit(unit).await.unwrap();
        assert_eq!((amount(&cx).await, trail(&cx).await.len()), (Some(5), 0));
    }

    async fn a_realm_reads_its_own_trail_alone(scratch) {
        let cx = context(&scratch).await;
        deposited(&cx, 5).await;
        let other = cx.with(Caller { realm: scratch.id(), ..cx.caller });
        deposited(&other, 7).await;
        assert_eq!((trail(&cx).await.len(), trail(&other).await.len()), (1, 1));
    }
}

#[test]
fn no_two_rows_share_an_encoding() {
    let hash = |columns: Vec<Value>| content_hash(&columns);
    let one = hash(args!["ab", "c"]);
    for other in [
        hash(args!["a", "bc"]),
        hash(args!["abc", ""]),
        hash(args!["ab", &b"c"[..]]),
        hash(args!["ab", "c", ""]),
        hash(args!["ab", "c", None::<i64>]),
        hash(args!["ab"]),
    ] {
        assert_ne!(one, other);
    }
    assert_ne!(hash(args![1i64]), hash(args![true]));
    assert_eq!(one, hash(args!["ab", "c"]));
}
