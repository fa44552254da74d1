//! The events of users.

use claviger_audit::Event;
use claviger_kernel::UserId;

pub(super) fn created(user: UserId) -> Event {
    Event::new("user_created", user)
}

pub(super) fn disabled(user: UserId) -> Event {
    Event::new("user_disabled", user)
}

pub(super) fn enabled(user: UserId) -> Event {
    Event::new("user_enabled", user)
}

pub(super) fn epoch_raised(user: UserId, why: &'static str) -> Event {
    Event::new("user_epoch_raised", user).with("why", why)
}
