//! One behaviour on both engines.

mod it {
    mod units;
}
