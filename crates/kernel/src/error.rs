//! Classes of error: what a surface needs to know to answer, whatever the domain.

use core::fmt;
use core::time::Duration;

/// What a caller can do about an error. Each domain error maps to one class; surfaces map the class to their status.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ErrorClass {
    /// The request is malformed or breaks a rule: mend it.
    Invalid,
    /// Nobody is signed in, or the proof is no good.
    Unauthenticated,
    /// Who asks may not do this.
    Denied,
    /// There is no such thing for who asks.
    NotFound,
    /// Somebody was faster, or the name is taken: read again.
    Conflict,
    /// Too often: wait.
    Limited,
    /// The server cannot answer now; nothing is wrong with the request. Never an authentication error.
    Unavailable,
}

/// The server cannot answer now. Outside it is 503 with Retry-After; the reason is for the log alone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unavailable {
    reason: String,
    retry_after: Duration,
}

impl Unavailable {
    /// `reason` names the fault without secrets; callers are asked to come back after one second.
    pub fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), retry_after: Duration::from_secs(1) }
    }

    /// The same, with another time to wait.
    #[must_use]
    pub const fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = wait;
        self
    }

    /// The fault, for the log.
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// When to try again.
    pub const fn wait(&self) -> Duration {
        self.retry_after
    }
}

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unavailable: {}", self.reason)
    }
}
impl core::error::Error for Unavailable {}
