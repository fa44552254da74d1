//! A used refresh token came back outside the retry rule (RFC 9700 §4.14.2, A075): nobody can tell the thief from the
//! owner, so the family ends for both, the account is marked, and its owner is told by mail. All in one unit.

use core::time::Duration;

use claviger_audit::{Cx, Event};
use claviger_identity::risks::{self, Cause, Evidence};
use claviger_identity::{emails, users};
use claviger_kernel::Unavailable;
use claviger_notify::{Message, Template};
use claviger_session::families::{self, Reuse};
use claviger_storage::CommitError;

use crate::{Client, OAuth};

/// For how long the message is of use.
const NOTICE_LIFE: Duration = Duration::from_hours(3 * 24);

impl OAuth {
    pub(super) async fn end_reused(&self, cx: &Cx, client: &Client, reuse: &Reuse) -> Result<(), Unavailable> {
        let evidence = Evidence {
            family: reuse.family,
            client: client.id,
            client_id: client.client_id.clone(),
            device: reuse.device.clone(),
            source: cx.caller.source.map(|source| source.bucket().to_string()),
            presented: reuse.presented,
            current: reuse.current,
        };
        let risk = risks::of(cx, reuse.user).await?;
        let due = risk.is_none_or(|risk| risk.tell_again(cx.now()));
        let to = if due { emails::main_of(cx, reuse.user).await? } else { None };
        let event = Event::new("refresh_token_reused", reuse.family).with("client", client.id).with("user", reuse.user);
        let mut unit = claviger_audit::unit(cx, event);
        families::revoke_living(&mut unit, reuse.family, "refresh token reused");
        risks::mark(&mut unit, reuse.user, Cause::RefreshTokenReused, &evidence, to.is_some());
        if let Some(email) = &to {
            let message = Message {
                template: Template::SignInReused,
                language: &self.language_of(cx, reuse).await?,
                to: &email.address,
                code: None,
                facts: &[("client", &client.name), ("device", &reuse.device)],
                life: NOTICE_LIFE,
            };
            self.notifier.queue(&mut unit, cx, &message)?;
        }
        match cx.commit(unit).await {
            Ok(_) => self.notifier.wake(),
            // Somebody has ended the family meanwhile, and has told what there was to tell.
            Err(CommitError::Conflict(_)) => {}
            Err(CommitError::Unavailable(fault)) => return Err(fault),
        }
        Ok(())
    }

    /// The user's language where the realm speaks it, else the realm's first.
    async fn language_of(&self, cx: &Cx, reuse: &Reuse) -> Result<String, Unavailable> {
        let realm = self.realm(cx)?;
        let languages = &realm.settings.languages;
        let user = users::by_id(cx, reuse.user).await?;
        let locale = user.as_ref().and_then(|user| user.claims.iter().find(|(name, _)| *name == "locale"));
        let spoken = locale.and_then(|(_, tag)| languages.iter().find(|known| tag.as_str() == Some(known)));
        Ok(spoken.or_else(|| languages.first()).cloned().unwrap_or_default())
    }
}
