//! Requests that wait while a person signs in or consents. The address of the page bears only a random ticket, never the
//! request (A037), and a ticket opens only in the browser that holds its binding (A032).

use claviger_audit::Cx;
use claviger_crypto::{base64url, base64url_decode, sha256};
use claviger_kernel::Unavailable;
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
        let expires_at = cx.now().plus(self.realm(cx)?.settings.flows.sign_in).micros();
        let parked = Parked { request: request.clone(), binding, expires_at };
        self.keep(cx, &ticket, &parked).await?;
        Ok(base64url(&ticket))
    }

    /// The parked request of this ticket, which stays parked: the page may be loaded again.
    pub async fn parked(&self, cx: &Cx, ticket: &str, binding: [u8; 32]) -> Result<AuthorizationRequest, ParkedGone> {
        let ticket = base64url_decode(ticket).map_err(|_| ParkedGone::Gone)?;
        let value = cx.ephemeral.get(cx.realm(), KIND, &sha256(&ticket)).await?.ok_or(ParkedGone::Gone)?;
        let mut parked: Parked = serde_json::from_slice(&value).map_err(|_| ParkedGone::Gone)?;
        match parked.binding {
            Some(owner) if owner == binding => {}
            Some(_) => return Err(ParkedGone::Gone),
            None => {
                parked.binding = Some(binding);
                self.keep(cx, &ticket, &parked).await?;
            }
        }
        Ok(parked.request)
    }

    /// The parked request is answered; its ticket opens nothing any more. Of parallel answers one gets it.
    pub async fn unpark(&self, cx: &Cx, ticket: &str) -> Result<(), ParkedGone> {
        let ticket = base64url_decode(ticket).map_err(|_| ParkedGone::Gone)?;
        cx.ephemeral.take(cx.realm(), KIND, &sha256(&ticket)).await?.map(drop).ok_or(ParkedGone::Gone)
    }

    async fn keep(&self, cx: &Cx, ticket: &[u8], parked: &Parked) -> Result<(), Unavailable> {
        let value = serde_json::to_vec(parked).expect("a parked request is plain JSON");
        let expires = claviger_kernel::Timestamp::from_micros(parked.expires_at);
        cx.ephemeral.put(cx.realm(), KIND, &sha256(ticket), value, expires).await
    }
}
