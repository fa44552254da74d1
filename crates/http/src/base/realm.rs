//! Which realm a path speaks of. Realm `main` stands at the root, every other one under `/realms/{name}`.

use core::future::Future;
use core::pin::Pin;
use std::sync::Arc;

use claviger_kernel::{RealmId, Unavailable};

/// The realm of a request, resolved once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Realm {
    /// Its id.
    pub id: RealmId,
    /// Its name in addresses.
    pub name: Arc<str>,
    /// Its issuer: from the configuration, never from the request (A099).
    pub issuer: Arc<str>,
}

impl Realm {
    /// What stands before every path of the realm: nothing for `main`, else `/realms/{name}`.
    pub fn base(&self) -> String {
        if &*self.name == "main" { String::new() } else { format!("/realms/{}", self.name) }
    }
}

/// What [`RealmResolver::resolve`] returns.
pub type RealmFuture<'a> = Pin<Box<dyn Future<Output = Result<Option<Realm>, Unavailable>> + Send + 'a>>;

/// Finds realms by name; asked once for each request of a realm's route.
pub trait RealmResolver: Send + Sync + 'static {
    /// The enabled realm called `name`, which is `main` for paths at the root.
    fn resolve<'a>(&'a self, name: &'a str) -> RealmFuture<'a>;
}

const METADATA: &str = "/.well-known/oauth-authorization-server";

/// Splits a path into the realm's name and the path within the realm. `/realms/main/…` is no address: each thing has
/// one. RFC 8414 §3.1 puts the issuer's path behind the well-known part.
pub(super) fn split(path: &str) -> Option<(&str, &str)> {
    if let Some(rest) = path.strip_prefix(METADATA).and_then(|rest| rest.strip_prefix("/realms/")) {
        return (is_name(rest) && rest != "main").then_some((rest, METADATA));
    }
    let Some(rest) = path.strip_prefix("/realms/") else { return Some(("main", path)) };
    let end = rest.find('/')?;
    let (name, inner) = rest.split_at(end);
    (is_name(name) && name != "main").then_some((name, inner))
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
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
