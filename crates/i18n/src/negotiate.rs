//! Reading the list of languages that a browser or a client sends.

/// How many entries of a list are looked at; browsers send fewer than ten.
const MOST: usize = 16;

/// The tags of an `Accept-Language` header (RFC 9110 §12.5.4), or of OpenID Connect's `ui_locales` (separated by
/// spaces), most wanted first. What cannot be read is left out; a wildcard says nothing and is left out too.
pub fn wanted(list: &str) -> Vec<&str> {
    let separator = if list.contains([',', ';']) { ',' } else { ' ' };
    let mut tags: Vec<(&str, u16)> = list
        .split(separator)
        .map(|entry| {
            let mut parts = entry.split(';').map(str::trim);
            let tag = parts.next().unwrap_or_default();
            let weight = parts.find_map(|part| part.strip_prefix("q=")).map_or(1000, thousandths);
            (tag, weight)
        })
        .take(MOST)
        .filter(|(tag, weight)| !tag.is_empty() && *tag != "*" && *weight > 0)
        .collect();
    tags.sort_by_key(|(_, weight)| core::cmp::Reverse(*weight));
    tags.into_iter().map(|(tag, _)| tag).collect()
}

/// A weight such as `0.8` in thousandths; one that cannot be read counts as 0.
fn thousandths(weight: &str) -> u16 {
    let value: f32 = weight.parse().unwrap_or(0.0);
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // clamped to 0..=1000 just before
    let whole = (value.clamp(0.0, 1.0) * 1000.0) as u16;
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_wanted_comes_first_and_equals_keep_their_order() {
        assert_eq!(wanted("fr; q=0.5, de, en-GB;q=0.8, nl"), ["de", "nl", "en-GB", "fr"]);
        assert_eq!(wanted("pt-BR de"), ["pt-BR", "de"]);
    }

    #[test]
    fn refused_wildcards_and_nonsense_are_left_out() {
        assert_eq!(wanted("*, de;q=0, en;q=NaN, ;q=1, nl;q=x"), Vec::<&str>::new());
        assert_eq!(wanted(""), Vec::<&str>::new());
        assert_eq!(wanted("en;q=7"), ["en"]);
    }

    #[test]
    fn an_endless_list_is_cut() {
        assert_eq!(wanted(&"de,".repeat(10_000)).len(), MOST);
    }
}
