//! `/verify` and `/recover`: the code from the mail, and the new password.

use claviger_i18n::Texts;

use crate::page::page;
use crate::problems::Faults;
use crate::{CodeProblem, EmailProblem, NewPasswordProblem, Problem};

/// Digits of a mailed code.
pub(crate) const DIGITS: u32 = 8;

/// What a mailed code is for.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum CodeFor {
    /// Confirming an address; the form posts to `/verify`.
    #[default]
    Verify,
    /// Resetting a password; the form posts to `/recover`.
    Recover,
}

/// "Check your email": the code form. Posts `code`; a second form asks for another message by `resend=1`, to the same
/// path. Says the same whether or not the address belongs to an account.
#[derive(Clone, Default, Debug)]
pub struct CheckMail {
    /// What the code is for.
    pub purpose: CodeFor,
    /// Ties the form to a flow; posted back as `flow`.
    pub flow: Option<String>,
    /// The address that was typed.
    pub email: String,
    /// What was typed, or what the link in the mail brought along (and was taken out of the address since).
    pub code: String,
    /// Another message was just asked for.
    pub resent: bool,
    /// Why the form is shown again.
    pub problem: Option<Problem>,
    /// The fault of `code`.
    pub code_problem: Option<CodeProblem>,
}

impl CheckMail {
    fn path(&self) -> &'static str {
        match self.purpose {
            CodeFor::Verify => "/verify",
            CodeFor::Recover => "/recover",
        }
    }

    /// Where another address can be typed.
    fn start(&self) -> &'static str {
        match self.purpose {
            CodeFor::Verify => "/signup",
            CodeFor::Recover => "/recover",
        }
    }

    /// Tells `/recover`, whose flow still waits for the code, that another address shall be typed.
    const fn again(&self) -> &'static str {
        match self.purpose {
            CodeFor::Recover if self.flow.is_some() => "&again=1",
            _ => "",
        }
    }

    fn faults(&self, t: &'static Texts) -> Faults<'static> {
        Faults::new(self.problem, t).field("code", self.code_problem.map(|problem| problem.text(t, DIGITS)))
    }
}

page!(CheckMail, "check_mail.html", |_, c| c.texts.verify_title());

/// "Reset your password": asks for the address. Posts `email` to `/recover`; [`CheckMail`] follows, always.
#[derive(Clone, Default, Debug)]
pub struct RecoverRequest {
    /// Ties the form to a flow; posted back as `flow`.
    pub flow: Option<String>,
    /// What was typed.
    pub email: String,
    /// Why the form is shown again.
    pub problem: Option<Problem>,
    /// The fault of `email`.
    pub email_problem: Option<EmailProblem>,
}

impl RecoverRequest {
    fn faults(&self, t: &'static Texts) -> Faults<'static> {
        Faults::new(self.problem, t).field("email", self.email_problem.map(|problem| problem.text(t)))
    }
}

page!(RecoverRequest, "recover_request.html", |_, c| c.texts.recover_title());

/// "Choose a new password": the last step of recovery. Posts `password` to `/recover`.
#[derive(Clone, Default, Debug)]
pub struct RecoverPassword {
    /// Ties the form to a flow; posted back as `flow`.
    pub flow: Option<String>,
    /// Whose password it is; tells a password manager which entry to mend and is not posted.
    pub email: String,
    /// The least length of a password, in code points.
    pub password_min: u32,
    /// Why the form is shown again.
    pub problem: Option<Problem>,
    /// The fault of `password`.
    pub password_problem: Option<NewPasswordProblem>,
}

impl RecoverPassword {
    fn faults(&self, t: &'static Texts) -> Faults<'static> {
        Faults::new(self.problem, t).field("password", self.password_problem.map(|problem| problem.text(t)))
    }
}

page!(RecoverPassword, "recover_password.html", |_, c| c.texts.recover_password_title());
