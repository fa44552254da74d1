//! Parameters: `$N` to `?N`.
//!
//! To SQLite `$2` is a name, numbered by its first appearance: `where a = $2 and b = $1` would silently take the
//! bindings the wrong way round.

/// The text with every `$N` outside quotes as `?N`.
pub(crate) fn numbered(text: &str) -> String {
    let mut quote = None;
    let mut letters = text.chars().peekable();
    let mut numbered = String::with_capacity(text.len());
    while let Some(letter) = letters.next() {
        match quote {
            Some(open) if open == letter => quote = None,
            None if matches!(letter, '\'' | '"') => quote = Some(letter),
            _ => {}
        }
        let parameter = quote.is_none() && letter == '$' && letters.peek().is_some_and(char::is_ascii_digit);
        numbered.push(if parameter { '?' } else { letter });
    }
    numbered
}

#[cfg(test)]
mod tests {
    use super::numbered;

    #[test]
    fn parameters_keep_their_numbers_and_quoted_text_is_left_alone() {
        for (text, expected) in [
            ("select a from t where b = $2 and c = $1", "select a from t where b = ?2 and c = ?1"),
            ("select '$1', \"$2\", 'it''s $3', $4", "select '$1', \"$2\", 'it''s $3', ?4"),
            ("select $10+$1", "select ?10+?1"),
            ("select $x", "select $x"),
        ] {
            assert_eq!(numbered(text), expected);
        }
    }

    #[test]
    fn without_it_sqlite_swaps_the_bindings() {
        let sqlite = rusqlite::Connection::open_in_memory().unwrap();
        let first = |text: &str| sqlite.query_row(text, [1, 2], |row| row.get::<_, i64>(0)).unwrap();
        assert_eq!(first("select $2 + 0 * $1"), 1, "by first appearance");
        assert_eq!(first(&numbered("select $2 + 0 * $1")), 2);
    }
}
