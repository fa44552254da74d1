//! What a message says, before it is put into words: a template, a recipient, and what fills the template.

use core::time::Duration;

use claviger_kernel::Secret;

/// The messages that Claviger sends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Template {
    /// The code that verifies an address.
    Verify,
    /// The code that lets somebody choose a new password.
    Reset,
    /// Somebody signed up with an address that has an account: its owner is told, the visitor is not.
    AlreadyRegistered,
    /// Somebody asked for a reset with an address that has no account.
    NoAccount,
    /// The password was changed.
    PasswordChanged,
    /// A used refresh token came back: somebody may hold a copy of a sign-in. Takes `client` and `device`.
    SignInReused,
}

impl Template {
    /// Every template.
    pub const ALL: [Self; 6] = [
        Self::Verify,
        Self::Reset,
        Self::AlreadyRegistered,
        Self::NoAccount,
        Self::PasswordChanged,
        Self::SignInReused,
    ];

    /// The name that the outbox keeps; message keys begin with it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Verify => "verify",
            Self::Reset => "reset",
            Self::AlreadyRegistered => "already-registered",
            Self::NoAccount => "no-account",
            Self::PasswordChanged => "password-changed",
            Self::SignInReused => "sign-in-reused",
        }
    }

    /// The template of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|template| template.as_str() == name)
    }
}

/// A message to be queued.
#[derive(Debug)]
pub struct Message<'a> {
    /// Which.
    pub template: Template,
    /// The language's tag, `en`.
    pub language: &'a str,
    /// The address, as stored.
    pub to: &'a str,
    /// The code, where the template has one.
    pub code: Option<&'a Secret<String>>,
    /// What the template's words name, by name. Never a secret: it stands in the outbox as it is, until delivery.
    pub facts: &'a [(&'static str, &'a str)],
    /// How long the message is of use; it is given up afterwards.
    pub life: Duration,
}
