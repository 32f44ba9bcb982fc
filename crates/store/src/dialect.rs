//! All that differs between SQLite and PostgreSQL. At most twelve functions; everything else is one text
//! for both.

use std::path::Path;
use std::time::Duration;

use claviger_domain::text::folded;
use sqlx::error::DatabaseError;
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::postgres::{PgConnectOptions, PgDatabaseError, PgListener, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Connection as _, PgConnection, PgPool, SqlitePool};

use crate::connection::{Arm, Connection};
use crate::error::StoreError;
use crate::locked::Session;
use crate::silence;
use crate::statements::{Fragment, Statement, fragments, statements};
use crate::store::Options;
use crate::value::{IntoValue as _, Value};

/// The channel on which PostgreSQL says "look now".
const CHANNEL: &str = "claviger_log";
/// How many prepared statements a connection keeps.
const STATEMENT_CACHE: usize = 512;
/// How long a writer waits for another's lock: of another process on SQLite's file, or of a session on
/// PostgreSQL's rows. Longer than [`WRITER_IDLE`], so that it outlives the cutting of one that froze.
const LOCK_PATIENCE: Duration = Duration::from_secs(10);
/// How long PostgreSQL lets a transaction that may write sit between two statements before it cuts it: a node
/// that froze there would hold up every other one for ever.
const WRITER_IDLE: Duration = Duration::from_secs(5);
/// The same for transactions that only read: they hold up nobody, but keep old rows from being cleaned up.
const READER_IDLE: Duration = Duration::from_mins(1);
/// How long one statement of a transaction that may write can take. Reading has no such limit: a snapshot is one
/// statement, however many Keys there are.
const WRITER_STATEMENT: Duration = Duration::from_secs(30);
/// Connections for what follows the log, beside all others: however many requests wait, a revocation of another
/// node is read. The second one is for a data node that reads all rows meanwhile, for a new base of its snapshot.
/// Listening takes neither ([`Database::listen`]).
const FOLLOWERS: u32 = 2;
/// How long the try may take that says why a database could not be opened.
const LAST_TRY: Duration = Duration::from_secs(2);

/// The pools of one database. SQLite has one writer, and readers that can't write. On PostgreSQL writers wait for
/// each other at the head of the log; in a pool of their own they leave readers alone.
#[derive(Debug, Clone)]
pub(crate) enum Database {
    Sqlite { writer: SqlitePool, readers: SqlitePool, followers: SqlitePool },
    Postgres { writers: PgPool, readers: PgPool, followers: PgPool },
}

/// What a database is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// A file that is not there yet is made.
    Full,
    /// Nothing in the database is changed, not even by mistake. SQLite may leave its own empty `-wal` and `-shm` beside it.
    Inspection,
    /// By the narrow role of a data node, on PostgreSQL alone. Whether the database is there shows at the first use.
    DataNode,
}

/// Who reads, and so from which pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reading {
    Request,
    Follower,
}

/// What a session of PostgreSQL is held to; zero is no limit.
#[derive(Debug, Clone, Copy)]
struct Limits {
    idle: Duration,
    statement: Duration,
    read_only: &'static str,
}

const WRITING: Limits = Limits { idle: WRITER_IDLE, statement: WRITER_STATEMENT, read_only: "off" };
const READING: Limits = Limits { idle: READER_IDLE, statement: Duration::ZERO, read_only: "on" };

/// Statements that have no common text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Dialect {
    pub(crate) move_head: Statement,
    /// All Keys, packed, any number of them in a row (`key_sets/packed.rs`).
    pub(crate) all_keys: Statement,
    /// All Applications and all that Active Subscriptions grant, as texts of any number of rows (`joined.rs`).
    pub(crate) all_applications: Statement,
    pub(crate) all_grants: Statement,
    /// About how many Keys there are, living and dead.
    pub(crate) key_count: Statement,
    /// Whether anything ever brought a schema here.
    pub(crate) has_schema: Statement,
    /// The ids of the rows that have all parts of a text ([`Dialect::parts_of`]): few too many, none too few.
    pub(crate) key_sets_with_text: Fragment,
    pub(crate) applications_with_text: Fragment,
    asked: Asked,
    /// What stands before and after a query for ids that rows are to be taken by, one by one.
    pub(crate) among: [&'static str; 2],
}

/// How the index of texts is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    /// By the parts, each in quotes.
    ByParts,
    /// By the text, which the database takes apart itself.
    ByText,
}

impl Dialect {
    /// A text as the index of texts is asked for it; None: too short for one.
    pub(crate) fn parts_of(self, text: &str) -> Option<Value> {
        let text: Vec<char> = folded(text).replace('\0', "\u{fffd}").chars().collect();
        // Longer texts are hardly rarer.
        let text = &text[..text.len().min(32)];
        (text.len() >= 3).then(|| match self.asked {
            Asked::ByText => text.iter().collect::<String>().into_value(),
            Asked::ByParts => {
                let part =
                    |part: &[char]| format!("\"{}\"", part.iter().collect::<String>().replace('"', "\"\""));
                text.windows(3).map(part).collect::<Vec<_>>().join(" AND ").into_value()
            }
        })
    }
}

pub(crate) mod sqlite {
    use super::*;

    /// So many rows of a table in one: handing a row over from SQLite's thread costs more than reading it. What is put
    /// together keeps its bytes, whatever they are. No index: by one, each span would be looked for among all rows.
    macro_rules! in_spans {
        ($many:literal, $table:literal, $condition:literal, $rows:literal) => {
            concat!(
                "WITH RECURSIVE spans (begun) AS (SELECT 0 UNION ALL SELECT begun + ",
                $many,
                " FROM spans WHERE begun + ",
                $many,
                " < (SELECT MAX(rowid) FROM ",
                $table,
                ")) ",
                "SELECT (SELECT ",
                $rows,
                " FROM ",
                $table,
                " NOT INDEXED WHERE ",
                $table,
                ".rowid > spans.begun AND ",
                $table,
                ".rowid <= spans.begun + ",
                $many,
                " AND ",
                $condition,
                ") FROM spans"
            )
        };
    }

    statements! {
        HAS_SCHEMA = "SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name = '_sqlx_migrations'";
        MOVE_HEAD = "UPDATE log_head SET position = $1, hash = $2 WHERE id = 1";
        ALL_KEYS = in_spans!("256", "keys", "removed_at IS NULL",
            "CAST(group_concat((secret_digest IS NOT NULL) || identity || deciding, '') AS BLOB)");
        ALL_APPLICATIONS = in_spans!("256", "applications", "deleted_at IS NULL",
            "group_concat(id || char(31) || organization_id || char(31) || group_id || char(31) || name || char(31) || status, char(30))");
        ALL_GRANTS = in_spans!("64", "subscriptions", "status = 'active'",
            "group_concat(key_set_ids || char(31) || api_id || char(31) || COALESCE(permissions, ''), char(30))");
        KEY_COUNT = "SELECT COALESCE(MAX(rowid), 0) FROM keys";
    }
    pub(crate) const DIALECT: Dialect = Dialect {
        move_head: MOVE_HEAD,
        all_keys: ALL_KEYS,
        all_applications: ALL_APPLICATIONS,
        all_grants: ALL_GRANTS,
        key_count: KEY_COUNT,
        has_schema: HAS_SCHEMA,
        key_sets_with_text: KEY_SETS_WITH_TEXT,
        applications_with_text: APPLICATIONS_WITH_TEXT,
        asked: Asked::ByParts,
        among: [" IN (", ")"],
    };
    fragments! {
        APPLICATIONS_WITH_TEXT = "SELECT application_numbers.id FROM application_grams \
            JOIN application_numbers ON application_numbers.number = application_grams.rowid \
            WHERE application_grams MATCH $1";
        // A `CROSS JOIN` is done in the order in which it is written: few Applications first, then their sets.
        KEY_SETS_WITH_TEXT = "SELECT key_set_numbers.id FROM key_set_grams \
            JOIN key_set_numbers ON key_set_numbers.number = key_set_grams.rowid WHERE key_set_grams MATCH $1 \
            UNION ALL SELECT key_sets.id FROM application_grams \
            CROSS JOIN application_numbers ON application_numbers.number = application_grams.rowid \
            CROSS JOIN key_sets ON key_sets.application_id = application_numbers.id AND key_sets.removed_at IS NULL \
            WHERE application_grams MATCH $1";
    }
}

pub(crate) mod postgres {
    use super::*;
    statements! {
        HAS_SCHEMA = "SELECT COUNT(*) FROM pg_catalog.pg_class WHERE oid = to_regclass('_sqlx_migrations')";
        LOCK_HEAD = "SELECT position, hash FROM log_head WHERE id = 1 FOR UPDATE";
        // The wake-up travels with the commit, without a round trip of its own.
        MOVE_HEAD = "UPDATE log_head SET position = $1, hash = $2 WHERE id = 1 RETURNING CAST(pg_notify('claviger_log', '') AS TEXT)";
        ALL_KEYS = "SELECT CASE WHEN secret_digest IS NULL THEN CAST('0' AS BYTEA) ELSE CAST('1' AS BYTEA) END || identity || deciding \
            FROM keys WHERE removed_at IS NULL";
        ALL_APPLICATIONS = "SELECT id || chr(31) || organization_id || chr(31) || group_id || chr(31) || name || chr(31) || status \
            FROM applications WHERE deleted_at IS NULL";
        ALL_GRANTS = "SELECT key_set_ids || chr(31) || api_id || chr(31) || COALESCE(permissions, '') FROM subscriptions WHERE status = 'active'";
        // Counting reads them all. The server's own estimate is there once it has looked at the table.
        KEY_COUNT = "SELECT CASE WHEN reltuples < 10000 THEN (SELECT COUNT(*) FROM keys) ELSE CAST(reltuples AS BIGINT) END \
            FROM pg_catalog.pg_class WHERE oid = to_regclass('keys')";
        // Said by each new session: some poolers refuse such settings among the parameters of a connection. They are the
        // session's own, so a pooler that shares sessions between transactions won't do (docs/operating.md).
        LIMITS = "SELECT set_config('lock_timeout', $1, false), set_config('idle_in_transaction_session_timeout', $2, false), \
                  set_config('statement_timeout', $3, false), set_config('default_transaction_read_only', $4, false)";
    }
    pub(crate) const DIALECT: Dialect = Dialect {
        move_head: MOVE_HEAD,
        all_keys: ALL_KEYS,
        all_applications: ALL_APPLICATIONS,
        all_grants: ALL_GRANTS,
        key_count: KEY_COUNT,
        has_schema: HAS_SCHEMA,
        key_sets_with_text: KEY_SETS_WITH_TEXT,
        applications_with_text: APPLICATIONS_WITH_TEXT,
        asked: Asked::ByText,
        // Of an `IN` the planner may make a join that reads the whole table.
        among: [" = ANY (ARRAY(", "))"],
    };
    fragments! {
        APPLICATIONS_WITH_TEXT = "SELECT applications.id FROM applications \
            WHERE claviger_grams(applications.folded_name) COLLATE \"C\" @> claviger_grams($1)";
        KEY_SETS_WITH_TEXT = "SELECT key_sets.id FROM key_sets WHERE key_sets.removed_at IS NULL \
            AND claviger_grams(key_sets.search) COLLATE \"C\" @> claviger_grams($1) \
            UNION ALL SELECT key_sets.id FROM key_sets WHERE key_sets.removed_at IS NULL \
            AND key_sets.application_id IN (SELECT applications.id FROM applications \
                WHERE claviger_grams(applications.folded_name) COLLATE \"C\" @> claviger_grams($1))";
    }
}

/// Opens the pools that the address asks for.
pub(crate) async fn open(url: &str, options: &Options, access: Access) -> Result<Database, StoreError> {
    if let Some(path) = url.strip_prefix("sqlite:") {
        if access == Access::DataNode {
            return Err(StoreError::Address(
                "a data node needs PostgreSQL; SQLite is decided on by `claviger serve` itself, on its machine".to_owned(),
            ));
        }
        return open_sqlite(path.strip_prefix("//").unwrap_or(path), options, access).await;
    }
    if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
        return Err(StoreError::Address("it must begin with sqlite: or postgres://".to_owned()));
    }
    let connect: PgConnectOptions =
        url.parse().map_err(|error: sqlx::Error| StoreError::Address(error.to_string()))?;
    let connect = connect.application_name("claviger").statement_cache_capacity(STATEMENT_CACHE);
    let pool = |connections, limits: Limits| {
        let pool = PgPoolOptions::new().max_connections(connections).acquire_timeout(options.acquire_timeout);
        // Each session of the pool begins with its limits.
        pool.after_connect(move |session, _| {
            Box::pin(async move {
                let mut settings = sqlx::query(postgres::LIMITS.sql);
                for limit in [LOCK_PATIENCE, limits.idle, limits.statement] {
                    settings = settings.bind(limit.as_millis().to_string());
                }
                settings.bind(limits.read_only).execute(session).await.map(drop)
            })
        })
    };
    // Beside requests: one that hangs is given up.
    let following = |connections, limits| {
        pool(connections, limits).after_release(|session, _| Box::pin(silence::still_answers(session)))
    };
    let opened = async |pool: PgPoolOptions| match pool.connect_with(connect.clone()).await {
        Ok(pool) => Ok(pool),
        Err(error) => Err(StoreError::Unavailable(why_away(&connect, error).await)),
    };
    if access == Access::DataNode {
        let followers = following(FOLLOWERS, READING).connect_lazy_with(connect.clone());
        let writers = following(1, WRITING).connect_lazy_with(connect);
        return Ok(Database::Postgres { writers, readers: followers.clone(), followers });
    }
    if access == Access::Inspection {
        let pool = opened(pool(options.connections, READING)).await?;
        return Ok(Database::Postgres { writers: pool.clone(), readers: pool.clone(), followers: pool });
    }
    let writers = (options.connections / 2).max(1);
    let readers = options.connections.saturating_sub(writers).max(1);
    Ok(Database::Postgres {
        writers: opened(pool(writers, WRITING)).await?,
        readers: pool(readers, READING).connect_lazy_with(connect.clone()),
        followers: following(FOLLOWERS, READING).connect_lazy_with(connect),
    })
}

/// A pool tries until its time is up, and then says no more than that. One more try says what was in the way.
async fn why_away(connect: &PgConnectOptions, error: sqlx::Error) -> String {
    if !matches!(error, sqlx::Error::PoolTimedOut) {
        return error.to_string();
    }
    match tokio::time::timeout(LAST_TRY, PgConnection::connect_with(connect)).await {
        Ok(Ok(_)) => error.to_string(),
        Ok(Err(said)) => said.to_string(),
        Err(_) => "the server does not answer".to_owned(),
    }
}

async fn open_sqlite(path: &str, options: &Options, access: Access) -> Result<Database, StoreError> {
    if path.is_empty() {
        return Err(StoreError::Address("sqlite: must be followed by a path".to_owned()));
    }
    let (memory, inspected) = (path == ":memory:", access == Access::Inspection);
    let connect = SqliteConnectOptions::new()
        .statement_cache_capacity(STATEMENT_CACHE)
        .foreign_keys(true)
        .busy_timeout(LOCK_PATIENCE)
        .pragma("trusted_schema", "OFF")
        // In pages. The pages that many commits change alike are brought back to the database once for all of them.
        .pragma("wal_autocheckpoint", "8192")
        .pragma("cache_size", "-65536");
    let pool = |connections, connect: SqliteConnectOptions| {
        let pool = SqlitePoolOptions::new().max_connections(connections);
        pool.acquire_timeout(options.acquire_timeout).connect_lazy_with(connect.read_only(true))
    };
    if inspected && !memory {
        let pool = pool(options.connections, connect.filename(path));
        return Ok(Database::Sqlite { writer: pool.clone(), readers: pool.clone(), followers: pool });
    }
    let connect = if memory {
        connect.in_memory(true)
    } else {
        create_private_file(Path::new(path))?;
        connect.filename(path).journal_mode(SqliteJournalMode::Wal).synchronous(SqliteSynchronous::Full)
    };
    let writer = SqlitePoolOptions::new()
        .max_connections(1)
        .acquire_timeout(options.acquire_timeout)
        .idle_timeout(None)
        .max_lifetime(None)
        .connect_with(connect.clone().optimize_on_close(true, 400))
        .await
        .map_err(|error| StoreError::Unavailable(format!("{path}: {error}")))?;
    if memory {
        return Ok(Database::Sqlite { readers: writer.clone(), followers: writer.clone(), writer });
    }
    let (readers, followers) = (pool(options.connections, connect.clone()), pool(FOLLOWERS, connect));
    Ok(Database::Sqlite { writer, readers, followers })
}

impl Database {
    /// Brings the schema up to date. On PostgreSQL under an advisory lock, so that several nodes can start
    /// at once, and in a session without limits, since a large table takes its time; on SQLite the file's own
    /// lock does.
    pub(crate) async fn migrate(&self, migrator: &Migrator) -> Result<(), MigrateError> {
        match self {
            Self::Sqlite { writer, .. } => migrator.run(writer).await,
            Self::Postgres { writers, .. } => {
                let connect = writers.connect_options().as_ref().clone();
                let unlimited = PgPoolOptions::new().max_connections(1).connect_with(connect).await?;
                let done = migrator.run(&unlimited).await;
                unlimited.close().await;
                done
            }
        }
    }

    /// A transaction that may write, once it has locked the head of the log (`locked.rs`).
    pub(crate) async fn begin(&self) -> Result<Connection, StoreError> {
        Ok(Connection::new(match self {
            Self::Sqlite { writer, .. } => Arm::Sqlite(writer.begin_with("BEGIN IMMEDIATE").await?),
            Self::Postgres { writers, .. } => Arm::Postgres(Session::Plain(writers.begin().await?)),
        }))
    }

    /// A transaction that reads one consistent state.
    pub(crate) async fn begin_reading(&self, reading: Reading) -> Result<Connection, StoreError> {
        const SNAPSHOT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
        let follows = reading == Reading::Follower;
        Ok(Connection::new(match self {
            Self::Sqlite { readers, followers, .. } => {
                Arm::Sqlite(if follows { followers } else { readers }.begin().await?)
            }
            Self::Postgres { readers, followers, .. } => Arm::Postgres(Session::Plain(
                if follows { followers } else { readers }.begin_with(SNAPSHOT).await?,
            )),
        }))
    }

    pub(crate) const fn dialect(&self) -> Dialect {
        match self {
            Self::Sqlite { .. } => sqlite::DIALECT,
            Self::Postgres { .. } => postgres::DIALECT,
        }
    }

    /// Hears what other processes commit. SQLite has no such thing: there polling alone tells.
    pub(crate) async fn listen(&self) -> Result<Option<PgListener>, StoreError> {
        let Self::Postgres { followers, .. } = self else { return Ok(None) };
        // A pool for each listener: one that is given up keeps its place until the kernel gives its connection up too.
        let connect = followers.connect_options().as_ref().clone();
        let own = followers.options().clone().max_connections(1).connect_lazy_with(connect);
        let mut listener = PgListener::connect_with(&own).await?;
        silence::heard(async { Ok(listener.listen(CHANNEL).await?) }).await?;
        Ok(Some(listener))
    }

    pub(crate) async fn close(&self) {
        match self {
            Self::Sqlite { writer, readers, followers } => {
                tokio::join!(readers.close(), followers.close());
                // The last one to leave tidies up.
                writer.close().await;
            }
            Self::Postgres { writers, readers, followers } => {
                tokio::join!(writers.close(), readers.close(), followers.close());
            }
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
        return match (&*code, code.get(..2).unwrap_or_default()) {
            // Serialisation failure, deadlock. A transaction that sat still was cut (25P03), so it wrote nothing.
            (_, "40") | ("25P03", _) => StoreError::Contended(said),
            // Connection, resources, a lock that did not come in all its time (55P03), operator (a statement that
            // took all of its time is 57014), system. Who waited so long is told, and not made to wait again.
            (_, "08" | "53" | "55" | "57" | "58") => StoreError::Unavailable(said),
            _ => StoreError::Database(said),
        };
    }
    let code: i64 = code.parse().unwrap_or_default();
    match (code, code & 0xff) {
        // SQLITE_BUSY_RECOVERY, SQLITE_BUSY_SNAPSHOT, SQLITE_LOCKED: said without waiting.
        (261 | 517, _) | (_, 6) => StoreError::Contended(said),
        // SQLITE_BUSY after all patience, SQLITE_READONLY, SQLITE_IOERR, SQLITE_FULL, SQLITE_CANTOPEN.
        (_, 5 | 8 | 10 | 13 | 14) => StoreError::Unavailable(said),
        _ => StoreError::Database(said),
    }
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
