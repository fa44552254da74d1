//! Hashes and text forms: SHA-256, lower-case hexadecimal, base64url without padding (RFC 4648 §5, RFC 7515 §2).

use core::fmt::Write as _;

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// The text is not canonical base64url without padding.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("expected canonical base64url without padding")]
pub struct BadEncoding;

/// SHA-256 of `bytes`.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    as_array(digest::digest(&digest::SHA256, bytes).as_ref())
}

/// SHA-256 of `bytes`, in lower-case hexadecimal.
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex(&sha256(bytes))
}

/// `bytes` in lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a String takes every write");
        text
    })
}

/// `bytes` as base64url without padding.
pub fn base64url(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Reads base64url in its one canonical spelling: no padding, no white space, no loose trailing bits.
pub fn base64url_decode(text: impl AsRef<[u8]>) -> Result<Vec<u8>, BadEncoding> {
    URL_SAFE_NO_PAD.decode(text).map_err(|_| BadEncoding)
}

/// Appends `bytes` as base64url without padding.
pub(crate) fn push_base64url(text: &mut String, bytes: &[u8]) {
    URL_SAFE_NO_PAD.encode_string(bytes, text);
}

/// Reads exactly `N` bytes from canonical base64url.
pub(crate) fn base64url_array<const N: usize>(text: &str, out: &mut [u8; N]) -> Result<(), BadEncoding> {
    match URL_SAFE_NO_PAD.decode_slice(text, out) {
        Ok(length) if length == N => Ok(()),
        _ => Err(BadEncoding),
    }
}

/// What a 256-bit hash or MAC handed out, as an array.
pub(crate) fn as_array(bytes: &[u8]) -> [u8; 32] {
    bytes.try_into().expect("SHA-256 and HMAC-SHA256 give 32 bytes")
}

/// Feeds `label` and `parts` to `sink` so that no two lists give the same bytes: each stands behind its length.
pub(crate) fn framed(label: &str, parts: &[&[u8]], mut sink: impl FnMut(&[u8])) {
    for part in core::iter::once(label.as_bytes()).chain(parts.iter().copied()) {
        sink(&(part.len() as u64).to_be_bytes());
        sink(part);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn hashes_match_the_published_examples() {
        // FIPS 180-4, "abc" and the empty message.
        assert_eq!(sha256_hex(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(sha256_hex(b""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    }

    #[test]
    fn only_canonical_base64url_is_read() {
        assert_eq!(base64url_decode("AQ").unwrap(), [1]);
        for wrong in ["AQ==", "AR", "A", "AQ\n", " AQ", "A+8", "A/8", "é", "AQ.."] {
            assert_eq!(base64url_decode(wrong), Err(BadEncoding), "{wrong:?}");
        }
    }

    proptest! {
        #[test]
        fn base64url_round_trips_and_has_one_spelling(bytes: Vec<u8>) {
            let text = base64url(&bytes);
            prop_assert_eq!(base64url_decode(&text).unwrap(), bytes);
            prop_assert_eq!(base64url(&base64url_decode(&text).unwrap()), text);
        }

        #[test]
        fn framing_tells_every_two_lists_apart(left: Vec<Vec<u8>>, right: Vec<Vec<u8>>) {
            let bytes = |parts: &[Vec<u8>]| {
                let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
                let mut out = Vec::new();
                framed("label", &parts, |bytes| out.extend_from_slice(bytes));
                out
            };
            prop_assert_eq!(left == right, bytes(&left) == bytes(&right));
        }
    }
}
