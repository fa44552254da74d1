//! `/signup`.

use claviger_i18n::Texts;

use crate::page::page;
use crate::problems::Faults;
use crate::{EmailProblem, NameProblem, NewPasswordProblem, Problem};

/// The sign-up form. Posts `name`, `email` and `password` to `/signup`.
#[derive(Clone, Default, Debug)]
pub struct SignUp {
    /// The application that waits for the person.
    pub application: Option<String>,
    /// Ties the form to a flow; posted back as `flow`.
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

impl SignUp {
    fn faults(&self, t: &'static Texts) -> Faults<'static> {
        Faults::new(self.problem, t)
            .field("name", self.name_problem.map(|problem| problem.text(t)))
            .field("email", self.email_problem.map(|problem| problem.text(t)))
            .field("password", self.password_problem.map(|problem| problem.text(t)))
    }
}

page!(SignUp, "sign_up.html", |_, c| c.texts.sign_up_title());
