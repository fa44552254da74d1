//! Message files and their look-up, for pages and mail.
//!
//! Messages stand in `messages/<language>/*.ftl` (Fluent). Each becomes a method of [`Texts`] of the same name, so that
//! a text that does not exist cannot be asked for. Texts are plain: whoever writes them into HTML escapes them there.

mod negotiate;
mod pseudo;
mod texts;

pub use negotiate::wanted;
pub use texts::{Arg, Direction, Texts};
