//! Reading rows: columns in their order, as the domain's words. What can't be read is a corrupt row, never
//! a panic.

use claviger_domain::event::Position;
use claviger_domain::id::{Id, Kind};
use claviger_domain::time::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde::de::IntoDeserializer as _;
use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use sqlx::{Column as _, Row as _, TypeInfo as _};

use crate::error::StoreError;
use crate::value::Value;

/// One row of either database.
pub(crate) enum Row {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

impl Row {
    /// All columns as they are, whatever they are.
    pub(crate) fn values(&self, table: &'static str) -> Result<Vec<Value>, StoreError> {
        (0..self.width()).map(|index| self.value(index, table)).collect()
    }

    pub(crate) fn column_name(&self, index: usize) -> &str {
        match self {
            Self::Sqlite(row) => row.columns()[index].name(),
            Self::Postgres(row) => row.columns()[index].name(),
        }
    }

    fn width(&self) -> usize {
        match self {
            Self::Sqlite(row) => row.len(),
            Self::Postgres(row) => row.len(),
        }
    }

    fn value(&self, index: usize, table: &'static str) -> Result<Value, StoreError> {
        let mut columns = Columns { row: self, table, next: index };
        // The declared type, for a missing value has no other.
        let declared = match self {
            Self::Sqlite(row) => row.columns()[index].type_info().name().to_owned(),
            Self::Postgres(row) => row.columns()[index].type_info().name().to_owned(),
        };
        match declared.as_str() {
            "TEXT" => Ok(Value::Text(columns.optional_text()?.map(ToOwned::to_owned))),
            "INTEGER" | "BIGINT" | "INT8" => Ok(Value::Integer(columns.optional_integer()?)),
            _ => Ok(Value::Bytes(columns.optional_bytes()?.map(ToOwned::to_owned))),
        }
    }
}

/// What a row can be read as.
pub(crate) trait FromRow: Sized {
    /// The table's name, for errors.
    const TABLE: &'static str;

    fn from_row(columns: &mut Columns<'_>) -> Result<Self, StoreError>;
}

/// A row being read from its first column to its last.
pub(crate) struct Columns<'r> {
    row: &'r Row,
    table: &'static str,
    next: usize,
}

macro_rules! read {
    ($columns:ident, $type:ty) => {{
        let index = $columns.next;
        $columns.next += 1;
        match $columns.row {
            Row::Sqlite(row) => row.try_get_unchecked::<$type, _>(index),
            Row::Postgres(row) => row.try_get_unchecked::<$type, _>(index),
        }
        .map_err(|error| StoreError::corrupt($columns.table, error))
    }};
}

impl<'r> Columns<'r> {
    pub(crate) fn of(row: &'r Row, table: &'static str) -> Self {
        Self { row, table, next: 0 }
    }

    pub(crate) fn corrupt(&self, why: impl ToString) -> StoreError {
        StoreError::corrupt(self.table, why)
    }

    pub(crate) fn text(&mut self) -> Result<&'r str, StoreError> {
        read!(self, &'r str)
    }

    pub(crate) fn optional_text(&mut self) -> Result<Option<&'r str>, StoreError> {
        read!(self, Option<&'r str>)
    }

    pub(crate) fn integer(&mut self) -> Result<i64, StoreError> {
        read!(self, i64)
    }

    pub(crate) fn optional_integer(&mut self) -> Result<Option<i64>, StoreError> {
        read!(self, Option<i64>)
    }

    pub(crate) fn bytes(&mut self) -> Result<&'r [u8], StoreError> {
        read!(self, &'r [u8])
    }

    pub(crate) fn optional_bytes(&mut self) -> Result<Option<&'r [u8]>, StoreError> {
        read!(self, Option<&'r [u8]>)
    }

    /// A whole number that is never negative, such as a generation or a version.
    pub(crate) fn count(&mut self) -> Result<u32, StoreError> {
        self.integer()?.try_into().map_err(|error| self.corrupt(error))
    }

    pub(crate) fn hash(&mut self) -> Result<[u8; 32], StoreError> {
        self.bytes()?.try_into().map_err(|error| self.corrupt(error))
    }

    pub(crate) fn optional_hash(&mut self) -> Result<Option<[u8; 32]>, StoreError> {
        match self.optional_bytes()? {
            Some(bytes) => bytes.try_into().map(Some).map_err(|error| self.corrupt(error)),
            None => Ok(None),
        }
    }

    pub(crate) fn position(&mut self) -> Result<Position, StoreError> {
        self.integer().map(Position)
    }

    pub(crate) fn instant(&mut self) -> Result<Timestamp, StoreError> {
        self.integer().map(Timestamp::from_micros)
    }

    pub(crate) fn optional_instant(&mut self) -> Result<Option<Timestamp>, StoreError> {
        Ok(self.optional_integer()?.map(Timestamp::from_micros))
    }

    pub(crate) fn id<K: Kind>(&mut self) -> Result<Id<K>, StoreError> {
        self.text()?.parse().map_err(|error| self.corrupt(error))
    }

    pub(crate) fn optional_id<K: Kind>(&mut self) -> Result<Option<Id<K>>, StoreError> {
        match self.optional_text()? {
            Some(text) => text.parse().map(Some).map_err(|error| self.corrupt(error)),
            None => Ok(None),
        }
    }

    /// A text or a plain enum of the domain, checked again as if it came from outside.
    pub(crate) fn word<T: for<'de> Deserialize<'de>>(&mut self) -> Result<T, StoreError> {
        known(self.text()?).map_err(|error| self.corrupt(error))
    }

    pub(crate) fn optional_word<T: for<'de> Deserialize<'de>>(&mut self) -> Result<Option<T>, StoreError> {
        match self.optional_text()? {
            Some(text) => known(text).map(Some).map_err(|error| self.corrupt(error)),
            None => Ok(None),
        }
    }

    pub(crate) fn json<T: DeserializeOwned>(&mut self) -> Result<T, StoreError> {
        serde_json::from_str(self.text()?).map_err(|error| self.corrupt(error))
    }

    pub(crate) fn optional_json<T: DeserializeOwned>(&mut self) -> Result<Option<T>, StoreError> {
        match self.optional_text()? {
            Some(text) => serde_json::from_str(text).map(Some).map_err(|error| self.corrupt(error)),
            None => Ok(None),
        }
    }
}

/// A text or a plain enum of the domain.
pub(crate) fn known<T: for<'de> Deserialize<'de>>(text: &str) -> Result<T, serde::de::value::Error> {
    let deserializer: serde::de::value::StrDeserializer<'_, serde::de::value::Error> =
        text.into_deserializer();
    T::deserialize(deserializer)
}
