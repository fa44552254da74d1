//! The traces of quiet units: there while somebody may look for them, dropped in small batches afterwards.

use std::time::Duration;

use claviger_kernel::Clock as _;
use claviger_storage::scratch::Engine;
use claviger_storage::{args, both_engines, forget_quiet_units, statements};

statements! {
    /// All traces.
    TRACES: shared("a test counts them all") "select count(*) from quiet_units";
}

both_engines! {
    async fn traces_are_kept_where_they_may_be_looked_for_and_forgotten_by_their_age(scratch) {
        let traces = async || scratch.store.get(&TRACES, args![], |row| row.get::<i64>(0)).await.unwrap().unwrap();
        for _ in 0..5 {
            scratch.store.commit(scratch.unit(scratch.id())).await.unwrap();
        }
        // SQLite stops writing where an outcome is unknown: nobody looks for a trace.
        let looked_for = scratch.engine() == Engine::Postgres;
        assert_eq!(traces().await, if looked_for { 5 } else { 0 });
        let begun = scratch.clock.now();
        scratch.clock.advance(Duration::from_hours(1));
        let forget = async |before| {
            forget_quiet_units(&scratch.store, &scratch.clock, &*scratch.entropy, before, 3).await.unwrap()
        };
        let expected = if looked_for { [0, 3, 2, 0] } else { [0; 4] };
        let later = begun.plus(Duration::from_secs(1));
        assert_eq!([forget(begun).await, forget(later).await, forget(later).await, forget(later).await], expected);
    }
}
