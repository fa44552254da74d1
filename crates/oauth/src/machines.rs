//! Counting what machines are issued: per client, scope and minute. The first of each minute leaves an audit row that
//! also tells the count of the minute before; the others cost no write.

use std::collections::HashMap;

use claviger_audit::{Cx, Event};
use claviger_kernel::{ClientId, RealmId, Unavailable};
use claviger_storage::CommitError;
use parking_lot::Mutex;

use crate::Client;
use crate::scope::Scopes;

/// Counters beyond this many are dropped, the oldest minutes first: a bound on memory, not on clients.
const MOST: usize = 100_000;

#[derive(Default)]
pub(crate) struct IssueCounts(Mutex<HashMap<(RealmId, ClientId, String), Minute>>);

#[derive(Clone, Copy)]
struct Minute {
    number: i64,
    issued: u64,
}

/// Drops the minutes that are over; if this one alone has too many, everything: a client can make up as many lists of
/// scopes as it likes.
fn make_room<K: Eq + std::hash::Hash>(counts: &mut HashMap<K, Minute>, number: i64) {
    if counts.len() >= MOST {
        counts.retain(|_, minute| minute.number >= number - 1);
    }
    if counts.len() >= MOST {
        counts.clear();
    }
}

impl IssueCounts {
    /// Counts one issue. A failure to write the row is a failure to issue: an issue without a trace does not happen.
    pub(crate) async fn count(&self, cx: &Cx, client: &Client, scopes: &Scopes) -> Result<(), Unavailable> {
        let number = cx.now().seconds().div_euclid(60);
        let scope = scopes.to_string();
        let before = {
            let mut counts = self.0.lock();
            make_room(&mut counts, number);
            let entry =
                counts.entry((cx.realm(), client.id, scope.clone())).or_insert(Minute { number: i64::MIN, issued: 0 });
            if entry.number == number {
                entry.issued += 1;
                return Ok(());
            }
            std::mem::replace(entry, Minute { number, issued: 1 })
        };
        let event =
            Event::new("machine_tokens_issued", client.id).with("scope", scope).with("minute_before", before.issued);
        match cx.commit(claviger_audit::unit(cx, event)).await {
            Ok(_) | Err(CommitError::Conflict(_)) => Ok(()),
            Err(CommitError::Unavailable(fault)) => {
                // The next issue of this minute tries to leave the row again.
                self.0.lock().insert((cx.realm(), client.id, scopes.to_string()), before);
                Err(fault)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_scopes_made_up_within_a_minute_do_not_pile_up() {
        let mut counts = HashMap::new();
        for made_up in 0..=2 * MOST {
            make_room(&mut counts, 7);
            counts.insert(made_up, Minute { number: 7, issued: 1 });
        }
        assert!(counts.len() <= MOST);
    }
}
