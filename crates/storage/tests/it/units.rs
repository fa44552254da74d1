//! Units: all or nothing.

use claviger_kernel::RealmId;
use claviger_storage::{CommitError, args, both_engines, statements};

statements! {
    pub(crate) INSERT: "insert into things (realm_id, id, name) values ($1, $2, $3)";
    pub(crate) NAME: "select name from things where id = $2 and realm_id = $1";
}

const TABLES: &str = "-- tenant keyed\ncreate table things (\n  realm_id {id} not null,\n  id {id} not null,\n  \
    name {text} not null,\n  primary key (realm_id, id),\n  unique (realm_id, name)\n) {keyed};\n";

both_engines! {
    async fn a_unit_happens_all_together_or_not_at_all(scratch) {
        scratch.extend(TABLES).await;
        let realm: RealmId = scratch.id();
        let (first, second) = (scratch.id::<()>(), scratch.id::<()>());
        let mut unit = scratch.unit(realm);
        unit.one("first", &INSERT, args![realm, first, "a"]);
        unit.one("second", &INSERT, args![realm, second, "a"]);
        assert_eq!(scratch.store.commit(unit).await.unwrap_err(), CommitError::Conflict("second"));
        let read = |id| scratch.store.get(&NAME, args![realm, id], |row| row.get::<String>(0));
        assert_eq!(read(first).await.unwrap(), None);
        let mut unit = scratch.unit(realm);
        unit.one("first", &INSERT, args![realm, first, "a"]);
        unit.one("second", &INSERT, args![realm, second, "b"]);
        scratch.store.commit(unit).await.unwrap();
        assert_eq!(read(first).await.unwrap().as_deref(), Some("a"));
        assert_eq!(read(second).await.unwrap().as_deref(), Some("b"));
    }
}
