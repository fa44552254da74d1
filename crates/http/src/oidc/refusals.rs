//! From a refusal of the provider to the OAuth answer (RFC 6749 §5.2, RFC 6750 §3.1).

use core::time::Duration;

use claviger_kernel::ErrorClass;
use claviger_oauth::TokenError;
use http::StatusCode;

use crate::base::Refusal;

/// The answer, without a challenge: endpoints add their own.
pub(super) fn refusal(error: TokenError) -> Refusal {
    let class = match error {
        TokenError::Unavailable(fault) => return fault.into(),
        TokenError::InvalidClient | TokenError::InvalidToken { .. } => ErrorClass::Unauthenticated,
        TokenError::InsufficientScope(_) => ErrorClass::Denied,
        TokenError::TooMany => ErrorClass::Limited,
        _ => ErrorClass::Invalid,
    };
    let code = error.code();
    let refusal = Refusal::new(class, code, error.to_string()).oauth(code);
    match error {
        TokenError::TooMany => refusal.status(StatusCode::TOO_MANY_REQUESTS).retry_after(Duration::from_secs(1)),
        _ => refusal,
    }
}
