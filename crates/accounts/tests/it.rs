//! The use cases as a surface sees them, on both engines, with a hand-moved clock and the development inbox.

mod it {
    mod administration;
    mod guessing;
    pub(crate) mod house;
    mod recovery;
    mod walk;
}
