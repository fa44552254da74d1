//! Passwords in the one form in which they are hashed: NFKC, nothing else changed, never longer than 256 code points.
//!
//! The same characters typed on another machine may arrive composed or decomposed; after NFKC they are the same bytes
//! (A113). Nothing is trimmed, folded or cut. The limit counts after normalisation, so that the form in which a device
//! sends a password does not decide whether it is accepted; 256 code points are at most 1,024 bytes.

use claviger_kernel::Secret;
use unicode_normalization::UnicodeNormalization as _;

use super::policy::PasswordRefusal;

/// The longest password, in code points after normalisation.
pub const MAX_CODE_POINTS: usize = 256;
/// The longest input that is looked at: a decomposed form may take several times the bytes of the composed one.
const MAX_INPUT_BYTES: usize = 4 * 1024;

/// A new password that the policy has accepted: the only thing that can be hashed.
#[derive(Clone, Debug)]
pub struct NewPassword(pub(super) Secret<String>);

impl NewPassword {
    /// The same password as somebody would present it, to see whether it is the one in use.
    pub fn presented(&self) -> PresentedPassword {
        PresentedPassword(self.0.clone())
    }
}

/// A password that somebody signs in with: normalised and not over-long, otherwise unjudged. It can only be verified.
#[derive(Clone, Debug)]
pub struct PresentedPassword(pub(super) Secret<String>);

impl PresentedPassword {
    /// Takes what was typed.
    ///
    /// # Errors
    /// [`PasswordRefusal::TooLong`], before any hashing (A109).
    pub fn new(typed: &Secret<String>) -> Result<Self, PasswordRefusal> {
        normalize(typed).map(Self)
    }

    /// The normalised text.
    pub(crate) const fn as_str(&self) -> &str {
        self.0.expose().as_str()
    }
}

/// NFKC of `typed`, in one allocation that is wiped with it.
pub(super) fn normalize(typed: &Secret<String>) -> Result<Secret<String>, PasswordRefusal> {
    let too_long = PasswordRefusal::TooLong { max: MAX_CODE_POINTS };
    if typed.expose().len() > MAX_INPUT_BYTES {
        return Err(too_long);
    }
    let mut normal = String::with_capacity(4 * MAX_CODE_POINTS);
    for (place, character) in typed.expose().nfkc().enumerate() {
        if place == MAX_CODE_POINTS {
            drop(Secret::new(normal));
            return Err(too_long);
        }
        normal.push(character);
    }
    Ok(Secret::new(normal))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn normal(typed: &str) -> String {
        normalize(&typed.into()).unwrap().expose().clone()
    }

    #[test]
    fn a109_over_long_is_refused_and_the_longest_is_accepted() {
        let too_long = Err(PasswordRefusal::TooLong { max: 256 });
        assert_eq!(PresentedPassword::new(&"x".repeat(1 << 20).as_str().into()).map(|_| ()), too_long);
        assert_eq!(PresentedPassword::new(&"x".repeat(257).as_str().into()).map(|_| ()), too_long);
        assert_eq!(PresentedPassword::new(&"ﷺ".repeat(15).as_str().into()).map(|_| ()), too_long);
        for longest in ["x".repeat(256), "🗝".repeat(256), "e\u{301}".repeat(256), "x".repeat(64)] {
            assert!(PresentedPassword::new(&longest.as_str().into()).is_ok());
        }
    }

    #[test]
    fn a113_forms_of_the_same_characters_become_the_same_and_nothing_is_cut() {
        assert_eq!(normal("caf\u{e9} na\u{ef}ve"), normal("cafe\u{301} nai\u{308}ve"));
        assert_eq!(normal("ｐａｓｓ\u{3000}①"), "pass 1");
        for kept in ["a\0b\0", "trailing space ", " leading", "tab\t\r\n", "🗝️👩‍👩‍👧", "CaseKept", ""]
        {
            assert_eq!(normal(kept), kept);
        }
    }
}
