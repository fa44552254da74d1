//! The signed-in person's own pages, the first set-up, and pages that say that something is done.

use std::borrow::Cow;

use claviger_i18n::Texts;

use crate::page::page;
use crate::problems::Faults;
use crate::{Chrome, EmailProblem, HOME, NameProblem, NewPasswordProblem, PasswordProblem, Problem};

/// The page of a signed-in user, at [`HOME`].
#[derive(Clone, Default, Debug)]
pub struct Landing {
    /// The person's name; may be empty.
    pub name: String,
    /// The person's address.
    pub email: String,
    /// Whether the address is confirmed.
    pub email_verified: bool,
}

page!(Landing, "landing.html", |p, c| {
    if p.name.is_empty() { c.texts.landing_account() } else { c.texts.landing_title(&p.name) }
});

/// Changes the password of the signed-in user. Posts `current_password` and `password` to `/account/password`.
#[derive(Clone, Default, Debug)]
pub struct ChangePassword {
    /// Whose password it is; tells a password manager which entry to mend and is not posted.
    pub email: String,
    /// The least length of a password, in code points.
    pub password_min: u32,
    /// Why the form is shown again.
    pub problem: Option<Problem>,
    /// The fault of `current_password`.
    pub current_problem: Option<PasswordProblem>,
    /// The fault of `password`.
    pub password_problem: Option<NewPasswordProblem>,
}

impl ChangePassword {
    fn faults(&self, t: &'static Texts) -> Faults<'static> {
        Faults::new(self.problem, t)
            .field("current_password", self.current_problem.map(|problem| problem.text(t)))
            .field("password", self.password_problem.map(|problem| problem.text(t)))
    }
}

page!(ChangePassword, "change_password.html", |_, c| c.texts.change_password_title());

/// Makes the first administrator. Posts `name`, `email` and `password` to `/setup`.
#[derive(Clone, Default, Debug)]
pub struct Setup {
    /// Ties the form to the one-time link that opened it; posted back as `flow`.
    pub flow: Option<String>,
    /// What was typed.
    pub name: String,
    /// What was typed.
    pub email: String,
    /// The least length of a password, in code points.
    pub password_min: u32,
    /// Why the form is shown again.
    pub problem: Option<Problem>,
    /// The fault of `name`.
    pub name_problem: Option<NameProblem>,
    /// The fault of `email`.
    pub email_problem: Option<EmailProblem>,
    /// The fault of `password`.
    pub password_problem: Option<NewPasswordProblem>,
}

impl Setup {
    fn faults(&self, t: &'static Texts) -> Faults<'static> {
        Faults::new(self.problem, t)
            .field("name", self.name_problem.map(|problem| problem.text(t)))
            .field("email", self.email_problem.map(|problem| problem.text(t)))
            .field("password", self.password_problem.map(|problem| problem.text(t)))
    }
}

page!(Setup, "setup.html", |_, c| c.texts.setup_title(&c.place));

/// What `/setup` says once there is an administrator, whatever became of them (A118).
#[derive(Clone, Copy, Default, Debug)]
pub struct SetupClosed;

page!(SetupClosed, "setup_closed.html", |_, c| c.texts.setup_closed_title());

/// Something is done: what happened, what comes next, one way onward.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Done {
    /// A signed-in user has changed the password.
    PasswordChanged,
    /// Somebody has set a new password by a mailed code.
    PasswordSet,
    /// The address is confirmed.
    EmailVerified,
}

impl Done {
    fn title(self, t: &'static Texts) -> Cow<'static, str> {
        match self {
            Self::PasswordChanged => t.change_password_done_title(),
            Self::PasswordSet => t.password_set_title(),
            Self::EmailVerified => t.email_verified_title(),
        }
    }

    fn lead(self, t: &'static Texts) -> Cow<'static, str> {
        match self {
            Self::PasswordChanged => t.change_password_done_lead(),
            Self::PasswordSet => t.password_set_lead(),
            Self::EmailVerified => t.email_verified_lead(),
        }
    }

    /// Where to go, and how the way is called.
    fn onward(self, c: &Chrome) -> (String, Cow<'static, str>) {
        match self {
            Self::PasswordChanged => (c.path(HOME), c.texts.to_account()),
            Self::PasswordSet | Self::EmailVerified => (c.path("/login"), c.texts.to_sign_in()),
        }
    }
}

page!(Done, "done.html", |p, c| p.title(c.texts));
