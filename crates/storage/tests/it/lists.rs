//! Lists: keyset pages, a bounded time.

use std::time::Duration;

use claviger_kernel::Id;
use claviger_storage::{Value, args, both_engines, statements};

use super::stand_in::{EPOCHS, PAGE, Row, World};

statements! {
    /// Counts for longer than anybody waits.
    ENDLESS: shared("touches no table") "with recursive numbers (n) as (select 1 union all \
        select n + 1 from numbers where n < 100000000000) select count(*) from numbers";
}

both_engines! {
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
        let store = &world.scratch.store;
        let endless = || store.list(world.realm, &ENDLESS, args![], |row| row.get::<i64>(0));
        let read = async {
            for _ in 0..100 {
                assert_eq!(world.number(&EPOCHS, args![world.realm, id]).await, 1);
            }
        };
        let lists = async { tokio::join!(endless(), endless()) };
        let (lists, ()) = tokio::time::timeout(Duration::from_secs(20), async { tokio::join!(lists, read) })
            .await
            .expect("the lists are ended");
        assert!(lists.0.is_err() && lists.1.is_err());
        let list = store.list(world.realm, &EPOCHS, args![world.realm, id], |row| row.get::<i64>(0));
        assert_eq!(list.await.unwrap(), [1], "and the next one is served");
    }

    async fn lists_whose_callers_have_gone_make_room_for_the_next(scratch) {
        let world = World::on(scratch).await;
        let id = world.person("a").await;
        let store = &world.scratch.store;
        for _ in 0..8 {
            let endless = store.list(world.realm, &ENDLESS, args![], |row| row.get::<i64>(0));
            assert!(tokio::time::timeout(Duration::from_millis(20), endless).await.is_err());
        }
        let list = store.list(world.realm, &EPOCHS, args![world.realm, id], |row| row.get::<i64>(0));
        assert_eq!(list.await.unwrap(), [1]);
    }
}
