//! Jobs: work that goes on after its request was answered. They are volume, not history: what a job changes is
//! in the log, the job itself is not.

use crate::event::ActorRef;
use crate::id::{ApiId, GroupId, JobId, NodeId, OrganizationId};
use crate::scope::Place;
use crate::time::Timestamp;

/// The code of a job whose server ended, or was ended, before the job did.
pub const INTERRUPTED: &str = "interrupted";

/// What a job does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobKind {
    /// Fetches an API's OpenAPI document from Git.
    GitPull,
    /// Writes an API's OpenAPI document to Git.
    GitPush,
}

impl JobKind {
    pub const ALL: &'static [Self] = &[Self::GitPull, Self::GitPush];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::GitPull => "git_pull",
            Self::GitPush => "git_push",
        }
    }
}

/// How a job stands at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobStatus {
    Running,
    Succeeded,
    Failed,
}

impl JobStatus {
    pub const ALL: &'static [Self] = &[Self::Running, Self::Succeeded, Self::Failed];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
        }
    }
}

/// One reason why a job failed.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct JobError {
    /// Stable, for programs.
    pub code: String,
    /// What happened and what to do, for people.
    pub detail: String,
    /// Where in the document, if it is about a place in one (RFC 6901).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pointer: Option<String>,
}

impl JobError {
    pub fn new(code: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { code: code.into(), detail: detail.into(), pointer: None }
    }

    /// What is said of a job that was cut off.
    pub fn interrupted() -> Self {
        Self::new(
            INTERRUPTED,
            "The server ended before the job did. A pull changed nothing; a push may have reached the host or not. \
             Start it again.",
        )
    }
}

/// What a job that succeeded did.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct JobOutcome {
    /// Whether anything is other than before.
    pub changed: bool,
    /// The commit that was read or made.
    pub commit: String,
}

/// How a job ended: with what it did, or with the reasons why not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobEnd {
    pub at: Timestamp,
    pub result: Result<JobOutcome, Vec<JobError>>,
}

/// One piece of work on an API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    pub id: JobId,
    pub kind: JobKind,
    pub api_id: ApiId,
    /// Where the API stands.
    pub organization_id: OrganizationId,
    pub group_id: GroupId,
    /// Who started it.
    pub actor: ActorRef,
    /// The node that does it.
    pub node_id: NodeId,
    pub started_at: Timestamp,
    /// Its node ends it by then; one that still runs later was cut off.
    pub ends_by: Timestamp,
    /// None: nothing has said yet that it ended.
    pub end: Option<JobEnd>,
}

impl Job {
    pub const fn place(&self) -> Place {
        Place::group(self.organization_id, self.group_id)
    }

    /// How it ended, as far as that is known at `now`: a job past its time was cut off, whether or not anything
    /// recorded that.
    pub fn ended(&self, now: Timestamp) -> Option<JobEnd> {
        match &self.end {
            Some(end) => Some(end.clone()),
            None if self.ends_by <= now => {
                Some(JobEnd { at: self.ends_by, result: Err(vec![JobError::interrupted()]) })
            }
            None => None,
        }
    }

    pub fn status(&self, now: Timestamp) -> JobStatus {
        match self.ended(now).map(|end| end.result) {
            None => JobStatus::Running,
            Some(Ok(_)) => JobStatus::Succeeded,
            Some(Err(_)) => JobStatus::Failed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_past_its_time_was_cut_off_and_one_that_ended_stays_as_it_ended() {
        let at = |seconds: i64| Timestamp::from_micros(seconds * 1_000_000);
        let mut job = Job {
            id: JobId::from_bytes([1; 16]),
            kind: JobKind::GitPull,
            api_id: ApiId::from_bytes([1; 16]),
            organization_id: OrganizationId::from_bytes([1; 16]),
            group_id: GroupId::from_bytes([1; 16]),
            actor: ActorRef::system("test"),
            node_id: NodeId::from_bytes([1; 16]),
            started_at: at(0),
            ends_by: at(60),
            end: None,
        };
        assert_eq!((job.status(at(59)), job.ended(at(59))), (JobStatus::Running, None));
        let cut_off = job.ended(at(60)).expect("an end");
        assert_eq!((cut_off.at, job.status(at(61))), (at(60), JobStatus::Failed));
        assert_eq!(cut_off.result.expect_err("failed")[0].code, INTERRUPTED);
        let outcome = JobOutcome { changed: true, commit: "c".to_owned() };
        job.end = Some(JobEnd { at: at(5), result: Ok(outcome) });
        assert_eq!((job.status(at(600)), job.ended(at(600))), (JobStatus::Succeeded, job.end.clone()));
    }
}
