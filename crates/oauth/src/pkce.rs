//! Proof Key for Code Exchange (RFC 7636), method S256 only.

use claviger_crypto::{base64url, sha256};

use crate::error::NO_GRANT;
use crate::{Client, TokenError};

/// What an authorization request said about PKCE, checked.
pub(crate) fn challenge(
    client: &Client,
    challenge: Option<&str>,
    method: Option<&str>,
) -> Result<Option<String>, &'static str> {
    match (challenge, method) {
        (None, None) if client.settings.require_pkce => {
            Err("code_challenge is missing: this client must use PKCE with S256")
        }
        (None, None) => Ok(None),
        (None, Some(_)) => Err("code_challenge_method came without code_challenge"),
        (Some(text), Some("S256")) if text.len() == 43 && text.bytes().all(base64url_letter) => {
            Ok(Some(text.to_owned()))
        }
        (Some(_), Some("S256")) => Err("code_challenge must be the 43 characters of a base64url SHA-256"),
        (Some(_), None | Some(_)) => Err("code_challenge_method must be S256"),
    }
}

/// Whether the verifier is the one that the challenge was made of; a verifier without a challenge is refused too (A014).
pub(crate) fn verify(challenge: Option<&str>, verifier: Option<&str>) -> Result<(), TokenError> {
    match (challenge, verifier) {
        (None, None) => Ok(()),
        (Some(challenge), Some(verifier)) if well_formed(verifier) => {
            let made = base64url(&sha256(verifier.as_bytes()));
            if claviger_kernel::constant_time_eq(made.as_bytes(), challenge.as_bytes()) {
                Ok(())
            } else {
                Err(NO_GRANT)
            }
        }
        _ => Err(NO_GRANT),
    }
}

fn base64url_letter(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'
}

/// 43 to 128 unreserved characters (RFC 7636 §4.1).
fn well_formed(verifier: &str) -> bool {
    (43..=128).contains(&verifier.len())
        && verifier.bytes().all(|byte| base64url_letter(byte) || byte == b'.' || byte == b'~')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7636, appendix B.
    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    #[test]
    fn the_rfc_vector_verifies_and_nothing_else_does() {
        assert_eq!(verify(Some(CHALLENGE), Some(VERIFIER)), Ok(()));
        for wrong in [None, Some(""), Some(CHALLENGE), Some(&VERIFIER[..42]), Some(&"a".repeat(129)[..])] {
            assert_eq!(verify(Some(CHALLENGE), wrong), Err(NO_GRANT), "a015 {wrong:?}");
        }
    }

    #[test]
    fn a014_a_verifier_without_a_challenge_is_refused() {
        assert_eq!(verify(None, Some(VERIFIER)), Err(NO_GRANT));
        assert_eq!(verify(None, None), Ok(()));
    }
}
