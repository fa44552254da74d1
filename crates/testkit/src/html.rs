//! As much of HTML as is needed to find forms and texts in our own pages.

/// A start tag, an end tag or a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Piece {
    Start { name: String, attributes: Vec<(String, String)> },
    End(String),
    Text(String),
}

impl Piece {
    /// The value of an attribute of a start tag.
    pub(crate) fn attribute(&self, wanted: &str) -> Option<&str> {
        let Self::Start { attributes, .. } = self else { return None };
        attributes.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str())
    }

    pub(crate) fn is_start(&self, wanted: &str) -> bool {
        matches!(self, Self::Start { name, .. } if name == wanted)
    }
}

/// Elements without an end tag.
const VOID: &[&str] = &["input", "br", "img", "meta", "link", "hr", "wbr"];

pub(crate) fn is_void(name: &str) -> bool {
    VOID.contains(&name)
}

/// Cuts a document into pieces; scripts and styles count as text.
pub(crate) fn pieces(document: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut rest = document;
    while let Some(open) = rest.find('<') {
        if open > 0 {
            pieces.push(Piece::Text(unescape(&rest[..open])));
        }
        rest = &rest[open..];
        if let Some(comment) = rest.strip_prefix("<!--") {
            rest = comment.split_once("-->").map_or("", |(_, after)| after);
            continue;
        }
        let end = end_of_tag(rest);
        let tag = rest[1..end].trim_end_matches('/');
        rest = rest.get(end + 1..).unwrap_or("");
        if tag.starts_with('!') {
            continue;
        }
        if let Some(name) = tag.strip_prefix('/') {
            pieces.push(Piece::End(name.trim().to_ascii_lowercase()));
            continue;
        }
        let (name, attributes) = tag.split_once(char::is_whitespace).unwrap_or((tag, ""));
        let name = name.to_ascii_lowercase();
        if name == "script" || name == "style" {
            let closing = format!("</{name}>");
            rest = rest.split_once(&closing).map_or("", |(_, after)| after);
            continue;
        }
        pieces.push(Piece::Start { name, attributes: read_attributes(attributes) });
    }
    pieces.push(Piece::Text(unescape(rest)));
    pieces
}

fn end_of_tag(text: &str) -> usize {
    let mut quote = None;
    for (place, letter) in text.char_indices() {
        match (quote, letter) {
            (None, '>') => return place,
            (None, '"' | '\'') => quote = Some(letter),
            (Some(open), letter) if open == letter => quote = None,
            _ => {}
        }
    }
    text.len()
}

fn read_attributes(text: &str) -> Vec<(String, String)> {
    let mut attributes = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let end = rest.find(|letter: char| letter == '=' || letter.is_whitespace()).unwrap_or(rest.len());
        let name = rest[..end].to_ascii_lowercase();
        rest = rest[end..].trim_start();
        let mut value = "";
        if let Some(after) = rest.strip_prefix('=') {
            let after = after.trim_start();
            (value, rest) = match after.chars().next() {
                Some(quote @ ('"' | '\'')) => after[1..].split_once(quote).unwrap_or((&after[1..], "")),
                _ => after.split_once(char::is_whitespace).unwrap_or((after, "")),
            };
        }
        rest = rest.trim_start();
        attributes.push((name, unescape(value)));
    }
    attributes
}

/// Character references as our templates write them.
pub(crate) fn unescape(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find('&') {
        plain.push_str(&rest[..start]);
        rest = &rest[start..];
        let end = rest.find(';').filter(|end| *end <= 8).unwrap_or(0);
        let decoded = match &rest[..end] {
            "&amp" => Some('&'),
            "&lt" => Some('<'),
            "&gt" => Some('>'),
            "&quot" => Some('"'),
            "&nbsp" => Some('\u{a0}'),
            reference => reference.strip_prefix("&#").and_then(|number| {
                let parsed = match number.strip_prefix(['x', 'X']) {
                    Some(digits) => u32::from_str_radix(digits, 16),
                    None => number.parse(),
                };
                parsed.ok().and_then(char::from_u32)
            }),
        };
        let skip = if decoded.is_some() { end + 1 } else { 1 };
        plain.push(decoded.unwrap_or('&'));
        rest = &rest[skip..];
    }
    plain.push_str(rest);
    plain
}

/// The text within the element that bears `id`, white space folded.
pub(crate) fn text_of(document: &str, id: &str) -> Option<String> {
    let pieces = pieces(document);
    let start = pieces.iter().position(|piece| piece.attribute("id") == Some(id))?;
    let mut depth = 0;
    let mut text = String::new();
    for piece in &pieces[start..] {
        match piece {
            Piece::Start { name, .. } if !is_void(name) => depth += 1,
            Piece::Start { .. } => {}
            Piece::End(_) => depth -= 1,
            Piece::Text(part) => {
                text.push_str(part);
                text.push(' ');
            }
        }
        if depth == 0 {
            break;
        }
    }
    Some(text.split_whitespace().collect::<Vec<_>>().join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_cut_where_its_tags_are() {
        let pieces = pieces(
            "<!doctype html><p class=a title='x > y' hidden>1 &lt; 2<br/></p><!-- <b> --><script>if (a<b) {}</script>&amp;",
        );
        let attribute = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let attributes = vec![attribute("class", "a"), attribute("title", "x > y"), attribute("hidden", "")];
        assert_eq!(
            pieces,
            [
                Piece::Start { name: "p".into(), attributes },
                Piece::Text("1 < 2".into()),
                Piece::Start { name: "br".into(), attributes: vec![] },
                Piece::End("p".into()),
                Piece::Text("&".into()),
            ]
        );
    }

    #[test]
    fn references_are_decoded_once() {
        assert_eq!(unescape("&#x2F;&#39;&amp;lt;&unknown; &"), "/'&lt;&unknown; &");
    }

    #[test]
    fn the_text_of_an_element_is_found_by_its_id() {
        let document = "<div><dd id=reference><code>req_1</code>\n <b>x</b></dd><p>after</p></div>";
        assert_eq!(text_of(document, "reference").as_deref(), Some("req_1 x"));
        assert_eq!(text_of(document, "missing"), None);
    }
}
