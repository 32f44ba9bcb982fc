//! One transaction on either database: the only place that hands SQL to a driver.

use futures::StreamExt as _;
use futures::TryStreamExt as _;
use futures::stream::BoxStream;
use sqlx::postgres::PgArguments;
use sqlx::sqlite::SqliteArguments;
use sqlx::{AssertSqlSafe, SqlSafeStr as _, SqlStr, Sqlite, Transaction};

use crate::columns::Row;
use crate::dialect::{self, Dialect};
use crate::error::StoreError;
use crate::locked::Session;
use crate::statements::Statement;
use crate::value::{Value, arguments};
use crate::write::{Write, groups, together};

/// How many rows one statement inserts at most.
const MANY: usize = 64;

/// A transaction; rolled back when dropped without a commit.
pub(crate) struct Connection {
    arm: Arm,
    /// The first thing that went wrong. After it nothing may be committed: PostgreSQL would turn the commit
    /// into a rollback without saying so.
    fault: Option<Fault>,
}

pub(crate) enum Arm {
    Sqlite(Transaction<'static, Sqlite>),
    Postgres(Session),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Another transaction was in the way: trying again may help.
    Contended,
    Other,
}

macro_rules! with_query {
    ($self:ident, $sql:ident, $values:ident, $query:ident, $executor:ident => $run:expr) => {
        match &mut $self.arm {
            Arm::Sqlite(tx) => {
                let ($query, $executor) =
                    (sqlx::query_with($sql, arguments::<SqliteArguments>($values).map_err(bind)?), &mut **tx);
                $run
            }
            Arm::Postgres(tx) => {
                let ($query, $executor) =
                    (sqlx::query_with($sql, arguments::<PgArguments>($values).map_err(bind)?), &mut **tx);
                $run
            }
        }
    };
}

/// The text of an insert of one row, made one of many.
fn for_many_rows(statement: Statement, many: usize, width: usize) -> SqlStr {
    if many == 1 {
        return statement.text();
    }
    let (insert, on_conflict) = match statement.sql.find(" ON CONFLICT") {
        Some(end) => statement.sql.split_at(end),
        None => (statement.sql, ""),
    };
    let mut sql = insert.to_owned();
    for row in 1..many {
        sql.push_str(", (");
        for column in 1..=width {
            let separator = if column == 1 { "$" } else { ", $" };
            sql.push_str(separator);
            sql.push_str(&(row * width + column).to_string());
        }
        sql.push(')');
    }
    sql.push_str(on_conflict);
    // The program's own text, and numbers.
    AssertSqlSafe(sql).into_sql_str()
}

fn bind(error: sqlx::error::BoxDynError) -> StoreError {
    StoreError::Database(format!("a parameter can't be sent: {error}"))
}

impl Connection {
    pub(crate) fn new(arm: Arm) -> Self {
        Self { arm, fault: None }
    }

    /// What has no common text in this transaction's database.
    pub(crate) const fn dialect(&self) -> Dialect {
        match self.arm {
            Arm::Sqlite(_) => dialect::sqlite::DIALECT,
            Arm::Postgres(_) => dialect::postgres::DIALECT,
        }
    }

    pub(crate) const fn fault(&self) -> Option<Fault> {
        self.fault
    }

    /// Makes sure that nothing of this transaction is committed.
    pub(crate) fn spoil(&mut self) {
        self.fault.get_or_insert(Fault::Other);
    }

    /// How many rows the statement changed.
    pub(crate) async fn execute(&mut self, sql: SqlStr, values: Vec<Value>) -> Result<u64, StoreError> {
        let done = with_query!(self, sql, values, query, executor =>
            query.execute(executor).await.map(|done| done.rows_affected()));
        self.noted(done)
    }

    /// Writes rows in their order, in few round trips.
    pub(crate) async fn write(&mut self, writes: Vec<Write>) -> Result<(), StoreError> {
        if let Arm::Postgres(_) = self.arm {
            return self.write_together(writes).await;
        }
        for Write { statement, rows } in writes {
            if statement.sql.starts_with("INSERT") {
                self.insert_many(statement, rows).await?;
                continue;
            }
            for row in rows {
                self.execute(statement.text(), row).await?;
            }
        }
        Ok(())
    }

    /// The same, where every statement is a round trip.
    async fn write_together(&mut self, writes: Vec<Write>) -> Result<(), StoreError> {
        for group in groups(writes) {
            let Arm::Postgres(tx) = &mut self.arm else { break };
            let (sql, arguments) = together(group).map_err(bind)?;
            let done = sqlx::query_with(sql, arguments).execute(&mut **tx).await;
            self.noted(done)?;
        }
        Ok(())
    }

    /// Inserts many rows by the statement that inserts one, in few steps.
    async fn insert_many(&mut self, statement: Statement, rows: Vec<Vec<Value>>) -> Result<(), StoreError> {
        let mut rows = rows.into_iter();
        while rows.len() > 0 {
            // Powers of two, so that few different texts are prepared.
            let many = MANY.min(1 << rows.len().ilog2());
            let values: Vec<Value> = rows.by_ref().take(many).flatten().collect();
            self.execute(for_many_rows(statement, many, values.len() / many), values).await?;
        }
        Ok(())
    }

    pub(crate) async fn rows(&mut self, sql: SqlStr, values: Vec<Value>) -> Result<Vec<Row>, StoreError> {
        let rows = match &mut self.arm {
            Arm::Sqlite(tx) => {
                let arguments = arguments::<SqliteArguments>(values).map_err(bind)?;
                let rows = sqlx::query_with(sql, arguments).fetch_all(&mut **tx).await;
                rows.map(|rows| rows.into_iter().map(Row::Sqlite).collect())
            }
            Arm::Postgres(tx) => {
                let arguments = arguments::<PgArguments>(values).map_err(bind)?;
                let rows = sqlx::query_with(sql, arguments).fetch_all(&mut **tx).await;
                rows.map(|rows| rows.into_iter().map(Row::Postgres).collect())
            }
        };
        self.noted(rows)
    }

    pub(crate) async fn optional(
        &mut self,
        sql: SqlStr,
        values: Vec<Value>,
    ) -> Result<Option<Row>, StoreError> {
        let row = match &mut self.arm {
            Arm::Sqlite(tx) => {
                let arguments = arguments::<SqliteArguments>(values).map_err(bind)?;
                sqlx::query_with(sql, arguments)
                    .fetch_optional(&mut **tx)
                    .await
                    .map(|row| row.map(Row::Sqlite))
            }
            Arm::Postgres(tx) => {
                let arguments = arguments::<PgArguments>(values).map_err(bind)?;
                sqlx::query_with(sql, arguments)
                    .fetch_optional(&mut **tx)
                    .await
                    .map(|row| row.map(Row::Postgres))
            }
        };
        self.noted(row)
    }

    /// Rows as they arrive, for what is too large to hold.
    pub(crate) fn stream(
        &mut self,
        sql: SqlStr,
        values: Vec<Value>,
    ) -> Result<BoxStream<'_, Result<Row, StoreError>>, StoreError> {
        Ok(match &mut self.arm {
            Arm::Sqlite(tx) => {
                let arguments = arguments::<SqliteArguments>(values).map_err(bind)?;
                let rows = sqlx::query_with(sql, arguments).fetch(&mut **tx);
                rows.map_ok(Row::Sqlite).map_err(StoreError::from).boxed()
            }
            Arm::Postgres(tx) => {
                let arguments = arguments::<PgArguments>(values).map_err(bind)?;
                let rows = sqlx::query_with(sql, arguments).fetch(&mut **tx);
                rows.map_ok(Row::Postgres).map_err(StoreError::from).boxed()
            }
        })
    }

    /// Ends the transaction. An error that the database itself answered means that nothing was committed;
    /// a lost connection means that nobody knows.
    pub(crate) async fn commit(self) -> Result<(), StoreError> {
        match self.arm {
            Arm::Sqlite(tx) => tx.commit().await?,
            Arm::Postgres(tx) => tx.commit().await?,
        }
        Ok(())
    }

    pub(crate) async fn rollback(self) {
        // A connection that can't roll back is closed by its pool, which rolls back too.
        let done = match self.arm {
            Arm::Sqlite(tx) => tx.rollback().await,
            Arm::Postgres(tx) => tx.rollback().await,
        };
        if let Err(error) = done {
            tracing::debug!(%error, "a transaction could not be rolled back; its connection ends");
        }
    }

    fn noted<T>(&mut self, result: Result<T, sqlx::Error>) -> Result<T, StoreError> {
        result.map_err(|error| {
            let error = StoreError::from(error);
            let fault =
                if matches!(error, StoreError::Contended(_)) { Fault::Contended } else { Fault::Other };
            self.fault.get_or_insert(fault);
            error
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_insert_of_one_row_becomes_one_of_many() {
        let sql = "INSERT INTO t (a, b) VALUES ($1, $2) ON CONFLICT DO NOTHING";
        let statement = Statement { name: "ONE", sql };
        assert_eq!(for_many_rows(statement, 1, 2).as_str(), sql);
        assert_eq!(
            for_many_rows(statement, 3, 2).as_str(),
            "INSERT INTO t (a, b) VALUES ($1, $2), ($3, $4), ($5, $6) ON CONFLICT DO NOTHING"
        );
    }
}
