//! A reader of the HTML that our own templates write: strict, so that what it cannot read is a fault of a template.

/// One piece of a document.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Piece {
    Open(Element),
    Close(String),
    Text(String),
}

/// A start tag. Attribute values are decoded; an attribute without a value has an empty one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Element {
    pub(super) name: String,
    pub(super) attributes: Vec<(String, String)>,
}

impl Element {
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }
}

const VOID: [&str; 9] = ["meta", "link", "input", "br", "wbr", "path", "circle", "rect", "hr"];

/// The pieces of `html`. Panics where tags do not match, or an attribute is doubled or unquoted.
pub(super) fn scan(html: &str) -> Vec<Piece> {
    let mut rest = html.strip_prefix("<!doctype html>").expect("starts with the doctype");
    let mut pieces = Vec::new();
    let mut open: Vec<String> = Vec::new();
    while let Some(start) = rest.find('<') {
        let raw = open.last().is_some_and(|name| name == "script");
        let start = if raw { rest.find("</script").expect("a script ends") } else { start };
        if start > 0 {
            pieces.push(Piece::Text(if raw { rest[..start].to_owned() } else { decode(&rest[..start]) }));
        }
        rest = &rest[start + 1..];
        if let Some(after) = rest.strip_prefix('/') {
            let end = after.find('>').expect("an end tag ends");
            assert_eq!(open.pop().as_deref(), Some(&after[..end]), "tags match");
            pieces.push(Piece::Close(after[..end].to_owned()));
            rest = &after[end + 1..];
        } else {
            let (element, after) = element(rest);
            if !VOID.contains(&element.name.as_str()) {
                open.push(element.name.clone());
            }
            pieces.push(Piece::Open(element));
            rest = after;
        }
    }
    assert!(open.is_empty(), "left open: {open:?}");
    assert!(rest.trim().is_empty(), "after the end: {rest}");
    pieces
}

fn element(tag: &str) -> (Element, &str) {
    let end = tag.find(|letter: char| !letter.is_ascii_alphanumeric()).expect("a tag ends");
    let mut element = Element { name: tag[..end].to_owned(), attributes: Vec::new() };
    assert!(!element.name.is_empty(), "a stray < before {tag:.40}");
    let mut rest = tag[end..].trim_start();
    loop {
        if let Some(after) = rest.strip_prefix('>').or_else(|| rest.strip_prefix("/>")) {
            return (element, after);
        }
        let end = rest.find(['=', ' ', '>', '/', '\n']).expect("an attribute ends");
        let name = rest[..end].to_owned();
        assert!(!name.is_empty() && !name.contains(['"', '\'', '<']), "an odd attribute in {tag:.80}");
        assert!(!element.has(&name), "{name} stands twice in {tag:.80}");
        rest = &rest[end..];
        let mut value = String::new();
        if let Some(after) = rest.strip_prefix('=') {
            let after = after.strip_prefix('"').unwrap_or_else(|| panic!("{name} is unquoted"));
            let end = after.find('"').expect("a value ends");
            assert!(!after[..end].contains(['<', '>']), "{name} holds a raw bracket");
            value = decode(&after[..end]);
            rest = &after[end + 1..];
        }
        element.attributes.push((name, value));
        rest = rest.trim_start();
    }
}

fn decode(text: &str) -> String {
    let mut decoded = String::new();
    let mut rest = text;
    while let Some(start) = rest.find('&') {
        decoded.push_str(&rest[..start]);
        let end = start + rest[start..].find(';').expect("an ampersand begins an entity");
        let number = rest[start..end].strip_prefix("&#").expect("entities are numbers");
        decoded.push(number.parse().ok().and_then(char::from_u32).expect("a character's number"));
        rest = &rest[end + 1..];
    }
    decoded.push_str(rest);
    decoded
}

/// The start tags of `html`.
pub(super) fn elements(html: &str) -> Vec<Element> {
    scan(html)
        .into_iter()
        .filter_map(|piece| match piece {
            Piece::Open(element) => Some(element),
            _ => None,
        })
        .collect()
}

/// What a person can read: the text outside scripts, and the attributes that are read out.
pub(super) fn readable(html: &str) -> Vec<String> {
    let mut texts = Vec::new();
    let mut script = false;
    for piece in scan(html) {
        match piece {
            Piece::Open(element) => {
                script = element.name == "script";
                for name in ["aria-label", "title", "alt", "placeholder", "data-show", "data-hide"] {
                    texts.extend(element.get(name).map(str::to_owned));
                }
            }
            Piece::Close(_) => script = false,
            Piece::Text(text) if !script && !text.trim().is_empty() => texts.push(text),
            Piece::Text(_) => {}
        }
    }
    texts
}

/// The text of the first element of this name.
pub(super) fn text_of(html: &str, name: &str) -> String {
    let mut inside = false;
    let mut text = String::new();
    for piece in scan(html) {
        match piece {
            Piece::Open(element) if element.name == name => inside = true,
            Piece::Close(closed) if closed == name && inside => break,
            Piece::Text(piece) if inside => text.push_str(&piece),
            _ => {}
        }
    }
    text
}
