//! From what engine and provider refuse to a problem with a stable code.

use core::time::Duration;

use claviger_accounts::{ChangeError, Flow, State, StepError};
use claviger_identity::passwords::PasswordRefusal;
use claviger_kernel::ErrorClass;
use claviger_oauth::TokenError;
use http::StatusCode;
use http::header::{HeaderValue, WWW_AUTHENTICATE};

use crate::base::Refusal;
use crate::pages::{PATIENCE, gone};

/// What a state is called on the wire.
pub(super) const fn name_of(state: &State) -> &'static str {
    match state {
        State::SignIn { .. } => "sign_in",
        State::SignUp => "sign_up",
        State::ConfirmSignUp(_) => "confirm_sign_up",
        State::ConfirmAddress { .. } => "confirm_address",
        State::Recover => "recover",
        State::ConfirmReset { .. } => "confirm_reset",
        State::NewPassword { .. } => "new_password",
    }
}

/// An input that was not taken; the flow stays where it is.
pub(super) fn step(error: StepError, flow: &Flow) -> Refusal {
    match error {
        StepError::Wrong => {
            again("sign_in_refused", "The address or the password is wrong, or signing in is not possible.")
        }
        StepError::Address => {
            again("email_refused", "A value is no good.").at("/email", "This is not one e-mail address.")
        }
        StepError::Name => {
            again("name_refused", "A value is no good.").at("/name", "A name is at most 200 characters of plain text.")
        }
        StepError::Password(refusal) => password(&refusal, "/password"),
        StepError::Code | StepError::CodeOver => {
            let detail = "This is not the code from the newest mail, or it is no longer good. Ask for another.";
            again("code_refused", "A value is no good.").at("/code", detail)
        }
        StepError::Closed => Refusal::new(
            ErrorClass::Denied,
            "sign_up_closed",
            "Nobody can sign up here; ask the operator for an account.",
        ),
        StepError::Limited => too_many(),
        StepError::OutOfTurn => {
            let detail = format!("That is not what was asked. The flow waits at {}.", name_of(&flow.state));
            Refusal::new(ErrorClass::Conflict, "out_of_turn", detail)
        }
        StepError::Gone => gone(),
        StepError::Unavailable(fault) => fault.into(),
    }
}

/// A password that was not changed.
pub(super) fn change(error: ChangeError) -> Refusal {
    match error {
        ChangeError::Wrong => {
            let detail = "The present password is wrong, or cannot be checked right now.";
            again("current_password_refused", "A value is no good.").at("/current_password", detail)
        }
        ChangeError::Password(refusal) => password(&refusal, "/password"),
        ChangeError::Limited => too_many(),
        ChangeError::SignedOut => signed_out(),
        ChangeError::Unavailable(fault) => fault.into(),
    }
}

/// Tokens that were not given.
pub(super) fn tokens(error: TokenError) -> Refusal {
    match error {
        TokenError::Unavailable(fault) => fault.into(),
        TokenError::TooMany => {
            Refusal::new(ErrorClass::Limited, "too_many_refreshes", "Too many requests; wait a moment.")
                .retry_after(Duration::from_secs(1))
        }
        TokenError::InvalidScope => {
            Refusal::malformed("invalid_scope", error.to_string()).at("/scope", error.to_string())
        }
        TokenError::InvalidTarget => {
            Refusal::malformed("invalid_target", error.to_string()).at("/resource", error.to_string())
        }
        TokenError::InvalidToken { expired: true } => {
            let told = HeaderValue::from_static("Bearer error=\"invalid_token\", error_description=\"expired\"");
            let detail = "The access token has expired; refresh it.";
            Refusal::new(ErrorClass::Unauthenticated, "token_expired", detail).header(WWW_AUTHENTICATE, told)
        }
        _ => signed_out(),
    }
}

/// 401: nobody is signed in here any more.
pub(super) fn signed_out() -> Refusal {
    let detail = "Nobody is signed in here, or not any more. Sign in.";
    Refusal::new(ErrorClass::Unauthenticated, "signed_out", detail)
        .header(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
}

fn password(refusal: &PasswordRefusal, pointer: &str) -> Refusal {
    again("password_refused", "A value is no good.").at(pointer, refusal.to_string())
}

fn too_many() -> Refusal {
    let detail = "Too many attempts from this network. Wait and try again.";
    Refusal::new(ErrorClass::Limited, "too_many_attempts", detail).retry_after(PATIENCE)
}

/// 422: understood, and not taken. The same question stands.
fn again(code: &'static str, detail: &'static str) -> Refusal {
    Refusal::malformed(code, detail).status(StatusCode::UNPROCESSABLE_ENTITY)
}
