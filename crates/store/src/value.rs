//! Parameters of statements: the three kinds of value that both databases have, and how the domain's words
//! become them.

use claviger_domain::credential::Masked;
use claviger_domain::event::Position;
use claviger_domain::id::{Id, Kind};
use claviger_domain::secret::{Digest, DigestKeyId};
use claviger_domain::text::{Name, Note, Slug};
use claviger_domain::time::Timestamp;
use sqlx::Arguments;
use sqlx::error::BoxDynError;
use sqlx::postgres::PgArguments;

/// One parameter. A missing value still has a kind, which PostgreSQL wants to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    Text(Option<String>),
    Integer(Option<i64>),
    Bytes(Option<Vec<u8>>),
}

/// What can be a parameter.
pub(crate) trait IntoValue {
    /// The missing value of this kind.
    const NONE: Value;

    fn into_value(self) -> Value;
}

/// Parameters in the order of their numbers.
macro_rules! values {
    ($($value:expr),* $(,)?) => { vec![$($crate::value::IntoValue::into_value($value)),*] };
}
pub(crate) use values;

impl<T: IntoValue> IntoValue for Option<T> {
    const NONE: Value = T::NONE;

    fn into_value(self) -> Value {
        self.map_or(Self::NONE, T::into_value)
    }
}

impl IntoValue for Value {
    const NONE: Value = Value::Text(None);

    fn into_value(self) -> Value {
        self
    }
}

macro_rules! texts {
    ($($type:ty, $text:ident => $owned:expr;)*) => {$(
        impl IntoValue for $type {
            const NONE: Value = Value::Text(None);

            fn into_value(self) -> Value {
                let $text = self;
                Value::Text(Some($owned))
            }
        }
    )*};
}

texts! {
    String, text => text;
    &str, text => text.to_owned();
    &String, text => text.clone();
    &Name, text => text.as_str().to_owned();
    &Note, text => text.as_str().to_owned();
    &Slug, text => text.as_str().to_owned();
    &Masked, text => text.as_str().to_owned();
}

impl<K: Kind> IntoValue for Id<K> {
    const NONE: Value = Value::Text(None);

    fn into_value(self) -> Value {
        Value::Text(Some(self.to_string()))
    }
}

macro_rules! integers {
    ($($type:ty, $value:ident => $integer:expr;)*) => {$(
        impl IntoValue for $type {
            const NONE: Value = Value::Integer(None);

            fn into_value(self) -> Value {
                let $value = self;
                Value::Integer(Some($integer))
            }
        }
    )*};
}

integers! {
    i64, value => value;
    u32, value => i64::from(value);
    Timestamp, value => value.as_micros();
    Position, value => value.0;
    DigestKeyId, value => i64::from(value.0);
}

impl IntoValue for &[u8] {
    const NONE: Value = Value::Bytes(None);

    fn into_value(self) -> Value {
        Value::Bytes(Some(self.to_vec()))
    }
}

impl IntoValue for [u8; 32] {
    const NONE: Value = Value::Bytes(None);

    fn into_value(self) -> Value {
        Value::Bytes(Some(self.to_vec()))
    }
}

impl IntoValue for Vec<u8> {
    const NONE: Value = Value::Bytes(None);

    fn into_value(self) -> Value {
        Value::Bytes(Some(self))
    }
}

impl IntoValue for &Digest {
    const NONE: Value = Value::Bytes(None);

    fn into_value(self) -> Value {
        Value::Bytes(Some(self.as_bytes().to_vec()))
    }
}

/// A structure as its JSON text.
pub(crate) fn json<T: serde::Serialize>(value: &T) -> Value {
    // The domain's words have string keys and no failing serialisers: there is no error to report.
    Value::Text(serde_json::to_string(value).ok())
}

/// The word by which an enum of the domain without data is known.
pub(crate) fn word<T: serde::Serialize>(value: &T) -> Value {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(text)) => Value::Text(Some(text)),
        _ => Value::Text(None),
    }
}

/// The parameters as one database takes them.
pub(crate) fn arguments<A>(values: Vec<Value>) -> Result<A, BoxDynError>
where
    A: Arguments,
    for<'t> Option<String>: sqlx::Encode<'t, A::Database> + sqlx::Type<A::Database>,
    for<'t> Option<i64>: sqlx::Encode<'t, A::Database> + sqlx::Type<A::Database>,
    for<'t> Option<Vec<u8>>: sqlx::Encode<'t, A::Database> + sqlx::Type<A::Database>,
{
    let mut arguments = A::default();
    arguments.reserve(values.len(), values.len() * 16);
    values.into_iter().try_for_each(|value| add(&mut arguments, value))?;
    Ok(arguments)
}

/// One more parameter.
pub(crate) fn add<A>(arguments: &mut A, value: Value) -> Result<(), BoxDynError>
where
    A: Arguments,
    for<'t> Option<String>: sqlx::Encode<'t, A::Database> + sqlx::Type<A::Database>,
    for<'t> Option<i64>: sqlx::Encode<'t, A::Database> + sqlx::Type<A::Database>,
    for<'t> Option<Vec<u8>>: sqlx::Encode<'t, A::Database> + sqlx::Type<A::Database>,
{
    match value {
        Value::Text(text) => arguments.add(text.map(without_nul)),
        Value::Integer(integer) => arguments.add(integer),
        Value::Bytes(bytes) => arguments.add(bytes),
    }
}

/// PostgreSQL has no NUL in texts. Nothing that is kept has one, so nothing is found by one.
fn without_nul(text: String) -> String {
    if text.contains('\0') { text.replace('\0', "\u{fffd}") } else { text }
}

/// The values that many rows have for one parameter: an array, which PostgreSQL alone knows.
#[derive(Debug)]
pub(crate) enum Column {
    Text(Vec<Option<String>>),
    Integer(Vec<Option<i64>>),
    Bytes(Vec<Option<Vec<u8>>>),
}

impl Column {
    /// The rows, turned.
    pub(crate) fn all_of(rows: Vec<Vec<Value>>) -> Result<Vec<Self>, BoxDynError> {
        let mut columns: Vec<Self> = rows.first().into_iter().flatten().map(Self::like).collect();
        for row in rows {
            for (column, value) in columns.iter_mut().zip(row) {
                column.push(value)?;
            }
        }
        Ok(columns)
    }

    const fn like(value: &Value) -> Self {
        match value {
            Value::Text(_) => Self::Text(Vec::new()),
            Value::Integer(_) => Self::Integer(Vec::new()),
            Value::Bytes(_) => Self::Bytes(Vec::new()),
        }
    }

    fn push(&mut self, value: Value) -> Result<(), BoxDynError> {
        match (self, value) {
            (Self::Text(column), Value::Text(text)) => column.push(text.map(without_nul)),
            (Self::Integer(column), Value::Integer(integer)) => column.push(integer),
            (Self::Bytes(column), Value::Bytes(bytes)) => column.push(bytes),
            _ => return Err("a column of two kinds".into()),
        }
        Ok(())
    }

    /// What PostgreSQL calls the kind.
    pub(crate) const fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "TEXT",
            Self::Integer(_) => "BIGINT",
            Self::Bytes(_) => "BYTEA",
        }
    }

    pub(crate) fn add_to(self, arguments: &mut PgArguments) -> Result<(), BoxDynError> {
        match self {
            Self::Text(column) => arguments.add(column),
            Self::Integer(column) => arguments.add(column),
            Self::Bytes(column) => arguments.add(column),
        }
    }
}
