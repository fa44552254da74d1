//! The set against the slow, obvious evaluator: a list of everything that was ever said.

use proptest::prelude::*;

use super::*;

const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);
const LATER: Timestamp = Timestamp::from_seconds(1_800_000_900);

fn marks() -> Marks<'static> {
    Marks {
        token: Some("t"),
        session: Some("s"),
        family: Some("f"),
        user: Some("u"),
        client: Some("c"),
        organization: Some("o"),
        epochs: Epochs { user: Some(3), client: Some(3), organization: Some(3) },
    }
}

#[test]
fn whatever_is_revoked_takes_along_what_bears_its_mark() {
    for (revoked, by) in [
        (Revocation::Token("t"), RevokedBy::Token),
        (Revocation::Session("s"), RevokedBy::Session),
        (Revocation::Family("f"), RevokedBy::Family),
        (Revocation::User { sub: "u", epoch: 4 }, RevokedBy::User),
        (Revocation::Client { client_id: "c", epoch: 4 }, RevokedBy::Client),
        (Revocation::Organization { org_id: "o", epoch: 4 }, RevokedBy::Organization),
    ] {
        let set = RevocationSet::new();
        assert_eq!(set.refuses(&marks()), None);
        set.insert(revoked, LATER);
        assert_eq!(set.refuses(&marks()), Some(by));
        assert_eq!(set.refuses(&Marks::default()), None);
    }
}

#[test]
fn an_end_that_is_put_off_again_and_again_takes_no_more_room_and_is_kept() {
    let set = RevocationSet::new();
    let named =
        || set.shards.iter().map(|shard| shard.read().minutes.values().map(Vec::len).sum::<usize>()).sum::<usize>();
    for reload in 0..10_000 {
        set.insert(Revocation::Session("s"), LATER.plus(core::time::Duration::from_secs(reload)));
        assert_eq!((named(), set.len()), (1, 1), "reload {reload}");
    }
    let end = LATER.plus(core::time::Duration::from_secs(9_999));
    for now in [LATER.plus(core::time::Duration::from_mins(2)), end] {
        set.expire(now);
        assert_eq!((set.refuses(&marks()), named()), (Some(RevokedBy::Session), 1));
    }
    set.expire(end.plus(core::time::Duration::from_mins(1)));
    assert_eq!((set.len(), named()), (0, 0));
}

#[test]
fn one_name_of_two_kinds_is_two_things() {
    let set = RevocationSet::new();
    set.insert(Revocation::Session("x"), LATER);
    let of = |token, session| Marks { token, session, ..Marks::default() };
    assert_eq!(set.refuses(&of(Some("x"), None)), None);
    assert_eq!(set.refuses(&of(None, Some("x"))), Some(RevokedBy::Session));
}

#[test]
fn a_raised_epoch_refuses_what_was_issued_before_and_nothing_issued_since() {
    let set = RevocationSet::new();
    set.insert(Revocation::User { sub: "u", epoch: 4 }, LATER);
    let under = |user| Marks { epochs: Epochs { user, ..Epochs::default() }, ..marks() };
    assert_eq!(set.refuses(&under(Some(3))), Some(RevokedBy::User));
    assert_eq!(set.refuses(&under(Some(4))), None);
    assert_eq!(set.refuses(&under(Some(5))), None);
    // A token that does not tell its epoch is as old as can be.
    assert_eq!(set.refuses(&under(None)), Some(RevokedBy::User));
}

#[test]
fn an_entry_stands_until_its_end_and_goes_within_a_minute_after() {
    let set = RevocationSet::new();
    set.insert(Revocation::Session("s"), LATER);
    set.expire(LATER.minus(std::time::Duration::from_micros(1)));
    assert_eq!(set.refuses(&marks()), Some(RevokedBy::Session));
    set.expire(LATER.plus(std::time::Duration::from_mins(1)));
    assert_eq!(set.refuses(&marks()), None);
    assert!(set.is_empty() && set.shards.iter().all(|shard| shard.read().minutes.is_empty()));
}

#[test]
fn an_end_once_put_off_is_not_brought_forward_again() {
    let set = RevocationSet::new();
    set.insert(Revocation::Session("s"), NOW);
    set.insert(Revocation::Session("s"), LATER);
    set.insert(Revocation::Session("s"), NOW);
    set.expire(NOW.plus(std::time::Duration::from_mins(2)));
    assert_eq!(set.refuses(&marks()), Some(RevokedBy::Session));
}

/// One thing said: kind, name, epoch, end in minutes.
type Said = (u8, u8, u64, i64);

fn revocation(names: &[String], (kind, name, epoch, _): Said) -> Revocation<'_> {
    let name = names[usize::from(name)].as_str();
    match kind {
        0 => Revocation::Token(name),
        1 => Revocation::Session(name),
        2 => Revocation::Family(name),
        3 => Revocation::User { sub: name, epoch },
        4 => Revocation::Client { client_id: name, epoch },
        _ => Revocation::Organization { org_id: name, epoch },
    }
}

fn said() -> impl Strategy<Value = Vec<Said>> {
    proptest::collection::vec((0..6u8, 0..4u8, 0..6u64, 0..30i64), 0..40)
}

proptest! {
    #[test]
    fn f44_order_and_repetition_change_nothing_and_the_slow_evaluator_agrees(
        log in said(), shuffle: u64, asked in (0..4u8, 0..4u8, 0..4u8, 0..4u8, 0..4u8, 0..4u8), epoch in 0..6u64,
        elapsed in 0..30i64,
    ) {
        let names: Vec<String> = ["a", "b", "c", "d"].map(str::to_owned).into();
        let now = NOW.plus(std::time::Duration::from_secs(60 * elapsed.unsigned_abs()));
        let end = |minutes: i64| NOW.plus(std::time::Duration::from_secs(60 * minutes.unsigned_abs()));
        let in_order = RevocationSet::new();
        for said in &log {
            in_order.insert(revocation(&names, *said), end(said.3));
        }
        // The same log twice over, in another order, forgetting on the way.
        let mut twice: Vec<Said> = log.iter().chain(&log).copied().collect();
        twice.sort_by_key(|said| {
            claviger_crypto::sha256(&[&shuffle.to_be_bytes()[..], &[said.0, said.1]].concat())
        });
        let shuffled = RevocationSet::new();
        for said in &twice {
            shuffled.insert(revocation(&names, *said), end(said.3));
        }
        in_order.expire(now);
        shuffled.expire(now);
        prop_assert_eq!(in_order.len(), shuffled.len());

        let name = |index: u8| Some(names[usize::from(index)].as_str());
        let marks = Marks {
            token: name(asked.0), session: name(asked.1), family: name(asked.2), user: name(asked.3),
            client: name(asked.4), organization: name(asked.5),
            epochs: Epochs { user: Some(epoch), client: Some(epoch), organization: Some(epoch) },
        };
        // Slow and obvious: of everything ever said about the thing, the latest end and the highest epoch count.
        let asked = [asked.0, asked.1, asked.2, asked.3, asked.4, asked.5];
        let refused = (0..6u8).any(|kind| {
            let about = || log.iter().filter(|said| said.0 == kind && said.1 == asked[usize::from(kind)]);
            let alive = about().any(|said| end(said.3) >= now);
            alive && about().any(|said| kind < 3 || epoch < said.2)
        });
        prop_assert_eq!(in_order.refuses(&marks).is_some(), refused);
        prop_assert_eq!(shuffled.refuses(&marks), in_order.refuses(&marks));
    }
}
