//! Audit events: a name in the past tense, the thing it happened to, and fields that explain it. Never a secret.

use std::borrow::Cow;

use claviger_kernel::{Id, Timestamp, kind};
use serde_json::{Map, Value};

use crate::Cx;

/// Something that happened, as an auditor wants to read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    pub(crate) name: &'static str,
    pub(crate) subject: String,
    pub(crate) fields: Map<String, Value>,
}

impl Event {
    /// An event called `name` (`user_created`, `password_changed`) that happened to `subject` (an id on the wire).
    #[allow(clippy::needless_pass_by_value)] // ids are small, and stand better without an ampersand
    pub fn new(name: &'static str, subject: impl ToString) -> Self {
        Self { name, subject: subject.to_string(), fields: Map::new() }
    }

    /// The same event with a field that explains it. Secrets and hashes of secrets never become fields.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<Field>) -> Self {
        self.fields.insert(name.to_owned(), value.into().0);
        self
    }

    /// The event's name.
    pub const fn name(&self) -> &'static str {
        self.name
    }
}

/// What an event's field can hold: text, numbers, booleans, times, ids and lists of text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field(Value);

macro_rules! field {
    ($($type:ty, $value:ident => $into:expr;)*) => {
        $(impl From<$type> for Field {
            fn from($value: $type) -> Self { Self($into) }
        })*
    };
}

field! {
    &str, value => Value::from(value);
    String, value => Value::from(value);
    &String, value => Value::from(value.as_str());
    bool, value => Value::from(value);
    i64, value => Value::from(value);
    u32, value => Value::from(value);
    u64, value => Value::from(value);
    Timestamp, value => Value::from(value.to_string());
    &[String], value => Value::from(value);
}

impl<K: claviger_kernel::IdKind> From<Id<K>> for Field {
    fn from(value: Id<K>) -> Self {
        Self(Value::from(value.to_string()))
    }
}

/// Logs a refusal as a named security event. Refusals change nothing, so they leave no row; the log line bears the
/// request's id. `fields` follow the rule of [`Event::with`].
pub fn refused(cx: &Cx, event: &Event) {
    let request: Id<kind::Request> = cx.caller.request;
    let fields = Value::Object(event.fields.clone()).to_string();
    tracing::warn!(
        target: "claviger::security",
        event = event.name,
        // As a text and not as it shows itself: so a log for people quotes it, and it can add no field to its line.
        subject = &*shown(&event.subject),
        realm = %cx.caller.realm,
        actor = %cx.caller.actor,
        request = %request,
        fields,
        "refused"
    );
}

/// The most characters of a subject in a log line.
const LONGEST: usize = 200;

/// A subject as a log line shows it. A client may have chosen it, and shall not end the line or move a terminal's cursor
/// (A201).
fn shown(subject: &str) -> Cow<'_, str> {
    let harmless = |letter: char| !letter.is_control() && !matches!(letter, '\u{2028}' | '\u{2029}');
    if subject.len() <= LONGEST && subject.chars().all(harmless) {
        return Cow::Borrowed(subject);
    }
    let mut text = String::new();
    for letter in subject.chars().take(LONGEST) {
        if harmless(letter) {
            text.push(letter);
        } else {
            text.extend(letter.escape_unicode());
        }
    }
    Cow::Owned(text)
}
