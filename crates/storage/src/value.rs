//! The five kinds of value that both engines know.

use core::fmt;

use claviger_kernel::{Id, Timestamp, Unavailable};

use crate::Sql;

/// A bound value: null, boolean, 64-bit integer, text or bytes. Times are integers (microseconds), ids are bytes.
#[derive(Clone, PartialEq, Eq)]
pub enum Value {
    /// SQL null.
    Null,
    /// True or false; stored as 1 or 0 by SQLite.
    Bool(bool),
    /// A signed integer.
    Int(i64),
    /// UTF-8 text, collated by its bytes.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
}

impl fmt::Debug for Value {
    /// Shows kind and size only: a bound value may be a secret's hash or a sealed secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(_) => f.write_str("bool"),
            Self::Int(_) => f.write_str("int"),
            Self::Text(text) => write!(f, "text[{}]", text.len()),
            Self::Bytes(bytes) => write!(f, "bytes[{}]", bytes.len()),
        }
    }
}

/// Refuses what one of the engines cannot keep, on both: text with a zero byte.
pub(crate) fn storable(sql: &Sql, args: &[Value]) -> Result<(), Unavailable> {
    let refused = |value: &Value| matches!(value, Value::Text(text) if text.as_bytes().contains(&0));
    match args.iter().position(refused) {
        Some(place) => Err(Unavailable::new(format!("{}: ${} is text with a zero byte", sql.name, place + 1))),
        None => Ok(()),
    }
}

impl Value {
    /// About how many bytes it takes.
    pub(crate) const fn size(&self) -> usize {
        match self {
            Self::Null | Self::Bool(_) | Self::Int(_) => 8,
            Self::Text(text) => text.len(),
            Self::Bytes(bytes) => bytes.len(),
        }
    }
}

macro_rules! from {
    ($($type:ty, $value:ident => $into:expr;)*) => {
        $(impl From<$type> for Value {
            fn from($value: $type) -> Self { $into }
        })*
    };
}

from! {
    bool, value => Self::Bool(value);
    i64, value => Self::Int(value);
    u32, value => Self::Int(value.into());
    String, value => Self::Text(value);
    &str, value => Self::Text(value.to_owned());
    &String, value => Self::Text(value.clone());
    Vec<u8>, value => Self::Bytes(value);
    &Vec<u8>, value => Self::Bytes(value.clone());
    &[u8], value => Self::Bytes(value.to_owned());
    Timestamp, value => Self::Int(value.micros());
}

impl<const N: usize> From<[u8; N]> for Value {
    fn from(value: [u8; N]) -> Self {
        Self::Bytes(value.to_vec())
    }
}
impl<const N: usize> From<&[u8; N]> for Value {
    fn from(value: &[u8; N]) -> Self {
        Self::Bytes(value.to_vec())
    }
}
impl<K> From<Id<K>> for Value {
    fn from(value: Id<K>) -> Self {
        Self::Bytes(value.as_bytes().to_vec())
    }
}
impl<K> From<&Id<K>> for Value {
    fn from(value: &Id<K>) -> Self {
        Self::Bytes(value.as_bytes().to_vec())
    }
}
impl<T: Into<Self>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// The bound values of a statement, in the order of `$1`, `$2`, …
#[macro_export]
macro_rules! args {
    ($($value:expr),* $(,)?) => { vec![$($crate::Value::from($value)),*] };
}
