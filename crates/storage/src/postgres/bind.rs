//! Binding values: each goes out as the type that the statement's parameter has, or not at all.

use std::error::Error;

use tokio_postgres::types::private::BytesMut;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};

use crate::Value;

/// The type under which a value is sent where the server is not asked first.
pub(super) const fn type_of(value: &Value) -> Type {
    match value {
        Value::Null => Type::UNKNOWN,
        Value::Bool(_) => Type::BOOL,
        Value::Int(_) => Type::INT8,
        Value::Text(_) => Type::TEXT,
        Value::Bytes(_) => Type::BYTEA,
    }
}

impl ToSql for Value {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        match (self, ty) {
            (Self::Null, _) => Ok(IsNull::Yes),
            (Self::Bool(value), &Type::BOOL) => value.to_sql(ty, out),
            (Self::Int(value), &Type::INT8) => value.to_sql(ty, out),
            (Self::Int(value), &Type::INT4) => i32::try_from(*value)?.to_sql(ty, out),
            (Self::Text(value), &Type::TEXT | &Type::VARCHAR) => value.to_sql(ty, out),
            (Self::Bytes(value), &Type::BYTEA) => value.to_sql(ty, out),
            _ => Err(format!("{self:?} given where the statement takes {ty}").into()),
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_of_the_wrong_kind_is_refused_and_not_shown() {
        let mut out = BytesMut::new();
        for (value, ty) in [
            (Value::Int(1), Type::TEXT),
            (Value::Text("s3cret".into()), Type::BYTEA),
            (Value::Bytes(b"s3cret".to_vec()), Type::TEXT),
            (Value::Bool(true), Type::INT8),
            (Value::Int(1), Type::BOOL),
            (Value::Int(i64::MAX), Type::INT4),
        ] {
            let Err(refused) = value.to_sql(&ty, &mut out) else { panic!("{value:?} was taken as {ty}") };
            assert!(!refused.to_string().contains("s3cret"));
        }
        assert!(out.is_empty());
    }
}
