//! Jobs: queued with the change, run at least once, by one runner at a time.

use std::collections::BTreeSet;
use std::time::Duration;

use claviger_kernel::{Clock as _, JobId};
use claviger_storage::scratch::Scratch;
use claviger_storage::{CommitError, Failed, Job, Retry, args, both_engines, statements};
use futures_util::future::join_all;

use super::stand_in::{ADD, World};

statements! {
    /// The dead of one name.
    DEAD: shared("a test looks at every realm") "select payload, attempts, last_error from dead_jobs \
        where name = $1 order by died_at";
}

const LEASE: Duration = Duration::from_mins(1);
const RETRY: Retry = Retry { attempts: 3, first: Duration::from_secs(10), longest: Duration::from_secs(15) };

/// Queues a job called `name` under `key`, due now.
async fn queue(scratch: &Scratch, name: &'static str, key: &str, payload: &str) -> JobId {
    let id = scratch.id();
    let mut unit = scratch.unit(scratch.id());
    unit.job(id, name, key, payload, scratch.clock.now());
    scratch.store.commit(unit).await.unwrap();
    id
}

/// Claims the one job that is due.
async fn claim(scratch: &Scratch, name: &'static str) -> Option<Job> {
    let mut jobs = scratch.jobs().claim(&[name], 10, LEASE).await.unwrap();
    assert!(jobs.len() < 2);
    jobs.pop()
}

both_engines! {
    async fn a_job_is_queued_with_its_change_or_not_at_all(scratch) {
        let world = World::on(scratch).await;
        world.person("a").await;
        let mut unit = world.unit();
        unit.job(world.scratch.id(), "mail", "1", "{}", world.scratch.clock.now());
        unit.one("taken", &ADD, args![world.realm, world.scratch.id::<()>(), "a"]);
        assert_eq!(world.commit(unit).await.unwrap_err().conflict(), Some("taken"));
        assert!(claim(&world.scratch, "mail").await.is_none());
    }

    async fn a_job_is_claimed_once_with_all_that_its_handler_needs_and_goes_when_done(scratch) {
        let realm = scratch.id();
        let mut unit = scratch.unit(realm);
        let id = scratch.id();
        unit.job(id, "mail", "key", "payload", scratch.clock.now());
        scratch.store.commit(unit).await.unwrap();
        let job = claim(&scratch, "mail").await.unwrap();
        assert_eq!((job.realm, job.id, job.attempt), (realm, id, 1));
        assert_eq!((job.name.as_str(), job.key.as_str(), job.payload.as_str()), ("mail", "key", "payload"));
        assert_eq!(job.created_at, scratch.clock.now());
        assert!(claim(&scratch, "mail").await.is_none(), "it is claimed");
        assert!(scratch.jobs().done(&job).await.unwrap());
        scratch.clock.advance(LEASE * 2);
        assert!(claim(&scratch, "mail").await.is_none(), "it is gone");
        assert!(!scratch.jobs().done(&job).await.unwrap(), "it cannot be done twice");
    }

    async fn a_job_waits_for_its_time_and_for_its_own_handler(scratch) {
        let mut unit = scratch.unit(scratch.id());
        unit.job(scratch.id(), "mail", "1", "", scratch.clock.now().plus(Duration::from_secs(5)));
        scratch.store.commit(unit).await.unwrap();
        assert!(claim(&scratch, "mail").await.is_none());
        scratch.clock.advance(Duration::from_secs(5));
        assert!(claim(&scratch, "sweep").await.is_none());
        assert!(claim(&scratch, "mail").await.is_some());
    }

    async fn a_job_queued_twice_while_it_waits_runs_once(scratch) {
        let realm = scratch.id();
        for payload in ["first", "second"] {
            let mut unit = scratch.unit(realm);
            unit.job(scratch.id(), "mail", "same", payload, scratch.clock.now());
            scratch.store.commit(unit).await.unwrap();
        }
        let job = claim(&scratch, "mail").await.unwrap();
        assert_eq!(job.payload, "first");
        queue(&scratch, "mail", "same", "of another realm").await;
        assert_eq!(claim(&scratch, "mail").await.unwrap().payload, "of another realm");
    }

    async fn a_job_queued_again_while_it_runs_runs_again(scratch) {
        let realm = scratch.id();
        let again = async |payload: &str| {
            let mut unit = scratch.unit(realm);
            unit.job(scratch.id(), "mail", "same", payload, scratch.clock.now());
            scratch.store.commit(unit).await.unwrap();
        };
        again("first").await;
        let running = claim(&scratch, "mail").await.unwrap();
        again("second").await;
        assert!(claim(&scratch, "mail").await.is_none(), "not beside itself");
        assert!(scratch.jobs().done(&running).await.unwrap());
        let next = claim(&scratch, "mail").await.unwrap();
        assert_eq!((next.payload.as_str(), next.attempt), ("second", 1));
        assert!(scratch.jobs().done(&next).await.unwrap());
        scratch.clock.advance(LEASE * 2);
        assert!(claim(&scratch, "mail").await.is_none());
    }

    async fn a_runner_that_dies_leaves_its_job_to_another_and_cannot_end_it_any_more(scratch) {
        let id = queue(&scratch, "mail", "1", "").await;
        let slow = claim(&scratch, "mail").await.unwrap();
        scratch.clock.advance(LEASE);
        let other = claim(&scratch, "mail").await.unwrap();
        assert_eq!((other.id, other.attempt), (id, 2));
        assert!(!scratch.jobs().done(&slow).await.unwrap());
        assert_eq!(scratch.jobs().failed(&slow, "late", RETRY).await.unwrap(), Failed::Lost);
        let mut unit = scratch.unit(slow.realm);
        slow.guard(&mut unit);
        assert_eq!(scratch.store.commit(unit).await.unwrap_err(), CommitError::Conflict("job"));
        assert!(scratch.jobs().done(&other).await.unwrap());
    }

    async fn a_job_ends_in_the_unit_of_its_effect(scratch) {
        let world = World::on(scratch).await;
        queue(&world.scratch, "mail", "1", "").await;
        let job = claim(&world.scratch, "mail").await.unwrap();
        let effect = || {
            let mut unit = world.unit();
            job.finish(&mut unit, world.scratch.clock.now());
            unit.one("effect", &ADD, args![world.realm, world.scratch.id::<()>(), "a"]);
            unit
        };
        world.commit(effect()).await.unwrap();
        assert_eq!(world.commit(effect()).await.unwrap_err().conflict(), Some("job"), "its effect happens once");
    }

    async fn a_job_that_fails_comes_back_later_and_later_and_in_the_end_lies_among_the_dead(scratch) {
        let id = queue(&scratch, "mail", "1", "payload").await;
        for (attempt, wait) in [(1, 10), (2, 15)] {
            let job = claim(&scratch, "mail").await.unwrap();
            assert_eq!((job.id, job.attempt), (id, attempt));
            let at = scratch.clock.now().plus(Duration::from_secs(wait));
            assert_eq!(scratch.jobs().failed(&job, "refused", RETRY).await.unwrap(), Failed::Again(at));
            scratch.clock.advance(Duration::from_secs(wait - 1));
            assert!(claim(&scratch, "mail").await.is_none(), "not before its time");
            scratch.clock.advance(Duration::from_secs(1));
        }
        let job = claim(&scratch, "mail").await.unwrap();
        assert_eq!(scratch.jobs().failed(&job, "gone", RETRY).await.unwrap(), Failed::Dead);
        scratch.clock.advance(LEASE * 10);
        assert!(claim(&scratch, "mail").await.is_none());
        let dead = scratch.store.list(scratch.id(), &DEAD, args!["mail"], |row| {
            Ok((row.get::<String>(0)?, row.get::<i64>(1)?, row.get::<String>(2)?))
        });
        assert_eq!(dead.await.unwrap(), [("payload".to_owned(), 3, "gone".to_owned())]);
        assert_eq!(scratch.jobs().failed(&job, "again", RETRY).await.unwrap(), Failed::Lost);
        queue(&scratch, "mail", "1", "").await;
        assert!(claim(&scratch, "mail").await.is_some(), "the dead keep no key from the living");
    }

    async fn five_runners_share_fifty_jobs_without_running_one_twice(scratch) {
        let mut queued = BTreeSet::new();
        for number in 0..50 {
            queued.insert(queue(&scratch, "mail", &number.to_string(), "").await);
        }
        let runner = async || {
            let (jobs, mut mine) = (scratch.jobs(), Vec::new());
            loop {
                let claimed = jobs.claim(&["mail", "sweep"], 4, LEASE).await.unwrap();
                if claimed.is_empty() {
                    return mine;
                }
                mine.extend(claimed.into_iter().map(|job| job.id));
            }
        };
        let claimed: Vec<JobId> = join_all((0..5).map(|_| runner())).await.concat();
        // On PostgreSQL a runner may come away empty while others hold the same rows; what is left is due still.
        let rest = runner().await;
        assert_eq!(claimed.len() + rest.len(), 50);
        assert_eq!(claimed.into_iter().chain(rest).collect::<BTreeSet<_>>(), queued);
    }

    async fn who_waits_for_work_is_woken_by_a_new_job_and_by_the_clock(scratch) {
        let jobs = scratch.jobs();
        let patience = Duration::from_mins(1);
        let due = || tokio::time::timeout(patience, jobs.due(&["mail"]));
        let queue = async |at| {
            let mut unit = scratch.unit(scratch.id());
            unit.job(scratch.id(), "mail", "1", "", at);
            scratch.store.commit(unit).await.unwrap();
        };
        let later = scratch.clock.now().plus(Duration::from_mins(1));
        let (woken, ()) = tokio::join!(due(), queue(later));
        woken.expect("woken by the job").unwrap();
        let (woken, ()) = tokio::join!(due(), async { scratch.clock.set(later) });
        woken.expect("woken by the clock").unwrap();
        assert!(claim(&scratch, "mail").await.is_some());
        scratch.clock.advance(LEASE);
        due().await.expect("a claim that has run out is work").unwrap();
    }
}
