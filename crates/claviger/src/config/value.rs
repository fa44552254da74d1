//! Forms of values that TOML does not have.

use core::fmt;
use core::str::FromStr;
use core::time::Duration;

use serde::de::{Deserialize, Deserializer, Error as _};

/// A length of time, written as a whole number and a unit: `500ms`, `30s`, `15m`, `12h`, `90d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(Duration);

const UNITS: [(&str, u64); 5] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

impl Span {
    /// The length.
    pub const fn get(self) -> Duration {
        self.0
    }
}

impl FromStr for Span {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let problem = "expected a whole number and one of ms, s, m, h, d, such as 15m";
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let factor = UNITS.iter().find(|(name, _)| *name == unit).map(|(_, factor)| *factor).ok_or(problem)?;
        let number: u64 = number.parse().map_err(|_| problem)?;
        number.checked_mul(factor).map(|millis| Self(Duration::from_millis(millis))).ok_or(problem)
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX);
        let (unit, factor) =
            UNITS.iter().rev().find(|(_, factor)| millis > 0 && millis % factor == 0).unwrap_or(&("ms", 1));
        write!(f, "{}{unit}", millis / factor)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_a_number_and_a_unit() {
        for (text, millis) in
            [("500ms", 500), ("30s", 30_000), ("15m", 900_000), ("2h", 7_200_000), ("90d", 7_776_000_000)]
        {
            let span: Span = text.parse().unwrap();
            assert_eq!(span.get().as_millis(), millis);
            assert_eq!(span.to_string(), text);
        }
        for text in
            ["", "15", "m", "1.5m", "-1s", "15 m", "15M", "1h30m", "99999999999999999999s", "18446744073709551615d"]
        {
            assert!(text.parse::<Span>().is_err(), "{text}");
        }
    }
}
