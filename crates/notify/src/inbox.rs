//! The development inbox: messages stay in memory, the newest first, and go with the process.

use std::collections::VecDeque;
use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;

use crate::{Mail, Transport, TransportError};

const KEPT: usize = 200;

/// A message that arrived.
#[derive(Clone, Debug)]
pub struct Received {
    /// Counts from 1.
    pub number: u64,
    /// The message.
    pub mail: Mail,
}

/// Keeps the last 200 messages. Only under `claviger dev`, and in tests.
#[derive(Clone, Default)]
pub struct Inbox(Arc<Mutex<(u64, VecDeque<Received>)>>);

impl Inbox {
    /// An empty inbox.
    pub fn new() -> Self {
        Self::default()
    }

    /// Every message kept, the newest first.
    pub fn all(&self) -> Vec<Received> {
        self.0.lock().1.iter().cloned().collect()
    }

    /// The message of this number.
    pub fn get(&self, number: u64) -> Option<Received> {
        self.0.lock().1.iter().find(|received| received.number == number).cloned()
    }

    /// The newest message to this address.
    pub fn newest_to(&self, address: &str) -> Option<Received> {
        self.0.lock().1.iter().find(|received| received.mail.to == address).cloned()
    }
}

#[async_trait]
impl Transport for Inbox {
    async fn send(&self, mail: Mail) -> Result<(), TransportError> {
        let mut kept = self.0.lock();
        kept.0 += 1;
        let number = kept.0;
        kept.1.push_front(Received { number, mail });
        kept.1.truncate(KEPT);
        Ok(())
    }
}
