//! What a use case answers when it doesn't answer what was asked: a refusal of the domain, a caller who
//! is not who they should be, something that is away, or a fault of ours. The fault's words are for the
//! log alone.

use claviger_domain::permission::Permission;
use claviger_domain::refusal::Refusal;

/// Whose fault it is decides what the caller is told.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The domain said no; nothing was written.
    #[error("refused: {}", .0.code())]
    Refused(Refusal),
    #[error("not signed in: {0:?}")]
    SignIn(SignIn),
    #[error("unavailable: {0:?}")]
    Unavailable(Unavailable),
    /// A query parameter or cursor that can't be read, with its name.
    #[error("bad query: {parameter}: {detail}")]
    BadQuery { parameter: String, detail: String },
    /// A fault of ours. The sentence never leaves the server.
    #[error("internal: {0}")]
    Internal(String),
}

/// Why a service key doesn't open Claviger's own API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignIn {
    /// Missing, malformed or unknown: not told apart.
    Unauthenticated,
    Inactive,
    Expired,
    IpDenied,
}

/// What is away. The same request may go through later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unavailable {
    Keeper,
    Database,
    /// The node has not reached the position that the caller waits for.
    Behind,
    /// The database was not initialised yet.
    NotInitialised,
}

impl Error {
    pub fn internal(inside: impl ToString) -> Self {
        Self::Internal(inside.to_string())
    }

    pub const fn forbidden(missing: Permission) -> Self {
        Self::Refused(Refusal::Forbidden { missing })
    }

    pub const fn not_found() -> Self {
        Self::Refused(Refusal::NotFound)
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<claviger_store::StoreError> for Error {
    fn from(error: claviger_store::StoreError) -> Self {
        use claviger_store::StoreError;
        match error {
            StoreError::Unavailable(why) => {
                tracing::warn!(why, "the database is unavailable");
                Self::Unavailable(Unavailable::Database)
            }
            StoreError::Contended(_) => Self::Refused(Refusal::Conflict),
            // Names are the only values of callers that unique indexes guard.
            StoreError::Taken(_) => Self::Refused(Refusal::NameTaken { pointer: "/name".to_owned() }),
            other => Self::Internal(other.to_string()),
        }
    }
}

impl From<claviger_keeper::KeeperError> for Error {
    fn from(error: claviger_keeper::KeeperError) -> Self {
        use claviger_keeper::KeeperError;
        match error {
            KeeperError::Unavailable => Self::Unavailable(Unavailable::Keeper),
            KeeperError::TooManyReveals { retry_after_seconds } => {
                Self::Refused(Refusal::TooManyReveals { retry_after_seconds: retry_after_seconds.into() })
            }
            KeeperError::TooManySignatures { retry_after_seconds } => {
                Self::Refused(Refusal::TooManyRequests { retry_after_seconds: retry_after_seconds.into() })
            }
            KeeperError::Refused | KeeperError::Incompatible => Self::Internal(error.to_string()),
        }
    }
}
