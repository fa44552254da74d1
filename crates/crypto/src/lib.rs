//! Every cipher, MAC and signature of Claviger, and the machine's randomness.
//!
//! Pure: bytes in, bytes out, no I/O and no clock. The only crate that calls `aws-lc-rs`; what a key is for, where it
//! is kept and when it rotates is decided in `keys`.

mod aead;
mod encoding;
mod entropy;
#[doc(hidden)]
pub mod fuzz;
pub mod jose;
mod mac;
pub mod opaque;
pub mod sealed;

pub use aead::{AeadKey, Context, OpenError};
pub use encoding::{BadEncoding, base64url, base64url_decode, hex, sha256, sha256_hex};
pub use entropy::{SystemEntropy, random_secret};
pub use mac::MacKey;
