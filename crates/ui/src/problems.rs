//! What can be wrong with a form, as values; the words stand in the message files.

use std::borrow::Cow;

use claviger_i18n::Texts;

/// What the summary above a form says when the trouble is not in one field. No variant tells whether an account exists.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Problem {
    /// The sign-in is refused, whatever the reason.
    SignInRefused,
    /// The code is wrong, used, expired, or was never sent.
    CodeRefused,
    /// Too many attempts; so many minutes to wait.
    TooMany {
        /// Minutes, at least 1.
        minutes: u32,
    },
    /// The server cannot answer now.
    Busy,
    /// The form's CSRF token or flow no longer stands; a fresh form is shown.
    FormExpired,
}

impl Problem {
    pub(crate) fn text(self, t: &Texts) -> Cow<'_, str> {
        match self {
            Self::SignInRefused => t.problem_sign_in_refused(),
            Self::CodeRefused => t.problem_code_refused(),
            Self::TooMany { minutes } => t.problem_too_many(minutes),
            Self::Busy => t.problem_busy(),
            Self::FormExpired => t.problem_form_expired(),
        }
    }
}

/// What is wrong with an email address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EmailProblem {
    /// Nothing was typed.
    Missing,
    /// It is no address.
    Malformed,
}

impl EmailProblem {
    pub(crate) fn text(self, t: &Texts) -> Cow<'_, str> {
        match self {
            Self::Missing => t.email_missing(),
            Self::Malformed => t.email_malformed(),
        }
    }
}

/// What is wrong with a person's name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NameProblem {
    /// Longer than we keep.
    TooLong,
}

impl NameProblem {
    pub(crate) fn text(self, t: &Texts) -> Cow<'_, str> {
        match self {
            Self::TooLong => t.name_too_long(),
        }
    }
}

/// What is wrong with the shape of a code. A code of the right shape that does not fit is [`Problem::CodeRefused`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CodeProblem {
    /// Nothing was typed.
    Missing,
    /// Not the digits of a code.
    Malformed,
}

impl CodeProblem {
    pub(crate) fn text(self, t: &Texts, digits: u32) -> Cow<'_, str> {
        match self {
            Self::Missing => t.code_missing(),
            Self::Malformed => t.code_malformed(digits),
        }
    }
}

/// What is wrong with a password that somebody has already. At sign-in only `Missing` is ever said.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PasswordProblem {
    /// Nothing was typed.
    Missing,
    /// Not the current one.
    Wrong,
}

impl PasswordProblem {
    pub(crate) fn text(self, t: &Texts) -> Cow<'_, str> {
        match self {
            Self::Missing => t.password_missing(),
            Self::Wrong => t.current_password_wrong(),
        }
    }
}

/// Why a new password is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NewPasswordProblem {
    /// Nothing was typed.
    Missing,
    /// Too short.
    TooShort {
        /// The least length, in code points.
        min: u32,
    },
    /// Too long.
    TooLong {
        /// The greatest length, in code points.
        max: u32,
    },
    /// On the list of common or breached passwords.
    Common,
    /// Made of the person's name or address, or of the place's name.
    Contextual,
    /// The current one again.
    Unchanged,
}

impl NewPasswordProblem {
    pub(crate) fn text(self, t: &Texts) -> Cow<'_, str> {
        match self {
            Self::Missing => t.new_password_missing(),
            Self::TooShort { min } => t.password_too_short(min),
            Self::TooLong { max } => t.password_too_long(max),
            Self::Common => t.password_common(),
            Self::Contextual => t.password_contextual(),
            Self::Unchanged => t.password_unchanged(),
        }
    }
}

/// The faults of one form as its template shows them: a summary on top, and a sentence under each field concerned.
#[derive(Default, Debug)]
pub(crate) struct Faults<'a> {
    summary: Option<Cow<'a, str>>,
    fields: Vec<(&'static str, Cow<'a, str>)>,
}

impl<'a> Faults<'a> {
    pub(crate) fn new(summary: Option<Problem>, t: &'a Texts) -> Self {
        Self { summary: summary.map(|problem| problem.text(t)), fields: Vec::new() }
    }

    /// Adds the sentence of the field with this id, if there is one.
    pub(crate) fn field(mut self, id: &'static str, text: Option<Cow<'a, str>>) -> Self {
        self.fields.extend(text.map(|text| (id, text)));
        self
    }

    pub(crate) fn summary(&self) -> Option<&str> {
        self.summary.as_deref()
    }

    pub(crate) fn fields(&self) -> &[(&'static str, Cow<'a, str>)] {
        &self.fields
    }

    pub(crate) fn any(&self) -> bool {
        self.summary.is_some() || !self.fields.is_empty()
    }

    /// The sentence under the field with this id.
    pub(crate) fn of(&self, id: &str) -> Option<&str> {
        self.fields.iter().find(|(field, _)| *field == id).map(|(_, text)| text.as_ref())
    }
}
