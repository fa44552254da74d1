//! The audit events of realms.

use claviger_audit::Event;

use crate::Realm;

/// A realm was made.
pub(crate) fn realm_created(realm: &Realm) -> Event {
    Event::new("realm_created", realm.id).with("name", realm.name.as_str()).with("display_name", &realm.display_name)
}

/// A realm was changed; `settings` are the paths of the settings that changed.
pub(crate) fn realm_updated(before: &Realm, after: &Realm, settings: &[String]) -> Event {
    let mut event = Event::new("realm_updated", before.id).with("settings", settings);
    if before.display_name != after.display_name {
        event = event.with("display_name", &after.display_name);
    }
    if before.status != after.status {
        event = event.with("status", after.status.as_str());
    }
    event
}
