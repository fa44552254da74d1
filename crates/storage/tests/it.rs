//! One behaviour on both engines, and what SQLite alone must survive.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod it {
    mod changes;
    mod crash;
    mod disk;
    mod ephemeral;
    mod heard;
    mod jobs;
    mod leases;
    mod ledger;
    mod lists;
    mod nodes;
    mod postgres_faults;
    mod postgres_lost;
    mod postgres_reach;
    mod postgres_roles;
    mod postgres_walls;
    mod proxy;
    mod quiet;
    mod skew;
    mod stand_in;
    mod statements;
    mod trace;
    mod units;
    mod values;
}
