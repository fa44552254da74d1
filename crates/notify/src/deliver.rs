//! Delivery: what is due is claimed by one runner, put into words, and handed on; failures come back later.

use core::time::Duration;

use claviger_audit::Cx;
use claviger_i18n::Texts;
use claviger_kernel::{Caller, RequestId, SystemReason, Timestamp, Unavailable};
use claviger_storage::{CommitError, Expect, Outage, args};

use crate::outbox::sql::{self, Queued};
use crate::render::{Filling, render};
use crate::{Notifier, Template, TransportError};

const BATCH: u32 = 50;
/// For how long a claimed message is left to its runner.
const CLAIMED: Duration = Duration::from_mins(1);
const FIRST_WAIT: Duration = Duration::from_secs(15);
const LONGEST_WAIT: Duration = Duration::from_hours(1);
const IDLE: Duration = Duration::from_hours(24);
/// How long finished messages are kept, for support.
const KEPT: Duration = Duration::from_hours(7 * 24);

/// What a round of delivery did.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Delivered {
    /// Handed on.
    pub sent: u64,
    /// To be tried again.
    pub later: u64,
    /// Given up: refused, or of no use any more.
    pub given_up: u64,
}

impl Notifier {
    /// Delivers what is due in the caller's realm.
    pub async fn deliver(&self, cx: &Cx) -> Result<Delivered, Unavailable> {
        let mut done = Delivered::default();
        loop {
            let due = cx.db.list(cx.realm(), &sql::DUE, args![cx.realm(), cx.now(), BATCH], sql::queued).await?;
            let full = due.len() as u64 == u64::from(BATCH);
            for queued in due {
                if self.claim(cx, &queued).await? {
                    self.hand_on(cx, queued, &mut done).await?;
                }
            }
            if !full {
                return Ok(done);
            }
        }
    }

    /// Delivers in every realm, now and whenever there is something to do, until the future is dropped.
    ///
    /// `cx` is any context of the store; the loop acts for itself, realm by realm. It waits for [`Notifier::wake`] or
    /// for the next message's time, and never polls.
    pub async fn run(&self, cx: &Cx) {
        let mut outage = Outage::default();
        loop {
            let mut next = cx.now().plus(IDLE);
            let mut failed = false;
            for realm in self.tenancy.all() {
                let request = RequestId::new(cx.now(), &*cx.entropy);
                let cx = cx.with(Caller::system(realm.id, cx.now(), request, SystemReason::DELIVERY));
                let round = async {
                    self.deliver(&cx).await?;
                    expire(&cx).await?;
                    let next = cx.db.list(realm.id, &sql::NEXT, args![cx.realm()], sql::moment).await?;
                    Ok::<_, Unavailable>(next.first().copied())
                };
                match round.await {
                    Ok(due) => next = due.map_or(next, |due| due.min(next)),
                    Err(fault) => {
                        failed = true;
                        if let Some(failures) = outage.failed() {
                            let reason = fault.reason();
                            tracing::warn!(realm = %realm.id, reason, failures, "messages wait: the store cannot answer");
                        }
                        next = next.min(cx.now().plus(FIRST_WAIT));
                    }
                }
            }
            if !failed && let Some(failures) = outage.over() {
                tracing::info!(failures, "messages are delivered again");
            }
            let wake = cx.clock.wake_at(next.max(cx.now().plus(Duration::from_secs(1))));
            tokio::select! {
                () = wake => {}
                () = self.woken() => {}
            }
        }
    }

    async fn claim(&self, cx: &Cx, queued: &Queued) -> Result<bool, Unavailable> {
        let mut unit = claviger_audit::quiet(cx, "a message is being delivered");
        unit.one("claim", &sql::CLAIM, args![cx.realm(), queued.id, queued.attempts, unit.now().plus(CLAIMED)]);
        match cx.commit(unit).await {
            Ok(_) => Ok(true),
            Err(CommitError::Conflict(_)) => Ok(false),
            Err(CommitError::Unavailable(fault)) => Err(fault),
        }
    }

    async fn hand_on(&self, cx: &Cx, queued: Queued, done: &mut Delivered) -> Result<(), Unavailable> {
        if cx.now() >= queued.expires_at {
            done.given_up += 1;
            return finish(cx, &queued, "expired").await;
        }
        let outcome = match self.words(cx, &queued) {
            Ok(mail) => self.transport.send(mail).await,
            Err(fault) => Err(TransportError::Later(fault.reason().to_owned())),
        };
        match outcome {
            Ok(()) => {
                done.sent += 1;
                finish(cx, &queued, "sent").await
            }
            Err(TransportError::Refused(reason)) => {
                tracing::warn!(message = %queued.id, %reason, "a message was refused for good");
                done.given_up += 1;
                finish(cx, &queued, "refused").await
            }
            Err(TransportError::Later(reason)) => {
                tracing::warn!(message = %queued.id, %reason, attempts = queued.attempts + 1, "a message waits");
                done.later += 1;
                let next = cx.now().plus(wait(queued.attempts));
                let mut unit = claviger_audit::quiet(cx, "a message waits for its next attempt");
                unit.any("later", &sql::LATER, args![cx.realm(), queued.id, next]);
                written(cx.commit(unit).await)
            }
        }
    }

    fn words(&self, cx: &Cx, queued: &Queued) -> Result<crate::Mail, Unavailable> {
        let template = Template::named(&queued.template)
            .ok_or_else(|| Unavailable::new(format!("no template is called {}", queued.template)))?;
        let realm = self.tenancy.by_id(cx.realm()).ok_or_else(|| Unavailable::new("the realm is gone"))?;
        let code = queued.sealed.as_deref().map(|sealed| self.open(cx, queued.id, sealed)).transpose()?;
        let minutes = queued.expires_at.since(queued.created_at).as_secs() / 60;
        let filling = Filling {
            template,
            to: &queued.recipient,
            place: &realm.display_name,
            issuer: &realm.issuer,
            code: code.as_ref(),
            facts: &queued.facts,
            minutes: u32::try_from(minutes).unwrap_or(u32::MAX),
            queued_at: queued.created_at,
        };
        Ok(render(Texts::of(&queued.language).unwrap_or_else(Texts::english), &filling))
    }
}

/// 15 s, doubled with each attempt, an hour at the most.
fn wait(attempts: u32) -> Duration {
    FIRST_WAIT.saturating_mul(2u32.saturating_pow(attempts.min(16))).min(LONGEST_WAIT)
}

async fn finish(cx: &Cx, queued: &Queued, outcome: &'static str) -> Result<(), Unavailable> {
    let mut unit = claviger_audit::quiet(cx, "a message is done with");
    unit.any("finish", &sql::FINISH, args![cx.realm(), queued.id, unit.now(), outcome]);
    written(cx.commit(unit).await)
}

/// Drops messages that were finished long ago.
async fn expire(cx: &Cx) -> Result<(), Unavailable> {
    let before: Timestamp = cx.now().minus(KEPT);
    let mut unit = claviger_audit::quiet(cx, "expiry of finished messages");
    unit.returning("outbox", &sql::EXPIRE, args![cx.realm(), before, BATCH], Expect::Any);
    written(cx.commit(unit).await)
}

fn written(outcome: Result<claviger_storage::Committed, CommitError>) -> Result<(), Unavailable> {
    match outcome {
        Ok(_) | Err(CommitError::Conflict(_)) => Ok(()),
        Err(CommitError::Unavailable(fault)) => Err(fault),
    }
}
