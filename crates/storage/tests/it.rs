//! One behaviour on both engines, and what SQLite alone must survive.

mod it {
    mod ephemeral;
    mod jobs;
    mod leases;
    mod lists;
    mod skew;
    mod stand_in;
    mod statements;
    mod units;
    mod values;
}
