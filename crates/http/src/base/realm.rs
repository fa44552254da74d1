//! Which realm a path speaks of. Realm `main` stands at the root, every other one under `/realms/{name}`.

use claviger_tenancy::RealmName;

const METADATA: &str = "/.well-known/oauth-authorization-server";

/// Splits a path into the realm's name and the path within the realm. `/realms/main/…` is no address: each thing has
/// one. RFC 8414 §3.1 puts the issuer's path behind the well-known part.
pub(super) fn split(path: &str) -> Option<(&str, &str)> {
    if let Some(rest) = path.strip_prefix(METADATA).and_then(|rest| rest.strip_prefix("/realms/")) {
        return (is_name(rest) && rest != RealmName::MAIN).then_some((rest, METADATA));
    }
    let Some(rest) = path.strip_prefix("/realms/") else { return Some((RealmName::MAIN, path)) };
    let end = rest.find('/')?;
    let (name, inner) = rest.split_at(end);
    (is_name(name) && name != RealmName::MAIN).then_some((name, inner))
}

fn is_name(text: &str) -> bool {
    text.parse::<RealmName>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_belongs_to_one_realm() {
        assert_eq!(split("/login"), Some(("main", "/login")));
        assert_eq!(split("/realms/acme/login"), Some(("acme", "/login")));
        assert_eq!(split(METADATA), Some(("main", METADATA)));
        assert_eq!(split("/.well-known/oauth-authorization-server/realms/acme"), Some(("acme", METADATA)));
        for path in [
            "/realms/main/login",
            "/realms/acme",
            "/realms//login",
            "/realms/ACME/login",
            "/realms/a%63me/login",
            "/realms/../login",
            "/.well-known/oauth-authorization-server/realms/main",
            "/.well-known/oauth-authorization-server/realms/a/b",
        ] {
            assert_eq!(split(path), None, "{path}");
        }
    }
}
