//! The engine, as the operator's machine has it, and its words as jobs and tests tell them.

use claviger_domain::git::Failure;
use claviger_domain::git_integrations::{GitIntegration, GitSettings};
use claviger_domain::jobs::JobError;
use claviger_git::{AgentError, Engine, Remote};
use claviger_keeper::KeeperError;

use super::turn::broken_off;
use crate::error::Error;

/// The code of a machine without `git` or `ssh`.
const MISSING: &str = "git_missing";

/// What pulls and pushes on this machine.
#[derive(Debug, Clone)]
pub enum Git {
    Engine(Engine),
    /// There is none; why, for people.
    Missing(String),
}

impl Git {
    pub(super) fn engine(&self) -> Result<&Engine, JobError> {
        match self {
            Self::Engine(engine) => Ok(engine),
            Self::Missing(why) => Err(JobError::new(MISSING, format!("This server can't use Git: {why}."))),
        }
    }
}

/// Where the settings lead. The host must be the one that is known, if one is.
pub(super) fn remote(settings: &GitSettings, known: Option<&GitIntegration>) -> Remote {
    let known = known.filter(|known| known.settings.same_host(settings));
    Remote {
        address: settings.address.clone(),
        branch: settings.branch.clone(),
        path: settings.path.clone(),
        pinned: known.and_then(|known| known.host_key.as_ref()).map(|pinned| pinned.key.clone()),
    }
}

/// What came to nothing, as its user is told.
pub(super) fn told(error: claviger_git::Error) -> JobError {
    match error {
        claviger_git::Error::Failed(Failure { code, detail }) => JobError::new(code.as_str(), detail),
        claviger_git::Error::Agent(error) => not_signed_in(error),
        error @ (claviger_git::Error::Local { .. } | claviger_git::Error::Git { .. }) => ours(error),
    }
}

/// Why nobody signed in: the keeper did not, or the host is not the one that is known.
fn not_signed_in(error: AgentError) -> JobError {
    let error = match error.downcast::<Error>() {
        Ok(error) => return broken_off(*error),
        Err(error) => error,
    };
    if let Some(Failure { code, detail }) = error.downcast_ref() {
        return JobError::new(code.as_str(), detail);
    }
    match error.downcast_ref::<KeeperError>() {
        Some(KeeperError::Unavailable) => {
            JobError::new("keeper_unavailable", "The keeper is away; it is being started again. Try again.")
        }
        Some(KeeperError::TooManySignatures { retry_after_seconds }) => JobError::new(
            "too_many_signatures",
            format!(
                "The ceiling of sign-ins within an hour is reached. Try again in {retry_after_seconds} s."
            ),
        ),
        _ => ours(error),
    }
}

/// A fault of ours: its words are for the log alone.
pub(super) fn ours(fault: impl std::fmt::Display) -> JobError {
    tracing::error!(%fault, "a Git job failed at what it should be able to do");
    JobError::new("internal", "A fault of ours; the server's log says which.")
}
