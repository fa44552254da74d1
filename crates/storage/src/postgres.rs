//! The Postgres engine.

use claviger_kernel::Unavailable;

use crate::{ColumnError, CommitError, Committed, OpenError, PostgresOptions, Row, Sql, Unit, Value};

pub(crate) struct Postgres;

impl Postgres {
    pub(crate) async fn open(_options: PostgresOptions) -> Result<Self, OpenError> {
        Err(OpenError::Engine("not built".into()))
    }
    pub(crate) async fn get<T: Send>(
        &self,
        _sql: &'static Sql,
        _args: Vec<Value>,
        _read: fn(&Row<'_>) -> Result<T, ColumnError>,
    ) -> Result<Option<T>, Unavailable> {
        Err(Unavailable::new("not built"))
    }
    pub(crate) async fn list<T: Send + 'static>(
        &self,
        _realm: claviger_kernel::RealmId,
        _sql: &'static Sql,
        _args: Vec<Value>,
        _read: fn(&Row<'_>) -> Result<T, ColumnError>,
    ) -> Result<Vec<T>, Unavailable> {
        Err(Unavailable::new("not built"))
    }
    pub(crate) async fn commit(&self, _unit: Unit) -> Result<Committed, CommitError> {
        Err(Unavailable::new("not built").into())
    }
    pub(crate) async fn close(&self) {}
}
