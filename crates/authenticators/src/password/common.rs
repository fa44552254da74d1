//! The embedded list of common passwords, packed at build time (`build.rs`) and searched where it lies.

/// No entry is longer, in bytes.
const LONGEST: usize = 48;

static PACKED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/common-passwords.packed"));

/// Whether `word` is on the list. The list is lower case and NFKC; fold first.
pub(super) fn contains(word: &str) -> bool {
    let word = word.as_bytes();
    if word.len() > LONGEST {
        return false;
    }
    // The last entry written in full that is not behind the word: `low` and `high` are such places or the end.
    let (mut low, mut high, mut found) = (0, PACKED.len(), None);
    while low < high {
        let middle = low + (high - low) / 2;
        let start = (low..=middle).rev().find(|place| PACKED[*place] == 0).unwrap_or(low);
        if rest_at(start) <= word {
            found = Some(start);
            low = (middle + 1..high).find(|place| PACKED[*place] == 0).unwrap_or(high);
        } else {
            high = start;
        }
    }
    found.is_some_and(|start| {
        entries_from(start).take_while(|entry| entry.as_slice() <= word).any(|entry| entry == word)
    })
}

/// The bytes of the entry at `start` beyond what it shares with the one before it.
fn rest_at(start: usize) -> &'static [u8] {
    let rest = &PACKED[start + 1..];
    &rest[..rest.iter().position(|byte| *byte < 32).unwrap_or(rest.len())]
}

/// Entries in order, from the one at `start`, which is written in full.
fn entries_from(start: usize) -> impl Iterator<Item = Vec<u8>> {
    let (mut place, mut entry) = (start, Vec::with_capacity(LONGEST));
    std::iter::from_fn(move || {
        let shared = usize::from(*PACKED.get(place)?);
        let rest = rest_at(place);
        entry.truncate(shared);
        entry.extend_from_slice(rest);
        place += 1 + rest.len();
        Some(entry.clone())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = include_str!("../../data/common-passwords.txt");

    #[test]
    fn a116_every_entry_is_found_and_there_are_enough() {
        assert!(TEXT.lines().count() >= 10_000);
        assert_eq!(TEXT.lines().find(|entry| !contains(entry)), None);
        assert!(TEXT.lines().map(str::as_bytes).eq(entries_from(0)));
    }

    #[test]
    fn neighbours_of_entries_are_not_found() {
        for entry in TEXT.lines().step_by(7) {
            for changed in [format!("{entry}\u{1}"), format!("{entry}~~"), format!("\u{1}{entry}")] {
                assert!(!contains(&changed), "{changed:?}");
            }
        }
        assert!(!contains("") && !contains("\0") && !contains("\u{10ffff}"));
    }

    #[test]
    fn the_packed_list_stays_small() {
        assert!(PACKED.len() < 200_000, "{} bytes", PACKED.len());
    }

    #[test]
    fn the_list_is_folded_as_passwords_are() {
        use unicode_normalization::is_nfkc;
        assert_eq!(TEXT.lines().find(|entry| !is_nfkc(entry) || entry.to_lowercase() != **entry), None);
    }
}
