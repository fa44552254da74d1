//! The two integers of an RSA public key (RFC 8017 §A.1.1), read from the DER that AWS-LC writes.

/// Modulus and exponent, big-endian without leading zeros; nothing if `der` is not exactly one `RSAPublicKey`.
pub(super) fn rsa_public_key(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (sequence, rest) = element(der, 0x30)?;
    let (modulus, sequence) = element(sequence, 0x02)?;
    let (exponent, end) = element(sequence, 0x02)?;
    (rest.is_empty() && end.is_empty()).then_some((positive(modulus)?, positive(exponent)?))
}

/// The content of the element with this tag that `der` begins with, and what follows it.
fn element(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (length, rest) = match der.strip_prefix(&[tag])? {
        [short @ 0..=0x7f, rest @ ..] => (usize::from(*short), rest),
        [0x81, length @ 0x80..=0xff, rest @ ..] => (usize::from(*length), rest),
        [0x82, high @ 1..=0xff, low, rest @ ..] => (usize::from(u16::from_be_bytes([*high, *low])), rest),
        _ => return None,
    };
    rest.split_at_checked(length)
}

fn positive(integer: &[u8]) -> Option<&[u8]> {
    match integer {
        [0, rest @ ..] if rest.first().is_some_and(|byte| *byte >= 0x80) => Some(rest),
        [1..=0x7f, ..] => Some(integer),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::rsa_public_key;

    #[test]
    fn only_the_canonical_encoding_of_two_positive_integers_is_read() {
        assert_eq!(rsa_public_key(&[0x30, 7, 2, 2, 0, 0x80, 2, 1, 3]), Some((&[0x80][..], &[3][..])));
        for wrong in [
            &[0x30, 7, 2, 2, 0, 0x7f, 2, 1, 3][..],
            &[0x30, 6, 2, 1, 0x80, 2, 1, 3],
            &[0x30, 6, 2, 1, 5, 2, 1, 0],
            &[0x30, 6, 2, 1, 5, 2, 1, 3, 0],
            &[0x30, 7, 2, 1, 5, 2, 1, 3, 0],
            &[0x30, 0x81, 6, 2, 1, 5, 2, 1, 3],
            &[0x30, 6, 2, 1, 5, 2, 1],
            &[0x30, 0x80],
            &[],
        ] {
            assert_eq!(rsa_public_key(wrong), None, "{wrong:?}");
        }
    }
}
