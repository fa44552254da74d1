//! Values: both engines keep the same, order it alike and refuse the same.

use claviger_kernel::RealmId;
use claviger_storage::{CommitError, Value, args, both_engines};

use super::stand_in::{ADD_LARGE, BY_WORDS, CELLS, LARGE, NAME, WORDS, World};

type Cells = (Option<bool>, Option<i64>, Option<String>, Option<Vec<u8>>);

async fn round_trip(world: &World, cells: &Cells) {
    let (flag, number, words, raw) = cells.clone();
    let id = world.cells([flag.into(), number.into(), words.into(), raw.into()]).await.unwrap();
    let read = world
        .scratch
        .store
        .get(&CELLS, args![world.realm, id], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)));
    assert!(read.await.unwrap().as_ref() == Some(cells), "{:?}", (cells.0, cells.1));
}

both_engines! {
    async fn every_kind_of_value_comes_back_as_it_went_in(scratch) {
        let world = World::on(scratch).await;
        let text = |text: &str| Some(text.to_owned());
        for cells in [
            (None, None, None, None),
            (Some(true), Some(0), text(""), Some(vec![])),
            (Some(false), Some(i64::MIN), text("'; drop table cells; --"), Some(vec![0, 255, 0])),
            (Some(true), Some(i64::MAX), text("ß İ ﬁ 🦀 \u{301}\u{feff}\r\n\t\u{7f}"), Some((0..=255).collect())),
        ] {
            round_trip(&world, &cells).await;
        }
    }

    async fn a_million_bytes_come_back_as_they_went_in(scratch) {
        let world = World::on(scratch).await;
        let (id, prose, raw) = (world.scratch.id::<()>(), "é".repeat(500_000), vec![7; 1_000_000]);
        let mut unit = world.unit();
        unit.one("large", &ADD_LARGE, args![world.realm, id, &prose, &raw]);
        world.commit(unit).await.unwrap();
        let read = world.scratch.store.get(&LARGE, args![world.realm, id], |row| Ok((row.get(0)?, row.get(1)?)));
        assert!(read.await.unwrap() == Some((prose, raw)));
    }

    async fn text_with_a_zero_byte_is_refused_in_writes_and_in_reads(scratch) {
        let world = World::on(scratch).await;
        let refused = world.cells([Value::Null, Value::Null, "a\0b".into(), Value::Null]).await.unwrap_err();
        assert!(matches!(refused, CommitError::Unavailable(_)));
        let store = &world.scratch.store;
        assert!(store.get(&BY_WORDS, args![world.realm, "a\0"], |_| Ok(())).await.is_err());
        assert!(store.list(world.realm, &WORDS, args![world.realm, "\0"], |_| Ok(())).await.is_err());
    }

    async fn text_is_ordered_by_its_bytes(scratch) {
        let world = World::on(scratch).await;
        let mut words = ["b", "B", "a", "ä", "Z", "", "a b", "aB", "ab", "10", "9", "_", "🦀", "\u{ffff}", "-a"];
        for word in words {
            world.cells([Value::Null, Value::Null, word.into(), Value::Null]).await.unwrap();
        }
        let args = args![world.realm, ""];
        let listed = world.scratch.store.list(world.realm, &WORDS, args, |row| row.get::<String>(0)).await.unwrap();
        words.sort_unstable();
        assert_eq!(listed, words);
    }

    async fn a192_text_is_compared_to_the_letter(scratch) {
        let world = World::on(scratch).await;
        world.cells([Value::Null, Value::Null, "Straße é".into(), Value::Null]).await.unwrap();
        for (words, found) in [
            ("Straße é", true),
            ("straße é", false),
            ("STRASSE É", false),
            ("Straße e\u{301}", false),
            ("Straße é ", false),
            ("Stra_e é", false),
        ] {
            let row = world.scratch.store.get(&BY_WORDS, args![world.realm, words], |_| Ok(())).await.unwrap();
            assert_eq!(row.is_some(), found, "{words}");
        }
    }

    async fn a_parameter_is_known_by_its_number_and_not_by_its_place(scratch) {
        let world = World::on(scratch).await;
        let id = world.person("a").await;
        // The text of NAME names $2 before $1.
        let store = &world.scratch.store;
        let found = store.get(&NAME, args![world.realm, id], |row| row.get::<String>(0)).await.unwrap();
        assert_eq!(found.as_deref(), Some("a"));
        let swapped = args![RealmId::from_bytes(*id.as_bytes()), world.realm];
        assert_eq!(store.get(&NAME, swapped, |row| row.get::<String>(0)).await.unwrap(), None);
    }

    async fn a_column_of_another_kind_is_an_error_and_not_a_guess(scratch) {
        let world = World::on(scratch).await;
        let id = world.cells([Value::Null, 7_i64.into(), "7".into(), vec![7].into()]).await.unwrap();
        let store = &world.scratch.store;
        let args = || args![world.realm, id];
        assert!(store.get(&CELLS, args(), |row| row.get::<i64>(2)).await.is_err(), "text is no number");
        assert!(store.get(&CELLS, args(), |row| row.get::<String>(3)).await.is_err(), "bytes are no text");
        assert!(store.get(&CELLS, args(), |row| row.get::<i64>(0)).await.is_err(), "null is no number");
        assert!(store.get(&CELLS, args(), |row| row.get::<i64>(4)).await.is_err(), "there is no fifth column");
        assert!(store.list(world.realm, &CELLS, args(), |row| row.get::<bool>(1)).await.is_err(), "7 is no truth");
    }
}
