//! The use cases as a surface sees them, on both engines, with a hand-moved clock and the development inbox.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod it {
    mod administration;
    mod beside;
    mod guessing;
    pub(crate) mod house;
    mod known_sessions;
    mod recovery;
    mod walk;
}
