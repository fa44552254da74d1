//! The protocol as a surface sees it, on both engines, with a hand-moved clock.

mod it {
    mod authorize;
    pub(crate) mod house;
    mod machines;
    mod tokens;
}
