//! Passwords: chosen by policy, hashed with Argon2id on a bounded set of workers, kept as PHC strings.
//!
//! A password goes one of two ways. A new one passes [`PasswordPolicy::check`] and becomes a [`NewPassword`], the only
//! thing that can be hashed; one that somebody signs in with becomes a [`PresentedPassword`], which can only be verified.
//! Both are normalised alike (NFKC) and both are refused when over-long, before any hashing.

mod common;
mod engine;
mod normal;
mod parameters;
mod phc;
mod policy;
mod predictable;
mod queue;
mod workers;

pub use engine::{HashEngine, SelfTestFailed};
pub use normal::{MAX_CODE_POINTS, NewPassword, PresentedPassword};
pub use parameters::{HashParameters, ParameterError};
pub use phc::{PasswordHash, PhcError};
pub use policy::{LengthError, PasswordPolicy, PasswordRefusal};
pub use workers::{HashCounters, HashSettings, HashWorkers, StartFailed, Verdict};
