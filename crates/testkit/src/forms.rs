//! Forms as a browser sees them: found in a page, filled in, submitted with everything that is hidden in them.

use crate::html::{Piece, pieces};

/// A form of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Form {
    /// Where it goes.
    pub action: String,
    /// How: `get` or `post`.
    pub method: String,
    fields: Vec<(String, String)>,
    buttons: Vec<Button>,
    known: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Button {
    id: String,
    name: Option<String>,
    value: String,
}

impl Form {
    /// Every form of `document`.
    pub(crate) fn all(document: &str) -> Vec<(Vec<String>, Self)> {
        let pieces = pieces(document);
        let starts = pieces.iter().enumerate().filter(|(_, piece)| piece.is_start("form")).map(|(place, _)| place);
        starts
            .map(|start| {
                let length = pieces[start..].iter().position(|piece| *piece == Piece::End("form".into()));
                read(&pieces[start..start + length.unwrap_or(pieces.len() - start)])
            })
            .collect()
    }

    /// The value of a field as it stands.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Fills a field in.
    ///
    /// # Panics
    /// If the form has no such field: a person could not have filled it in either.
    #[must_use]
    pub fn fill(mut self, name: &str, value: &str) -> Self {
        assert!(self.known.iter().any(|known| known == name), "the form has no field {name}: {:?}", self.known);
        self.fields.retain(|(known, _)| known != name);
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Leaves a field out, as a person cannot but an attacker can.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.fields.retain(|(known, _)| known != name);
        self
    }

    /// Adds a field that the page does not have, as an attacker can.
    #[must_use]
    pub fn insert(mut self, name: &str, value: &str) -> Self {
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sends a field under another name, as an attacker can.
    #[must_use]
    pub fn rename(mut self, from: &str, to: &str) -> Self {
        let names = self.fields.iter_mut().map(|(name, _)| name).chain(&mut self.known);
        for name in names.filter(|name| *name == from) {
            to.clone_into(name);
        }
        self
    }

    /// Sends the form to another path, as an attacker can.
    #[must_use]
    pub fn to(mut self, action: &str) -> Self {
        action.clone_into(&mut self.action);
        self
    }

    /// What is submitted by pressing the button of this id; with `None`, the first button.
    ///
    /// # Panics
    /// If the form has no such button.
    pub fn submission(&self, button: Option<&str>) -> Vec<(String, String)> {
        let pressed = match button {
            Some(id) => Some(self.buttons.iter().find(|button| button.id == id).expect("the form has the button")),
            None => self.buttons.first(),
        };
        let mut fields = self.fields.clone();
        if let Some(Button { name: Some(name), value, .. }) = pressed {
            fields.push((name.clone(), value.clone()));
        }
        fields
    }
}

fn read(pieces: &[Piece]) -> (Vec<String>, Form) {
    let method = pieces[0].attribute("method").unwrap_or("get").to_ascii_lowercase();
    let action = pieces[0].attribute("action").unwrap_or("").to_owned();
    let mut form = Form { action, method, fields: Vec::new(), buttons: Vec::new(), known: Vec::new() };
    let ids = pieces.iter().filter_map(|piece| piece.attribute("id").map(str::to_owned)).collect();
    let mut select: Option<String> = None;
    for (place, piece) in pieces.iter().enumerate() {
        let Piece::Start { name: tag, .. } = piece else {
            if *piece == Piece::End("select".into()) {
                select = None;
            }
            continue;
        };
        if piece.attribute("disabled").is_some() {
            continue;
        }
        let name = piece.attribute("name").map(str::to_owned);
        let value = piece.attribute("value").map(str::to_owned);
        match (tag.as_str(), piece.attribute("type").unwrap_or("")) {
            ("button", "" | "submit") | ("input", "submit") => {
                let id = piece.attribute("id").unwrap_or_default().to_owned();
                form.buttons.push(Button { id, name, value: value.unwrap_or_default() });
            }
            ("input", "checkbox" | "radio") => {
                let Some(name) = name else { continue };
                if piece.attribute("checked").is_some() {
                    form.fields.push((name.clone(), value.unwrap_or_else(|| "on".to_owned())));
                }
                form.known.push(name);
            }
            ("input", _) => {
                let Some(name) = name else { continue };
                form.fields.push((name.clone(), value.unwrap_or_default()));
                form.known.push(name);
            }
            ("textarea", _) => {
                let Some(name) = name else { continue };
                let text = pieces.get(place + 1).and_then(|next| match next {
                    Piece::Text(text) => Some(text.trim_start_matches('\n').to_owned()),
                    _ => None,
                });
                form.fields.push((name.clone(), text.unwrap_or_default()));
                form.known.push(name);
            }
            ("select", _) => {
                select.clone_from(&name);
                form.known.extend(name);
            }
            ("option", _) => {
                let Some(name) = &select else { continue };
                let chosen = piece.attribute("selected").is_some();
                if chosen || form.value(name).is_none() {
                    form.fields.retain(|(known, _)| known != name);
                    form.fields.push((name.clone(), value.unwrap_or_default()));
                }
            }
            _ => {}
        }
    }
    (ids, form)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_submits_what_a_browser_would() {
        let document = "<form method=post action=/login><input type=hidden name=csrf value='a&amp;b'>\
            <input name=email value=old id=email><input name=ghost disabled value=x><input type=checkbox name=stay>\
            <input type=checkbox name=kept value=1 checked><textarea name=note>\nhi</textarea>\
            <select name=lang><option value=en><option value=de selected></select>\
            <button type=button>x</button><button id=allow name=decision value=allow><button id=deny name=decision value=deny>\
            </form><form id=other></form>";
        let forms = Form::all(document);
        assert_eq!(forms.len(), 2);
        let form = forms[0].1.clone().fill("email", "new");
        assert_eq!((form.method.as_str(), form.action.as_str()), ("post", "/login"));
        let pairs =
            |list: &[(&str, &str)]| list.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect::<Vec<_>>();
        let expected =
            [("csrf", "a&b"), ("kept", "1"), ("note", "hi"), ("lang", "de"), ("email", "new"), ("decision", "deny")];
        assert_eq!(form.submission(Some("deny")), pairs(&expected));
        assert_eq!(form.submission(None).last().unwrap().1, "allow");
        assert!(forms[0].0.contains(&"email".to_owned()) && forms[1].0 == ["other"]);
    }

    #[test]
    #[should_panic(expected = "the form has no field")]
    fn a_field_that_is_not_there_cannot_be_filled_in() {
        let _ = Form::all("<form><input name=a></form>").remove(0).1.fill("b", "x");
    }
}
