//! The audit events of keys and master keys. Ids, purposes and states; never a key.

use claviger_audit::Event;
use claviger_kernel::RealmId;

use crate::{Key, MasterId};

fn about(name: &'static str, key: &Key) -> Event {
    let event = Event::new(name, key.id).with("purpose", key.purpose.as_str()).with("number", key.number);
    match &key.kid {
        Some(kid) => event.with("kid", kid),
        None => event,
    }
}

/// A key was made and, if it signs, published; `state` tells whether it is in use at once.
pub(crate) fn key_created(key: &Key) -> Event {
    about("key_created", key).with("state", key.state.as_str())
}

/// A pending key was asked to take over before its schedule.
pub(crate) fn key_rotation_requested(key: &Key) -> Event {
    about("key_rotation_requested", key)
}

/// A pending key came into use.
pub(crate) fn key_activated(key: &Key) -> Event {
    about("key_activated", key)
}

/// A key made room for the next.
pub(crate) fn key_retired(key: &Key) -> Event {
    about("key_retired", key)
}

/// A key was removed; `forced` if what was made with it may have been alive.
pub(crate) fn key_removed(key: &Key, forced: bool) -> Event {
    about("key_removed", key).with("from", key.state.as_str()).with("forced", forced)
}

/// Everything that was issued in the realm is void: new keys have taken the place of all.
pub(crate) fn keys_replaced(realm: RealmId) -> Event {
    Event::new("keys_replaced", realm)
}

/// The first master key was recorded.
pub(crate) fn master_key_recorded(id: MasterId) -> Event {
    Event::new("master_key_recorded", id)
}

/// From here on `next` wraps, and `from` only unwraps.
pub(crate) fn master_key_change_began(from: MasterId, next: MasterId) -> Event {
    Event::new("master_key_change_began", next).with("from", from.to_string())
}

/// So many keys of the realm were wrapped anew.
pub(crate) fn keys_rewrapped(next: MasterId, count: u64) -> Event {
    Event::new("keys_rewrapped", next).with("count", count)
}

/// Nothing is wrapped under `from` any more.
pub(crate) fn master_key_changed(from: MasterId, next: MasterId) -> Event {
    Event::new("master_key_changed", next).with("from", from.to_string())
}
