//! Parsing and folding an address, once, at the border.

use core::fmt;

use unicode_normalization::UnicodeNormalization;

/// A well-formed address and the form under which it is compared.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EmailKey {
    address: String,
    folded: String,
}

/// The text is not one e-mail address.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("that is not one e-mail address, such as ada@example.com")]
pub struct EmailError;

impl EmailKey {
    /// The longest address in bytes (RFC 5321 §4.5.3.1.3, without the angle brackets).
    pub const LONGEST: usize = 254;

    /// Reads one address. Surrounding white space is dropped; everything else must be as mail systems take it: one `@`,
    /// no quotes, comments, lists, spaces or control characters (A126).
    pub fn parse(text: &str) -> Result<Self, EmailError> {
        let text = text.trim();
        // The Kelvin sign is a K to NFC: a look-alike would become the other address (A128).
        if text.chars().any(|letter| !letter.is_ascii() && core::iter::once(letter).nfc().all(|plain| plain.is_ascii()))
        {
            return Err(EmailError);
        }
        let text: String = text.nfc().collect();
        let (local, domain) = text.rsplit_once('@').ok_or(EmailError)?;
        if text.len() > Self::LONGEST || local.is_empty() || local.len() > 64 || !local.split('.').all(good_atom) {
            return Err(EmailError);
        }
        let ascii = idna::domain_to_ascii_strict(domain).map_err(|_| EmailError)?;
        let labels = ascii.split('.').count();
        if labels < 2 || ascii.len() > 253 || ascii.ends_with('.') || !ascii.split('.').all(good_label) {
            return Err(EmailError);
        }
        let address = format!("{local}@{ascii}");
        let folded = format!("{}@{ascii}", local.to_ascii_lowercase());
        if address.len() > Self::LONGEST { Err(EmailError) } else { Ok(Self { address, folded }) }
    }

    /// As typed, with the domain in its ASCII form: where mail goes.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The form under which addresses are compared.
    pub fn folded(&self) -> &str {
        &self.folded
    }

    /// The part before the `@`, for the password's context words.
    pub fn local_part(&self) -> &str {
        self.address.rsplit_once('@').map_or("", |(local, _)| local)
    }
}

impl fmt::Display for EmailKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.address)
    }
}

/// An atom of RFC 5322 §3.2.3, widened to letters and digits of other scripts (RFC 6531 §3.3).
fn good_atom(atom: &str) -> bool {
    const MARKS: &str = "!#$%&'*+-/=?^_`{|}~";
    !atom.is_empty()
        && atom.chars().all(|letter| {
            letter.is_ascii_alphanumeric() || MARKS.contains(letter) || (!letter.is_ascii() && letter.is_alphanumeric())
        })
}

fn good_label(label: &str) -> bool {
    !label.is_empty()
        && !label.starts_with('-')
        && !label.ends_with('-')
        && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn folded(text: &str) -> String {
        EmailKey::parse(text).unwrap().folded().to_owned()
    }

    #[test]
    fn case_and_surrounding_space_do_not_make_another_address() {
        for text in ["ada@example.com", " Ada@Example.COM ", "ADA@EXAMPLE.com"] {
            assert_eq!(folded(text), "ada@example.com");
        }
        assert_eq!(folded("ada@bücher.example"), folded("ada@xn--bcher-kva.example"));
    }

    #[test]
    fn a128_look_alikes_are_other_addresses() {
        let plain = folded("mike@example.com");
        for other in ["mıke@example.com", "mi\u{212A}e@example.com", "Mike@example.com.au", "ｍike@example.com"] {
            assert_ne!(EmailKey::parse(other).map(|key| key.folded().to_owned()), Ok(plain.clone()), "{other}");
        }
        assert_ne!(folded("strasse@example.com"), folded("straße@example.com"));
        assert_ne!(folded("a@examp\u{0142}e.com"), folded("a@example.com"));
        assert_ne!(folded("\u{017F}am@example.com"), folded("sam@example.com"));
    }

    #[test]
    fn a126_lists_quotes_and_line_breaks_are_refused() {
        for text in [
            "",
            "@",
            "a@",
            "@b.c",
            "a@b",
            "a@evil.com,b@victim.com",
            "a@evil.com;b@victim.com",
            "\"a b\"@c.de",
            "a b@c.de",
            "a@b@c.de",
            "a@c.de\r\nBcc: x@y.z",
            "a\u{0}@c.de",
            "<a@c.de>",
            "a@c..de",
            ".a@c.de",
            "a.@c.de",
            "a..b@c.de",
            "a@-c.de",
            "a@c.de.",
            "a@[127.0.0.1]",
            "a(comment)@c.de",
            "a@c d.de",
        ] {
            assert_eq!(EmailKey::parse(text), Err(EmailError), "{text:?}");
        }
        assert!(EmailKey::parse(&format!("{}@example.com", "a".repeat(65))).is_err());
    }

    proptest! {
        #[test]
        fn folding_is_stable(text in "\\PC{0,40}@[a-z]{1,10}\\.[a-z]{2,4}") {
            if let Ok(key) = EmailKey::parse(&text) {
                let again = EmailKey::parse(key.folded()).unwrap();
                prop_assert_eq!(again.folded(), key.folded());
            }
        }
    }
}
