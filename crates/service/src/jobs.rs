//! Jobs: work that goes on after its request was answered with 202 (product.md B3).

mod run;

use claviger_domain::id::JobId;
use claviger_domain::permission::Permission;
use claviger_domain::refusal::Refusal;
use claviger_domain::time::Timestamp;
use claviger_store::{JobFilter, JobSort};
use claviger_wire::Page;
use claviger_wire::jobs as wire;

pub(crate) use run::{JobResult, Jobs};

use crate::apis::api_ids;
use crate::error::Error;
use crate::lists::{ListParameters, Parameters};
use crate::names::Names;
use crate::request::{Read, Request};
use crate::state::Service;

/// For how long a job that ended can be asked for.
const KEPT_SECONDS: i64 = 30 * 86_400;

impl Service {
    pub async fn job_list(
        &self,
        request: &Request,
        given: &ListParameters,
    ) -> Result<Page<wire::Job>, Error> {
        let (mut reader, authority) = self.reading(request).await?;
        let visible = authority.listed(Permission::JobsRead)?;
        let now = self.now();
        let mut parameters = Parameters::new(given)?;
        let filter = JobFilter {
            now,
            api_ids: api_ids(&mut reader, &parameters.many("api_id")).await?,
            kinds: parameters.words("kind")?,
            statuses: parameters.words("status")?,
        };
        let sorts = [("started_at", JobSort::StartedAt)];
        let query = parameters.finish(self, request, &sorts, filter, visible)?;
        let page = reader.jobs(&query).await?;
        let mut names = Names::default();
        let mut items = Vec::with_capacity(page.items.len());
        for job in &page.items {
            items.push(wire::Job::new(job, names.api_ref(&mut reader, job.api_id).await?, now));
        }
        self.page(request, given, page.with_items(items))
    }

    pub async fn job_read(&self, request: &Request, id: JobId) -> Result<Read<wire::Job>, Error> {
        let (mut reader, authority) = self.reading(request).await?;
        let job = reader.job(id).await?.ok_or(Refusal::NotFound)?;
        if !authority.allows(Permission::JobsRead, &job.place()) {
            return Err(Error::not_found());
        }
        let api = Names::default().api_ref(&mut reader, job.api_id).await?;
        Read::of(wire::Job::new(&job, api, self.now()))
    }

    /// Ends the jobs that this node was at when it ended the last time; to be called before it begins any.
    pub async fn interrupt_jobs(&self) -> Result<u64, Error> {
        let (node_id, now) = (self.options().node_id, self.now());
        let (cut_off, _) = self
            .store()
            .commit("jobs_interrupt", |tx| {
                Box::pin(async move { Ok::<_, Error>(tx.interrupt_jobs(node_id, now).await?) })
            })
            .await?;
        Ok(cut_off)
    }

    /// Deletes jobs past their time.
    pub async fn forget_jobs(&self) -> Result<u64, Error> {
        let limit = Timestamp::from_micros(self.now().as_micros() - KEPT_SECONDS * 1_000_000);
        let (forgotten, _) = self
            .store()
            .commit("jobs_forget", |tx| Box::pin(async move { Ok::<_, Error>(tx.forget_jobs(limit).await?) }))
            .await?;
        Ok(forgotten)
    }
}
