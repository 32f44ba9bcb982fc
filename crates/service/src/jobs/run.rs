//! Running jobs: a few at a time, none longer than its time, each with an end in its row, however it came.

use std::future::Future;
use std::time::Duration;

use claviger_domain::apis::Api;
use claviger_domain::id::JobId;
use claviger_domain::jobs::{Job, JobEnd, JobError, JobKind, JobOutcome};
use claviger_domain::refusal::Refusal;
use claviger_wire::jobs as wire;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio_util::sync::CancellationToken;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use crate::error::Error;
use crate::names::Names;
use crate::request::Answer;
use crate::state::Service;
use crate::write::Write;

/// How many run at once on this node; others wait.
const AT_ONCE: usize = 4;
/// How many an API may have under way.
const PER_API: u32 = 10;
/// For how long a job goes on at the most, its waiting included.
const LONGEST: Duration = Duration::from_secs(300);
/// When nobody can be at it any more, in seconds.
const ENDS_AFTER_SECONDS: i64 = 360;
/// Seconds between attempts to write an end.
const PAUSES: [u64; 4] = [1, 2, 4, 8];

/// What a job comes to.
pub(crate) type JobResult = Result<JobOutcome, Vec<JobError>>;

/// The jobs of this process.
pub(crate) struct Jobs {
    tasks: TaskTracker,
    places: Semaphore,
    stop: CancellationToken,
}

impl Default for Jobs {
    fn default() -> Self {
        Self { tasks: TaskTracker::new(), places: Semaphore::new(AT_ONCE), stop: CancellationToken::new() }
    }
}

impl Jobs {
    /// Waits until one more may ask a host.
    pub(crate) async fn place(&self) -> Option<SemaphorePermit<'_>> {
        // Nobody closes it.
        self.places.acquire().await.ok()
    }
}

impl Answer for wire::Job {
    fn location(&self) -> Option<String> {
        Some(format!("/v1/jobs/{}", self.id))
    }
}

impl Write<'_, '_> {
    /// Keeps a job on the API that is about to run.
    pub(crate) async fn begin_job(&mut self, kind: JobKind, api: &Api) -> Result<wire::Job, Error> {
        if self.tx.running_jobs(api.id, self.now).await? >= PER_API {
            return Err(Refusal::LimitReached { limit: PER_API }.into());
        }
        let job = Job {
            id: self.fresh_id(),
            kind,
            api_id: api.id,
            organization_id: api.organization_id,
            group_id: api.group_id,
            actor: self.authority.actor.clone(),
            node_id: self.service.options().node_id,
            started_at: self.now,
            ends_by: self.now.plus_seconds(ENDS_AFTER_SECONDS),
            end: None,
        };
        self.tx.begin_job(&job).await?;
        let api = Names::default().api_ref(self.tx, api.id).await?;
        Ok(wire::Job::new(&job, api, self.now))
    }
}

impl Service {
    /// Does something that goes on if nobody waits for it any more, as a caller who hangs up.
    pub(crate) async fn to_the_end<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, Error> {
        self.state.jobs.tasks.spawn(work).await.map_err(Error::internal)
    }

    /// Runs what was begun, beside all that is asked of this node.
    pub(crate) fn run_job(&self, id: JobId, work: impl Future<Output = JobResult> + Send + 'static) {
        let service = self.clone();
        self.state.jobs.tasks.spawn(async move {
            let result = service.come_to_an_end(work).await;
            if let Err(errors) = &result {
                let codes: Vec<&str> = errors.iter().map(|error| error.code.as_str()).collect();
                tracing::info!(job = %id, ?codes, "a job failed");
            }
            service.end_job(id, result).await;
        });
    }

    async fn come_to_an_end(&self, work: impl Future<Output = JobResult> + Send + 'static) -> JobResult {
        let service = self.clone();
        // A task of its own: a panic in it is an end, too, and whatever it started ends with it.
        let running = AbortOnDropHandle::new(tokio::spawn(async move {
            let _place = service.state.jobs.place().await;
            work.await
        }));
        tokio::select! {
            ended = running => ended.unwrap_or_else(|fault| {
                tracing::error!(%fault, "a job broke off");
                Err(vec![JobError::new("internal", "A fault of ours; the server's log says which.")])
            }),
            () = self.state.jobs.stop.cancelled() => Err(vec![JobError::interrupted()]),
            () = tokio::time::sleep(LONGEST) => {
                let detail = format!("Nothing came of it within {} seconds. Start it again.", LONGEST.as_secs());
                Err(vec![JobError::new("timed_out", detail)])
            }
        }
    }

    /// Keeps how the job ended. A database that is away, or busy, is waited for; a job without an end is one that was cut off.
    async fn end_job(&self, id: JobId, result: JobResult) {
        let end = JobEnd { at: self.now(), result };
        let mut kept = self.try_to_end_job(id, &end).await;
        for pause in PAUSES {
            if !matches!(kept, Err(Error::Unavailable(_) | Error::Refused(Refusal::Conflict))) {
                break;
            }
            tokio::time::sleep(Duration::from_secs(pause)).await;
            kept = self.try_to_end_job(id, &end).await;
        }
        if let Err(error) = kept {
            tracing::error!(job = %id, %error, "the end of a job could not be kept");
        }
    }

    async fn try_to_end_job(&self, id: JobId, end: &JobEnd) -> Result<(), Error> {
        let kept = self
            .store()
            .commit("job_end", |tx| Box::pin(async move { Ok::<_, Error>(tx.end_job(id, end).await?) }));
        kept.await.map(|((), _)| ())
    }

    /// Cuts off the jobs that run, and waits until each has an end. To be called before the store closes.
    pub async fn end_jobs(&self) {
        self.state.jobs.stop.cancel();
        self.state.jobs.tasks.close();
        self.state.jobs.tasks.wait().await;
    }
}
