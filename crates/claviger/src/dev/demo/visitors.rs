//! Whom the demo application knows, in memory.

use std::collections::HashMap;

use parking_lot::Mutex;

use super::provider::Tokens;

/// Beyond this many the demo forgets everybody.
const MOST: usize = 1_000;

/// A request that has not been answered yet.
#[derive(Clone)]
pub(super) struct Pending {
    pub(super) state: String,
    pub(super) nonce: String,
    pub(super) verifier: String,
}

/// One browser.
#[derive(Clone)]
pub(super) enum Visitor {
    /// On its way through the server's pages.
    Pending(Pending),
    /// Back with tokens.
    SignedIn {
        tokens: Tokens,
        /// The last thing that it did was a refresh that worked.
        refreshed: bool,
        /// What the server said to a refresh that did not.
        refusal: Option<String>,
    },
}

impl Visitor {
    pub(super) const fn signed_in(tokens: Tokens) -> Self {
        Self::SignedIn { tokens, refreshed: false, refusal: None }
    }
}

#[derive(Default)]
pub(super) struct Visitors(Mutex<HashMap<String, Visitor>>);

impl Visitors {
    pub(super) fn put(&self, key: String, visitor: Visitor) {
        let mut known = self.0.lock();
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(key, visitor);
    }

    pub(super) fn look(&self, key: &str) -> Option<Visitor> {
        self.0.lock().get(key).cloned()
    }

    pub(super) fn take(&self, key: &str) -> Option<Visitor> {
        self.0.lock().remove(key)
    }
}
