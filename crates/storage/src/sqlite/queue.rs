//! A bounded queue between callers and an engine's thread.

use std::collections::VecDeque;

use parking_lot::{Condvar, Mutex};

pub(super) struct Queue<T> {
    state: Mutex<State<T>>,
    filled: Condvar,
    capacity: usize,
}

struct State<T> {
    waiting: VecDeque<T>,
    closed: Option<String>,
}

/// Why something was not queued.
pub(super) enum Refused {
    /// As many wait as may.
    Full,
    /// The queue takes nothing more, for this reason.
    Closed(String),
}

impl<T> Queue<T> {
    pub(super) const fn new(capacity: usize) -> Self {
        let state = State { waiting: VecDeque::new(), closed: None };
        Self { state: Mutex::new(state), filled: Condvar::new(), capacity }
    }

    pub(super) fn push(&self, item: T) -> Result<(), Refused> {
        let mut state = self.state.lock();
        if let Some(reason) = &state.closed {
            return Err(Refused::Closed(reason.clone()));
        }
        if state.waiting.len() >= self.capacity {
            return Err(Refused::Full);
        }
        state.waiting.push_back(item);
        drop(state);
        self.filled.notify_one();
        Ok(())
    }

    /// Waits for something to do and takes up to `most` of what waits; nothing once the queue is closed and empty.
    pub(super) fn take(&self, most: usize) -> Vec<T> {
        let mut state = self.state.lock();
        while state.waiting.is_empty() && state.closed.is_none() {
            self.filled.wait(&mut state);
        }
        let count = state.waiting.len().min(most);
        state.waiting.drain(..count).collect()
    }

    /// Takes nothing more; what waits is still done.
    pub(super) fn close(&self, reason: &str) {
        self.state.lock().closed.get_or_insert_with(|| reason.to_owned());
        self.filled.notify_all();
    }

    /// Why the queue takes nothing more, if it does not.
    pub(super) fn closed(&self) -> Option<String> {
        self.state.lock().closed.clone()
    }
}
