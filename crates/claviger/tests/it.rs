//! The binary itself: what it says when it starts, when it does not start, under pressure, and how it ends.
#![allow(clippy::unwrap_used, reason = "tests")]

mod it {
    mod browser;
    mod commands;
    mod crowd;
    mod dev;
    mod killed;
    mod lost;
    mod nodes;
    mod pressure;
    mod process;
    mod start;
}
