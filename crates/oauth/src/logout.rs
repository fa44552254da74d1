//! RP-initiated logout (OpenID Connect RP-Initiated Logout 1.0).
//!
//! A request is read and parked without looking at any session; the surface then answers with a redirect to its own
//! page, which reads the session and asks the person unless the hint proves that the client speaks of this very session.

use claviger_audit::{Cx, Event, refused};
use claviger_crypto::{base64url, base64url_decode, sha256};
use claviger_kernel::Unavailable;
use claviger_session::Session;
use claviger_tokens::{RevocationSet, VerifiedToken, Verifier};
use serde::{Deserialize, Serialize};

use crate::OAuth;

const KIND: &str = "logout";
const LONGEST_STATE: usize = 2_048;

/// What a client says when it sends somebody to log out.
#[derive(Debug, Default)]
pub struct LogoutParameters {
    /// `id_token_hint`.
    pub id_token_hint: Option<String>,
    /// `client_id`.
    pub client_id: Option<String>,
    /// `post_logout_redirect_uri`.
    pub post_logout_redirect_uri: Option<String>,
    /// `state`.
    pub state: Option<String>,
}

/// A checked logout request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogoutRequest {
    /// `sid` of the hint, if the hint is ours.
    hinted: Option<String>,
    /// Where to go afterwards: registered for the client, `state` included. Anything else is dropped (A034).
    pub return_to: Option<String>,
    /// The client's name.
    pub application: Option<String>,
}

impl LogoutRequest {
    /// Whether the client has proved, by an ID token of this session, that it speaks of it: then nobody is asked.
    pub fn speaks_of(&self, session: &Session) -> bool {
        self.hinted.as_deref() == Some(&session.id.to_string())
    }
}

impl OAuth {
    /// Checks a logout request. A request that does not check is still a wish to log out, only without an address.
    pub async fn read_logout(&self, cx: &Cx, parameters: &LogoutParameters) -> Result<LogoutRequest, Unavailable> {
        let realm = self.realm(cx)?;
        let hint = match &parameters.id_token_hint {
            None => None,
            Some(token) => {
                let keys = self.key_set(cx)?;
                let none = RevocationSet::new();
                let verifier = Verifier::new(&keys, &none).clock_skew(realm.settings.tokens.clock_skew);
                verifier.verify_hint(token, cx.now()).ok()
            }
        };
        // A hint that was issued to another client than the one that asks proves nothing (§2).
        let issued_to = |token: &VerifiedToken| token.claims().aud.first().cloned();
        let hint = hint.filter(|token| parameters.client_id.is_none() || issued_to(token) == parameters.client_id);
        let hinted_client = hint.as_ref().and_then(issued_to);
        let client_id = hinted_client.as_deref().or(parameters.client_id.as_deref());
        let client = match client_id {
            Some(id) => self.client(cx, id).await?.filter(|client| client.active),
            None => None,
        };
        let asked = parameters.post_logout_redirect_uri.as_deref();
        let state = parameters.state.as_deref().filter(|state| state.len() <= LONGEST_STATE);
        let registered = client.as_ref().filter(|_| hint.is_some()).and_then(|client| {
            let asked = asked?;
            client
                .settings
                .post_logout_redirect_uris
                .iter()
                .any(|known| known.matches(asked))
                .then(|| with_state(asked, state))
        });
        if asked.is_some() && registered.is_none() {
            refused(cx, &Event::new("post_logout_redirect_uri_rejected", client_id.unwrap_or("unknown")));
        }
        Ok(LogoutRequest {
            hinted: hint.and_then(|token| token.claims().sid.clone()),
            return_to: registered.flatten(),
            application: client.map(|client| client.name),
        })
    }

    /// Parks a logout request and gives its ticket. One without a hint of ours says nothing that the page would need, so
    /// nothing is stored for it: whoever has no ID token cannot fill the store.
    pub async fn park_logout(&self, cx: &Cx, request: &LogoutRequest) -> Result<Option<String>, Unavailable> {
        if request.hinted.is_none() && request.return_to.is_none() {
            return Ok(None);
        }
        let ticket = cx.random::<32>();
        let value = serde_json::to_vec(request).expect("a logout request is plain JSON");
        let expires = cx.now().plus(self.realm(cx)?.settings.flows.consent);
        cx.ephemeral.put(cx.realm(), KIND, &sha256(&ticket), value, expires).await?;
        Ok(Some(base64url(&ticket)))
    }

    /// The logout request of a ticket, left parked: its page may be loaded again.
    pub async fn parked_logout(&self, cx: &Cx, ticket: &str) -> Result<Option<LogoutRequest>, Unavailable> {
        let Ok(ticket) = base64url_decode(ticket) else { return Ok(None) };
        let value = cx.ephemeral.get(cx.realm(), KIND, &sha256(&ticket)).await?;
        Ok(value.and_then(|value| serde_json::from_slice(&value).ok()))
    }
}

/// The address with `state` added to its query.
fn with_state(address: &str, state: Option<&str>) -> Option<String> {
    let Some(state) = state else { return Some(address.to_owned()) };
    let mut url = url::Url::parse(address).ok()?;
    url.query_pairs_mut().append_pair("state", state);
    Some(url.into())
}
