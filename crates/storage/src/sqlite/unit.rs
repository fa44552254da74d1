//! One unit inside the writer's transaction.

use claviger_kernel::Unavailable;

use super::connection::Connection;
use crate::{CommitError, Committed, Rows, StepKind, Unit};

/// Why a unit stopped within its savepoint.
#[derive(Debug)]
pub(super) enum Stop {
    /// Only this unit is concerned: undo it and tell its caller.
    Here(CommitError),
    /// Nothing more may be written.
    Fatal(Unavailable),
}

/// A step of this label panics in tests.
#[cfg(test)]
pub(super) const PANICS: &str = "panics";

/// Runs every step; the first that does not do what it must stops the unit.
pub(super) fn run(connection: &mut Connection, unit: &Unit) -> Result<Committed, Stop> {
    let mut committed = Committed::default();
    for step in unit.steps() {
        #[cfg(test)]
        assert_ne!(step.label, PANICS, "the panic of a test");
        let (count, rows) = match connection.step(step.sql, &step.args, step.kind) {
            Ok(outcome) => outcome,
            Err(fault) if fault.is_conflict() => return Err(Stop::Here(CommitError::Conflict(step.label))),
            Err(fault) if fault.is_fatal() => return Err(Stop::Fatal(fault.unavailable(step.sql))),
            Err(fault) => return Err(Stop::Here(fault.unavailable(step.sql).into())),
        };
        if !step.expect.met(count) {
            return Err(Stop::Here(CommitError::Conflict(step.label)));
        }
        if step.kind == StepKind::Returning {
            committed.0.push((step.label, Rows(rows)));
        }
    }
    Ok(committed)
}
