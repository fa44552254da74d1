//! Where messages go.

use async_trait::async_trait;
use claviger_kernel::Timestamp;

/// A message in words.
#[derive(Clone, Debug)]
pub struct Mail {
    /// The recipient's address.
    pub to: String,
    /// The subject; never a code or a link.
    pub subject: String,
    /// The text for programs that show none of the other.
    pub text: String,
    /// The same as HTML, without any picture or script from elsewhere.
    pub html: String,
    /// When it was queued.
    pub queued_at: Timestamp,
}

/// A message was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransportError {
    /// Try again later.
    #[error("not now: {0}")]
    Later(String),
    /// It will never be taken.
    #[error("refused: {0}")]
    Refused(String),
}

/// Hands messages on.
#[async_trait]
pub trait Transport: Send + Sync + 'static {
    /// Hands one message on.
    async fn send(&self, mail: Mail) -> Result<(), TransportError>;
}
