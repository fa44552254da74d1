//! What proves a user: password hashing on dedicated workers, and the rules for choosing a password.
//!
//! Pure: no store and no HTTP. Who may try how often is decided in `identity`, before anything here is asked.

pub mod fuzz;
pub mod password;
