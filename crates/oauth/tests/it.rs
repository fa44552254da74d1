//! The protocol as a surface sees it, on both engines, with a hand-moved clock.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod it {
    mod authorize;
    mod dump;
    pub(crate) mod house;
    mod machines;
    mod nodes;
    mod revocations;
    mod tokens;
}
