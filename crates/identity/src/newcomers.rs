//! Users come into being: by signing up with a proven mailbox, or by an administrator's hand.

use claviger_audit::{Cx, Unit};
use claviger_authenticators::password::PasswordHash;
use claviger_kernel::Timestamp;

use crate::emails::{self, EmailKey};
use crate::mailbox::{ProvenMailbox, Purpose};
use crate::users::{self, ActiveUser, Claims, NewUser};
use crate::{Method, Proven, passwords};

/// Makes the user who has proven the mailbox and chosen the password in the same flow, and gives the two proofs.
///
/// Conflict `email` if the address was taken meanwhile.
///
/// # Panics
/// If the mailbox was proven for something else: the flow is broken.
pub fn sign_up(
    unit: &mut Unit,
    cx: &Cx,
    mailbox: &ProvenMailbox,
    claims: Claims,
    hash: &PasswordHash,
    chosen_at: Timestamp,
) -> (ActiveUser, Vec<Proven>) {
    assert_eq!(mailbox.purpose(), Purpose::SignUp, "a mailbox proven to sign up");
    let user = users::create(unit, cx, NewUser { subject: None, claims });
    emails::add(unit, user.id(), mailbox.email(), true, Some(mailbox.at()));
    passwords::set(unit, user.id(), hash);
    let proofs = vec![
        Proven::new(user.id(), Method::Password, chosen_at),
        Proven::new(user.id(), Method::Mailbox, mailbox.at()),
    ];
    (user, proofs)
}

/// Makes a user by an administrator's hand: nothing is proven, the address is verified only if the administrator says so.
///
/// Conflicts: `subject`, `email`.
pub fn by_administrator(
    unit: &mut Unit,
    cx: &Cx,
    new: NewUser,
    email: &EmailKey,
    verified: bool,
    hash: Option<&PasswordHash>,
) -> ActiveUser {
    let user = users::create(unit, cx, new);
    emails::add(unit, user.id(), email, true, verified.then(|| unit.now()));
    if let Some(hash) = hash {
        passwords::set(unit, user.id(), hash);
    }
    user
}
