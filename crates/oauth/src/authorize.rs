//! The authorization endpoint (RFC 6749 §4.1.1, OpenID Connect Core §3.1.2).
//!
//! Three steps, each a function: [`OAuth::read_authorization`] turns parameters into a checked request,
//! [`OAuth::authorize`] says what comes next for the browser's session (a person is needed, or an answer goes to the
//! client), and between them a request can be parked while a person signs in or consents.

use claviger_audit::{Cx, Event};
use claviger_identity::{User, users};
use claviger_kernel::{ClientId, FamilyId, Secret, Timestamp, Unavailable};
use claviger_session::{Session, sessions};
use claviger_storage::CommitError;
use serde::{Deserialize, Serialize};

use crate::codes::{self, Code};
use crate::scope::Scopes;
use crate::{Client, OAuth, grants};

mod park;
mod read;

pub use park::ParkedGone;

/// How often a grant that changed between look and commit is looked at again.
const TRIES: u32 = 8;

/// The parameters of an authorization request, each at most once (the surface has refused duplicates, A008).
#[derive(Clone, Debug, Default)]
pub struct AuthorizationParameters {
    /// Name and value, in the order in which they came.
    pub pairs: Vec<(String, String)>,
}

impl AuthorizationParameters {
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.pairs.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// Where in the answer the parameters go.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResponseMode {
    /// In the query of the redirect address.
    Query,
    /// In a form that the browser posts there.
    FormPost,
}

/// `prompt` values (OpenID Connect Core §3.1.2.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Prompt {
    /// Show no page.
    pub none: bool,
    /// Ask for credentials again.
    pub login: bool,
    /// Ask for consent again.
    pub consent: bool,
}

/// A checked authorization request.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AuthorizationRequest {
    pub(crate) client: ClientId,
    /// The client's name, for the pages on the way.
    pub application: String,
    pub(crate) redirect_uri: String,
    pub(crate) response_mode: ResponseMode,
    pub(crate) state: Option<String>,
    pub(crate) scopes: Scopes,
    pub(crate) audience: String,
    pub(crate) nonce: Option<String>,
    pub(crate) code_challenge: Option<String>,
    pub(crate) prompt: Prompt,
    pub(crate) max_age: Option<u64>,
    /// The address that the application suggests.
    pub login_hint: Option<String>,
    /// Languages that the application suggests.
    pub ui_locales: Option<String>,
    pub(crate) received_at: i64,
}

/// An answer on its way to the client through the browser.
#[derive(Clone, PartialEq, Eq)]
pub struct AuthorizationResponse {
    /// The registered address.
    pub redirect_uri: String,
    /// How.
    pub mode: ResponseMode,
    /// What; `iss` is always among it (RFC 9207).
    pub parameters: Vec<(&'static str, String)>,
}

impl core::fmt::Debug for AuthorizationResponse {
    /// The parameters' names alone: one of them is a code.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let names: Vec<_> = self.parameters.iter().map(|(name, _)| name).collect();
        f.debug_struct("AuthorizationResponse").field("parameters", &names).finish_non_exhaustive()
    }
}

/// Why an authorization request goes no further.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthorizationError {
    /// The client or its address cannot be trusted, so the person is told, and nobody is redirected (A001).
    #[error("{0}")]
    Page(&'static str),
    /// The client is told.
    #[error("an error goes to the client")]
    Respond(Box<AuthorizationResponse>),
    /// Try later.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// What comes next.
#[derive(Debug)]
pub enum Outcome {
    /// Somebody must sign in, or again.
    SignIn,
    /// The signed-in user must say yes or no.
    Consent(Box<ConsentQuestion>),
    /// The answer goes to the client.
    Respond(AuthorizationResponse),
}

/// What the consent page shows.
#[derive(Debug)]
pub struct ConsentQuestion {
    /// The client's name.
    pub client_name: String,
    /// Where the answer goes.
    pub redirect_host: String,
    /// What is asked for beyond what was allowed before.
    pub scopes: Vec<String>,
}

/// What the user has said on the consent page.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Consent {
    /// Not asked yet.
    NotAsked,
    /// Yes.
    Allowed,
    /// No.
    Denied,
}

impl OAuth {
    /// Says what comes next for a request in a browser with this session, and issues the code if nothing is missing.
    pub async fn authorize(
        &self,
        cx: &Cx,
        request: &AuthorizationRequest,
        session: Option<&Session>,
        consent: Consent,
    ) -> Result<Outcome, AuthorizationError> {
        for _ in 0..TRIES {
            if let Some(outcome) = self.judge(cx, request, session, consent).await? {
                return Ok(outcome);
            }
        }
        Err(Unavailable::new("a grant changes faster than it can be read").into())
    }

    /// One look and one commit; nothing if the grant changed between the two.
    async fn judge(
        &self,
        cx: &Cx,
        request: &AuthorizationRequest,
        session: Option<&Session>,
        consent: Consent,
    ) -> Result<Option<Outcome>, AuthorizationError> {
        let client = self.client_by_id(cx, request.client).await?.filter(|client| client.active);
        let client = client.ok_or(AuthorizationError::Page("the application is unknown or was removed"))?;
        // The client may have been changed while the request was parked.
        if !client.settings.redirect_uris.iter().any(|known| known.matches(&request.redirect_uri)) {
            return Err(AuthorizationError::Page("the address that the application asked for is no longer registered"));
        }
        if !request.scopes.within(&client.settings.scopes) {
            let description = "a scope is not one that this client may ask for";
            return Ok(Some(Outcome::Respond(self.refusal(cx, request, "invalid_scope", description)?)));
        }
        let Some(session) = session.filter(|session| fresh_enough(request, session, cx.now())) else {
            return self.needs(cx, request, "login_required", Outcome::SignIn).map(Some);
        };
        let Some(user) = users::by_id(cx, session.user).await?.filter(|user| user.active().is_some()) else {
            return self.needs(cx, request, "login_required", Outcome::SignIn).map(Some);
        };
        if consent == Consent::Denied {
            return Ok(Some(Outcome::Respond(self.refusal(cx, request, "access_denied", "the user said no")?)));
        }
        let standing = grants::of(cx, user.id, client.id).await?;
        let covered = standing.as_ref().is_some_and(|grant| grant.covers(&request.scopes));
        let asked = consent == Consent::Allowed || (client.settings.first_party && !request.prompt.consent);
        if !asked && (request.prompt.consent || !covered) {
            let question = question(&client, request, standing.as_ref());
            return self.needs(cx, request, "consent_required", Outcome::Consent(Box::new(question))).map(Some);
        }
        self.issue_code(cx, request, &client, session, &user, standing.as_ref()).await
    }

    fn needs(
        &self,
        cx: &Cx,
        request: &AuthorizationRequest,
        error: &'static str,
        outcome: Outcome,
    ) -> Result<Outcome, AuthorizationError> {
        if request.prompt.none {
            return Ok(Outcome::Respond(self.refusal(cx, request, error, "a person is needed, and prompt is none")?));
        }
        Ok(outcome)
    }

    async fn issue_code(
        &self,
        cx: &Cx,
        request: &AuthorizationRequest,
        client: &Client,
        session: &Session,
        user: &User,
        standing: Option<&grants::Grant>,
    ) -> Result<Option<Outcome>, AuthorizationError> {
        let active = user.active().ok_or(AuthorizationError::Page("the account cannot be used"))?;
        let realm = self.realm(cx)?;
        let mut unit = claviger_audit::unit(
            cx,
            Event::new("authorization_code_issued", client.id)
                .with("user", user.id)
                .with("scope", request.scopes.to_string()),
        );
        users::require_active(&mut unit, &active);
        sessions::require_alive(&mut unit, session);
        crate::clients::require_active(&mut unit, client);
        let grant = match standing.filter(|grant| grant.covers(&request.scopes)) {
            Some(grant) => {
                grants::require_live(&mut unit, grant.id);
                grant.id
            }
            None => grants::allow(&mut unit, user.id, client.id, standing, &request.scopes),
        };
        let family: FamilyId = unit.id_of(user.id.shard());
        let code = Code {
            id: unit.id_of(user.id.shard()),
            secret_hash: [0; 32],
            client: client.id,
            client_epoch: client.epoch,
            user: user.id,
            user_epoch: active.epoch(),
            session: session.id,
            grant,
            family,
            redirect_uri: request.redirect_uri.clone(),
            audience: request.audience.clone(),
            scope: request.scopes.to_string(),
            nonce: request.nonce.clone(),
            code_challenge: request.code_challenge.clone(),
            acr: session.acr.clone(),
            amr: session.amr().join(" "),
            authenticated_at: session.authenticated_at,
            device: session.device.clone(),
            expires_at: unit.now().plus(realm.settings.flows.code),
            used: false,
        };
        let keys = self.opaque(cx)?;
        let text = codes::issue(&mut unit, cx, &keys, &code);
        match cx.commit(unit).await {
            Ok(_) => Ok(Some(Outcome::Respond(self.success(cx, request, &text)?))),
            Err(CommitError::Conflict("grant")) => Ok(None),
            // The session or the user ended between the look and the commit: the person signs in again.
            Err(CommitError::Conflict(_)) => self.needs(cx, request, "login_required", Outcome::SignIn).map(Some),
            Err(CommitError::Unavailable(fault)) => Err(fault.into()),
        }
    }

    fn success(
        &self,
        cx: &Cx,
        request: &AuthorizationRequest,
        code: &Secret<String>,
    ) -> Result<AuthorizationResponse, Unavailable> {
        let parameters = vec![("code", code.expose().clone())];
        self.respond(cx, &request.redirect_uri, request.response_mode, request.state.as_deref(), parameters)
    }

    pub(crate) fn refusal(
        &self,
        cx: &Cx,
        request: &AuthorizationRequest,
        error: &'static str,
        description: &'static str,
    ) -> Result<AuthorizationResponse, Unavailable> {
        let parameters = vec![("error", error.to_owned()), ("error_description", description.to_owned())];
        self.respond(cx, &request.redirect_uri, request.response_mode, request.state.as_deref(), parameters)
    }

    pub(crate) fn respond(
        &self,
        cx: &Cx,
        redirect_uri: &str,
        mode: ResponseMode,
        state: Option<&str>,
        mut parameters: Vec<(&'static str, String)>,
    ) -> Result<AuthorizationResponse, Unavailable> {
        if let Some(state) = state {
            parameters.push(("state", state.to_owned()));
        }
        parameters.push(("iss", self.realm(cx)?.issuer.clone()));
        Ok(AuthorizationResponse { redirect_uri: redirect_uri.to_owned(), mode, parameters })
    }
}

/// Whether the session's proofs are as fresh as the request wants them (OpenID Connect Core §3.1.2.1).
fn fresh_enough(request: &AuthorizationRequest, session: &Session, now: Timestamp) -> bool {
    let asked_again = request.prompt.login && session.authenticated_at.micros() < request.received_at;
    let too_old = request.max_age.is_some_and(|age| now.since(session.authenticated_at).as_secs() > age);
    // A sign-in made for this very request satisfies even max_age=0.
    let made_for_this = session.authenticated_at.micros() >= request.received_at;
    !asked_again && (!too_old || made_for_this)
}

fn question(client: &Client, request: &AuthorizationRequest, standing: Option<&grants::Grant>) -> ConsentQuestion {
    let allowed = |scope: &str| {
        !request.prompt.consent && standing.is_some_and(|grant| grant.live && grant.scopes.contains(scope))
    };
    ConsentQuestion {
        client_name: client.name.clone(),
        redirect_host: crate::redirect::shown_host(&request.redirect_uri),
        scopes: request.scopes.iter().filter(|scope| !allowed(scope)).map(str::to_owned).collect(),
    }
}
