//! What a presented refresh token is: the present one, a repeat of its parent, or a thief's. Pure.

use core::time::Duration;

use claviger_identity::users::Status;
use claviger_kernel::{Timestamp, constant_time_eq};

use super::{Family, FamilyError, Reuse};

/// When a used token may be repeated.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RetryRule {
    /// For how long after its first use; 0 to 60 s, and 0 is never.
    pub window: Duration,
    /// How often.
    pub repeats: u32,
}

impl RetryRule {
    /// 30 s, ten times.
    pub const ORDINARY: Self = Self { window: Duration::from_secs(30), repeats: 10 };
}

/// What to do with a token that is taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Decision {
    /// First use: the chain moves on.
    Rotate,
    /// The answer to the first use was lost, or a second tab asks: the identical successor.
    Repeat {
        /// When the token was first used.
        first_use: Timestamp,
    },
}

/// Whether the family can be used at all.
pub(super) fn alive(family: &Family, now: Timestamp) -> Result<(), FamilyError> {
    if family.revoked {
        return Err(FamilyError::Revoked);
    }
    if family.user.status != Status::Active || family.user.epoch != family.user_epoch {
        return Err(FamilyError::Epoch);
    }
    if now >= family.ends_at() {
        return Err(FamilyError::Expired);
    }
    Ok(())
}

/// Judges a token of `generation` whose secret hashes to `hash`.
pub fn decide(
    family: &Family,
    generation: u32,
    hash: &[u8; 32],
    rule: &RetryRule,
    now: Timestamp,
) -> Result<Decision, FamilyError> {
    alive(family, now)?;
    if generation > family.generation {
        return Err(FamilyError::Ahead);
    }
    if generation == family.generation && constant_time_eq(hash, &family.secret_hash) {
        return Ok(Decision::Rotate);
    }
    let parent = generation.checked_add(1) == Some(family.generation)
        && family.parent_hash.as_ref().is_some_and(|parent| constant_time_eq(hash, parent));
    match family.parent_used_at {
        Some(first_use) if parent && !rule.window.is_zero() && now.since(first_use) <= rule.window => {
            if family.repeats < rule.repeats { Ok(Decision::Repeat { first_use }) } else { Err(FamilyError::TooOften) }
        }
        _ => Err(FamilyError::Reused(Box::new(Reuse {
            family: family.id,
            user: family.user.id,
            device: family.device.clone(),
            presented: generation,
            current: family.generation,
        }))),
    }
}

#[cfg(test)]
mod tests {
    use claviger_identity::users::Standing;
    use claviger_kernel::{ClientId, FamilyId, GrantId, UserId};

    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_000_000_000);
    const CURRENT: [u8; 32] = [2; 32];
    const PARENT: [u8; 32] = [1; 32];

    fn user(status: Status, epoch: i64) -> Standing {
        Standing { id: UserId::from_bytes([8; 16]), subject: String::new(), status, epoch }
    }

    /// A family whose token was replaced for the second time 10 s ago.
    fn family() -> Family {
        let ended = NOW.plus(Duration::from_hours(1));
        Family {
            id: FamilyId::from_bytes([7; 16]),
            user: user(Status::Active, 3),
            user_epoch: 3,
            client: ClientId::from_bytes([9; 16]),
            client_epoch: 0,
            grant: GrantId::from_bytes([10; 16]),
            session: None,
            audience: String::new(),
            scope: String::new(),
            nonce: None,
            acr: String::new(),
            amr: String::new(),
            authenticated_at: NOW,
            device: "Firefox on Linux".to_owned(),
            generation: 2,
            expires_at: ended,
            secret_hash: CURRENT,
            parent_hash: Some(PARENT),
            rotation_nonce: [0; 16],
            rotation_key: 1,
            parent_used_at: Some(NOW.minus(Duration::from_secs(10))),
            repeats: 0,
            idle_expires_at: ended,
            revoked: false,
        }
    }

    fn judged(family: &Family, generation: u32, hash: [u8; 32], window: u64) -> Result<Decision, FamilyError> {
        decide(family, generation, &hash, &RetryRule { window: Duration::from_secs(window), repeats: 10 }, NOW)
    }

    fn reused(presented: u32) -> Result<Decision, FamilyError> {
        let Family { id: family, user, device, generation: current, .. } = family();
        Err(FamilyError::Reused(Box::new(Reuse { family, user: user.id, device, presented, current })))
    }

    #[test]
    fn the_present_token_rotates_and_its_parent_is_repeated_within_the_window() {
        assert_eq!(judged(&family(), 2, CURRENT, 30), Ok(Decision::Rotate));
        let first_use = NOW.minus(Duration::from_secs(10));
        assert_eq!(
            judged(&family(), 1, PARENT, 10),
            Ok(Decision::Repeat { first_use }),
            "the window's end belongs to it"
        );
        assert_eq!(judged(&family(), 1, PARENT, 9), reused(1));
        assert_eq!(judged(&Family { repeats: 10, ..family() }, 1, PARENT, 30), Err(FamilyError::TooOften));
    }

    #[test]
    fn no_window_is_never_even_at_the_same_moment() {
        let family = Family { parent_used_at: Some(NOW), ..family() };
        assert_eq!(judged(&family, 1, PARENT, 0), reused(1));
        assert!(judged(&family, 1, PARENT, 1).is_ok());
    }

    #[test]
    fn a_grandparent_and_another_secret_of_any_used_generation_are_reuse() {
        assert_eq!(judged(&family(), 0, PARENT, 30), reused(0));
        assert_eq!(judged(&family(), 1, CURRENT, 30), reused(1));
        assert_eq!(judged(&family(), 2, PARENT, 30), reused(2));
    }

    #[test]
    fn a_token_that_the_row_has_not_reached_blames_nobody() {
        assert_eq!(judged(&family(), 3, [3; 32], 30), Err(FamilyError::Ahead));
    }

    #[test]
    fn what_is_over_is_not_stolen() {
        for (over, error) in [
            (Family { revoked: true, ..family() }, FamilyError::Revoked),
            (Family { user: user(Status::Disabled, 3), ..family() }, FamilyError::Epoch),
            (Family { user: user(Status::Active, 4), ..family() }, FamilyError::Epoch),
            (Family { expires_at: NOW, ..family() }, FamilyError::Expired),
            (Family { idle_expires_at: NOW, ..family() }, FamilyError::Expired),
        ] {
            assert_eq!(judged(&over, 0, PARENT, 30).unwrap_err(), error);
        }
    }
}
