//! When a key is made, published, put to use, retired and removed: pure decisions over rows and time.
//!
//! The next key stands in the key set `publish_ahead` before it signs, and the old one stays until the last token under
//! it has expired and every cache of the key set has gone round twice (F47).

use core::time::Duration;

use claviger_crypto::jose::Algorithm;
use claviger_kernel::{KeyId, Timestamp};
use claviger_tenancy::Realm;

use crate::{Key, KeyState, KeysError, Purpose};

/// Beyond the last token's expiry: clocks that differ, and requests under way.
const MARGIN: Duration = Duration::from_hours(1);
/// The same where keys rotate within the hour, as they do in tests: else removed ones would pile up.
const LEAST_MARGIN: Duration = Duration::from_mins(2);

/// The spans by which a realm's keys move.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Schedule {
    /// How long a key is in use.
    pub(crate) rotation: Duration,
    /// How long it is published before.
    pub(crate) publish_ahead: Duration,
    /// How long it is kept after.
    pub(crate) keep: Duration,
}

impl Schedule {
    pub(crate) fn of(realm: &Realm) -> Self {
        let keys = &realm.settings.keys;
        Self {
            rotation: keys.rotation,
            publish_ahead: keys.publish_ahead,
            keep: realm.longest_token_life + keys.rotation.clamp(LEAST_MARGIN, MARGIN) + keys.jwks_max_age * 2,
        }
    }
}

/// The next thing that happens to the keys of one purpose.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Step {
    /// The first key is made and used at once.
    Make,
    /// The next key is made and published.
    Publish,
    /// The pending key takes over; what it replaces retires.
    Activate {
        /// Takes over.
        next: KeyId,
        /// Retires; absent only if somebody has removed it by force.
        current: Option<KeyId>,
    },
    /// Nothing made with this key lives any more.
    Remove(KeyId),
}

/// The next step for `purpose` and when it is due. `keys` are all keys of the realm, removed ones included.
pub(crate) fn plan(purpose: Purpose, keys: &[Key], schedule: &Schedule) -> Option<(Timestamp, Step)> {
    let of = |state| keys.iter().filter(move |key| key.purpose == purpose && key.state == state);
    let (active, pending) = (of(KeyState::Active).next(), of(KeyState::Pending).next());
    let onward = match (active, pending) {
        (None, None) => may_begin(purpose, keys).then_some((Timestamp::default(), Step::Make)),
        (None, Some(next)) => Some((Timestamp::default(), Step::Activate { next: next.id, current: None })),
        (Some(current), Some(next)) => {
            let step = Step::Activate { next: next.id, current: Some(current.id) };
            Some((takes_over(current, next, schedule), step))
        }
        (Some(current), None) if purpose.rotates() => {
            Some((since(current).plus(schedule.rotation).minus(schedule.publish_ahead), Step::Publish))
        }
        (Some(_), None) => None,
    };
    let removals = of(KeyState::Retiring)
        .filter(|_| purpose.expires())
        .map(|key| (removable(key, schedule), Step::Remove(key.id)));
    removals.chain(onward).min_by_key(|(at, _)| *at)
}

/// Only the RSA key, slow to make, may follow after its realm. A realm that lacks anything else has lost it, and what
/// was lost is restored, never made anew behind everybody's back (F51).
fn may_begin(purpose: Purpose, keys: &[Key]) -> bool {
    let slow = Purpose::Sign(Algorithm::Rs256);
    let quick = Purpose::Sign(Algorithm::Es256);
    purpose == slow
        && keys.iter().all(|key| key.purpose != slow)
        && keys.iter().any(|key| key.purpose == quick && key.state == KeyState::Active)
}

/// When the pending key takes over: once it has been published long enough, and by schedule unless it was asked for.
pub(crate) fn takes_over(current: &Key, next: &Key, schedule: &Schedule) -> Timestamp {
    let published = next.published_at.plus(schedule.publish_ahead);
    if next.soon { published } else { published.max(since(current).plus(schedule.rotation)) }
}

/// From when on nothing made with a retiring key lives.
pub(crate) fn removable(key: &Key, schedule: &Schedule) -> Timestamp {
    key.retiring_at.unwrap_or(key.published_at).plus(schedule.keep)
}

/// Whether a key may be removed at `now`. A damaged one is lost already; taking it away still needs somebody's word.
pub(crate) fn may_remove(
    key: &Key,
    damaged: bool,
    schedule: &Schedule,
    now: Timestamp,
    force: bool,
) -> Result<(), KeysError> {
    match (key.state, key.purpose) {
        (KeyState::Removed, _) => Err(KeysError::Removed),
        (KeyState::Pending, _) => Ok(()),
        _ if damaged && force => Ok(()),
        (_, Purpose::Mac) => Err(KeysError::Permanent),
        (_, Purpose::Seal) => Err(KeysError::StillRead),
        _ if force => Ok(()),
        (KeyState::Retiring, Purpose::Sign(_)) if removable(key, schedule) <= now => Ok(()),
        (KeyState::Retiring, Purpose::Sign(_)) => Err(KeysError::LiveTokens(removable(key, schedule))),
        (KeyState::Active | KeyState::Retiring, _) => Err(KeysError::InUse),
    }
}

fn since(key: &Key) -> Timestamp {
    key.active_at.unwrap_or(key.published_at)
}

/// The number of the next key of `purpose`.
pub(crate) fn next_number(purpose: Purpose, keys: &[Key]) -> u32 {
    keys.iter().filter(|key| key.purpose == purpose).map(|key| key.number).max().unwrap_or(0) + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_hours(24);
    const START: Timestamp = Timestamp::from_micros(1_795_219_200_000_000);
    const ES256: Purpose = Purpose::Sign(Algorithm::Es256);
    const RS256: Purpose = Purpose::Sign(Algorithm::Rs256);

    fn schedule() -> Schedule {
        Schedule { rotation: DAY * 90, publish_ahead: DAY, keep: Duration::from_mins(95) }
    }

    fn key(number: u8, purpose: Purpose, state: KeyState) -> Key {
        Key {
            id: KeyId::from_bytes([number; 16]),
            purpose,
            number: number.into(),
            kid: None,
            state,
            soon: false,
            published_at: START,
            active_at: (state != KeyState::Pending).then_some(START),
            retiring_at: (state == KeyState::Retiring).then_some(START),
            removed_at: None,
        }
    }

    #[test]
    fn the_next_key_is_published_ahead_and_takes_over_by_schedule() {
        let mut keys = vec![key(1, ES256, KeyState::Active)];
        assert_eq!(plan(ES256, &keys, &schedule()), Some((START.plus(DAY * 89), Step::Publish)));
        keys.push(Key { published_at: START.plus(DAY * 89), ..key(2, ES256, KeyState::Pending) });
        let activate = Step::Activate { next: keys[1].id, current: Some(keys[0].id) };
        assert_eq!(plan(ES256, &keys, &schedule()), Some((START.plus(DAY * 90), activate)));
    }

    #[test]
    fn f47_a_key_published_late_still_waits_its_full_time() {
        let late = Key { published_at: START.plus(DAY * 200), ..key(2, ES256, KeyState::Pending) };
        let keys = [key(1, ES256, KeyState::Active), late];
        assert_eq!(plan(ES256, &keys, &schedule()).unwrap().0, START.plus(DAY * 201));
    }

    #[test]
    fn a_key_that_was_asked_for_takes_over_as_soon_as_it_was_published_long_enough() {
        let next = Key { soon: true, published_at: START.plus(DAY), ..key(2, ES256, KeyState::Pending) };
        let keys = [key(1, ES256, KeyState::Active), next];
        assert_eq!(plan(ES256, &keys, &schedule()).unwrap().0, START.plus(DAY * 2));
    }

    #[test]
    fn a_retiring_signing_key_leaves_after_its_last_token_and_sealing_keys_never_do() {
        let keys = [key(1, ES256, KeyState::Retiring), key(2, ES256, KeyState::Active)];
        let at = START.plus(Duration::from_mins(95));
        assert_eq!(plan(ES256, &keys, &schedule()), Some((at, Step::Remove(keys[0].id))));
        let keys = [key(1, Purpose::Seal, KeyState::Retiring), key(2, Purpose::Seal, KeyState::Active)];
        assert_eq!(plan(Purpose::Seal, &keys, &schedule()).unwrap().1, Step::Publish);
    }

    #[test]
    fn the_key_of_look_up_hashes_stays_for_ever() {
        assert_eq!(plan(Purpose::Mac, &[key(1, Purpose::Mac, KeyState::Active)], &schedule()), None);
    }

    #[test]
    fn f51_only_the_first_rsa_key_is_ever_made_beside_keys_that_are_there() {
        let quick = key(1, ES256, KeyState::Active);
        assert_eq!(plan(RS256, std::slice::from_ref(&quick), &schedule()).unwrap().1, Step::Make);
        assert_eq!(plan(RS256, &[], &schedule()), None);
        for purpose in [ES256, Purpose::Opaque, Purpose::Seal, Purpose::Mac] {
            assert_eq!(plan(purpose, &[], &schedule()), None, "{purpose:?}");
        }
        let lost = [quick, key(1, RS256, KeyState::Removed)];
        assert_eq!(plan(RS256, &lost, &schedule()), None);
    }

    #[test]
    fn f48_a_key_with_live_tokens_is_removed_by_force_alone() {
        let until = START.plus(schedule().keep);
        let retiring = key(1, ES256, KeyState::Retiring);
        let early = until.minus(Duration::from_micros(1));
        let may = |key: &Key, now, force| may_remove(key, false, &schedule(), now, force);
        assert_eq!(may(&retiring, early, false), Err(KeysError::LiveTokens(until)));
        assert_eq!((may(&retiring, early, true), may(&retiring, until, false)), (Ok(()), Ok(())));
        let active = key(2, ES256, KeyState::Active);
        assert_eq!((may(&active, until, false), may(&active, until, true)), (Err(KeysError::InUse), Ok(())));
        assert_eq!(may(&key(3, ES256, KeyState::Pending), START, false), Ok(()));
        assert_eq!(may(&key(3, ES256, KeyState::Removed), START, true), Err(KeysError::Removed));
    }

    #[test]
    fn what_can_only_be_read_with_its_key_outlives_all_force_unless_it_is_lost_anyway() {
        let seal = key(1, Purpose::Seal, KeyState::Retiring);
        let mac = key(1, Purpose::Mac, KeyState::Active);
        let may = |key: &Key, damaged, force| may_remove(key, damaged, &schedule(), START, force);
        assert_eq!(may(&seal, false, true), Err(KeysError::StillRead));
        assert_eq!(may(&mac, false, true), Err(KeysError::Permanent));
        assert_eq!((may(&seal, true, true), may(&mac, true, true)), (Ok(()), Ok(())));
        assert_eq!(may(&seal, true, false), Err(KeysError::StillRead));
        let opaque = key(1, Purpose::Opaque, KeyState::Retiring);
        assert_eq!((may(&opaque, false, false), may(&opaque, false, true)), (Err(KeysError::InUse), Ok(())));
    }

    #[test]
    fn a_pending_key_without_a_predecessor_takes_over_at_once() {
        let keys = [key(1, ES256, KeyState::Removed), key(2, ES256, KeyState::Pending)];
        let step = Step::Activate { next: keys[1].id, current: None };
        assert_eq!(plan(ES256, &keys, &schedule()), Some((Timestamp::default(), step)));
        assert_eq!((next_number(ES256, &keys), next_number(RS256, &keys)), (3, 1));
    }
}
