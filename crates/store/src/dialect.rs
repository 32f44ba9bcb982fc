//! All that differs between SQLite and PostgreSQL. At most twelve functions; everything else is one text
//! for both.

use std::path::Path;
use std::time::Duration;

use sqlx::error::DatabaseError;
use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgDatabaseError, PgListener, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{PgPool, SqlitePool};

use crate::connection::{Arm, Connection};
use crate::error::StoreError;
use crate::statements::{Statement, statements};
use crate::store::Options;

/// The channel on which PostgreSQL says "look now".
const CHANNEL: &str = "claviger_log";
/// How many prepared statements a connection keeps.
const STATEMENT_CACHE: usize = 512;
/// How long SQLite waits for another process before it says that it is busy.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// The pools of one database. SQLite has one writer, and readers that can't write.
#[derive(Debug, Clone)]
pub(crate) enum Database {
    Sqlite { writer: SqlitePool, readers: SqlitePool },
    Postgres { pool: PgPool },
}

/// Statements of the transaction runner that have no common text.
pub(crate) mod sqlite {
    use super::*;
    statements! {
        // `BEGIN IMMEDIATE` locked the whole database.
        LOCK_HEAD = "SELECT position, hash FROM log_head WHERE id = 1";
        MOVE_HEAD = "UPDATE log_head SET position = $1, hash = $2 WHERE id = 1";
    }
}

pub(crate) mod postgres {
    use super::*;
    statements! {
        LOCK_HEAD = "SELECT position, hash FROM log_head WHERE id = 1 FOR UPDATE";
        // The wake-up travels with the commit, without a round trip of its own.
        MOVE_HEAD = "UPDATE log_head SET position = $1, hash = $2 WHERE id = 1 RETURNING CAST(pg_notify('claviger_log', '') AS TEXT)";
    }
}

/// Opens the pools that the address asks for.
pub(crate) async fn open(url: &str, options: &Options) -> Result<Database, StoreError> {
    if let Some(path) = url.strip_prefix("sqlite:") {
        return open_sqlite(path.strip_prefix("//").unwrap_or(path), options).await;
    }
    if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
        return Err(StoreError::Address("it must begin with sqlite: or postgres://".to_owned()));
    }
    let connect: PgConnectOptions =
        url.parse().map_err(|error: sqlx::Error| StoreError::Address(error.to_string()))?;
    let connect = connect.application_name("claviger").statement_cache_capacity(STATEMENT_CACHE);
    let pool = PgPoolOptions::new()
        .max_connections(options.connections)
        .acquire_timeout(options.acquire_timeout)
        .connect_with(connect)
        .await
        .map_err(|error| StoreError::Unavailable(error.to_string()))?;
    Ok(Database::Postgres { pool })
}

async fn open_sqlite(path: &str, options: &Options) -> Result<Database, StoreError> {
    if path.is_empty() {
        return Err(StoreError::Address("sqlite: must be followed by a path".to_owned()));
    }
    let memory = path == ":memory:";
    let connect = SqliteConnectOptions::new()
        .statement_cache_capacity(STATEMENT_CACHE)
        .foreign_keys(true)
        .busy_timeout(BUSY_TIMEOUT)
        .pragma("trusted_schema", "OFF")
        .pragma("cache_size", "-65536")
        .optimize_on_close(true, 400);
    let connect = if memory {
        connect.in_memory(true)
    } else {
        create_private_file(Path::new(path))?;
        connect.filename(path).journal_mode(SqliteJournalMode::Wal).synchronous(SqliteSynchronous::Full)
    };
    let away = |error: sqlx::Error| StoreError::Unavailable(format!("{path}: {error}"));
    let writer = SqlitePoolOptions::new()
        .max_connections(1)
        .acquire_timeout(options.acquire_timeout)
        .idle_timeout(None)
        .max_lifetime(None)
        .connect_with(connect.clone())
        .await
        .map_err(away)?;
    if memory {
        return Ok(Database::Sqlite { readers: writer.clone(), writer });
    }
    let readers = SqlitePoolOptions::new()
        .max_connections(options.connections)
        .acquire_timeout(options.acquire_timeout)
        .connect_lazy_with(connect.read_only(true));
    Ok(Database::Sqlite { writer, readers })
}

/// A new database is for its owner's eyes alone, from its first byte.
fn create_private_file(path: &Path) -> Result<(), StoreError> {
    use std::os::unix::fs::OpenOptionsExt as _;
    match std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(_) => Ok(()),
        // Not opened here: closing it would end the locks that SQLite holds on it in this process.
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(StoreError::Unavailable(format!("{}: {error}", path.display()))),
    }
}

impl Database {
    /// Brings the schema up to date. On PostgreSQL under an advisory lock, so that several nodes can start
    /// at once; on SQLite the file's own lock does.
    pub(crate) async fn migrate(&self, migrator: &Migrator) -> Result<(), sqlx::migrate::MigrateError> {
        match self {
            Self::Sqlite { writer, .. } => migrator.run(writer).await,
            Self::Postgres { pool } => migrator.run(pool).await,
        }
    }

    /// A transaction that may write. PostgreSQL's default isolation is enough: every writer locks the head
    /// of the log first.
    pub(crate) async fn begin(&self) -> Result<Connection, StoreError> {
        Ok(Connection::new(match self {
            Self::Sqlite { writer, .. } => Arm::Sqlite(writer.begin_with("BEGIN IMMEDIATE").await?),
            Self::Postgres { pool } => Arm::Postgres(pool.begin().await?),
        }))
    }

    /// A transaction that reads one consistent state.
    pub(crate) async fn begin_reading(&self) -> Result<Connection, StoreError> {
        const SNAPSHOT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
        Ok(Connection::new(match self {
            Self::Sqlite { readers, .. } => Arm::Sqlite(readers.begin().await?),
            Self::Postgres { pool } => Arm::Postgres(pool.begin_with(SNAPSHOT).await?),
        }))
    }

    pub(crate) const fn lock_head(&self) -> Statement {
        match self {
            Self::Sqlite { .. } => sqlite::LOCK_HEAD,
            Self::Postgres { .. } => postgres::LOCK_HEAD,
        }
    }

    pub(crate) const fn move_head(&self) -> Statement {
        match self {
            Self::Sqlite { .. } => sqlite::MOVE_HEAD,
            Self::Postgres { .. } => postgres::MOVE_HEAD,
        }
    }

    /// Hears what other processes commit. SQLite has no such thing: there polling alone tells.
    pub(crate) async fn listen(&self) -> Result<Option<PgListener>, StoreError> {
        let Self::Postgres { pool } = self else { return Ok(None) };
        let mut listener = PgListener::connect_with(pool).await?;
        listener.listen(CHANNEL).await?;
        Ok(Some(listener))
    }

    pub(crate) async fn close(&self) {
        match self {
            Self::Sqlite { writer, readers } => {
                readers.close().await;
                writer.close().await;
            }
            Self::Postgres { pool } => pool.close().await,
        }
    }
}

/// What an error that the database answered means: SQLSTATE on PostgreSQL, the result code on SQLite.
pub(crate) fn classify(error: &dyn DatabaseError) -> StoreError {
    let said = error.to_string();
    if error.is_unique_violation() {
        return StoreError::Taken(error.constraint().map_or(said, ToOwned::to_owned));
    }
    let code = error.code().unwrap_or_default();
    if error.try_downcast_ref::<PgDatabaseError>().is_some() {
        return match code.get(..2).unwrap_or_default() {
            // Serialisation failure, deadlock.
            "40" => StoreError::Contended(said),
            // A lock that did not come.
            "55" => StoreError::Contended(said),
            // Connection, resources, operator (shutdown), system.
            "08" | "53" | "57" | "58" => StoreError::Unavailable(said),
            _ => StoreError::Database(said),
        };
    }
    match code.parse::<i64>().unwrap_or_default() & 0xff {
        // SQLITE_BUSY, SQLITE_LOCKED.
        5 | 6 => StoreError::Contended(said),
        // SQLITE_READONLY, SQLITE_IOERR, SQLITE_FULL, SQLITE_CANTOPEN.
        8 | 10 | 13 | 14 => StoreError::Unavailable(said),
        _ => StoreError::Database(said),
    }
}
