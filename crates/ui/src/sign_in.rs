//! `/login`.

use std::borrow::Cow;

use claviger_i18n::Texts;

use crate::page::page;
use crate::problems::Faults;
use crate::{EmailProblem, PasswordProblem, Problem};

/// What the sign-in page says of what came before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Notice {
    /// The password was just changed.
    PasswordChanged,
    /// The address was just confirmed.
    EmailVerified,
    /// The person has just signed out.
    SignedOut,
    /// The session has ended by itself.
    SessionEnded,
}

impl Notice {
    pub(crate) fn text(self, t: &Texts) -> Cow<'_, str> {
        match self {
            Self::PasswordChanged => t.notice_password_changed(),
            Self::EmailVerified => t.notice_email_verified(),
            Self::SignedOut => t.notice_signed_out(),
            Self::SessionEnded => t.notice_session_ended(),
        }
    }

    /// Whether it tells of something done, rather than of something to do.
    pub(crate) const fn good(self) -> bool {
        !matches!(self, Self::SessionEnded)
    }
}

/// The sign-in form. Posts `email` and `password` to `/login`.
#[derive(Clone, Default, Debug)]
pub struct SignIn {
    /// The application that waits for the person; the realm itself if none does.
    pub application: Option<String>,
    /// Ties the form to a flow; posted back as `flow`.
    pub flow: Option<String>,
    /// What was typed.
    pub email: String,
    /// What came before.
    pub notice: Option<Notice>,
    /// Why the form is shown again.
    pub problem: Option<Problem>,
    /// The fault of `email`.
    pub email_problem: Option<EmailProblem>,
    /// The fault of `password`: `Missing`, never another.
    pub password_problem: Option<PasswordProblem>,
    /// Leaves out the way to `/signup`, where a realm takes no newcomers.
    pub sign_up_closed: bool,
}

impl SignIn {
    fn faults(&self, t: &'static Texts) -> Faults<'static> {
        Faults::new(self.problem, t)
            .field("email", self.email_problem.map(|problem| problem.text(t)))
            .field("password", self.password_problem.map(|problem| problem.text(t)))
    }
}

page!(SignIn, "sign_in.html", |p, c| c.texts.sign_in_title(p.application.as_ref().unwrap_or(&c.place)));
