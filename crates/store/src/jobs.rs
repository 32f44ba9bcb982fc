//! Jobs: work that goes on after its request was answered. They are no history, so they are not in the log; what
//! they change is.

use claviger_domain::id::{ApiId, JobId, NodeId};
use claviger_domain::jobs::{Job, JobEnd, JobError, JobKind, JobOutcome, JobStatus};
use claviger_domain::time::Timestamp;

use crate::columns::{Columns, FromRow};
use crate::commit::Tx;
use crate::error::StoreError;
use crate::list::{Assembly, ListQuery, Listed, Page, PlaceColumns, SortColumn};
use crate::reader::Reader;
use crate::statements::{Fragment, fragments, statements};
use crate::value::{Value, json, values};

macro_rules! columns {
    () => {
        "jobs.id, jobs.kind, jobs.api_id, jobs.organization_id, jobs.group_id, jobs.actor, jobs.node_id, \
         jobs.started_at, jobs.ends_by, jobs.status, jobs.finished_at, jobs.outcome, jobs.errors"
    };
}

statements! {
    BY_ID = concat!("SELECT ", columns!(), " FROM jobs WHERE id = $1");
    RUNNING_OF_API = "SELECT COUNT(*) FROM jobs WHERE api_id = $1 AND finished_at IS NULL AND ends_by > $2";
    BEGIN = "INSERT INTO jobs (id, kind, api_id, organization_id, group_id, actor, node_id, started_at, ends_by, status) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
    // The first end that is told is the one that counts.
    END = "UPDATE jobs SET status = $2, finished_at = $3, outcome = $4, errors = $5 WHERE id = $1 AND finished_at IS NULL";
    INTERRUPT = "UPDATE jobs SET status = 'failed', finished_at = $1, errors = $2 \
                 WHERE finished_at IS NULL AND (node_id = $3 OR ends_by <= $1)";
    FORGET = "DELETE FROM jobs WHERE finished_at < $1";
}

fragments! {
    BY_API = "jobs.api_id = $1";
    BY_KIND = "jobs.kind = $1";
    // A job past its time was cut off, whether or not that was recorded.
    RUNNING = "(jobs.finished_at IS NULL AND jobs.ends_by > $1)";
    SUCCEEDED = "jobs.status = 'succeeded'";
    FAILED = "(jobs.status = 'failed' OR (jobs.finished_at IS NULL AND jobs.ends_by <= $1))";
}

/// Which jobs a list shows.
#[derive(Debug, Clone)]
pub struct JobFilter {
    /// The instant at which `statuses` are meant.
    pub now: Timestamp,
    pub api_ids: Vec<ApiId>,
    pub kinds: Vec<JobKind>,
    pub statuses: Vec<JobStatus>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum JobSort {
    #[default]
    StartedAt,
}

impl FromRow for Job {
    const TABLE: &'static str = "jobs";

    fn from_row(columns: &mut Columns<'_>) -> Result<Self, StoreError> {
        Ok(Self {
            id: columns.id()?,
            kind: columns.word()?,
            api_id: columns.id()?,
            organization_id: columns.id()?,
            group_id: columns.id()?,
            actor: columns.json()?,
            node_id: columns.id()?,
            started_at: columns.instant()?,
            ends_by: columns.instant()?,
            end: end(columns)?,
        })
    }
}

fn end(columns: &mut Columns<'_>) -> Result<Option<JobEnd>, StoreError> {
    let (status, finished_at): (JobStatus, _) = (columns.word()?, columns.optional_instant()?);
    let (outcome, errors): (Option<JobOutcome>, Option<Vec<JobError>>) =
        (columns.optional_json()?, columns.optional_json()?);
    match (status, finished_at, outcome) {
        (JobStatus::Running, None, None) => Ok(None),
        (JobStatus::Succeeded, Some(at), Some(outcome)) => Ok(Some(JobEnd { at, result: Ok(outcome) })),
        (JobStatus::Failed, Some(at), None) => {
            Ok(Some(JobEnd { at, result: Err(errors.unwrap_or_default()) }))
        }
        _ => Err(columns.corrupt("the status of a job does not fit its end")),
    }
}

impl Listed for Job {
    type Filter = JobFilter;
    type Sort = JobSort;
    const COLUMNS: &'static str = columns!();
    const FROM: &'static str = "jobs WHERE 1 = 1";
    const ID: &'static str = "jobs.id";
    const PLACES: &'static [PlaceColumns] = &[PlaceColumns {
        organization: Some("jobs.organization_id"),
        group: Some("jobs.group_id"),
        environment: None,
    }];

    fn sort_column(sort: JobSort) -> SortColumn {
        match sort {
            JobSort::StartedAt => SortColumn::Integer("jobs.started_at"),
        }
    }

    fn conditions(filter: &JobFilter, query: &mut Assembly) {
        query.and_either(BY_API, filter.api_ids.iter().copied());
        query.and_either(BY_KIND, filter.kinds.iter().map(|kind| kind.as_str()));
        query.and_any(filter.statuses.iter().map(|status| having(*status, filter.now)).collect());
    }
}

/// What a job of the status is known by at `now`.
fn having(status: JobStatus, now: Timestamp) -> (Fragment, Vec<Value>) {
    match status {
        JobStatus::Running => (RUNNING, values![now]),
        JobStatus::Succeeded => (SUCCEEDED, values![]),
        JobStatus::Failed => (FAILED, values![now]),
    }
}

impl Reader {
    pub async fn job(&mut self, id: JobId) -> Result<Option<Job>, StoreError> {
        self.optional(BY_ID, values![id]).await
    }

    /// How many jobs of the API run at `now`.
    pub async fn running_jobs(&mut self, id: ApiId, now: Timestamp) -> Result<u32, StoreError> {
        let count: Option<i64> = self.optional(RUNNING_OF_API, values![id, now]).await?;
        Ok(count.unwrap_or_default().try_into().unwrap_or(u32::MAX))
    }

    pub async fn jobs(&mut self, query: &ListQuery<JobFilter, JobSort>) -> Result<Page<Job>, StoreError> {
        self.list(query).await
    }
}

impl Tx<'_> {
    /// Keeps a job that is about to run; not in the log.
    pub async fn begin_job(&mut self, job: &Job) -> Result<(), StoreError> {
        let values = values![
            job.id,
            job.kind.as_str(),
            job.api_id,
            job.organization_id,
            job.group_id,
            json(&job.actor),
            job.node_id,
            job.started_at,
            job.ends_by,
            JobStatus::Running.as_str(),
        ];
        self.write(BEGIN, values).await
    }

    /// Keeps how a job ended. Nothing changes about one whose end was told before.
    pub async fn end_job(&mut self, id: JobId, end: &JobEnd) -> Result<(), StoreError> {
        let (status, outcome, errors) = match &end.result {
            Ok(outcome) => (JobStatus::Succeeded, json(outcome), Value::Text(None)),
            Err(errors) => (JobStatus::Failed, Value::Text(None), json(errors)),
        };
        self.execute(END, values![id, status.as_str(), end.at, outcome, errors]).await.map(drop)
    }

    /// Ends what the node was at when it ended, and what is past its time on any node; how many.
    pub async fn interrupt_jobs(&mut self, node_id: NodeId, now: Timestamp) -> Result<u64, StoreError> {
        self.execute(INTERRUPT, values![now, json(&[JobError::interrupted()]), node_id]).await
    }

    /// Forgets jobs that ended before `limit`.
    pub async fn forget_jobs(&mut self, limit: Timestamp) -> Result<u64, StoreError> {
        self.execute(FORGET, values![limit]).await
    }
}
