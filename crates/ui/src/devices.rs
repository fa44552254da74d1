//! Where the signed-in person is signed in.

use std::borrow::Cow;

use claviger_i18n::Texts;

use crate::Chrome;
use crate::page::page;

/// How long ago a device was used last; coarse, because that is how it is kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LastUse {
    /// Within the last minutes.
    Now,
    /// So many minutes ago.
    Minutes(u32),
    /// So many hours ago.
    Hours(u32),
    /// So many days ago.
    Days(u32),
}

impl LastUse {
    /// From the seconds that have passed.
    pub fn ago(seconds: u64) -> Self {
        let count = |count: u64| u32::try_from(count.min(9_999)).unwrap_or(9_999);
        match seconds {
            0..300 => Self::Now,
            300..3_600 => Self::Minutes(count(seconds / 60)),
            3_600..86_400 => Self::Hours(count(seconds / 3_600)),
            _ => Self::Days(count(seconds / 86_400)),
        }
    }

    fn text(self, t: &'static Texts) -> Cow<'static, str> {
        match self {
            Self::Now => t.devices_seen_now(),
            Self::Minutes(minutes) => t.devices_seen_minutes(minutes),
            Self::Hours(hours) => t.devices_seen_hours(hours),
            Self::Days(days) => t.devices_seen_days(days),
        }
    }
}

/// One device on which the person is signed in.
#[derive(Clone, Debug)]
pub struct DeviceEntry {
    /// The session's id; posted back as `session` to end it.
    pub session: String,
    /// The device as a person would name it.
    pub device: String,
    /// When it was used last, in words.
    pub last_use: LastUse,
    /// The same, RFC 3339.
    pub seen_at: String,
    /// Whether it is the one in front of which the person sits.
    pub current: bool,
}

/// What has just been done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DevicesDone {
    /// One device is signed out.
    One,
    /// Every other device is signed out.
    Others,
}

/// Where somebody is signed in. Posts `session`, or `others`, to `/account/sessions`.
#[derive(Clone, Default, Debug)]
pub struct Devices {
    /// The devices, the one used last first.
    pub devices: Vec<DeviceEntry>,
    /// Where the next page begins, if there is one.
    pub next: Option<String>,
    /// What has just been done.
    pub done: Option<DevicesDone>,
}

impl Devices {
    /// Whether there is another device to sign out.
    fn others(&self) -> bool {
        self.next.is_some() || self.devices.iter().any(|device| !device.current)
    }

    fn next_page(&self, c: &Chrome) -> Option<String> {
        self.next.as_ref().map(|next| format!("{}?after={next}", c.path("/account/sessions")))
    }
}

page!(Devices, "devices.html", |_, c| c.texts.devices_title());

#[cfg(test)]
mod tests {
    use super::LastUse;

    #[test]
    fn the_last_use_is_said_in_the_largest_unit_that_has_passed() {
        for (seconds, told) in [
            (0, LastUse::Now),
            (299, LastUse::Now),
            (300, LastUse::Minutes(5)),
            (3_599, LastUse::Minutes(59)),
            (3_600, LastUse::Hours(1)),
            (86_399, LastUse::Hours(23)),
            (86_400, LastUse::Days(1)),
            (u64::MAX, LastUse::Days(9_999)),
        ] {
            assert_eq!(LastUse::ago(seconds), told, "{seconds}");
        }
    }
}
