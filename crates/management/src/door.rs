//! Who asks: the operator over the socket in the data folder, or the bearer of an access token whose roles are looked up.

use claviger_audit::Cx;
use claviger_authorization::{Granted, Permission, Why};
use claviger_http::base::{Credentials, Refusal, Request};
use claviger_kernel::{Actor, Caller, ErrorClass, RealmId, Unavailable};
use claviger_oauth::TokenError;
use http::HeaderValue;
use http::header::WWW_AUTHENTICATE;

use crate::Management;

/// RFC 6750 §3.1.
const UNSCOPED: &str = "Bearer error=\"insufficient_scope\", scope=\"claviger:manage\"";

/// How callers prove themselves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Door {
    /// By an access token of the realm, issued for the realm itself to a first-party client with the scope `claviger:manage`.
    Bearer,
    /// By having opened a socket that only the operator can open; the listener has compared the peer's uid.
    Operator,
}

/// A context whose caller holds the permission that was asked for.
pub(crate) struct Entered {
    /// The context.
    pub(crate) cx: Cx,
    /// The proof.
    pub(crate) _granted: Granted,
}

impl Management {
    /// The context of a request within its realm, if the caller holds `permission` there.
    pub(crate) async fn enter(&self, request: &Request, permission: Permission) -> Result<Entered, Refusal> {
        self.enter_realm(request, request.realm().id, permission).await
    }

    /// The context of a server-wide request: realms are the business of the realm `main`.
    pub(crate) async fn enter_main(&self, request: &Request, permission: Permission) -> Result<Entered, Refusal> {
        let main = self.tenancy.main().ok_or_else(|| unavailable(&Unavailable::new("there is no realm main yet")))?;
        self.enter_realm(request, main.id, permission).await
    }

    async fn enter_realm(&self, request: &Request, realm: RealmId, permission: Permission) -> Result<Entered, Refusal> {
        let caller = Caller { realm, ..request.caller_in(realm) };
        let cx = Cx {
            db: self.store.clone(),
            ephemeral: self.ephemeral.clone(),
            clock: self.clock.clone(),
            entropy: self.entropy.clone(),
            caller,
        };
        let actor = self.actor(&cx, request).await?;
        let cx = cx.with(caller.acting(actor));
        match Granted::ask(&cx, permission).await.map_err(|fault| unavailable(&fault))? {
            Ok(granted) => Ok(Entered { cx, _granted: granted }),
            Err(decision) if decision.why == Why::Anonymous => Err(unauthenticated(None)),
            Err(_) => Err(Refusal::new(
                ErrorClass::Denied,
                "permission_denied",
                format!("This needs the permission {permission}."),
            )),
        }
    }

    async fn actor(&self, cx: &Cx, request: &Request) -> Result<Actor, Refusal> {
        if self.door == Door::Operator {
            return Ok(Actor::Operator);
        }
        match request.credentials()? {
            Some(Credentials::Bearer(token)) => match self.oauth.check_managing_token(cx, token.expose()).await {
                Ok(user) => Ok(Actor::User(user.id)),
                Err(TokenError::UnauthorizedClient) => Err(Refusal::new(
                    ErrorClass::Denied,
                    "client_not_trusted",
                    "Only a first-party client of this realm may manage it for its users.",
                )),
                Err(TokenError::InsufficientScope(scope)) => Err(Refusal::new(
                    ErrorClass::Denied,
                    "insufficient_scope",
                    format!("The token lacks the scope {scope}: allow it to the client, and ask for it."),
                )
                .header(WWW_AUTHENTICATE, HeaderValue::from_static(UNSCOPED))),
                Err(TokenError::Unavailable(fault)) => Err(unavailable(&fault)),
                Err(TokenError::InvalidToken { expired: true }) => Err(unauthenticated(Some("token_expired"))),
                Err(_) => Err(unauthenticated(Some("invalid_token"))),
            },
            Some(Credentials::Basic { .. }) => Err(unauthenticated(Some("invalid_token"))),
            None => Ok(Actor::Anonymous),
        }
    }
}

fn unauthenticated(code: Option<&'static str>) -> Refusal {
    let challenge = match code {
        Some("token_expired") => "Bearer error=\"invalid_token\", error_description=\"expired\"",
        Some(_) => "Bearer error=\"invalid_token\"",
        None => "Bearer",
    };
    Refusal::new(
        ErrorClass::Unauthenticated,
        code.unwrap_or("unauthenticated"),
        "Send an access token of this realm as a bearer token.",
    )
    .header(WWW_AUTHENTICATE, HeaderValue::from_static(challenge))
}

/// The store cannot answer: 503, the reason to the log.
pub(crate) fn unavailable(fault: &Unavailable) -> Refusal {
    Refusal::from(fault.clone())
}
