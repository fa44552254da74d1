//! The demo application: a client like anybody's. It knows the server's address and its own credentials, finds the rest
//! by discovery, and shows what it was given.
//!
//! Whom it has signed in it keeps in memory, under a cookie of its own origin.

mod provider;
mod visitors;

use std::sync::Arc;

use claviger_crypto::{base64url, sha256};
use claviger_http::base::{Access, Csp, Kind, Refusal, Reply, Request, Route, Routes};
use claviger_kernel::{Clock, Entropy, ErrorClass, Secret};
use claviger_ui::dev::{DemoHome, DemoTokens};
use claviger_ui::{Chrome, Page};
use serde_json::Value;

use self::provider::{Provider, Tokens};
use self::visitors::{Pending, Visitor, Visitors};
use super::seeds;
use crate::Ambient;

/// Where codes come back.
pub(super) const CALLBACK: &str = "/callback";
/// Where the browser comes back after signing out.
pub(super) const SIGNED_OUT: &str = "/signed-out";
const SIGN_IN: &str = "/sign-in";
const REFRESH: &str = "/refresh";
const SIGN_OUT: &str = "/sign-out";
const COOKIE: &str = "acme";
const SCOPE: &str = "openid profile email offline_access";

pub(super) struct Demo {
    origin: String,
    provider: Provider,
    visitors: Visitors,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

pub(super) fn routes(demo: &Arc<Demo>) -> Routes {
    let get = |path| Route::get(path, Kind::Page, Access::Public).server_wide().reads_cookie();
    let post = |path| Route::post(path, Kind::Page, Access::Public).server_wide().reads_cookie();
    Routes::new()
        .add(get("/"), demo, home)
        .add(get(SIGN_IN), demo, sign_in)
        .add(get(CALLBACK), demo, callback)
        .add(post(REFRESH), demo, refresh)
        .add(post(SIGN_OUT), demo, sign_out)
        .add(get(SIGNED_OUT), demo, |_, _| async { Reply::see_other("/") })
}

impl Demo {
    pub(super) fn new(issuer: &str, origin: &str, secret: Secret<String>, ambient: &Ambient) -> Self {
        Self {
            origin: origin.to_owned(),
            provider: Provider::new(issuer, secret, Arc::clone(&ambient.clock)),
            visitors: Visitors::default(),
            clock: Arc::clone(&ambient.clock),
            entropy: Arc::clone(&ambient.entropy),
        }
    }

    fn random(&self) -> String {
        let mut bytes = [0; 32];
        self.entropy.fill(&mut bytes);
        base64url(&bytes)
    }

    fn redirect_uri(&self) -> String {
        format!("{}{CALLBACK}", self.origin)
    }

    /// Gives the visitor a cookie that nobody can have planted, and remembers `visitor` under it.
    fn remember(&self, request: &Request, reply: Reply, visitor: Visitor) -> Reply {
        let key = self.random();
        if let Some(old) = request.cookie(COOKIE) {
            self.visitors.take(old.expose());
        }
        self.visitors.put(key.clone(), visitor);
        reply.cookie(&request.new_cookie(COOKIE, Secret::new(key)))
    }
}

fn shown(request: &Request, page: &impl Page) -> Reply {
    let chrome = Chrome { nonce: request.nonce().to_owned(), ..Chrome::new(seeds::APPLICATION) };
    // Signing out posts here and goes on to the server.
    Reply::page(page.render(&chrome), Csp::FormToClient)
}

fn refused(request: &Request, refusal: String) -> Reply {
    shown(request, &DemoHome { sign_in: SIGN_IN.to_owned(), refusal: Some(refusal) })
}

/// The front page, or the tokens of who is signed in.
async fn home(demo: Arc<Demo>, request: Request) -> Result<Reply, Refusal> {
    let visitor = request.cookie(COOKIE).and_then(|key| demo.visitors.look(key.expose()));
    let Some(Visitor::SignedIn { tokens, refreshed, refusal }) = visitor else {
        return Ok(shown(&request, &DemoHome { sign_in: SIGN_IN.to_owned(), refusal: None }));
    };
    let userinfo = demo.provider.userinfo(&tokens).await;
    let userinfo = userinfo.unwrap_or_else(|error| Value::String(error.to_string()));
    let id_token = tokens.id_claims();
    let person = ["name", "email", "sub"].iter().find_map(|name| userinfo[name].as_str().or(id_token[name].as_str()));
    let page = DemoTokens {
        person: person.unwrap_or_default().to_owned(),
        refresh: REFRESH.to_owned(),
        sign_out: SIGN_OUT.to_owned(),
        refreshed,
        refusal,
        id_token: indented(&id_token),
        access_token: indented(&tokens.access_claims()),
        userinfo: indented(&userinfo),
    };
    Ok(shown(&request, &page))
}

/// The claims that people look for first.
const FIRST: [&str; 7] = ["iss", "sub", "aud", "client_id", "exp", "iat", "auth_time"];

/// Claims as people read them: the usual ones first, one a line.
fn indented(value: &Value) -> String {
    let pretty = |value: &Value| serde_json::to_string_pretty(value).expect("JSON that was read can be written");
    let Value::Object(claims) = value else { return pretty(value) };
    let rank = |name: &str| FIRST.iter().position(|first| *first == name).unwrap_or(FIRST.len());
    let mut names: Vec<&String> = claims.keys().collect();
    names.sort_by_key(|name| rank(name));
    let line =
        |name: &String| format!("  {}: {}", Value::from(name.as_str()), pretty(&claims[name]).replace('\n', "\n  "));
    format!("{{\n{}\n}}", names.into_iter().map(line).collect::<Vec<_>>().join(",\n"))
}

/// Sends the browser to the authorization endpoint, bound to this browser by `state` (OpenID Connect Core §3.1.2.1).
async fn sign_in(demo: Arc<Demo>, request: Request) -> Result<Reply, Refusal> {
    let pending = Pending { state: demo.random(), nonce: demo.random(), verifier: demo.random() };
    let challenge = base64url(&sha256(pending.verifier.as_bytes()));
    let redirect_uri = demo.redirect_uri();
    let parameters = [
        ("response_type", "code"),
        ("client_id", seeds::CLIENT_ID),
        ("redirect_uri", &redirect_uri),
        ("scope", SCOPE),
        ("state", &pending.state),
        ("nonce", &pending.nonce),
        ("code_challenge", &challenge),
        ("code_challenge_method", "S256"),
    ];
    let endpoint = match demo.provider.endpoint("authorization_endpoint").await {
        Ok(endpoint) => endpoint,
        Err(error) => return Ok(refused(&request, error.to_string())),
    };
    let reply = Reply::see_other(&provider::with_query(&endpoint, &parameters))?;
    Ok(demo.remember(&request, reply, Visitor::Pending(pending)))
}

/// Takes the code and exchanges it, if the answer is to our own request and from our own issuer (RFC 9207).
async fn callback(demo: Arc<Demo>, request: Request) -> Result<Reply, Refusal> {
    let visitor = request.cookie(COOKIE).and_then(|key| demo.visitors.look(key.expose()));
    let Some(Visitor::Pending(pending)) = visitor else {
        return Err(Refusal::malformed("no_request", "This answer belongs to no request of this browser."));
    };
    if request.query().get("state") != Some(&pending.state) {
        return Err(Refusal::malformed("wrong_state", "This answer belongs to another request."));
    }
    if request.query().get("iss") != Some(demo.provider.issuer()) {
        return Err(Refusal::malformed("wrong_issuer", "This answer comes from another issuer."));
    }
    let Some(code) = request.query().get("code") else {
        let error = request.query().get("error").unwrap_or("the server sent no code");
        let description = request.query().get("error_description").map(|text| format!(": {text}")).unwrap_or_default();
        return Ok(refused(&request, format!("{error}{description}")));
    };
    match demo.provider.exchange(code, &demo.redirect_uri(), &pending, demo.clock.now()).await {
        Ok(tokens) => {
            let reply = Reply::see_other("/")?;
            Ok(demo.remember(&request, reply, Visitor::signed_in(tokens)))
        }
        Err(error) => Ok(refused(&request, error.to_string())),
    }
}

/// Exchanges the refresh token for new ones.
async fn refresh(demo: Arc<Demo>, request: Request) -> Result<Reply, Refusal> {
    let (key, tokens) = demo.signed_in(&request)?;
    let visitor = match demo.provider.refresh(&tokens).await {
        Ok(tokens) => Visitor::SignedIn { tokens, refreshed: true, refusal: None },
        Err(error) => Visitor::SignedIn { tokens, refreshed: false, refusal: Some(error.to_string()) },
    };
    demo.visitors.put(key, visitor);
    Reply::see_other("/")
}

/// Forgets the visitor and lets the server end its session (OpenID Connect RP-Initiated Logout 1.0 §2).
async fn sign_out(demo: Arc<Demo>, request: Request) -> Result<Reply, Refusal> {
    let (key, tokens) = demo.signed_in(&request)?;
    demo.visitors.take(&key);
    let endpoint = match demo.provider.endpoint("end_session_endpoint").await {
        Ok(endpoint) => endpoint,
        Err(error) => return Ok(refused(&request, error.to_string())),
    };
    let back = format!("{}{SIGNED_OUT}", demo.origin);
    let parameters = [("id_token_hint", tokens.of_sign_in.expose().as_str()), ("post_logout_redirect_uri", &back)];
    Reply::see_other(&provider::with_query(&endpoint, &parameters))
}

impl Demo {
    fn signed_in(&self, request: &Request) -> Result<(String, Tokens), Refusal> {
        let key = request.cookie(COOKIE);
        match key.as_ref().and_then(|key| self.visitors.look(key.expose())) {
            Some(Visitor::SignedIn { tokens, .. }) => {
                Ok((key.map(|key| key.expose().clone()).unwrap_or_default(), tokens))
            }
            _ => Err(Refusal::new(ErrorClass::Denied, "signed_out", "Sign in first.")),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_usual_claims_stand_first_and_the_text_stays_json() {
        let claims = json!({ "acr": "a\nb", "amr": ["pwd", "email"], "iss": "http://localhost:1", "sub": "u" });
        let text = indented(&claims);
        assert!(text.starts_with("{\n  \"iss\": \"http://localhost:1\",\n  \"sub\": \"u\",\n  \"acr\""), "{text}");
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), claims);
    }
}
