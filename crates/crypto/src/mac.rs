//! HMAC-SHA256 with a purpose: tags that anybody may see, and secrets derived from a key that nobody may.

use aws_lc_rs::hmac;
use claviger_kernel::{Secret, constant_time_eq};

use crate::encoding::{as_array, framed};

/// A 256-bit key for HMAC-SHA256 (RFC 2104, FIPS 198-1).
///
/// Purpose and parts stand behind their lengths, so that no two lists of parts give the same tag. A tag and a derived
/// secret never coincide, whatever the purpose: the two kinds of use are told apart inside.
#[derive(Clone)]
pub struct MacKey(hmac::Key);

impl MacKey {
    /// Takes `key` in use; AWS-LC wipes its copy when the last clone is dropped.
    pub fn new(key: &Secret<[u8; 32]>) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, key.expose()))
    }

    /// The tag of `parts` for `purpose`, such as `"client secret/1"`.
    pub fn tag(&self, purpose: &str, parts: &[&[u8]]) -> [u8; 32] {
        self.compute(b"tag", purpose, parts)
    }

    /// Whether `tag`, whole or cut to its first 16 bytes or more, is the tag of `parts`; in constant time.
    pub fn verify(&self, purpose: &str, parts: &[&[u8]], tag: &[u8]) -> bool {
        let expected = self.tag(purpose, parts);
        (16..=32).contains(&tag.len()) && constant_time_eq(&expected[..tag.len()], tag)
    }

    /// A secret that only the holder of this key can compute from `parts`.
    pub fn derive(&self, purpose: &str, parts: &[&[u8]]) -> Secret<[u8; 32]> {
        Secret::new(self.compute(b"derive", purpose, parts))
    }

    fn compute(&self, usage: &[u8], purpose: &str, parts: &[&[u8]]) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(usage);
        framed(purpose, parts, |bytes| context.update(bytes));
        as_array(context.sign().as_ref())
    }
}

impl core::fmt::Debug for MacKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("MacKey([secret])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> MacKey {
        MacKey::new(&Secret::new([byte; 32]))
    }

    #[test]
    fn the_tag_is_hmac_sha256_of_the_framed_parts() {
        // RFC 4231 has no such framing: compute the same by the one-call form over the bytes written out.
        let written = b"tag\0\0\0\0\0\0\0\x01p\0\0\0\0\0\0\0\x02ab\0\0\0\0\0\0\0\0";
        let expected = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &[7; 32]), written);
        assert_eq!(key(7).tag("p", &[b"ab", b""]), expected.as_ref());
    }

    #[test]
    fn key_purpose_and_every_border_between_parts_count() {
        let tag = key(1).tag("a", &[b"bc", b"d"]);
        for other in [
            key(2).tag("a", &[b"bc", b"d"]),
            key(1).tag("ab", &[b"c", b"d"]),
            key(1).tag("a", &[b"b", b"cd"]),
            key(1).tag("a", &[b"bcd"]),
            key(1).tag("a", &[b"bc", b"d", b""]),
            *key(1).derive("a", &[b"bc", b"d"]).expose(),
        ] {
            assert_ne!(tag, other);
        }
    }

    #[test]
    fn a_tag_cut_below_128_bits_or_changed_is_refused() {
        let tag = key(1).tag("a", &[b"b"]);
        assert!(key(1).verify("a", &[b"b"], &tag));
        assert!(key(1).verify("a", &[b"b"], &tag[..16]));
        assert!(!key(1).verify("a", &[b"b"], &tag[..15]));
        assert!(!key(1).verify("a", &[b"b"], &[]));
        for bit in 0..256 {
            let mut changed = tag;
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(!key(1).verify("a", &[b"b"], &changed));
        }
    }
}
