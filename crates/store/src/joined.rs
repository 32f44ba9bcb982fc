//! Rows that come as one text, their columns between one separator and themselves between another: handing rows over
//! one by one, column by column, costs a verifier that starts more than reading them. No column has either character:
//! ids and words don't, JSON escapes them, and names must not have them (`claviger_domain::text`).

use crate::columns::{Columns, FromRow};
use crate::error::StoreError;

const BETWEEN_ROWS: char = '\u{1e}';
const BETWEEN_COLUMNS: char = '\u{1f}';

/// What one of these rows can be read as.
pub(crate) trait FromText: Sized {
    /// The table's name, for errors.
    const TABLE: &'static str;

    /// The columns in their order.
    fn from_text<'t>(columns: &mut impl Iterator<Item = &'t str>) -> Option<Self>;
}

/// Any number of them.
pub(crate) struct Joined<T>(pub(crate) Vec<T>);

impl<T: FromText> FromRow for Joined<T> {
    const TABLE: &'static str = T::TABLE;

    fn from_row(columns: &mut Columns<'_>) -> Result<Self, StoreError> {
        let Some(text) = columns.optional_text()? else { return Ok(Self(Vec::new())) };
        let row = |text: &str| {
            let mut columns = text.split(BETWEEN_COLUMNS);
            T::from_text(&mut columns).filter(|_| columns.next().is_none())
        };
        let rows: Option<_> = text.split(BETWEEN_ROWS).map(row).collect();
        rows.map(Self).ok_or_else(|| columns.corrupt("a row has other columns than its table"))
    }
}
