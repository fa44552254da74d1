//! How a setting is written: spans of time as `30s`, `15m`, `24h`, `14d`; counts and flags as JSON has them.

use core::time::Duration;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serializer};

/// A kind of value that a setting can have.
pub(crate) trait Wire: Sized {
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error>;
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error>;
    /// As a person reads it in the reference.
    fn show(&self) -> String;
}

pub(crate) fn serialize<T: Wire, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    value.write(serializer)
}

pub(crate) fn deserialize<'de, T: Wire, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    T::read(deserializer)
}

const UNITS: [(u64, char); 4] = [(86_400, 'd'), (3_600, 'h'), (60, 'm'), (1, 's')];

/// The span in its largest whole unit.
pub(crate) fn span_to_text(span: Duration) -> String {
    let seconds = span.as_secs();
    let exact = UNITS.iter().find(|(size, _)| seconds >= *size && seconds.is_multiple_of(*size));
    let (size, letter) = exact.copied().unwrap_or((1, 's'));
    format!("{}{letter}", seconds / size)
}

/// Reads digits and one unit; nothing else, and nothing that overflows.
pub(crate) fn span_from_text(text: &str) -> Option<Duration> {
    let letter = text.chars().last()?;
    let (size, _) = UNITS.iter().find(|(_, unit)| *unit == letter)?;
    let digits = &text[..text.len() - letter.len_utf8()];
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    digits.parse::<u64>().ok()?.checked_mul(*size).map(Duration::from_secs)
}

impl Wire for Duration {
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&span_to_text(*self))
    }
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        span_from_text(&text).ok_or_else(|| D::Error::custom("write a whole number and s, m, h or d, such as 15m"))
    }
    fn show(&self) -> String {
        span_to_text(*self)
    }
}

macro_rules! plain {
    ($($type:ty, $serialize:ident;)*) => {
        $(impl Wire for $type {
            fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.$serialize(*self)
            }
            fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Self::deserialize(deserializer)
            }
            fn show(&self) -> String {
                self.to_string()
            }
        })*
    };
}

plain! {
    u32, serialize_u32;
    bool, serialize_bool;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_written_in_its_largest_whole_unit_and_read_back() {
        for (seconds, text) in
            [(0, "0s"), (59, "59s"), (60, "1m"), (90, "90s"), (3_600, "1h"), (86_400, "1d"), (90_000, "25h")]
        {
            assert_eq!(span_to_text(Duration::from_secs(seconds)), text);
            assert_eq!(span_from_text(text), Some(Duration::from_secs(seconds)));
        }
    }

    #[test]
    fn a_span_without_unit_or_with_anything_else_is_refused() {
        for text in ["", "15", "m", "-1m", "+1m", "1.5h", "1 h", "1H", "1w", "15mm", "1é", "99999999999999999999d"] {
            assert_eq!(span_from_text(text), None, "{text}");
        }
    }
}
