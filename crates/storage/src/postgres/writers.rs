//! Who writes: a unit alone on a connection, and several of one realm together where they would wait for one.
//!
//! A unit waits for a connection of its own. Who gets one takes along what waits behind it, in one transaction with one
//! commit: the database is asked to begin, to sync and to end once for all of them. Nothing is held back to make a group;
//! where connections are free each unit goes alone.
//!
//! **No unit harms its neighbours.** Together they take effect as they would one after the other, or not at all. If a step
//! of any is not as it must be, nothing has happened, and each runs alone and finds its own verdict; a conflict that was
//! seen in a group is never reported, for it may have been with a neighbour. A lock that somebody else holds ends the
//! group after a tenth of a second for the same reason. Groups that fall apart make the next ones smaller, so who provokes
//! conflicts brings everybody back to units that go alone, and no further.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU32, Ordering};

use claviger_kernel::{Unavailable, UnitId};
use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::address::Address;
use super::commit::{Attempt, alone, attempt, lost, search};
use super::lane::{Lane, Pass};
use super::pool::{Lent, Pool};
use super::{AGAIN, pause, spread};
use crate::{CommitError, Committed, Unit};

/// How many units go together at most.
const MOST: u32 = 32;
/// How many steps a unit may have that goes with others.
const MOST_STEPS: usize = 32;
/// How many of those who wait are looked at for a group.
const LOOKED_AT: usize = 128;
/// How many groups must come through for the next ones to be larger by one.
const EARNED: u32 = 8;

/// The connections for units, and the units that wait for one.
pub(super) struct Writers {
    pool: Pool,
    waiting: Mutex<VecDeque<Waiting>>,
    /// How many may go together now, times `EARNED`.
    reach: AtomicU32,
}

/// A unit that waits, and how its caller is told that somebody has taken it along.
struct Waiting {
    unit: Unit,
    taken: oneshot::Sender<oneshot::Receiver<Verdict>>,
}

/// A unit that was taken along.
struct Member {
    unit: Unit,
    told: oneshot::Sender<Verdict>,
}

/// What has become of a unit in a group.
enum Verdict {
    /// It has its answer; whether the database gave one.
    Done(Result<Committed, CommitError>, bool),
    /// The group fell apart: it did not happen, and runs alone.
    Apart(Unit),
    /// The group's connection was lost: it did not happen.
    Lost(Unit, Unavailable),
}

impl Writers {
    /// At most `size` connections to `address`.
    pub(super) fn new(lane: Lane, address: Address, size: usize) -> Self {
        let pool = Pool::new(lane, address, size, None);
        Self { pool, waiting: Mutex::new(VecDeque::new()), reach: AtomicU32::new(MOST * EARNED) }
    }

    /// Runs `unit` to its end.
    pub(super) async fn commit(&self, unit: Unit) -> Result<Committed, CommitError> {
        let mut pass = self.pool.lane().enter()?;
        let id = unit.id();
        let mut taken = self.wait(unit);
        let lent = tokio::select! {
            biased;
            verdict = &mut taken => return self.go_on(told(verdict).await?, pass).await,
            lent = self.pool.take(&mut pass) => lent,
        };
        let Some(unit) = self.leave(id) else {
            if let Ok(lent) = lent {
                lent.give_back();
            }
            return self.go_on(told(taken.await).await?, pass).await;
        };
        let lent = lent?;
        let others = self.take_along(&unit);
        if others.is_empty() {
            self.came_through();
            return alone(&self.pool, &unit, &mut pass, lent, true).await;
        }
        let verdict = self.lead(unit, others, &mut pass, lent).await;
        self.go_on(verdict, pass).await
    }

    /// Closes the connections once every unit has its answer.
    pub(super) async fn close(&self) {
        self.pool.close().await;
    }

    fn wait(&self, unit: Unit) -> oneshot::Receiver<oneshot::Receiver<Verdict>> {
        let (taken, told) = oneshot::channel();
        self.waiting.lock().push_back(Waiting { unit, taken });
        told
    }

    /// The unit, if nobody has taken it along.
    fn leave(&self, id: UnitId) -> Option<Unit> {
        let mut waiting = self.waiting.lock();
        let place = waiting.iter().position(|one| one.unit.id() == id)?;
        waiting.remove(place).map(|one| one.unit)
    }

    /// Those who wait and may go with `unit`.
    fn take_along(&self, unit: &Unit) -> Vec<Member> {
        let most = (self.reach.load(Ordering::Relaxed) / EARNED).saturating_sub(1) as usize;
        let mut members = Vec::new();
        if unit.steps().len() > MOST_STEPS {
            return members;
        }
        let mut waiting = self.waiting.lock();
        let mut place = 0;
        while members.len() < most && place < waiting.len().min(LOOKED_AT) {
            let one = &waiting[place].unit;
            if one.realm() != unit.realm() || one.steps().len() > MOST_STEPS {
                place += 1;
                continue;
            }
            let Some(Waiting { unit, taken }) = waiting.remove(place) else { break };
            let (told, verdict) = oneshot::channel();
            // Whoever does not listen any more has handed the unit in all the same.
            let _ = taken.send(verdict);
            members.push(Member { unit, told });
        }
        members
    }

    /// Runs `own` and `others` in one transaction, and tells each of the others what has become of it.
    async fn lead(&self, own: Unit, others: Vec<Member>, pass: &mut Pass<'_>, lent: Lent) -> Verdict {
        let units: Vec<&Unit> = core::iter::once(&own).chain(others.iter().map(|member| &member.unit)).collect();
        let (committed, why) = match attempt(&self.pool, lent, &units).await {
            Attempt::Committed(committed) => (Some(committed), None),
            Attempt::Failed(_) | Attempt::Clashed => (None, None),
            Attempt::Late(why) => return unanswered(others, pass, &why),
            Attempt::Lost(why, _) => (None, Some(why)),
            Attempt::Unknown(committed, place) => match search(&self.pool, pass, &own, place).await {
                Ok((true, found_on)) => {
                    found_on.give_back();
                    (Some(committed), None)
                }
                Ok((false, looked_on)) => {
                    looked_on.give_back();
                    (None, Some(lost()))
                }
                Err(why) => return unanswered(others, pass, &why),
            },
        };
        if why.is_some() {
            pass.unanswered();
        } else {
            pass.answered();
        }
        let Some(committed) = committed else {
            if why.is_none() {
                self.fell_apart();
            }
            let parted = |unit| match &why {
                None => Verdict::Apart(unit),
                Some(why) => Verdict::Lost(unit, why.clone()),
            };
            for member in others {
                let _ = member.told.send(parted(member.unit));
            }
            return parted(own);
        };
        self.came_through();
        let mut committed = committed.into_iter().map(|one| Verdict::Done(Ok(one), true));
        let first = committed.next().expect("each unit has its answer");
        for (member, verdict) in others.into_iter().zip(committed) {
            let _ = member.told.send(verdict);
        }
        first
    }

    /// What the caller is told, or what is left to do.
    async fn go_on(&self, verdict: Verdict, mut pass: Pass<'_>) -> Result<Committed, CommitError> {
        match verdict {
            Verdict::Done(result, answered) => {
                pass.alongside(answered);
                result
            }
            Verdict::Apart(unit) => {
                pass.alongside(true);
                let lent = self.pool.take(&mut pass).await?;
                alone(&self.pool, &unit, &mut pass, lent, true).await
            }
            Verdict::Lost(unit, why) => {
                pass.alongside(false);
                if !self.pool.lane().may_retry() {
                    return Err(why.into());
                }
                pause(spread(AGAIN)).await;
                let lent = self.pool.fresh(&mut pass).await?;
                alone(&self.pool, &unit, &mut pass, lent, false).await
            }
        }
    }

    fn came_through(&self) {
        let larger = |reach: u32| (reach < MOST * EARNED).then_some(reach + 1);
        let _ = self.reach.fetch_update(Ordering::Relaxed, Ordering::Relaxed, larger);
    }

    fn fell_apart(&self) {
        let smaller = |reach: u32| Some((reach / 2).max(EARNED));
        let _ = self.reach.fetch_update(Ordering::Relaxed, Ordering::Relaxed, smaller);
    }
}

/// Waits for the verdict on a unit that was taken along.
async fn told(taken: Result<oneshot::Receiver<Verdict>, oneshot::error::RecvError>) -> Result<Verdict, Unavailable> {
    let ended = |_| Unavailable::new("the runtime is shutting down");
    taken.map_err(ended)?.await.map_err(ended)
}

/// Tells everybody that the database did not answer. It counts once.
fn unanswered(others: Vec<Member>, pass: &mut Pass<'_>, why: &Unavailable) -> Verdict {
    pass.unanswered();
    let told = || Verdict::Done(Err(why.clone().into()), false);
    for member in others {
        let _ = member.told.send(told());
    }
    told()
}
