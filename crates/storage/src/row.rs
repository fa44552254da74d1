//! Reading rows, the same way on both engines.

use claviger_kernel::{Id, Timestamp};

use crate::{ColumnError, Value};

/// One row of an answer.
pub struct Row<'a>(pub(crate) Source<'a>);

pub(crate) enum Source<'a> {
    Sqlite(&'a rusqlite::Row<'a>),
    Postgres(&'a tokio_postgres::Row),
    Owned(&'a [Value]),
}

/// A column's content, borrowed from the row.
#[derive(Clone, Copy, Debug)]
pub enum Column<'a> {
    /// SQL null.
    Null,
    /// A boolean (PostgreSQL only; SQLite answers an integer).
    Bool(bool),
    /// An integer.
    Int(i64),
    /// Text.
    Text(&'a str),
    /// Bytes.
    Bytes(&'a [u8]),
}

impl Column<'_> {
    /// The kind's name, for error texts.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Text(_) => "text",
            Self::Bytes(_) => "bytes",
        }
    }

    fn to_value(self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Bool(value) => Value::Bool(value),
            Self::Int(value) => Value::Int(value),
            Self::Text(value) => Value::Text(value.to_owned()),
            Self::Bytes(value) => Value::Bytes(value.to_owned()),
        }
    }
}

fn postgres_column(row: &tokio_postgres::Row, index: usize) -> Option<Column<'_>> {
    use tokio_postgres::types::{FromSql, Type};
    fn take<'a, T: FromSql<'a>>(
        row: &'a tokio_postgres::Row,
        index: usize,
        into: fn(T) -> Column<'a>,
    ) -> Option<Column<'a>> {
        row.try_get::<_, Option<T>>(index).ok().map(|value| value.map_or(Column::Null, into))
    }
    match *row.columns().get(index)?.type_() {
        Type::BOOL => take(row, index, Column::Bool),
        Type::INT8 => take(row, index, Column::Int),
        Type::INT4 => take(row, index, |value: i32| Column::Int(value.into())),
        Type::TEXT | Type::VARCHAR => take(row, index, Column::Text),
        Type::BYTEA => take(row, index, Column::Bytes),
        _ => None,
    }
}

fn sqlite_column<'a>(row: &'a rusqlite::Row<'a>, index: usize) -> Option<Column<'a>> {
    use rusqlite::types::ValueRef;
    match row.get_ref(index).ok()? {
        ValueRef::Null => Some(Column::Null),
        ValueRef::Integer(value) => Some(Column::Int(value)),
        ValueRef::Text(value) => core::str::from_utf8(value).ok().map(Column::Text),
        ValueRef::Blob(value) => Some(Column::Bytes(value)),
        ValueRef::Real(_) => None,
    }
}

impl Row<'_> {
    /// The column at `index`, from zero.
    ///
    /// # Errors
    /// [`ColumnError`] if the column is of another kind or does not exist.
    pub fn get<T: FromColumn>(&self, index: usize) -> Result<T, ColumnError> {
        let column = self.column(index)?;
        T::from_column(column).ok_or(ColumnError { index, expected: T::EXPECTED, found: column.kind() })
    }

    fn column(&self, index: usize) -> Result<Column<'_>, ColumnError> {
        let column = match &self.0 {
            Source::Sqlite(row) => sqlite_column(row, index),
            Source::Postgres(row) => postgres_column(row, index),
            Source::Owned(values) => values.get(index).map(|value| match value {
                Value::Null => Column::Null,
                Value::Bool(value) => Column::Bool(*value),
                Value::Int(value) => Column::Int(*value),
                Value::Text(value) => Column::Text(value),
                Value::Bytes(value) => Column::Bytes(value),
            }),
        };
        column.ok_or(ColumnError { index, expected: "a column of a known kind", found: "none" })
    }

    /// The row's first `width` columns as values of its own, to be read after the statement is gone.
    pub(crate) fn to_owned(&self, width: usize) -> Result<Vec<Value>, ColumnError> {
        (0..width).map(|index| self.column(index).map(Column::to_value)).collect()
    }
}

/// Rows that a unit's `returning` step gave back.
#[derive(Clone, Debug, Default)]
pub struct Rows(pub(crate) Vec<Vec<Value>>);

impl Rows {
    /// Reads every row.
    pub fn read<T>(&self, read: fn(&Row<'_>) -> Result<T, ColumnError>) -> Result<Vec<T>, ColumnError> {
        self.0.iter().map(|values| read(&Row(Source::Owned(values)))).collect()
    }

    /// Reads the first row, if there is one.
    pub fn first<T>(&self, read: fn(&Row<'_>) -> Result<T, ColumnError>) -> Result<Option<T>, ColumnError> {
        self.0.first().map(|values| read(&Row(Source::Owned(values)))).transpose()
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// What a column can be read as.
pub trait FromColumn: Sized {
    /// What is expected, for error texts.
    const EXPECTED: &'static str;
    /// The value, or nothing if the column is of another kind.
    fn from_column(column: Column<'_>) -> Option<Self>;
}

macro_rules! from_column {
    ($($type:ty, $expected:literal, $pattern:pat => $value:expr;)*) => {
        $(impl FromColumn for $type {
            const EXPECTED: &'static str = $expected;
            fn from_column(column: Column<'_>) -> Option<Self> {
                match column { $pattern => $value, _ => None }
            }
        })*
    };
}

from_column! {
    i64, "int", Column::Int(value) => Some(value);
    u32, "int from 0 to 4294967295", Column::Int(value) => u32::try_from(value).ok();
    u64, "int from 0", Column::Int(value) => u64::try_from(value).ok();
    String, "text", Column::Text(value) => Some(value.to_owned());
    Vec<u8>, "bytes", Column::Bytes(value) => Some(value.to_owned());
    Timestamp, "int (microseconds)", Column::Int(value) => Some(Timestamp::from_micros(value));
}

impl FromColumn for bool {
    const EXPECTED: &'static str = "bool";
    fn from_column(column: Column<'_>) -> Option<Self> {
        match column {
            Column::Bool(value) => Some(value),
            Column::Int(0) => Some(false),
            Column::Int(1) => Some(true),
            _ => None,
        }
    }
}

impl<const N: usize> FromColumn for [u8; N] {
    const EXPECTED: &'static str = "bytes of fixed length";
    fn from_column(column: Column<'_>) -> Option<Self> {
        match column {
            Column::Bytes(value) => value.try_into().ok(),
            _ => None,
        }
    }
}

impl<K> FromColumn for Id<K> {
    const EXPECTED: &'static str = "16 bytes";
    fn from_column(column: Column<'_>) -> Option<Self> {
        <[u8; 16]>::from_column(column).map(Self::from_bytes)
    }
}

impl<T: FromColumn> FromColumn for Option<T> {
    const EXPECTED: &'static str = T::EXPECTED;
    fn from_column(column: Column<'_>) -> Option<Self> {
        match column {
            Column::Null => Some(None),
            other => T::from_column(other).map(Some),
        }
    }
}
