//! What can go wrong below the use cases. Whose fault it is decides what happens next: contention is tried
//! again, what is away is reported as away, and the rest is a fault of ours.

use claviger_domain::aggregate::Misapplied;

/// Why the store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database can't be reached, is busy beyond all patience, or the connection was lost at a moment when
    /// nobody can say whether the transaction was committed. The same request may go through later.
    #[error("the database is unavailable: {0}")]
    Unavailable(String),
    /// Others were faster each time.
    #[error("the database is contended: {0}")]
    Contended(String),
    /// A unique index says no; its name, where the database tells it.
    #[error("a value that must be unique is taken: {0}")]
    Taken(String),
    #[error(
        "the database has the schema of a newer version of Claviger ({found}; this one knows up to {known}): \
         run that version, or restore a backup made by this one"
    )]
    NewerSchema { found: i64, known: i64 },
    #[error(
        "the database has the schema of an older version of Claviger ({found}; this one needs {known}): \
         start `claviger serve` of this version once, which brings it up to date"
    )]
    OlderSchema { found: i64, known: i64 },
    #[error("the database holds nothing of Claviger: run `claviger init --owner EMAIL`, or look elsewhere")]
    NoSchema,
    #[error("the schema of the database can't be brought up to date: {0}")]
    Migration(String),
    /// `--database-url` is of a kind that is not known, or can't be read.
    #[error("the database's address can't be used: {0}")]
    Address(String),
    /// A row that this program could not have written.
    #[error("a row of {table} can't be read: {why}")]
    Corrupt { table: &'static str, why: String },
    #[error(transparent)]
    Misapplied(#[from] Misapplied),
    #[error("the database refused a statement: {0}")]
    Database(String),
}

impl StoreError {
    pub(crate) fn corrupt(table: &'static str, why: impl ToString) -> Self {
        Self::Corrupt { table, why: why.to_string() }
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Database(said) => crate::dialect::classify(said.as_ref()),
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed => Self::Unavailable(error.to_string()),
            sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => {
                Self::corrupt("a query's answer", &error)
            }
            _ => Self::Database(error.to_string()),
        }
    }
}
