//! The nodes on one database: who lives, how far each has read, and whose clock is wrong.

use std::sync::Arc;
use std::time::Duration;

use claviger_kernel::{Clock, Timestamp};
use claviger_storage::nodes::{self, Mark, Nodes};
use claviger_storage::scratch::{Engine, Hasty, Link, Scratch, Way};
use claviger_storage::{args, both_engines, statements};

use super::heard::{heard, told};

statements! {
    /// The database's time, as the last beat wrote it.
    SEEN_AT: shared("a test looks at every node") "select max(seen_at) from nodes";
    /// Everybody was last seen so much earlier.
    SILENT: shared("a test makes time pass") "update nodes set seen_at = seen_at - $1";
    /// How many rows there are, of the dead too.
    ROWS: shared("a test looks at every node") "select count(*) from nodes";
}

const LATE: Timestamp = Timestamp::from_seconds(4_000_000_000);

fn start(scratch: &Scratch) -> Nodes {
    Nodes::new(scratch.store.clone(), scratch.clock(), scratch.entropy(), "1.2.3")
}

async fn silence(scratch: &Scratch, span: Duration) {
    let mut unit = scratch.unit(scratch.id());
    unit.any("nodes", &SILENT, args![i64::try_from(span.as_micros()).unwrap()]);
    scratch.store.commit(unit).await.unwrap();
}

async fn database_time(scratch: &Scratch) -> Timestamp {
    start(scratch).beat(LATE).await.unwrap();
    scratch.store.get(&SEEN_AT, args![], |row| row.get(0)).await.unwrap().unwrap()
}

#[test]
fn a_node_that_cannot_tell_that_it_lives_says_so_in_some_lines_of_log_and_then_that_it_can() {
    claviger_storage::scratch::run(Engine::Postgres, |scratch| async move {
        let options = scratch.database().unwrap().options();
        let link = Link::to(&options).await;
        let store = scratch.by_way_of(link.through(&options)).await;
        let clock = Arc::new(Hasty::new(scratch.clock.clone()));
        let node = Nodes::new(store.clone(), Arc::clone(&clock) as Arc<dyn Clock>, scratch.entropy(), "1.2.3");
        store.catch_up().await.unwrap();
        assert!(store.progress().database_time.is_some());
        link.set(Way::Cut);
        let ((), lines) = heard(async {
            let outage = async {
                clock.waited(1000).await;
                link.set(Way::Open);
                while nodes::live(&scratch.store).await.unwrap().is_empty() {}
                clock.waited(clock.waits() + 2).await;
            };
            tokio::select! {
                () = node.run() => {}
                () = outage => {}
            }
        })
        .await;
        // The clock of this node runs away meanwhile, and that is another line.
        let lines: Vec<String> = lines.into_iter().filter(|line| line.contains("lives")).collect();
        let (failures, end) = told(&lines, "are told again");
        assert!(failures.len() >= 10 && failures.iter().all(|count| count.is_power_of_two()), "{failures:?}");
        assert!(matches!(end[..], [count] if count >= *failures.last().unwrap()), "{end:?}");
        store.close().await;
    });
}

both_engines! {
    async fn a_node_lives_while_it_says_so_and_every_start_is_a_node_of_its_own(scratch) {
        let (one, two) = (start(&scratch), start(&scratch));
        one.beat(Timestamp::from_seconds(1)).await.unwrap();
        two.beat(LATE).await.unwrap();
        one.beat(Timestamp::from_seconds(2)).await.unwrap();
        let mut live = nodes::live(&scratch.store).await.unwrap();
        live.sort_by_key(|node| node.views_at);
        let told: Vec<_> = live.iter().map(|node| (node.id, node.version.as_str(), node.views_at)).collect();
        assert_eq!(told, [(one.id(), "1.2.3", Timestamp::from_seconds(2)), (two.id(), "1.2.3", LATE)]);
        assert!(live[0].started_at <= live[0].seen_at);
        two.leave().await.unwrap();
        silence(&scratch, nodes::ALIVE / 2).await;
        assert_eq!(nodes::live(&scratch.store).await.unwrap().len(), 1);
        silence(&scratch, nodes::ALIVE / 2).await;
        assert_eq!(nodes::live(&scratch.store).await.unwrap(), []);
        one.beat(LATE).await.unwrap();
        assert_eq!(nodes::live(&scratch.store).await.unwrap().len(), 1, "it was only slow");
    }

    async fn a_node_that_went_without_a_word_is_forgotten_at_last(scratch) {
        start(&scratch).beat(LATE).await.unwrap();
        silence(&scratch, Duration::from_mins(11)).await;
        start(&scratch).beat(LATE).await.unwrap();
        let rows = scratch.store.get(&ROWS, args![], |row| row.get::<i64>(0)).await.unwrap();
        assert_eq!(rows, Some(1));
    }

    async fn who_must_wait_for_everybody_waits_for_the_live_alone(scratch) {
        let (current, slow) = (start(&scratch), start(&scratch));
        let early = database_time(&scratch).await;
        let mark = Mark::now(&scratch.store).await.unwrap();
        current.beat(LATE).await.unwrap();
        slow.beat(early).await.unwrap();
        let behind = nodes::behind(&scratch.store, mark).await.unwrap();
        assert_eq!(behind.iter().map(|node| node.id).collect::<Vec<_>>(), [slow.id()]);
        silence(&scratch, nodes::ALIVE).await;
        assert_eq!(nodes::behind(&scratch.store, mark).await.unwrap(), []);
        slow.beat(early).await.unwrap();
        slow.beat(LATE).await.unwrap();
        assert_eq!(nodes::behind(&scratch.store, mark).await.unwrap(), []);
    }

    async fn a_view_of_the_very_moment_may_lack_what_was_just_committed(scratch) {
        let node = start(&scratch);
        let mark = Mark::now(&scratch.store).await.unwrap();
        node.beat(database_time(&scratch).await).await.unwrap();
        assert_eq!(nodes::behind(&scratch.store, mark).await.unwrap().len(), 1);
    }

    async fn f20_a_clock_more_than_half_a_minute_off_is_noticed_either_way(scratch) {
        let node = start(&scratch);
        node.clock_agrees().unwrap();
        let right = database_time(&scratch).await;
        for (clock, agrees) in [
            (right.plus(Duration::from_secs(20)), true),
            (right.plus(Duration::from_hours(1)), false),
            (right, true),
            (right.minus(Duration::from_secs(45)), false),
        ] {
            scratch.clock.set(clock);
            node.beat(LATE).await.unwrap();
            assert_eq!(node.clock_agrees().is_ok(), agrees, "{} against {right}", scratch.clock.now());
        }
        assert!(node.clock_agrees().unwrap_err().reason().contains("behind the database's"));
    }
}
