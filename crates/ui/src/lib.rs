//! What a person sees: page structs and their templates. Data in, HTML out; no HTTP, no I/O.
//!
//! A page is a struct with public fields and [`Page::render`]. Everything that goes into it is escaped where it is
//! written. Pages work without scripts; `id`, `name` and `autocomplete` of their fields are fixed, for people's
//! password managers and for tests from outside. All texts come from `claviger_i18n`.

mod account;
mod address;
mod assets;
mod chrome;
mod consent;
pub mod dev;
mod devices;
mod error_page;
mod gallery;
mod page;
mod problems;
mod sign_in;
mod sign_out;
mod sign_up;
mod verify;

#[cfg(test)]
mod checks;

pub use account::{ChangePassword, Done, Landing, Setup, SetupClosed};
pub use address::WebAddress;
pub use assets::{Asset, assets};
pub use chrome::{Chrome, HOME};
pub use consent::{Consent, FormPost, RequestedScope};
pub use devices::{DeviceEntry, Devices, DevicesDone, LastUse};
pub use error_page::{ErrorKind, ErrorPage};
pub use gallery::{Samples, Specimen, gallery};
pub use page::Page;
pub use problems::{CodeProblem, EmailProblem, NameProblem, NewPasswordProblem, PasswordProblem, Problem};
pub use sign_in::{Notice, SignIn};
pub use sign_out::{Application, LogoutConfirm, SignedOut};
pub use sign_up::SignUp;
pub use verify::{CheckMail, CodeFor, RecoverPassword, RecoverRequest};
