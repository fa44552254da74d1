//! The one decision.

use claviger_audit::{Cx, Event, refused};
use claviger_identity::{User, users};
use claviger_kernel::{Actor, Unavailable};

use crate::{Permission, roles};

/// Why something was decided as it was.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Why {
    /// A role of the actor's permits it.
    Role(&'static str),
    /// The operator holds the machine, and with it everything.
    Operator,
    /// Claviger acts for itself.
    System,
    /// Nobody is signed in.
    Anonymous,
    /// No role of the actor's permits it.
    NoRole,
    /// The user is disabled or gone.
    Inactive,
    /// Machines hold no permission on the server itself so far.
    Machine,
}

/// The outcome, with its reason.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Decision {
    /// Whether it may be done.
    pub allowed: bool,
    /// Why.
    pub why: Why,
}

/// The proof that the caller of a context holds a permission; only [`Granted::ask`] makes one.
#[derive(Debug)]
pub struct Granted(Permission);

impl Granted {
    /// Asks for the caller of `cx`; a refusal is logged and comes back as the decision.
    pub async fn ask(cx: &Cx, permission: Permission) -> Result<Result<Self, Decision>, Unavailable> {
        let decision = decide(cx, permission).await?;
        if decision.allowed {
            return Ok(Ok(Self(permission)));
        }
        refused(cx, &Event::new("permission_refused", permission).with("why", format!("{:?}", decision.why)));
        Ok(Err(decision))
    }

    /// What was granted.
    pub const fn permission(&self) -> Permission {
        self.0
    }
}

/// Whether the caller of `cx` may do what `permission` names in the caller's realm.
pub async fn decide(cx: &Cx, permission: Permission) -> Result<Decision, Unavailable> {
    let (allowed, why) = match cx.caller.actor {
        Actor::Operator => (true, Why::Operator),
        Actor::System(_) => (true, Why::System),
        Actor::Anonymous => (false, Why::Anonymous),
        Actor::Client(_) | Actor::ServiceAccount(_) => (false, Why::Machine),
        Actor::User(user) => {
            let active = users::by_id(cx, user).await?.as_ref().and_then(User::active).is_some();
            let held = if active { roles::of_user(cx, user).await? } else { Vec::new() };
            match held.iter().find(|role| role.permissions().contains(&permission)) {
                Some(role) => (true, Why::Role(role.as_str())),
                None if active => (false, Why::NoRole),
                None => (false, Why::Inactive),
            }
        }
    };
    Ok(Decision { allowed, why })
}
