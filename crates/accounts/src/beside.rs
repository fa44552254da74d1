//! What comes into being together with a session: tokens for the application on whose behalf somebody signs in. The
//! engine commits it with the session, in one unit, and knows nothing of it but that it may be added.

use core::fmt;
use core::future::Future;
use core::pin::Pin;

use claviger_audit::{Cx, Unit};
use claviger_identity::ActiveUser;
use claviger_kernel::{SessionId, Timestamp, Unavailable};

/// The session that is about to be opened.
#[derive(Debug)]
pub struct Opening<'a> {
    /// Its row.
    pub session: SessionId,
    /// Whose it is; the commit depends on the user being active.
    pub user: &'a ActiveUser,
    /// `acr` of the sign-in.
    pub acr: &'a str,
    /// `amr` of the sign-in.
    pub amr: &'a [&'static str],
    /// `auth_time` of the sign-in.
    pub authenticated_at: Timestamp,
    /// The device's label.
    pub device: &'a str,
}

/// What [`Beside::add`] returns.
pub type Added<'a> = Pin<Box<dyn Future<Output = Result<(), Unavailable>> + Send + 'a>>;

/// The conflict that says that what was read to add something has changed meanwhile: the unit is made anew.
pub(crate) const AGAIN: &str = "grant";

/// Adds its part to the unit that opens a session.
pub trait Beside: fmt::Debug + Send + Sync {
    /// Adds statements and events. What it has read to decide, it asserts again in the unit; the conflict `grant` makes it
    /// be asked once more.
    fn add<'a>(&'a self, cx: &'a Cx, unit: &'a mut Unit, opening: &'a Opening<'a>) -> Added<'a>;
}
