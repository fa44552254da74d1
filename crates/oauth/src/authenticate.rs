//! Client authentication (RFC 6749 §2.3): the one place where an [`AuthenticatedClient`] comes from.

use claviger_audit::{Cx, Event, refused};
use claviger_kernel::Secret;
use claviger_storage::args;

use crate::clients::{AuthMethod, Client, GrantType, secret_hash, sql};
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
pub struct AuthenticatedClient(Client);

impl AuthenticatedClient {
    /// The client.
    pub const fn client(&self) -> &Client {
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
        let found =
            cx.db.get(&sql::WITH_SECRET, args![cx.realm(), client_id, hash, cx.now()], sql::with_secret).await?;
        match found {
            Some((client, proven))
                if client.active && accepts(&client, method) && (proven || method == AuthMethod::None) =>
            {
                Ok(AuthenticatedClient(client))
            }
            found => {
                let known = found.is_some();
                refused(
                    cx,
                    &Event::new("client_refused", client_id).with("method", method.as_str()).with("known", known),
                );
                Err(TokenError::InvalidClient)
            }
        }
    }
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
