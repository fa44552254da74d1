//! Leases: one holder at a time, by the database's time, with a fence.

use std::time::Duration;

use claviger_storage::{CommitError, args, both_engines};
use futures_util::future::join_all;

use super::stand_in::{ADD, World};

const LONG: Duration = Duration::from_hours(1);

both_engines! {
    async fn of_fifty_runners_one_gets_the_lease(scratch) {
        let leases = scratch.leases();
        let all = join_all((0..50).map(|_| leases.acquire("seal", LONG))).await;
        let held: Vec<_> = all.into_iter().filter_map(Result::unwrap).collect();
        assert_eq!(held.len(), 1);
        assert_eq!((held[0].name(), held[0].fence()), ("seal", 1));
        assert!(leases.acquire("rotate", LONG).await.unwrap().is_some(), "another task has a lease of its own");
    }

    async fn a_lease_is_free_again_when_let_go_or_run_out_and_the_fence_grows(scratch) {
        let leases = scratch.leases();
        let first = leases.acquire("seal", LONG).await.unwrap().unwrap();
        assert_eq!(leases.acquire("seal", LONG).await.unwrap(), None);
        leases.release(first.clone()).await.unwrap();
        let second = leases.acquire("seal", Duration::ZERO).await.unwrap().unwrap();
        let third = leases.acquire("seal", LONG).await.unwrap().unwrap();
        assert_eq!([first.fence(), second.fence(), third.fence()], [1, 2, 3]);
        leases.release(second).await.unwrap();
        assert_eq!(leases.acquire("seal", LONG).await.unwrap(), None, "who has lost it cannot let go of it");
    }

    async fn a_lease_is_kept_by_its_holder_alone(scratch) {
        let leases = scratch.leases();
        let first = leases.acquire("seal", Duration::ZERO).await.unwrap().unwrap();
        assert!(leases.renew(&first, LONG).await.unwrap(), "nobody has taken it");
        assert_eq!(leases.acquire("seal", LONG).await.unwrap(), None);
        assert!(leases.renew(&first, Duration::ZERO).await.unwrap());
        let second = leases.acquire("seal", LONG).await.unwrap().unwrap();
        assert!(!leases.renew(&first, LONG).await.unwrap());
        assert!(leases.renew(&second, LONG).await.unwrap());
    }

    async fn a_runner_that_was_only_slow_commits_nothing_under_a_lease_that_another_has(scratch) {
        let world = World::on(scratch).await;
        let leases = world.scratch.leases();
        let slow = leases.acquire("seal", Duration::ZERO).await.unwrap().unwrap();
        let work = |name: &str| {
            let mut unit = world.unit();
            slow.guard(&mut unit);
            unit.one("work", &ADD, args![world.realm, world.scratch.id::<()>(), name]);
            unit
        };
        world.commit(work("a")).await.unwrap();
        leases.acquire("seal", LONG).await.unwrap().unwrap();
        assert_eq!(world.commit(work("b")).await.unwrap_err(), CommitError::Conflict("lease"));
    }

    async fn the_age_of_a_lease_does_not_hang_on_a_nodes_clock(scratch) {
        let leases = scratch.leases();
        leases.acquire("seal", LONG).await.unwrap().unwrap();
        scratch.clock.advance(LONG * 24 * 365);
        assert_eq!(leases.acquire("seal", LONG).await.unwrap(), None);
    }
}
