//! Jobs on the wire: work that goes on after its request was answered.

use claviger_domain::jobs as domain;
use claviger_domain::time::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::events::Actor;
use crate::mirror::mirrored;
use crate::subscriptions::ApiRef;

mirrored! {
    /// What a job does: `git_pull` fetches an API's OpenAPI document, `git_push` writes it.
    #[schema(as = JobKind)]
    Kind = domain::JobKind { GitPull, GitPush, }
    #[schema(as = JobStatus)]
    Status = domain::JobStatus { Running, Succeeded, Failed, }
}

/// Work on an API that goes on after its request was answered with 202.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Job {
    pub id: String,
    pub kind: Kind,
    pub status: Status,
    pub api: ApiRef,
    /// Who started it.
    pub started_by: Actor,
    /// What it did; null until it has succeeded.
    pub outcome: Option<Outcome>,
    /// Why it failed; else empty.
    pub errors: Vec<Failure>,
    #[schema(format = DateTime)]
    pub started_at: String,
    /// Null while it runs.
    #[schema(format = DateTime)]
    pub finished_at: Option<String>,
}

/// What a job that succeeded did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = JobOutcome)]
pub struct Outcome {
    /// Whether anything is other than before.
    pub changed: bool,
    /// The commit that was read or made.
    pub commit: String,
}

/// One reason why a job failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = JobError)]
pub struct Failure {
    /// Stable, for programs.
    #[schema(example = "out_of_sync")]
    pub code: String,
    /// What happened and what to do.
    pub detail: String,
    /// Where in the document, if it is about a place in one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pointer: Option<String>,
}

impl Job {
    /// The job as it stands at `now`.
    pub fn new(job: &domain::Job, api: ApiRef, now: Timestamp) -> Self {
        let ended = job.ended(now);
        let finished_at = ended.as_ref().map(|end| end.at.to_string());
        let (outcome, errors) = match ended.map(|end| end.result) {
            None => (None, Vec::new()),
            Some(Ok(outcome)) => (Some(outcome.into()), Vec::new()),
            Some(Err(errors)) => (None, errors.into_iter().map(Failure::from).collect()),
        };
        Self {
            id: job.id.to_string(),
            kind: job.kind.into(),
            status: job.status(now).into(),
            api,
            started_by: (&job.actor).into(),
            outcome,
            errors,
            started_at: job.started_at.to_string(),
            finished_at,
        }
    }
}

impl From<domain::JobOutcome> for Outcome {
    fn from(outcome: domain::JobOutcome) -> Self {
        Self { changed: outcome.changed, commit: outcome.commit }
    }
}

impl From<domain::JobError> for Failure {
    fn from(error: domain::JobError) -> Self {
        Self { code: error.code, detail: error.detail, pointer: error.pointer }
    }
}
