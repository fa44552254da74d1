//! Which passwords may be chosen (NIST SP 800-63B-4 §3.1.1.2): long enough, not on the list of common ones, not made of
//! what everybody knows about the user. There are no composition rules, and no setting to add any (A116).

use claviger_kernel::Secret;

use super::common;
use super::normal::{MAX_CODE_POINTS, NewPassword, normalize};
use super::predictable::{as_letters, is_predictable};

/// A context word shorter than this says nothing about a password.
const SHORTEST_CONTEXT: usize = 3;

/// The rules for a new password, as a realm has set them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PasswordPolicy {
    alone: usize,
    with_second_factor: usize,
}

impl Default for PasswordPolicy {
    /// 15 code points where the password is the only factor, 8 beside a second one.
    fn default() -> Self {
        Self { alone: 15, with_second_factor: 8 }
    }
}

impl PasswordPolicy {
    /// A policy with other minimum lengths, in code points: `alone` where the password is the only factor.
    ///
    /// # Errors
    /// [`LengthError`] unless both are from 8 to 64 and `alone` is not the smaller one.
    pub const fn new(alone: usize, with_second_factor: usize) -> Result<Self, LengthError> {
        if with_second_factor < 8 || alone < with_second_factor || alone > 64 {
            return Err(LengthError);
        }
        Ok(Self { alone, with_second_factor })
    }

    /// The minimum length, in code points.
    pub const fn minimum(&self, second_factor: bool) -> usize {
        if second_factor { self.with_second_factor } else { self.alone }
    }

    /// Judges `candidate`. `context` is what everybody may know: e-mail address, name, realm name, product name.
    ///
    /// # Errors
    /// The first rule that it breaks.
    pub fn check(
        &self,
        candidate: &Secret<String>,
        context: &[&str],
        second_factor: bool,
    ) -> Result<NewPassword, PasswordRefusal> {
        let normal = normalize(candidate)?;
        let min = self.minimum(second_factor);
        // A ligature may become a whole phrase under NFKC; it was still typed as one character.
        let length = normal.expose().chars().count().min(candidate.expose().chars().count());
        if length < min {
            return Err(PasswordRefusal::TooShort { min });
        }
        let folded = Secret::new(normal.expose().to_lowercase());
        if let Some(word) = made_of_context(folded.expose(), &context_words(context)) {
            return Err(PasswordRefusal::Context(word));
        }
        if is_predictable(folded.expose(), &common::contains) {
            return Err(PasswordRefusal::Common);
        }
        Ok(NewPassword(normal))
    }
}

/// The folded words of `context`, longest first: each text whole and in its parts; of an address also the domain's.
fn context_words(context: &[&str]) -> Vec<String> {
    let mut words = Vec::new();
    for text in context {
        let folded = fold(text);
        let (local, _domain) = folded.rsplit_once('@').unwrap_or((&folded, ""));
        words.push(alphanumeric(local));
        words.extend(folded.split(|character: char| !character.is_alphanumeric()).map(str::to_owned));
    }
    words.retain(|word| word.chars().count() >= SHORTEST_CONTEXT);
    words.sort_unstable_by(|left, right| right.len().cmp(&left.len()).then(left.cmp(right)));
    words.dedup();
    words
}

/// The context word that `password` mainly consists of: words make up at least half of it, or what they leave over would
/// be refused by itself, or they carry a dress.
fn made_of_context(password: &str, words: &[String]) -> Option<String> {
    let characters: Vec<char> = password.chars().filter(|character| !character.is_whitespace()).collect();
    let readings = [password.to_owned(), as_letters(&characters, 'i'), as_letters(&characters, 'l')];
    for reading in readings.map(Secret::new) {
        let letters = Secret::new(alphanumeric(reading.expose()));
        // As long as it can become: it is wiped in the one place where it was built.
        let mut rest = String::with_capacity(letters.expose().len());
        let mut left = letters.expose().as_str();
        let mut first = None;
        while let Some(character) = left.chars().next() {
            if let Some(word) = words.iter().find(|word| left.starts_with(word.as_str())) {
                first = first.or(Some(word));
                left = &left[word.len()..];
            } else {
                rest.push(character);
                left = &left[character.len_utf8()..];
            }
        }
        let rest = Secret::new(rest);
        let Some(word) = first else { continue };
        let (all, kept) = (letters.expose().chars().count(), rest.expose().chars().count());
        if kept * 2 <= all || is_predictable(rest.expose(), &common::contains) {
            return Some(word.clone());
        }
    }
    let is_context = |word: &str| words.iter().any(|known| known == word);
    if is_predictable(password, &is_context) {
        return words.iter().find(|word| password.contains(word.as_str())).cloned();
    }
    None
}

fn fold(text: &str) -> String {
    use unicode_normalization::UnicodeNormalization as _;
    // What a user is called has its own limits; this one only bounds the work.
    text.chars().take(MAX_CODE_POINTS).nfkc().collect::<String>().to_lowercase()
}

fn alphanumeric(text: &str) -> String {
    text.chars().filter(|character| character.is_alphanumeric()).collect()
}

/// Why a password was refused. Pages say it in the reader's language.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PasswordRefusal {
    /// Fewer code points than the policy asks for.
    #[error("the password is too short: use at least {min} characters")]
    TooShort {
        /// The minimum, in code points.
        min: usize,
    },
    /// More than can be kept.
    #[error("the password is too long: use at most {max} characters")]
    TooLong {
        /// The maximum, in code points.
        max: usize,
    },
    /// A common password, or one that is built on one as people usually do.
    #[error("the password is one of those that are tried first: choose one that is less common")]
    Common,
    /// Made of something that others know about the user; the word is theirs, not the password.
    #[error("the password mainly consists of `{0}`, which others know: choose something unrelated")]
    Context(String),
}

/// Minimum lengths out of bounds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("minimum password lengths are from 8 to 64 characters, and not smaller where the password is the only factor")]
pub struct LengthError;

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(candidate: &str, context: &[&str], second_factor: bool) -> Result<(), PasswordRefusal> {
        PasswordPolicy::default().check(&candidate.into(), context, second_factor).map(|_| ())
    }

    #[test]
    fn length_counts_code_points_and_depends_on_the_factors() {
        assert_eq!(judge("vb9 tram lemon", &[], false), Err(PasswordRefusal::TooShort { min: 15 }));
        assert_eq!(judge("vb9 tram lemons", &[], false), Ok(()));
        assert_eq!(judge("vb9 tra", &[], true), Err(PasswordRefusal::TooShort { min: 8 }));
        assert_eq!(judge("vb9 tram", &[], true), Ok(()));
        assert_eq!(
            judge("🗝🪴🦊🧊🛶🎷🧵", &[], true),
            Err(PasswordRefusal::TooShort { min: 8 }),
            "28 bytes, 7 code points"
        );
        assert_eq!(judge("🗝🪴🦊🧊🛶🎷🧵🧭", &[], true), Ok(()));
        assert_eq!(judge("e\u{301}u\u{301}o\u{301}y\u{301}", &[], true), Err(PasswordRefusal::TooShort { min: 8 }));
        assert_eq!(judge("ﷺ", &[], false), Err(PasswordRefusal::TooShort { min: 15 }), "one character was typed");
    }

    #[test]
    fn a109_the_longest_accepted_is_256_code_points_and_64_is_no_trouble() {
        let varied: String = ('\u{4e00}'..).step_by(37).take(257).collect();
        let of = |count: usize| varied.chars().take(count).collect::<String>();
        assert_eq!(judge(&of(64), &[], false), Ok(()));
        assert_eq!(judge(&of(256), &[], false), Ok(()));
        assert_eq!(judge(&of(257), &[], false), Err(PasswordRefusal::TooLong { max: 256 }));
        assert_eq!(judge(&"correct horse ".repeat(75_000), &[], false), Err(PasswordRefusal::TooLong { max: 256 }));
    }

    #[test]
    fn a113_what_is_kept_is_what_was_typed_in_nfkc() {
        let policy = PasswordPolicy::default();
        let kept = |typed: &str| policy.check(&typed.into(), &[], true).unwrap().0.expose().clone();
        for typed in ["Nul\0Inside this", " spaces at both ends ", "🗝️ under the 🪴 pot", "Upper AND lower 7"] {
            assert_eq!(kept(typed), typed);
        }
        assert_eq!(kept("cafe\u{301} au lait 7h"), "caf\u{e9} au lait 7h");
    }

    #[test]
    fn a116_common_passwords_are_refused_in_every_dress() {
        for common in [
            "password",
            "PASSWORD",
            "iloveyou",
            "qwertyuiop",
            "P@ssw0rd",
            "Password1!",
            "ｐａｓｓｗｏｒｄ",
            "passwordpassword1",
            "Sunshine20242024",
            "1234567890123456",
            "qwertyuiopasdfghjkl",
            "aaaaaaaaaaaaaaaaa",
            "пароль12345678",
            "Letmein!Letmein!",
        ] {
            assert_eq!(judge(common, &[], true), Err(PasswordRefusal::Common), "{common}");
        }
    }

    #[test]
    fn a116_words_from_the_context_are_refused_when_the_password_mainly_consists_of_them() {
        let context = ["ottilie.sandberg@harbourworks.example", "Ottilie Sandberg", "Nordlicht Realm"];
        for (candidate, word) in [
            ("ottiliesandberg", "ottiliesandberg"),
            ("Ottilie.Sandberg1", "ottiliesandberg"),
            ("0tt1l13-2024-xy", "ottilie"),
            ("sandbergottilie", "sandberg"),
            ("Harbourworks2024", "harbourworks"),
            ("nordlichtpassword", "nordlicht"),
            ("!!nordlicht!!2024", "nordlicht"),
            ("ottilie1234567890123", "ottilie"),
        ] {
            assert_eq!(
                judge(candidate, &context, false),
                Err(PasswordRefusal::Context(word.to_owned())),
                "{candidate}"
            );
        }
        assert_eq!(judge("a lantern for ottilie by the quay", &context, false), Ok(()));
        assert_eq!(judge("violet tram 83 lanterns", &context, false), Ok(()));
        assert_eq!(judge("ottiliesandberg", &[], false), Ok(()), "nobody's name, nobody's harm");
    }

    #[test]
    fn a116_no_composition_is_asked_for() {
        for plain in ["zebracanopyflute", "ZEBRACANOPYFLUTE", "8305719264038571", "!%§ &/( )=? _:; ,.-"] {
            assert_eq!(judge(plain, &[], false), Ok(()), "{plain}");
        }
    }

    #[test]
    fn minimum_lengths_stay_within_what_the_standard_allows() {
        assert!(PasswordPolicy::new(15, 8).is_ok_and(|policy| policy == PasswordPolicy::default()));
        assert!(PasswordPolicy::new(64, 64).is_ok());
        for (alone, with_second_factor) in [(15, 7), (65, 8), (8, 15), (0, 0)] {
            assert_eq!(PasswordPolicy::new(alone, with_second_factor), Err(LengthError));
        }
    }

    #[test]
    fn refusals_never_repeat_the_password() {
        let refusal = judge("sandberg-qx7-violet-sandberg", &["Sandberg"], false).unwrap_err();
        assert_eq!(refusal, PasswordRefusal::Context("sandberg".to_owned()));
        assert!(!refusal.to_string().contains("qx7"));
    }
}
