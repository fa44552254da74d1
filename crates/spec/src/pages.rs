//! The hosted pages, walked as a person walks them and attacked as a stranger would.

mod guards;
mod joining;
mod passwords;
mod recovery;
mod secrets;
mod set_up;
mod walks;
