//! What the surface answers: the state of a flow, or tokens.

use claviger_accounts::{Flow, SignedIn, State};
use claviger_kernel::{Reveal, Secret};
use claviger_oauth::first_party::Issued;
use serde::Serialize;

use super::door::{Delivery, Door};
use super::problems::name_of;
use crate::base::{Reply, SiteRule};
use crate::pages::Visit;

/// A flow that waits for somebody.
#[derive(Serialize)]
struct Waiting<'a> {
    state: &'static str,
    flow: String,
    expires_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    done: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    binding: Option<Reveal<'a, String>>,
}

/// Somebody is signed in, or still is.
#[derive(Serialize)]
struct Tokens<'a> {
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<String>,
    access_token: Reveal<'a, String>,
    token_type: &'static str,
    expires_in: u64,
    scope: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id_token: Option<Reveal<'a, String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<Reveal<'a, String>>,
}

/// What the flow asks now. `done` says what the step before has done.
pub(super) fn waiting(visit: &Visit<'_>, flow: &Flow, delivery: Delivery, done: Option<&'static str>) -> Reply {
    let email = match &flow.state {
        State::SignIn { email } => Some(email.as_str()).filter(|email| !email.is_empty()),
        State::ConfirmSignUp(pending) => Some(pending.email.as_str()),
        State::ConfirmAddress { email } | State::ConfirmReset { email } | State::NewPassword { email, .. } => {
            Some(email.as_str())
        }
        State::SignUp | State::Recover => None,
    };
    let body = Waiting {
        state: name_of(&flow.state),
        flow: flow.id.to_string(),
        expires_at: flow.expires_at().to_string(),
        email,
        done,
        binding: visit.fresh_binding.as_ref().filter(|_| delivery == Delivery::Body).map(Reveal),
    };
    let reply = Reply::json(&body);
    if delivery == Delivery::Cookie { visit.with_binding(reply) } else { reply }
}

/// Tokens; in a browser with the cookie that keeps the refresh token until its family ends.
pub(super) fn tokens(door: &Door<'_>, issued: &Issued, delivery: Delivery) -> Reply {
    let reveal = |secret: &'_ Option<Secret<String>>| secret.clone();
    let (id_token, refresh_token) = (reveal(&issued.tokens.id_token), reveal(&issued.tokens.refresh_token));
    let reply = Reply::json(&Tokens {
        state: "signed_in",
        session: issued.session.map(|session| session.to_string()),
        access_token: Reveal(&issued.tokens.access_token),
        token_type: "Bearer",
        expires_in: issued.tokens.expires_in,
        scope: &issued.tokens.scope,
        id_token: id_token.as_ref().map(Reveal),
        refresh_token: refresh_token.as_ref().filter(|_| delivery == Delivery::Body).map(Reveal),
    });
    match refresh_token {
        Some(token) if delivery == Delivery::Cookie => {
            let life = issued.expires_at.since(door.cx.now());
            let cookie = door.request.new_cookie(&door.refresh_cookie_for(&token), token);
            reply.cookie(&cookie.site(SiteRule::Strict).max_age(life))
        }
        _ => reply,
    }
}

/// Tokens for whoever has just signed in; a browser gets its session too.
pub(super) fn signed_in(
    door: &Door<'_>,
    visit: &Visit<'_>,
    signed_in: &SignedIn,
    issued: &Issued,
    delivery: Delivery,
) -> Reply {
    let reply = tokens(door, issued, delivery);
    if delivery == Delivery::Body {
        return reply;
    }
    visit.with_known(visit.with_session(visit.with_binding(reply), &signed_in.opened), &signed_in.known)
}
