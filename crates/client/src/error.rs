//! What can go wrong with a call, sorted by whose turn it is to mend it.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Why a call brought nothing.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The server's address is none.
    #[error("this is no address of a server: {0}")]
    Address(String),
    /// The service key can't be sent in a header.
    #[error("the service key has characters that no service key has")]
    Key,
    /// The server understood and refused.
    #[error("{0}")]
    Refused(Box<Problem>),
    /// The server could not be reached, or broke off.
    #[error("{url} can't be reached: {cause}")]
    Unreachable { url: String, cause: String },
    /// The server did not answer in time; whether it acted is unknown.
    #[error("{url} did not answer in time: whether it acted is unknown")]
    TimedOut { url: String },
    /// Something answered, but not as Claviger does.
    #[error("{url} did not answer as Claviger does (status {status}): {detail}")]
    Strange { url: String, status: u16, detail: String },
}

impl Error {
    /// The server's own words, if it refused.
    pub fn problem(&self) -> Option<&Problem> {
        match self {
            Self::Refused(problem) => Some(problem),
            _ => None,
        }
    }

    /// The stable code of a refusal.
    pub fn code(&self) -> Option<&str> {
        self.problem().map(|problem| problem.code.as_str())
    }
}

/// A refusal in the server's words: RFC 9457 with a stable `code`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Problem {
    pub status: u16,
    pub code: String,
    #[serde(default)]
    pub title: String,
    #[serde(default)]
    pub detail: Option<String>,
    #[serde(default)]
    pub request_id: Option<String>,
    /// The values that can't be taken.
    #[serde(default)]
    pub errors: Vec<FieldProblem>,
    /// What a code says further: the acts allowed, the users of a thing in use.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

/// A value that can't be taken: where it stands in the body, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldProblem {
    pub pointer: String,
    pub detail: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "refused ({}): {}", self.code, self.detail.as_deref().unwrap_or(&self.title))?;
        for error in &self.errors {
            write!(f, "\n  {}: {}", error.pointer, error.detail)?;
        }
        Ok(())
    }
}
