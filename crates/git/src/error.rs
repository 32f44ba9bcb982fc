//! Why a job came to nothing: the host's fault or the request's, which users are told, or our own.

use std::io;

use claviger_domain::git::{Failure, GitFailure};

/// Why an agent could not be opened.
pub type AgentError = Box<dyn std::error::Error + Send + Sync>;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// What the user is told.
    #[error(transparent)]
    Failed(#[from] Failure),
    /// Nobody could sign in: the host was not asked.
    #[error("the agent that signs in could not be opened: {0}")]
    Agent(#[source] AgentError),
    /// Something that this machine should be able to do.
    #[error("{what}: {source}")]
    Local { what: &'static str, source: io::Error },
    /// A `git` of ours failed at what no host could make it fail at.
    #[error("git {command} failed ({status}): {said}")]
    Git { command: &'static str, status: String, said: String },
}

impl Error {
    pub(crate) fn failed(code: GitFailure, detail: impl Into<String>) -> Self {
        Self::Failed(Failure::new(code, detail))
    }

    pub(crate) const fn local(what: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Local { what, source }
    }
}
