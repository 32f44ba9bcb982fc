//! What can go wrong, as the service meets it.

use std::io;
use std::time::Duration;

use crate::start::StartReason;

/// The keeper did not do what it was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeeperError {
    /// It is away, did not answer in time, or died on the request; whether it was done is not known here.
    #[error("the keeper is not available")]
    Unavailable,
    /// A ceiling is reached.
    #[error("too many reveals within an hour; there is room again in {retry_after_seconds} s")]
    TooManyReveals { retry_after_seconds: u32 },
    /// A ceiling of signing is reached.
    #[error("too many signatures within an hour; there is room again in {retry_after_seconds} s")]
    TooManySignatures { retry_after_seconds: u32 },
    /// The value does not open in this place for this purpose, or is too long to be sealed. Why is not
    /// told: all failures look alike.
    #[error("the keeper refused")]
    Refused,
    /// The two sides don't speak the same language.
    #[error("the keeper is of another version")]
    Incompatible,
}

/// The keeper could not be started.
#[derive(Debug, thiserror::Error)]
pub enum SpawnError {
    /// It said why: `explanation` is for the operator, with what is lost and what to do.
    #[error("{explanation}")]
    Refused { reason: StartReason, explanation: String },
    /// It was started, and ended or spoke without saying what a keeper says.
    #[error("the keeper's process ended before it stood ({0})")]
    NoKeeper(String),
    #[error("the keeper did not stand within {} s", .0.as_secs())]
    TooSlow(Duration),
    #[error("the keeper's process can't be started: {0}")]
    Process(#[source] io::Error),
    #[error("this process can't be kept from being dumped: {0}")]
    NotConfined(#[source] io::Error),
    /// A restarted keeper has another root secret than the first one had.
    #[error("the keeper came back with another root secret; its files were exchanged")]
    AnotherRoot,
}
