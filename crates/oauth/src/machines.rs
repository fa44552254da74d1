//! Counting what machines are issued: per client, scope and minute. The first of each minute leaves an audit row that
//! also tells the count of the minute before; the others cost no write.

use std::collections::HashMap;

use claviger_audit::{Cx, Event};
use claviger_kernel::{ClientId, RealmId, Unavailable};
use claviger_storage::CommitError;
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::Client;
use crate::scope::Scopes;

/// Counters beyond this many are dropped, the oldest minutes first: a bound on memory, not on clients.
const MOST: usize = 100_000;

#[derive(Default)]
pub(crate) struct IssueCounts(Mutex<HashMap<Key, Minute>>);

type Key = (RealmId, ClientId, String);

#[derive(Clone)]
struct Minute {
    number: i64,
    issued: u64,
    /// What becomes of the row of a later minute, while somebody writes it.
    row: Option<watch::Receiver<Written>>,
}

/// Whether a row was written; nothing until that is known.
type Written = Option<Result<(), Unavailable>>;

impl Minute {
    /// Before the first.
    const NONE: Self = Self { number: i64::MIN, issued: 0, row: None };
}

/// What a use has to do.
enum Turn {
    /// The row of its minute is there, and it is counted.
    Counted,
    /// Somebody writes the row.
    Awaits(watch::Receiver<Written>),
    /// It writes the row, which tells the count of the minute before.
    Writes(watch::Sender<Written>, u64),
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
    /// Counts one issue. A failure to write the row is a failure to issue, for the first of a minute and for whoever comes
    /// before the row is there: an issue without a trace does not happen.
    pub(crate) async fn count(&self, cx: &Cx, client: &Client, scopes: &Scopes) -> Result<(), Unavailable> {
        let number = cx.now().seconds().div_euclid(60);
        let key = (cx.realm(), client.id, scopes.to_string());
        loop {
            match self.turn(&key, number) {
                Turn::Counted => return Ok(()),
                Turn::Awaits(mut row) => {
                    // Otherwise it is there, or whoever wrote it has gone away.
                    if let Ok(Some(Err(fault))) = row.wait_for(Option::is_some).await.as_deref() {
                        return Err(fault.clone());
                    }
                }
                Turn::Writes(tell, before) => {
                    let event = Event::new("machine_tokens_issued", client.id)
                        .with("scope", key.2.as_str())
                        .with("minute_before", before);
                    let written = match cx.commit(claviger_audit::unit(cx, event)).await {
                        Ok(_) | Err(CommitError::Conflict(_)) => Ok(()),
                        Err(CommitError::Unavailable(fault)) => Err(fault),
                    };
                    if written.is_ok() {
                        self.0.lock().insert(key, Minute { number, issued: 1, row: None });
                    }
                    // Whoever comes after a failure tries to leave the row again.
                    tell.send_replace(Some(written.clone()));
                    return written;
                }
            }
        }
    }

    fn turn(&self, key: &Key, number: i64) -> Turn {
        let mut counts = self.0.lock();
        make_room(&mut counts, number);
        let minute = counts.entry(key.clone()).or_insert(Minute::NONE);
        if minute.number == number {
            minute.issued += 1;
            return Turn::Counted;
        }
        // A row of which nobody will tell any more is written by the next.
        if let Some(row) = minute.row.as_ref().filter(|row| row.borrow().is_none() && row.has_changed().is_ok()) {
            return Turn::Awaits(row.clone());
        }
        let (tell, row) = watch::channel(None);
        minute.row = Some(row);
        Turn::Writes(tell, minute.issued)
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
            counts.insert(made_up, Minute { number: 7, issued: 1, row: None });
        }
        assert!(counts.len() <= MOST);
    }
}
