//! What a presented refresh token is: the present one, a repeat of its parent, or a thief's. Pure.

use core::time::Duration;

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
    if !family.user_active || family.user_epoch != family.user_epoch_now {
        return Err(FamilyError::Epoch);
    }
    if now >= family.expires_at || now >= family.idle_expires_at {
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
            user: family.user,
            device: family.device.clone(),
            presented: generation,
            current: family.generation,
        }))),
    }
}
