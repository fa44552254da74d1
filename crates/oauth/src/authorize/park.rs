//! Requests that wait while a person signs in or consents. The address of the page bears only a random ticket, never the
//! request (A037), and a ticket opens only in the browser that holds its binding (A032).

use claviger_audit::Cx;
use claviger_crypto::{base64url, base64url_decode, sha256};
use claviger_kernel::{Timestamp, Unavailable};
use serde::{Deserialize, Serialize};

use super::AuthorizationRequest;
use crate::OAuth;

const KIND: &str = "authorization";

#[derive(Serialize, Deserialize)]
struct Parked {
    request: AuthorizationRequest,
    binding: Option<[u8; 32]>,
    expires_at: i64,
}

impl Parked {
    fn value(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a parked request is plain JSON")
    }
}

/// There is no such request for this browser.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParkedGone {
    /// Expired, answered, or begun in another browser.
    #[error("this sign-in has expired or was begun in another browser; go back to the application and begin again")]
    Gone,
    /// The store cannot say.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

impl OAuth {
    /// Parks a request and gives its ticket. Without a `binding` (the request came by a cross-site POST, on which no
    /// cookie travels) the first browser that opens the ticket owns it.
    pub async fn park(
        &self,
        cx: &Cx,
        request: &AuthorizationRequest,
        binding: Option<[u8; 32]>,
    ) -> Result<String, Unavailable> {
        let ticket = cx.random::<32>();
        let expires = cx.now().plus(self.realm(cx)?.settings.flows.sign_in);
        let parked = Parked { request: request.clone(), binding, expires_at: expires.micros() };
        cx.ephemeral.put(cx.realm(), KIND, &sha256(&ticket), parked.value(), expires).await?;
        Ok(base64url(&ticket))
    }

    /// The parked request of this ticket, which stays parked: the page may be loaded again.
    pub async fn parked(&self, cx: &Cx, ticket: &str, binding: [u8; 32]) -> Result<AuthorizationRequest, ParkedGone> {
        let ticket = base64url_decode(ticket).map_err(|_| ParkedGone::Gone)?;
        let key = sha256(&ticket);
        let (stored, mut parked) = find(cx, &key).await?;
        if parked.binding.is_none() {
            parked.binding = Some(binding);
            let expires = Timestamp::from_micros(parked.expires_at);
            if !cx.ephemeral.replace(cx.realm(), KIND, &key, &stored, &parked.value(), expires).await? {
                // Another browser was faster, or the request is answered.
                parked = find(cx, &key).await?.1;
            }
        }
        if parked.binding == Some(binding) { Ok(parked.request) } else { Err(ParkedGone::Gone) }
    }

    /// The parked request is answered; its ticket opens nothing any more. Of parallel answers one gets it.
    pub async fn unpark(&self, cx: &Cx, ticket: &str) -> Result<(), ParkedGone> {
        let ticket = base64url_decode(ticket).map_err(|_| ParkedGone::Gone)?;
        cx.ephemeral.take(cx.realm(), KIND, &sha256(&ticket)).await?.map(drop).ok_or(ParkedGone::Gone)
    }
}

/// What stands under a ticket: as it is stored, and what it says.
async fn find(cx: &Cx, key: &[u8; 32]) -> Result<(Vec<u8>, Parked), ParkedGone> {
    let value = cx.ephemeral.get(cx.realm(), KIND, key).await?.ok_or(ParkedGone::Gone)?;
    let parked = serde_json::from_slice(&value).map_err(|_| ParkedGone::Gone)?;
    Ok((value, parked))
}
