//! When a password is only the dress of a word that everybody tries: `P@ssw0rd2024!`, `dragondragon1`, `abcdefgh`.
//!
//! The dress is undone step by step: case, digits and punctuation around a word, letters written as digits, one word
//! repeated, keys in a row. Passphrases of several words are not dresses, whichever words they use.

/// How many characters around a word still count as its dress: a year or a date, and a sign.
const AFFIX: usize = 8;
/// A unit this short, repeated, is predictable whatever it is.
const SHORT_UNIT: usize = 4;
/// How many characters in a row make a run.
const RUN: usize = 3;
/// The keys of a keyboard, row after row.
const KEYS: &str = "1234567890qwertyuiopasdfghjklzxcvbnm";

/// Whether the folded `password` is built on one word of those that `is_word` knows, or on none at all.
pub(super) fn is_predictable(password: &str, is_word: &dyn Fn(&str) -> bool) -> bool {
    let characters: Vec<char> = password.chars().collect();
    let plain: Vec<char> = characters.iter().copied().filter(|character| character.is_alphanumeric()).collect();
    is_weak(&characters, is_word) || (plain.len() < characters.len() && is_weak(&plain, is_word))
}

fn is_weak(password: &[char], is_word: &dyn Fn(&str) -> bool) -> bool {
    runs_only(password) || repeats(password, is_word) || is_dressed_word(password, is_word)
}

/// A word with something short or predictable before and behind it.
fn is_dressed_word(password: &[char], is_word: &dyn Fn(&str) -> bool) -> bool {
    let leading = password.iter().take_while(|character| !character.is_alphabetic()).count();
    let trailing = password[leading..].iter().rev().take_while(|character| !character.is_alphabetic()).count();
    let predictable = |affix: &[char]| runs_only(affix) || is_listed(affix, is_word) || repeats(affix, is_word);
    let long = |count: usize, affix: &[char]| (count > AFFIX && predictable(affix)).then_some((count, 0));
    // Each cut, and how much of it counts against the limit.
    let fronts = (0..=leading.min(AFFIX)).map(|cut| (cut, cut)).chain(long(leading, &password[..leading]));
    let backs: Vec<(usize, usize)> = (0..=trailing.min(AFFIX))
        .map(|cut| (cut, cut))
        .chain(long(trailing, &password[password.len() - trailing..]))
        .collect();
    fronts.into_iter().any(|(front, front_weight)| {
        backs.iter().any(|(back, back_weight)| {
            let Some(end) = password.len().checked_sub(*back).filter(|end| *end > front) else { return false };
            let (word, affixes) = (&password[front..end], [&password[..front], &password[end..]]);
            let letters = word.iter().filter(|character| character.is_alphabetic()).count();
            let bare = affixes.concat().iter().all(|character| !character.is_alphanumeric());
            front_weight + back_weight <= AFFIX
                && (letters >= RUN || bare)
                && (is_listed(word, is_word) || repeats(word, is_word))
        })
    })
}

/// The same unit over and over, if the unit is short or a word; the last may be cut.
fn repeats(password: &[char], is_word: &dyn Fn(&str) -> bool) -> bool {
    let period = period(password);
    period * 2 <= password.len() && period > 0 && (period <= SHORT_UNIT || is_listed(&password[..period], is_word))
}

/// After how many characters `text` begins again, its length if it never does (the failure function of Knuth, Morris and
/// Pratt: linear, whatever the text).
fn period(text: &[char]) -> usize {
    let mut borders = vec![0; text.len()];
    for place in 1..text.len() {
        let mut border = borders[place - 1];
        while border > 0 && text[place] != text[border] {
            border = borders[border - 1];
        }
        borders[place] = border + usize::from(text[place] == text[border]);
    }
    text.len() - borders.last().copied().unwrap_or(0)
}

/// Nothing but runs of neighbours: `aaaa`, `4321`, `abcd`, `qwerty`.
fn runs_only(password: &[char]) -> bool {
    let (mut rest, mut runs) = (password, 0);
    while rest.len() >= RUN {
        let length = [code_step as fn(char, char) -> Option<i32>, key_step].map(|step| run_length(rest, step));
        let length = length[0].max(length[1]);
        if length < RUN {
            return false;
        }
        rest = &rest[length..];
        runs += 1;
    }
    runs > 0 && rest.len() < RUN
}

fn run_length(characters: &[char], step: fn(char, char) -> Option<i32>) -> usize {
    let mut steps = characters.windows(2).map(|pair| step(pair[0], pair[1]));
    match steps.next() {
        Some(Some(first)) => 2 + steps.take_while(|next| *next == Some(first)).count(),
        _ => 1,
    }
}

fn code_step(from: char, to: char) -> Option<i32> {
    let step = i32::try_from(u32::from(to)).ok()? - i32::try_from(u32::from(from)).ok()?;
    (-1..=1).contains(&step).then_some(step)
}

fn key_step(from: char, to: char) -> Option<i32> {
    let (from, to) = (KEYS.find(from)?, KEYS.find(to)?);
    if to == from + 1 {
        Some(1)
    } else if from == to + 1 {
        Some(-1)
    } else {
        None
    }
}

/// Whether a word is known as written, or with its digits and signs read as letters.
fn is_listed(word: &[char], is_word: &dyn Fn(&str) -> bool) -> bool {
    let known = |word: String| is_word(&word);
    known(word.iter().collect()) || ['i', 'l'].into_iter().any(|one| known(as_letters(word, one)))
}

/// The letters for which digits and signs are commonly written; a `1` is read as `one`.
pub(super) fn as_letters(word: &[char], one: char) -> String {
    let letter = |character: &char| match character {
        '0' => 'o',
        '1' | '!' | '|' => one,
        '3' | '€' => 'e',
        '4' | '@' => 'a',
        '5' | '$' => 's',
        '6' | '9' => 'g',
        '7' | '+' => 't',
        '8' => 'b',
        other => *other,
    };
    word.iter().map(letter).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn predictable(password: &str) -> bool {
        is_predictable(password, &|word| {
            ["password", "dragon", "trustno1", "12345678", "1234567890", "lion"].contains(&word)
        })
    }

    #[test]
    fn a116_a_dressed_word_is_seen_through() {
        for dressed in [
            "password",
            "password1",
            "password2024!",
            "p@ssw0rd!",
            "pa$$w0rd-1999",
            "12password34",
            "!!password!!",
            "(password)20240101",
            "passwordpassword",
            "passwordpassword1",
            "p4ssw0rdp4ssw0rd1",
            "passwordpasswordpass",
            "pass-word-2024",
            "p a s s w o r d",
            "dragon12345678901",
            "1234567890dragon",
            "dragon000000000000",
            "trustno1",
            "trustno1!",
            "trustno1trustno1",
            "12345678!",
            "12345678901234567890",
        ] {
            assert!(predictable(dressed), "{dressed}");
        }
    }

    #[test]
    fn a116_runs_and_repetitions_are_predictable_without_any_word() {
        for run in [
            "aaaaaaaaaaaaaaa",
            "abcdefghijklmno",
            "zyxwvutsrqponmlk",
            "qwertyuiopasdfgh",
            "poiuytrewq",
            "abcabcabcabcabc",
            "x9x9x9x9x9x9x9x9",
            "aaaabbbbccccdddd",
            "abcd1234qwer",
            "абвгдежзийклмно",
        ] {
            assert!(predictable(run), "{run}");
        }
    }

    #[test]
    fn passphrases_and_random_passwords_are_not() {
        for sound in [
            "correct horse battery staple",
            "password dragon lion tram",
            "the lion at the door",
            "8305719264038571",
            "k7391820465920174",
            "v9#tqz!w2m",
            "dragonfly wings",
            "lion73920175839201",
            "",
            "a",
            "😀🗝🪴🦊🧊🛶🎷🧵",
        ] {
            assert!(!predictable(sound), "{sound}");
        }
    }
}
