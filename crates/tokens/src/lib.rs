//! The tokens of Claviger: how they are written, the one place where they are verified, what has been revoked.
//!
//! Pure: keys, revocations and the time are handed in, and nothing here can fetch anything. The same verifier serves
//! the server's own endpoints and the gate in front of somebody else's application.

mod claims;
mod compact;
mod formats;
#[doc(hidden)]
pub mod fuzz;
mod keyset;
mod refusal;
mod revocation;
mod verifier;

pub use claims::{Claims, Epochs};
pub use formats::{AccessToken, ClaimRefused, ExtraClaims, IdToken, LogoutToken, TokenType, at_hash};
pub use keyset::KeySet;
pub use refusal::{Refusal, RevokedBy};
pub use revocation::{Marks, Revocation, RevocationSet};
pub use verifier::{Expectation, NoAudience, VerifiedToken, Verifier};
