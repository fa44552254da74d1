//! Checking an authorization request, parameter by parameter, in the order in which refusals matter: first who asks and
//! where the answer goes, and only then anything that the client is told about.

use claviger_audit::{Cx, Event, refused};

use super::{AuthorizationError, AuthorizationParameters, AuthorizationRequest, Prompt, ResponseMode};
use crate::clients::GrantType;
use crate::scope::Scopes;
use crate::{Client, OAuth, pkce};

const LONGEST_VALUE: usize = 2_048;

/// A refusal that the client is told: error code and description.
type Told = (&'static str, &'static str);

impl OAuth {
    /// Checks the parameters of an authorization request.
    pub async fn read_authorization(
        &self,
        cx: &Cx,
        parameters: &AuthorizationParameters,
    ) -> Result<AuthorizationRequest, AuthorizationError> {
        let client = self.asking_client(cx, parameters).await?;
        let redirect_uri = registered_redirect(cx, &client, parameters)?;
        let mode = response_mode(parameters);
        let answer_mode = mode.unwrap_or(ResponseMode::Query);
        let state = parameters.get("state").filter(|state| state.len() <= LONGEST_VALUE);
        match self.rest(cx, &client, parameters, redirect_uri, mode).await? {
            Ok(request) => Ok(request),
            Err((error, description)) => {
                let told = vec![("error", error.to_owned()), ("error_description", description.to_owned())];
                let response = self.respond(cx, redirect_uri, answer_mode, state, told)?;
                Err(AuthorizationError::Respond(Box::new(response)))
            }
        }
    }

    async fn asking_client(&self, cx: &Cx, parameters: &AuthorizationParameters) -> Result<Client, AuthorizationError> {
        let client_id = parameters.get("client_id").unwrap_or_default();
        let client = self.client(cx, client_id).await?;
        if let Some(client) = client.filter(|client| client.active) {
            return Ok(client);
        }
        refused(cx, &Event::new("client_unknown", client_id.chars().take(100).collect::<String>()));
        Err(AuthorizationError::Page("the application is unknown or was removed"))
    }

    async fn rest(
        &self,
        cx: &Cx,
        client: &Client,
        parameters: &AuthorizationParameters,
        redirect_uri: &str,
        mode: Result<ResponseMode, Told>,
    ) -> Result<Result<AuthorizationRequest, Told>, AuthorizationError> {
        let checked = || -> Result<AuthorizationRequest, Told> {
            let response_mode = mode?;
            lengths(parameters)?;
            no_request_object(parameters)?;
            response_type(parameters)?;
            if !client.settings.allows(GrantType::AuthorizationCode) {
                return Err(("unauthorized_client", "this client may not use the authorization code grant"));
            }
            let code_challenge =
                pkce::challenge(client, parameters.get("code_challenge"), parameters.get("code_challenge_method"))
                    .map_err(|why| ("invalid_request", why))?;
            Ok(AuthorizationRequest {
                client: client.id,
                application: client.name.clone(),
                redirect_uri: redirect_uri.to_owned(),
                response_mode,
                state: parameters.get("state").map(str::to_owned),
                scopes: scopes(client, parameters)?,
                audience: String::new(),
                nonce: parameters.get("nonce").map(str::to_owned),
                code_challenge,
                prompt: prompt(parameters)?,
                max_age: max_age(parameters)?,
                login_hint: parameters.get("login_hint").map(str::to_owned),
                ui_locales: parameters.get("ui_locales").map(str::to_owned),
                received_at: cx.now().micros(),
            })
        };
        let mut request = match checked() {
            Ok(request) => request,
            Err(told) => return Ok(Err(told)),
        };
        match self.audience(cx, client, parameters.get("resource"), &request.scopes).await {
            Ok(audience) => request.audience = audience,
            Err(crate::TokenError::Unavailable(fault)) => return Err(fault.into()),
            Err(crate::TokenError::InvalidScope) => {
                return Ok(Err(("invalid_scope", "a scope is not one that this client may ask for")));
            }
            Err(_) => return Ok(Err(("invalid_target", "the resource is not an API that this client may call"))),
        }
        Ok(Ok(request))
    }
}

fn registered_redirect<'a>(
    cx: &Cx,
    client: &Client,
    parameters: &'a AuthorizationParameters,
) -> Result<&'a str, AuthorizationError> {
    let asked = parameters.get("redirect_uri").unwrap_or_default();
    if client.settings.redirect_uris.iter().any(|registered| registered.matches(asked)) {
        return Ok(asked);
    }
    refused(cx, &Event::new("redirect_uri_rejected", client.id).with("host", crate::redirect::shown_host(asked)));
    Err(AuthorizationError::Page("the application asked to be answered at an address that is not registered for it"))
}

/// A response mode that does not fit is told in the query, the mode that every client has (A022).
fn response_mode(parameters: &AuthorizationParameters) -> Result<ResponseMode, Told> {
    match parameters.get("response_mode") {
        None | Some("query") => Ok(ResponseMode::Query),
        Some("form_post") => Ok(ResponseMode::FormPost),
        Some(_) => Err(("invalid_request", "response_mode must be query or form_post")),
    }
}

fn lengths(parameters: &AuthorizationParameters) -> Result<(), Told> {
    let long = parameters.pairs.iter().any(|(name, value)| value.len() > LONGEST_VALUE || name.len() > 100);
    if long { Err(("invalid_request", "a parameter is longer than 2048 bytes")) } else { Ok(()) }
}

fn no_request_object(parameters: &AuthorizationParameters) -> Result<(), Told> {
    if parameters.get("request").is_some() {
        return Err(("request_not_supported", "request objects are not supported"));
    }
    if parameters.get("request_uri").is_some() {
        return Err(("request_uri_not_supported", "request_uri is not supported"));
    }
    if parameters.get("registration").is_some() {
        return Err(("registration_not_supported", "registration is not supported"));
    }
    Ok(())
}

fn response_type(parameters: &AuthorizationParameters) -> Result<(), Told> {
    match parameters.get("response_type") {
        Some("code") => Ok(()),
        Some(_) => Err(("unsupported_response_type", "response_type must be code")),
        None => Err(("invalid_request", "response_type is missing")),
    }
}

fn scopes(client: &Client, parameters: &AuthorizationParameters) -> Result<Scopes, Told> {
    let malformed = ("invalid_scope", "scope is malformed or too long");
    let asked = Scopes::parse(parameters.get("scope").unwrap_or_default()).map_err(|_| malformed)?;
    if !asked.within(&client.settings.scopes) {
        return Err(("invalid_scope", "a scope is not one that this client may ask for"));
    }
    let offline = client.settings.allows(GrantType::RefreshToken);
    Ok(asked.filtered(|scope| scope != "offline_access" || offline))
}

fn prompt(parameters: &AuthorizationParameters) -> Result<Prompt, Told> {
    let mut prompt = Prompt::default();
    let words: Vec<&str> =
        parameters.get("prompt").unwrap_or_default().split(' ').filter(|word| !word.is_empty()).collect();
    for word in &words {
        match *word {
            "none" => prompt.none = true,
            // One account at a time is signed in, so choosing another is signing in again.
            "login" | "select_account" => prompt.login = true,
            "consent" => prompt.consent = true,
            _ => return Err(("invalid_request", "prompt must be none, login, consent or select_account")),
        }
    }
    if prompt.none && words.len() > 1 {
        return Err(("invalid_request", "prompt=none stands alone"));
    }
    Ok(prompt)
}

fn max_age(parameters: &AuthorizationParameters) -> Result<Option<u64>, Told> {
    let whole = ("invalid_request", "max_age must be a whole number of seconds");
    parameters.get("max_age").map(|text| text.parse().map_err(|_| whole)).transpose()
}
