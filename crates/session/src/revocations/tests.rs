use claviger_kernel::RealmId;
use claviger_storage::scratch::{self, Engine, Scratch};

use super::*;

const REALM: RealmId = RealmId::from_bytes([7; 16]);

fn entries() -> Vec<Entry> {
    vec![
        Entry::named(RevokedBy::Token, b"a-jti", "a-jti", 1),
        Entry::of_id(RevokedBy::Session, [1; 16]),
        Entry::of_id(RevokedBy::Family, [2; 16]),
        Entry::named(RevokedBy::User, &[3; 16], "usub", 4),
        Entry::named(RevokedBy::User, &[3; 16], "usub", 2),
        Entry::named(RevokedBy::Client, &[5; 16], "app", 1),
        Entry::named(RevokedBy::Organization, &[6; 16], "org", 9),
    ]
}

fn change(entry: &Entry) -> Change {
    let unit = UnitId::from_bytes([9; 16]);
    Change { realm: REALM, kind: ONE.to_owned(), subject: entry.encode(), unit }
}

async fn view(scratch: &Scratch) -> Revocations {
    let url = "https://id.test".parse().unwrap();
    let tenancy = Arc::new(Tenancy::open(scratch.store.clone(), url).await.unwrap());
    Revocations::new(scratch.store.clone(), tenancy, scratch.clock())
}

fn refused(view: &Revocations, sub: &str, epoch: u64) -> bool {
    let epochs = claviger_tokens::Epochs { user: Some(epoch), ..Default::default() };
    view.refuses(REALM, &Marks { user: Some(sub), epochs, ..Marks::default() }).is_some()
}

#[test]
fn an_entry_comes_out_of_the_change_log_as_it_went_in() {
    for entry in entries() {
        let read = Entry::decode(&entry.encode()).unwrap();
        assert_eq!((read.kind, &read.name, read.epoch), (entry.kind, &entry.name, entry.epoch));
    }
    for broken in
        [&[][..], &[0], &[0; 8], &[99; 12], &[1, 0, 0, 0, 0, 0, 0, 0, 1, 5], &[0, 0, 0, 0, 0, 0, 0, 0, 1, 255]]
    {
        assert_eq!(Entry::decode(broken), None, "{broken:?}");
    }
}

#[test]
fn f44_entries_that_come_twice_late_or_out_of_order_make_the_same_view() {
    scratch::run(Engine::Sqlite, |scratch| async move {
        let (forwards, backwards) = (view(&scratch).await, view(&scratch).await);
        let changes: Vec<Change> = entries().iter().map(change).collect();
        forwards.apply(&changes).await.unwrap();
        let mut again: Vec<Change> = changes.iter().chain(&changes).cloned().collect();
        again.reverse();
        for one in again {
            backwards.apply(&[one]).await.unwrap();
        }
        for view in [&forwards, &backwards] {
            assert_eq!(view.len(), 6);
            assert!(refused(view, "usub", 3), "the higher epoch counts, whichever came last");
            assert!(!refused(view, "usub", 4));
            assert!(!refused(view, "another", 0));
        }
    });
}

#[test]
fn entries_go_when_no_token_that_they_concern_can_live() {
    scratch::run(Engine::Sqlite, |scratch| async move {
        let view = view(&scratch).await;
        view.apply(&[change(&entries()[0])]).await.unwrap();
        scratch.clock.advance(view.kept(REALM).saturating_sub(Duration::from_mins(1)));
        view.apply(&[change(&entries()[1])]).await.unwrap();
        assert_eq!(view.len(), 2);
        scratch.clock.advance(Duration::from_mins(3));
        view.apply(&[change(&entries()[2])]).await.unwrap();
        assert_eq!(view.len(), 3, "the clock may be wrong");
        scratch.clock.advance(WRONG_CLOCK.saturating_sub(Duration::from_mins(1)));
        view.apply(&[change(&entries()[2])]).await.unwrap();
        assert_eq!(view.len(), 2, "the first has gone, the others stay");
    });
}

#[test]
fn an_entry_that_says_nothing_has_everything_loaded_again() {
    scratch::run(Engine::Sqlite, |scratch| async move {
        let view = view(&scratch).await;
        let broken = Change { subject: vec![77], ..change(&entries()[0]) };
        assert!(view.apply(&[broken]).await.is_err(), "the reader of the log answers with a reload");
    });
}
