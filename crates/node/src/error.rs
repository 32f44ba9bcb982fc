//! What can go wrong at a data node. None of it makes it permissive.

use std::io;

use claviger_domain::event::Position;
use claviger_store::StoreError;
use claviger_verify::{ApplyError, LoadError};

/// Why the log was not followed.
#[derive(Debug, thiserror::Error)]
pub enum FollowError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the database belongs to another instance ({found}; this node was enrolled in {expected})")]
    OtherInstance { found: String, expected: String },
    #[error(
        "the database was restored since this node followed it (epoch {found}; it knows {known}): enrol it anew"
    )]
    OtherEpoch { found: u32, known: u32 },
    #[error(
        "the log of the database does not have what this node has read of it at position {}: it was rolled back, or \
         is another one; deciding goes on with what is known",
        at.0
    )]
    OtherLog { at: Position },
    /// For good: the node decides nothing any more.
    #[error("this node's enrolment was ended")]
    Removed,
    #[error(transparent)]
    Apply(#[from] ApplyError),
    #[error(transparent)]
    Load(#[from] LoadError),
}

/// Why a snapshot is not started from.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    #[error("there is no snapshot")]
    Missing,
    #[error("the {file} can't be read: {error}")]
    Unreadable { file: &'static str, error: io::Error },
    #[error("the {file} has the form {found}, and this program reads {known}")]
    OtherForm { file: &'static str, found: u32, known: u32 },
    #[error("the {file} was changed, or was made by another node: its seal does not fit")]
    Forged { file: &'static str },
    #[error("the snapshot is of another database or node")]
    Foreign,
    #[error("the {file} is cut short")]
    Truncated { file: &'static str },
    #[error("the snapshot reaches position {}, and this node was at {} before: it is an older one", reaches.0, marked.0)]
    Behind { reaches: Position, marked: Position },
    #[error("the snapshot is {age} s old, and `doors.max_staleness` is {allowed} s")]
    TooOld { age: i64, allowed: i64 },
    #[error("the snapshot is from the future by {seconds} s: the clock was set back")]
    FromTheFuture { seconds: i64 },
    #[error("what the snapshot says can't be understood: {0}")]
    NotUnderstood(#[from] StoreError),
    #[error("what the snapshot says contradicts itself: {0}")]
    Contradiction(#[from] LoadError),
    #[error("the journal does not follow from the snapshot: {0}")]
    Journal(#[from] ApplyError),
    #[error("the snapshot says that this node's enrolment was ended")]
    Removed,
}
