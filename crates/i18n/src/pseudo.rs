//! The pseudo-language: English as a stranger sees it. Only the text of a message is changed, never what is put in.

use std::borrow::Cow;

/// Puts accents on the letters of a message's own text.
pub(crate) fn accent(text: &str) -> Cow<'_, str> {
    text.chars().map(accented).collect::<String>().into()
}

/// Marks a finished message and lengthens it by a third, as a translation would.
pub(crate) fn bracket(text: &str) -> String {
    let more = text.chars().count().div_ceil(3);
    let padding: String = " ẃőŕđş".chars().cycle().take(more).collect();
    format!("⟦{text}{padding}⟧")
}

fn accented(letter: char) -> char {
    const PLAIN: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    const ACCENTED: &str = "áƀćđéƒǵĥíĵķĺɱńóƥɋŕšŧúṽŵẋýžÁƁĆĐÉƑǴĤÍĴĶĹṀŃÓƤɊŔŠŦÚṼŴẊÝŽ";
    PLAIN.find(letter).and_then(|place| ACCENTED.chars().nth(place)).unwrap_or(letter)
}
