//! A transaction that begins with the head of the log locked. On PostgreSQL one round trip does both; the driver's own
//! transactions take one for `BEGIN` alone.

use std::ops::{Deref, DerefMut};

use claviger_domain::event::Position;
use sqlx::pool::PoolConnection;
use sqlx::{AssertSqlSafe, PgConnection, PgPool, Postgres, Row as _, Transaction};

use crate::connection::{Arm, Connection};
use crate::dialect::Database;
use crate::dialect::postgres::LOCK_HEAD;
use crate::error::StoreError;
use crate::log::Head;
use crate::reader::Reader;
use crate::statements::{Statement, statements};

statements! {
    BEGIN = "BEGIN";
    COMMIT = "COMMIT";
    ROLLBACK = "ROLLBACK";
}

/// Begins a transaction that holds the head of the log, and says how that stands: `BEGIN IMMEDIATE` of SQLite locks the
/// whole database, and PostgreSQL's default isolation is enough where every writer locks the head first.
pub(crate) async fn begin(database: &Database) -> Result<(Connection, Head), StoreError> {
    if let Database::Postgres { writers, .. } = database {
        let (locked, head) = Locked::begin(writers, LOCK_HEAD).await?;
        return Ok((Connection::new(Arm::Postgres(Session::Locked(locked))), head));
    }
    let mut reader = Reader::new(database.begin().await?);
    let head = reader.head().await?;
    Ok((reader.connection, head))
}

/// A transaction in a session of PostgreSQL.
pub(crate) enum Session {
    /// The driver's own.
    Plain(Transaction<'static, Postgres>),
    Locked(Locked),
}

pub(crate) struct Locked {
    session: PoolConnection<Postgres>,
    /// Whether the transaction may still run.
    open: bool,
}

impl Locked {
    pub(crate) async fn begin(pool: &PgPool, lock: Statement) -> Result<(Self, Head), StoreError> {
        let mut locked = Self { session: pool.acquire().await?, open: true };
        // The program's own text. Several statements in one message have neither parameters nor binary answers.
        let text = AssertSqlSafe(format!("{}; {}", BEGIN.sql, lock.sql));
        let row = sqlx::raw_sql(text).fetch_optional(&mut *locked.session).await?;
        let row = row.ok_or_else(|| StoreError::corrupt("log_head", "the row is missing"))?;
        let hash: Vec<u8> = row.try_get(1)?;
        let hash = hash.try_into().map_err(|_| StoreError::corrupt("log_head", "the hash is no hash"))?;
        Ok((locked, Head { position: Position(row.try_get(0)?), hash }))
    }

    async fn end(mut self, how: Statement) -> Result<(), sqlx::Error> {
        sqlx::raw_sql(how.text()).execute(&mut *self.session).await?;
        self.open = false;
        Ok(())
    }
}

impl Drop for Locked {
    fn drop(&mut self) {
        // The driver knows nothing of this transaction, so that the pool would hand it on: it ends with its session.
        if self.open {
            self.session.close_on_drop();
        }
    }
}

impl Session {
    pub(crate) async fn commit(self) -> Result<(), sqlx::Error> {
        match self {
            Self::Plain(transaction) => transaction.commit().await,
            Self::Locked(locked) => locked.end(COMMIT).await,
        }
    }

    pub(crate) async fn rollback(self) -> Result<(), sqlx::Error> {
        match self {
            Self::Plain(transaction) => transaction.rollback().await,
            Self::Locked(locked) => locked.end(ROLLBACK).await,
        }
    }
}

impl Deref for Session {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        match self {
            Self::Plain(transaction) => transaction,
            Self::Locked(locked) => &locked.session,
        }
    }
}

impl DerefMut for Session {
    fn deref_mut(&mut self) -> &mut PgConnection {
        match self {
            Self::Plain(transaction) => transaction,
            Self::Locked(locked) => &mut locked.session,
        }
    }
}
