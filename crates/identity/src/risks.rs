//! Accounts at risk: something suggests that a stranger holds what only the user should hold.
//!
//! A mark disables nobody. Administrators see it with its evidence, what is sensitive asks for a proof younger than it
//! (`Requirement::since`), and it goes when the user proves the password, or by an administrator's hand.

use core::time::Duration;

use claviger_audit::{Cx, Event, Unit};
use claviger_kernel::{ClientId, FamilyId, Timestamp, Unavailable, UserId};
use claviger_storage::args;
use serde::{Deserialize, Serialize};

use crate::users::{self, Listed};

pub(crate) mod sql;

/// The user is told at once, and of what follows at most this often: a thief must not fill the mailbox.
pub const TOLD_AGAIN: Duration = Duration::from_hours(1);

/// What has happened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cause {
    /// A refresh token came back that had been used up.
    RefreshTokenReused,
}

impl Cause {
    /// The text that the column holds.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RefreshTokenReused => "refresh_token_reused",
        }
    }
}

/// What there is to see of it. No secret, and no address more exact than the network.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Evidence {
    /// The token family.
    pub family: FamilyId,
    /// The client's row.
    pub client: ClientId,
    /// The name by which the client asks.
    pub client_id: String,
    /// The device to which the token was given.
    pub device: String,
    /// The network from which it came back, if known.
    pub source: Option<String>,
    /// Which of the family's tokens came back.
    pub presented: u32,
    /// Which was the present one.
    pub current: u32,
}

/// A mark.
#[derive(Clone, Debug)]
pub struct Risk {
    /// What has happened, the last time.
    pub cause: String,
    /// What there is to see of the last time, as JSON.
    pub evidence: serde_json::Value,
    /// The first time since the mark was last cleared.
    pub marked_at: Timestamp,
    /// The last time.
    pub last_at: Timestamp,
    /// How often.
    pub times: u32,
    /// When the user was last told.
    pub told_at: Option<Timestamp>,
}

impl Risk {
    /// Whether the user is to be told of one more at `now`.
    pub fn tell_again(&self, now: Timestamp) -> bool {
        self.told_at.is_none_or(|told| now.since(told) >= TOLD_AGAIN)
    }
}

/// Who proved that the account is in its owner's hands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ClearedBy {
    /// The user, by the password.
    Proof,
    /// An administrator.
    Administrator,
}

/// The mark of a user, if there is one.
pub async fn of(cx: &Cx, user: UserId) -> Result<Option<Risk>, Unavailable> {
    cx.db.get(&sql::OF, args![cx.realm(), user], sql::risk).await
}

/// Users with a mark after `after`, in the order in which they were made; at most `limit` (1 to 200).
pub async fn page(cx: &Cx, after: Option<UserId>, limit: u32) -> Result<Vec<Listed>, Unavailable> {
    let after = after.unwrap_or(UserId::from_bytes([0; 16]));
    let args = args![cx.realm(), after, limit.clamp(1, 200)];
    let mut marked = cx.db.list(cx.realm(), &sql::PAGE, args, users::sql::listed).await?;
    // Sorted here: a database that is asked for an order reads all users in it, to find the few.
    marked.sort_by_key(|listed| listed.user.id);
    Ok(marked)
}

/// Marks a user; `told` says whether the same unit queues the message.
pub fn mark(unit: &mut Unit, user: UserId, cause: Cause, evidence: &Evidence, told: bool) {
    unit.record(
        Event::new("user_at_risk", user)
            .with("cause", cause.as_str())
            .with("family", evidence.family)
            .with("client", &evidence.client_id)
            .with("device", &evidence.device)
            .with("presented", evidence.presented)
            .with("current", evidence.current)
            .with("told", told),
    );
    let text = serde_json::to_string(evidence).expect("evidence is plain JSON");
    let told_at = told.then(|| unit.now());
    unit.one("risk", &sql::MARK, args![unit.realm(), user, cause.as_str(), text, unit.now(), told_at]);
}

/// Takes a mark away, unless something has been added to it since it was read: then it stays.
pub fn clear(unit: &mut Unit, user: UserId, risk: &Risk, by: ClearedBy) {
    let by = match by {
        ClearedBy::Proof => "proof",
        ClearedBy::Administrator => "administrator",
    };
    unit.record(Event::new("user_risk_cleared", user).with("by", by).with("cause", &risk.cause));
    unit.any("risk", &sql::CLEAR, args![unit.realm(), user, risk.last_at]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_user_is_told_at_once_and_then_once_an_hour() {
        let at = Timestamp::from_micros(1_000_000_000);
        let risk = |told_at| Risk {
            cause: String::new(),
            evidence: serde_json::Value::Null,
            marked_at: at,
            last_at: at,
            times: 1,
            told_at,
        };
        assert!(risk(None).tell_again(at));
        assert!(!risk(Some(at)).tell_again(at.plus(TOLD_AGAIN).minus(Duration::from_micros(1))));
        assert!(risk(Some(at)).tell_again(at.plus(TOLD_AGAIN)));
    }
}
