//! Whole tables at once, for a verifier that starts: statements without parameters that have one column, which holds a
//! row or many.

use futures::StreamExt as _;

use crate::columns::Columns;
use crate::error::StoreError;
use crate::reader::Reader;
use crate::silence::heard_rows;
use crate::statements::Statement;
use crate::value::values;

/// What a value of these statements holds.
pub(crate) trait Bulk: Sized {
    /// The table's name, for errors.
    const TABLE: &'static str;

    /// Reads all rows of the value and hands them to `take`; false if it is of no known form.
    fn each(value: &[u8], take: &mut impl FnMut(Self)) -> bool;
}

impl Reader {
    /// Hands each row to `take` as it arrives.
    pub(crate) async fn each<T: Bulk>(
        &mut self,
        statement: Statement,
        mut take: impl FnMut(T) + Send,
    ) -> Result<(), StoreError> {
        self.flush().await?;
        let mut rows = heard_rows(self.connection.stream(statement.text(), values![])?);
        while let Some(row) = rows.next().await {
            let row = row?;
            let mut columns = Columns::of(&row, T::TABLE);
            let value = columns.optional_bytes()?;
            if !value.is_none_or(|value| T::each(value, &mut take)) {
                return Err(columns.corrupt("a row is of an unknown form"));
            }
        }
        Ok(())
    }
}
