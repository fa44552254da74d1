//! Messages to people. A message is queued in the unit of the change that causes it, sealed as far as it is secret, and
//! delivered afterwards; nobody who waits for a page waits for a mail server.
//!
//! [`Notifier::queue`] writes, [`Notifier::deliver`] hands what is due to a [`Transport`]. [`Inbox`] is the transport of
//! `claviger dev`: it keeps messages in memory and shows them on a page.

mod deliver;
mod inbox;
mod message;
mod outbox;
mod render;
mod transport;

pub use deliver::Delivered;
pub use inbox::{Inbox, Received};
pub use message::{Message, Template};
pub use outbox::Notifier;
pub use transport::{Mail, Transport, TransportError};

/// Every statement of this crate, folder by folder, for the statement suite.
pub static STATEMENTS: &[&[&claviger_storage::Sql]] = &[outbox::sql::ALL];
