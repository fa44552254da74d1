//! Lists: keyset pages, a bounded time.

use std::time::Duration;

use claviger_kernel::{Id, Unavailable};
use claviger_storage::suite::check;
use claviger_storage::{
    Choice as _, ColumnError, Cursor, FIRST_COLUMN, Listed, Store, Value, Wanted, args, both_engines, list, statements,
};

use super::stand_in::{EPOCHS, PAGE, Row, TABLES, World};

statements! {
    /// Counts for longer than anybody waits.
    ENDLESS: shared("touches no table") "with recursive numbers (n) as (select 1 union all \
        select n + 1 from numbers where n < 100000000000) select count(*) from numbers";
}

list! {
    /// Cells of certain words.
    mod of_words {
        columns "c.words, c.number";
        rows "cells c where c.realm_id = $1 and c.words = $5";
        id "c.id";
        filters { All = "all": "", Above = "above": "and c.number > $6" }
        sorts { Rising = "rising": "c.number" asc, Falling = "falling": "c.number" desc }
    }
}

/// A cell as it is listed.
#[derive(Debug)]
struct Cell(String, i64);

impl Listed for Cell {
    fn read(row: &claviger_storage::Row<'_>) -> Result<Self, ColumnError> {
        Ok(Self(row.get(FIRST_COLUMN)?, row.get(FIRST_COLUMN + 1)?))
    }
}

/// Longer than any list may take, on a machine that has much else to do.
const LONG: Duration = Duration::from_mins(1);

/// A list that only its deadline ends.
async fn endless(world: &World, store: &Store) -> Result<Vec<i64>, Unavailable> {
    store.list(world.realm, &ENDLESS, args![], |row| row.get(0)).await
}

/// The store with a server's deadlines; that of the world has more patience.
async fn hurried(world: &World) -> Store {
    match world.scratch.database() {
        Some(database) => Store::open_postgres(database.options()).await.unwrap(),
        None => world.scratch.store.clone(),
    }
}

/// What a list gives in the end: while the machine is busy with those before it, it may be refused.
async fn served(world: &World, store: &Store, id: Id<Row>) -> Vec<i64> {
    let asked = async {
        loop {
            match store.list(world.realm, &EPOCHS, args![world.realm, id], |row| row.get::<i64>(0)).await {
                Ok(page) => return page,
                Err(_) => tokio::task::yield_now().await,
            }
        }
    };
    tokio::time::timeout(LONG, asked).await.expect("a list is served")
}

async fn pages(world: &World, filter: of_words::Filter, sort: of_words::Sort, args: Vec<Value>) -> Vec<Vec<i64>> {
    let mut pages = Vec::new();
    let mut after: Option<Cursor> = None;
    loop {
        // A cursor goes out and comes back as text.
        let wanted = Wanted { filter, sort, after: after.map(|cursor| cursor.to_string().parse().unwrap()), limit: 3 };
        let page = of_words::LIST.page::<Cell>(&world.scratch.store, world.realm, &wanted, args.clone()).await.unwrap();
        assert!(page.items.iter().all(|cell| cell.0 == "a"));
        pages.push(page.items.iter().map(|cell| cell.1).collect());
        match page.next {
            Some(next) => after = Some(next),
            None => return pages,
        }
    }
}

both_engines! {
    async fn a_list_shows_every_row_once_in_each_order_and_under_each_filter(scratch) {
        use of_words::{Filter, Sort};
        let world = World::on(scratch).await;
        for (words, number) in [("a", 3_i64), ("a", 1), ("b", 2), ("a", 2), ("a", 2), ("a", 2), ("b", 9), ("a", i64::MIN)] {
            world.cells([Value::Null, number.into(), words.into(), Value::Null]).await.unwrap();
        }
        assert_eq!(
            pages(&world, Filter::All, Sort::Rising, args!["a"]).await,
            [vec![i64::MIN, 1, 2], vec![2, 2, 3]],
            "a full last page says that it is the last"
        );
        assert_eq!(pages(&world, Filter::All, Sort::Falling, args!["a"]).await, [vec![3, 2, 2], vec![2, 1, i64::MIN]]);
        assert_eq!(pages(&world, Filter::Above, Sort::Falling, args!["a", 1_i64]).await, [vec![3, 2, 2], vec![2]]);
        assert_eq!(pages(&world, Filter::All, Sort::Rising, args!["c"]).await, [Vec::<i64>::new()]);
        assert_eq!(Sort::named("falling"), Some(Sort::Falling));
        assert_eq!(Filter::named("below"), None);
    }

    async fn a_cursor_of_another_order_begins_the_list_anew(scratch) {
        use of_words::{Filter, LIST, Sort};
        let world = World::on(scratch).await;
        for number in 0_i64..4 {
            world.cells([Value::Null, number.into(), "a".into(), Value::Null]).await.unwrap();
        }
        let mut wanted = Wanted { filter: Filter::All, sort: Sort::Rising, after: None, limit: 2 };
        let store = &world.scratch.store;
        wanted.after = LIST.page::<Cell>(store, world.realm, &wanted, args!["a"]).await.unwrap().next;
        assert!(wanted.after.is_some());
        wanted.sort = Sort::Falling;
        let page = LIST.page::<Cell>(store, world.realm, &wanted, args!["a"]).await.unwrap();
        assert_eq!(page.items.iter().map(|cell| cell.1).collect::<Vec<_>>(), [3, 2]);
    }

    async fn every_filter_and_sort_of_a_list_passes_the_suite(scratch) {
        scratch.extend(TABLES).await;
        assert_eq!(of_words::ALL.len(), 4);
        assert_eq!(check(&scratch, of_words::ALL, &[]).await, []);
    }

    async fn pages_by_row_value_show_every_row_once(scratch) {
        let world = World::on(scratch).await;
        let mut all = Vec::new();
        for number in [3_i64, 1, 2, 2, 2, 1, 3, 2, 1, 0] {
            let id = world.cells([Value::Null, number.into(), Value::Null, Value::Null]).await.unwrap();
            all.push((number, id));
        }
        all.sort_unstable();
        let (mut seen, mut after) = (Vec::new(), (i64::MIN, Id::<Row>::from_bytes([0; 16])));
        loop {
            let args = args![world.realm, after.0, after.1, 3_i64];
            let page = world.scratch.store.list(world.realm, &PAGE, args, |row| Ok((row.get(0)?, row.get(1)?)));
            let page: Vec<(i64, Id<Row>)> = page.await.unwrap();
            let Some(last) = page.last() else { break };
            assert!(page.len() <= 3);
            after = *last;
            seen.extend(page);
        }
        assert_eq!(seen, all);
    }

    async fn a_list_that_takes_too_long_is_ended_and_holds_up_no_keyed_read(scratch) {
        let world = World::on(scratch).await;
        let id = world.person("a").await;
        let hurried = hurried(&world).await;
        let lists = async { tokio::join!(endless(&world, &hurried), endless(&world, &hurried)) };
        let read = async {
            for _ in 0..100 {
                assert_eq!(world.number(&EPOCHS, args![world.realm, id]).await, 1);
            }
        };
        let (lists, ()) = tokio::time::timeout(LONG, async { tokio::join!(lists, read) }).await.expect("they are ended");
        assert!(lists.0.is_err() && lists.1.is_err());
        assert_eq!(served(&world, &hurried, id).await, [1], "and the next one is served");
    }

    async fn lists_whose_callers_have_gone_make_room_for_the_next(scratch) {
        let world = World::on(scratch).await;
        let id = world.person("a").await;
        let hurried = hurried(&world).await;
        for _ in 0..8 {
            assert!(tokio::time::timeout(Duration::from_millis(20), endless(&world, &hurried)).await.is_err());
        }
        assert_eq!(served(&world, &hurried, id).await, [1]);
    }
}
