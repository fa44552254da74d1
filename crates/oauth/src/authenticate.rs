//! Client authentication (RFC 6749 §2.3): the one place where an [`AuthenticatedClient`] comes from.

use core::time::Duration;
use std::sync::Arc;

use claviger_audit::{Cx, Event, refused};
use claviger_kernel::Secret;
use claviger_storage::args;

use crate::clients::{AuthMethod, Client, GrantType, secret_hash, sql};
use crate::kept::{ProofKey, Proved};
use crate::{OAuth, TokenError};

/// What a request says of its client: the Authorization header and the form, kept apart.
#[derive(Debug, Default)]
pub struct PresentedClient {
    /// User and password of HTTP Basic, form-decoded (RFC 6749 §2.3.1).
    pub basic: Option<(String, Secret<String>)>,
    /// `client_id` of the form.
    pub client_id: Option<String>,
    /// `client_secret` of the form.
    pub client_secret: Option<Secret<String>>,
    /// `client_assertion` of the form: a method that nobody is registered for.
    pub assertion: bool,
}

/// A client that has proved itself, or a public one that has named itself.
#[derive(Clone, Debug)]
pub struct AuthenticatedClient(Arc<Client>);

impl AuthenticatedClient {
    /// The client.
    pub fn client(&self) -> &Client {
        &self.0
    }

    /// The client, if it may use this grant (A024).
    pub(crate) fn may_use(&self, grant: GrantType) -> Result<&Client, TokenError> {
        if self.0.settings.allows(grant) { Ok(&self.0) } else { Err(TokenError::UnauthorizedClient) }
    }
}

impl OAuth {
    /// Authenticates the client of a request by the one method that it is registered for.
    ///
    /// # Errors
    /// `InvalidClient` for an unknown client, a wrong secret or another method; `InvalidRequest` for two methods at once.
    pub async fn authenticate(&self, cx: &Cx, presented: &PresentedClient) -> Result<AuthenticatedClient, TokenError> {
        let (method, client_id, secret) = one_method(presented)?;
        let key = self.secret_key(cx)?;
        let hash = secret.map_or([0; 32], |secret| secret_hash(&key, secret));
        let key = (cx.realm(), client_id.to_owned(), hash);
        if let Some(client) = self.proved_before(cx, &key, method) {
            return Ok(AuthenticatedClient(client));
        }
        let begun = self.known.clients.begin();
        let found =
            cx.db.get(&sql::WITH_SECRET, args![cx.realm(), client_id, hash, cx.now()], sql::with_secret).await?;
        match found {
            Some((client, proof))
                if client.active && accepts(&client, method) && (proof.is_some() || method == AuthMethod::None) =>
            {
                let client = Arc::new(client);
                let until = proof.and_then(|proof| proof.until);
                self.known.clients.keep(begun, key, Arc::new(Proved { client: Arc::clone(&client), until }));
                Ok(AuthenticatedClient(client))
            }
            found => {
                let known = found.is_some();
                let named = bounded(client_id);
                refused(cx, &Event::new("client_refused", named).with("method", method.as_str()).with("known", known));
                Err(TokenError::InvalidClient)
            }
        }
    }
}

impl OAuth {
    /// A client that has proved itself on this node by this very secret, unless anything has changed since.
    fn proved_before(&self, cx: &Cx, key: &ProofKey, method: AuthMethod) -> Option<Arc<Client>> {
        let proved = self.known.clients.get(key)?;
        let lasts = proved.until.is_none_or(|until| until > cx.now());
        let current = lasts && accepts(&proved.client, method) && keeps_up(cx);
        current.then(|| Arc::clone(&proved.client))
    }
}

/// Whether what this node keeps can be believed: the change log is followed, or has been until lately (F32).
pub(crate) fn keeps_up(cx: &Cx) -> bool {
    cx.db.views_current(cx.now(), ALONE).is_ok()
}

/// For how long a node whose database is away goes on with what it keeps. What is revoked is known as long.
const ALONE: Duration = Duration::from_mins(15);

/// As much of a `client_id` as a log line bears: strangers choose it.
fn bounded(client_id: &str) -> &str {
    const LONGEST: usize = 64;
    &client_id[..client_id.floor_char_boundary(LONGEST)]
}

/// Only the method that the client is registered for (A043).
fn accepts(client: &Client, method: AuthMethod) -> bool {
    client.settings.token_endpoint_auth_method == method
}

fn one_method(presented: &PresentedClient) -> Result<(AuthMethod, &str, Option<&Secret<String>>), TokenError> {
    if presented.assertion {
        return Err(TokenError::InvalidClient);
    }
    match (&presented.basic, &presented.client_id, &presented.client_secret) {
        (Some(_), _, Some(_)) => Err(TokenError::InvalidRequest("use one way of client authentication, not two")),
        (Some((user, _)), Some(form), None) if user != form => {
            Err(TokenError::InvalidRequest("the header and the form name two clients"))
        }
        (Some((user, password)), _, None) => Ok((AuthMethod::ClientSecretBasic, user, Some(password))),
        (None, Some(form), Some(secret)) => Ok((AuthMethod::ClientSecretPost, form, Some(secret))),
        (None, Some(form), None) => Ok((AuthMethod::None, form, None)),
        (None, None, _) => Err(TokenError::InvalidClient),
    }
}

#[cfg(test)]
mod tests {
    use super::bounded;

    #[test]
    fn a_log_line_bears_no_more_of_a_client_id_than_a_name_needs() {
        assert_eq!(bounded("cli_01"), "cli_01");
        assert_eq!(bounded(&"x".repeat(1_000_000)).len(), 64);
        assert_eq!(bounded(&"é€".repeat(100)).len(), 62, "and no half a letter");
    }
}
