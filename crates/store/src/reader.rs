//! Reads on one consistent state. A [`Reader`] comes from [`crate::Store::read`]; a [`crate::Tx`] is one too,
//! so each read is written once.

use claviger_domain::id::{Id, Kind};
use claviger_domain::text::Name;
use futures::StreamExt as _;
use futures::stream::BoxStream;
use sqlx::{AssertSqlSafe, SqlSafeStr as _, SqlStr};

use crate::columns::{Columns, FromRow, Row};
use crate::connection::Connection;
use crate::error::StoreError;
use crate::key_sets::pending::PendingKeySets;
use crate::list::Assembly;
use crate::log;
use crate::silence::heard_rows;
use crate::statements::Statement;
use crate::value::Value;
use crate::write::{Write, Writes};

/// How many rows may wait.
const WAITING: usize = 512;
/// How many values one `IN (…)` has at most.
const AMONG: usize = 256;

/// What can be read. The functions stand in the files of their nouns.
pub struct Reader {
    pub(crate) connection: Connection,
    /// What was appended and has no rows yet. Every statement below writes it first, so that nothing is read
    /// without it.
    pub(crate) pending: Pending,
}

/// What a transaction holds back until its rows are needed.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    pub(crate) log: Vec<Vec<Value>>,
    pub(crate) writes: Writes,
    pub(crate) key_sets: PendingKeySets,
}

impl Pending {
    const fn is_clean(&self) -> bool {
        self.log.is_empty() && self.writes.is_empty() && self.key_sets.is_clean()
    }
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Reader")
    }
}

impl Reader {
    pub(crate) fn new(connection: Connection) -> Self {
        Self { connection, pending: Pending::default() }
    }

    /// One that the log is appended through.
    pub(crate) fn writing(connection: Connection) -> Self {
        let pending = Pending { key_sets: PendingKeySets::writing(), ..Pending::default() };
        Self { connection, pending }
    }

    /// Writes what was held back.
    pub(crate) async fn flush(&mut self) -> Result<(), StoreError> {
        self.flush_with(None).await
    }

    /// The same, and `last` at its end.
    pub(crate) async fn flush_with(&mut self, last: Option<Write>) -> Result<(), StoreError> {
        let pending = &mut self.pending;
        if last.is_none() && pending.is_clean() {
            return Ok(());
        }
        let mut writes = vec![Write::of(log::row::INSERT, std::mem::take(&mut pending.log))];
        writes.append(&mut pending.writes.take());
        let written = match pending.key_sets.take() {
            Ok(key_sets) => {
                // No other table leans on these.
                writes.extend(key_sets);
                writes.extend(last);
                self.connection.write(writes).await
            }
            Err(error) => Err(error),
        };
        // What was held back is gone now: without it nothing may be committed, whoever takes the error lightly.
        written.inspect_err(|_| self.connection.spoil())
    }

    /// Writes a row, at the latest before something is read. How many rows there were to change is not told.
    pub(crate) async fn write(&mut self, statement: Statement, values: Vec<Value>) -> Result<(), StoreError> {
        self.pending.writes.push(statement, values);
        if self.pending.writes.rows() >= WAITING { self.flush().await } else { Ok(()) }
    }

    pub(crate) async fn execute(
        &mut self,
        statement: Statement,
        values: Vec<Value>,
    ) -> Result<u64, StoreError> {
        self.flush().await?;
        self.connection.execute(statement.text(), values).await
    }

    pub(crate) async fn rows(
        &mut self,
        statement: Statement,
        values: Vec<Value>,
    ) -> Result<Vec<Row>, StoreError> {
        self.flush().await?;
        self.connection.rows(statement.text(), values).await
    }

    pub(crate) async fn row(
        &mut self,
        statement: Statement,
        values: Vec<Value>,
    ) -> Result<Option<Row>, StoreError> {
        self.flush().await?;
        self.connection.optional(statement.text(), values).await
    }

    /// The rows of a query that was put together from fragments.
    pub(crate) async fn assembled(&mut self, query: Assembly) -> Result<Vec<Row>, StoreError> {
        self.flush().await?;
        let (sql, values) = query.finish();
        self.connection.rows(sql, values).await
    }

    pub(crate) async fn all<T: FromRow>(
        &mut self,
        statement: Statement,
        values: Vec<Value>,
    ) -> Result<Vec<T>, StoreError> {
        read_all(&self.rows(statement, values).await?)
    }

    /// The rows of a statement whose last parameter, alone in an `IN (…)`, stands for any number of values. The
    /// order is that of the statement for each value.
    pub(crate) async fn all_among<T: FromRow>(
        &mut self,
        statement: Statement,
        fixed: Vec<Value>,
        among: Vec<Value>,
    ) -> Result<Vec<T>, StoreError> {
        self.flush().await?;
        let mut found = Vec::with_capacity(among.len());
        for among in among.chunks(AMONG) {
            // A power of two, the last one repeated, so that few different texts are prepared.
            let many = among.len().next_power_of_two();
            let sql = for_many_values(statement, fixed.len() + 1, many);
            let last = among.last().cloned();
            let padding = std::iter::repeat_n(last, many - among.len()).flatten();
            let values = fixed.iter().chain(among).cloned().chain(padding).collect();
            found.extend(read_all::<T>(&self.connection.rows(sql, values).await?)?);
        }
        Ok(found)
    }

    pub(crate) async fn optional<T: FromRow>(
        &mut self,
        statement: Statement,
        values: Vec<Value>,
    ) -> Result<Option<T>, StoreError> {
        let row = self.row(statement, values).await?;
        row.map(|row| T::from_row(&mut Columns::of(&row, T::TABLE))).transpose()
    }

    pub(crate) async fn stream<T: FromRow + Send + 'static>(
        &mut self,
        sql: SqlStr,
        values: Vec<Value>,
    ) -> Result<BoxStream<'_, Result<T, StoreError>>, StoreError> {
        self.flush().await?;
        let rows = self.connection.stream(sql, values)?;
        Ok(rows.map(|row| T::from_row(&mut Columns::of(&row?, T::TABLE))).boxed())
    }

    /// Hands each row to `take` as it arrives.
    pub(crate) async fn each_row<T: FromRow>(
        &mut self,
        sql: SqlStr,
        values: Vec<Value>,
        mut take: impl FnMut(T) + Send,
    ) -> Result<(), StoreError> {
        self.flush().await?;
        let mut rows = heard_rows(self.connection.stream(sql, values)?);
        while let Some(row) = rows.next().await {
            take(T::from_row(&mut Columns::of(&row?, T::TABLE))?);
        }
        Ok(())
    }
}

/// The text of a statement whose parameter number `from` stands for many.
fn for_many_values(statement: Statement, from: usize, many: usize) -> SqlStr {
    let numbers: Vec<String> = (from..from + many).map(|number| format!("${number}")).collect();
    let sql = statement.sql.replace(&format!("IN (${from})"), &format!("IN ({})", numbers.join(", ")));
    // The program's own text, and numbers.
    AssertSqlSafe(sql).into_sql_str()
}

pub(crate) fn read_all<T: FromRow>(rows: &[Row]) -> Result<Vec<T>, StoreError> {
    rows.iter().map(|row| T::from_row(&mut Columns::of(row, T::TABLE))).collect()
}

/// A single whole number, such as a count.
impl FromRow for i64 {
    const TABLE: &'static str = "a count";

    fn from_row(columns: &mut Columns<'_>) -> Result<Self, StoreError> {
        columns.integer()
    }
}

/// An id and a name.
impl<K: Kind> FromRow for (Id<K>, Name) {
    const TABLE: &'static str = "names";

    fn from_row(columns: &mut Columns<'_>) -> Result<Self, StoreError> {
        Ok((columns.id()?, columns.word()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_parameter_becomes_many() {
        let statement = Statement { name: "ONE", sql: "SELECT a FROM t WHERE b > $1 AND c IN ($2)" };
        let sql = for_many_values(statement, 2, 3);
        assert_eq!(sql.as_str(), "SELECT a FROM t WHERE b > $1 AND c IN ($2, $3, $4)");
    }
}
