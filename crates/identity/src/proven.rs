//! The proof that a person holds a credential.

use claviger_kernel::{Timestamp, UserId};

/// How somebody was proven; the values of `amr` (RFC 8176 §2).
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
pub enum Method {
    /// A password.
    #[serde(rename = "pwd")]
    Password,
    /// A code or link sent to a mailbox.
    #[serde(rename = "email")]
    Mailbox,
}

impl Method {
    /// The `amr` value.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Password => "pwd",
            Self::Mailbox => "email",
        }
    }
}

/// One verified credential of one user. Only this crate's verifiers make one, so holding it is the check.
#[derive(Clone, Debug)]
pub struct Proven {
    user: UserId,
    method: Method,
    at: Timestamp,
}

impl Proven {
    pub(crate) const fn new(user: UserId, method: Method, at: Timestamp) -> Self {
        Self { user, method, at }
    }

    /// Whose credential it is.
    pub const fn user(&self) -> UserId {
        self.user
    }

    /// What was verified.
    pub const fn method(&self) -> Method {
        self.method
    }

    /// When it was verified.
    pub const fn at(&self) -> Timestamp {
        self.at
    }
}
