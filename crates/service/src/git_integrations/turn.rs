//! What a pull and a push have in common: they are started by one who may, and look at everything anew when their turn
//! comes (product.md B5).

use std::sync::Arc;

use claviger_domain::apis::Api;
use claviger_domain::event::{ActorRef, EventBody, NewEvent};
use claviger_domain::git_integrations::{GitIntegration, OutOfSync};
use claviger_domain::id::{ApiId, JobId, ServiceKeyId};
use claviger_domain::jobs::{JobError, JobKind};
use claviger_domain::permission::Permission;
use claviger_domain::refusal::Refusal;
use claviger_domain::scope::Place;
use claviger_git::Remote;
use claviger_store::Reader;
use claviger_wire::{git_integrations as wire, jobs};
use serde::Serialize;

use super::agent::PairAgent;
use super::first_sight::FirstSight;
use super::remote::{ours, remote};
use crate::error::{Error, Unavailable};
use crate::jobs::JobResult;
use crate::request::{Answer, Outcome, Request, Status, Written};
use crate::state::Service;

/// Who started it. What it changes is theirs in the log.
#[derive(Debug, Clone)]
pub(super) struct Starter {
    pub(super) service_key_id: ServiceKeyId,
    pub(super) actor: ActorRef,
    source: Option<String>,
}

/// A job that was begun. What is recorded of the request is the job.
#[derive(Debug, Serialize)]
#[serde(transparent)]
struct Begun {
    job: jobs::Job,
    #[serde(skip)]
    api_id: ApiId,
}

impl Answer for Begun {
    fn location(&self) -> Option<String> {
        self.job.location()
    }
}

/// Everything as it is when the turn comes.
pub(super) struct Turn {
    pub(super) api: Api,
    pub(super) integration: GitIntegration,
    pub(super) remote: Remote,
    pub(super) agent: Arc<PairAgent>,
    pub(super) starter: Starter,
    pub(super) out_of_sync: OutOfSync,
}

impl Service {
    /// Starts a pull: what the host has becomes the API's document.
    pub async fn git_integration_pull(
        &self,
        request: &Request,
        api: &str,
        body: &wire::Start,
    ) -> Result<Written<jobs::Job>, Error> {
        self.git_job(request, api, JobKind::GitPull, body.out_of_sync.into()).await
    }

    /// Starts a push: the API's document becomes what the host has.
    pub async fn git_integration_push(
        &self,
        request: &Request,
        api: &str,
        body: &wire::Start,
    ) -> Result<Written<jobs::Job>, Error> {
        self.git_job(request, api, JobKind::GitPush, body.out_of_sync.into()).await
    }

    /// In a task of its own, which goes on if the caller hangs up: a job that is committed is run.
    async fn git_job(
        &self,
        request: &Request,
        api: &str,
        kind: JobKind,
        out_of_sync: OutOfSync,
    ) -> Result<Written<jobs::Job>, Error> {
        let (service, request, api) = (self.clone(), request.clone(), api.to_owned());
        let begun =
            self.to_the_end(async move { service.begin_git_job(&request, &api, kind, out_of_sync).await });
        begun.await?
    }

    async fn begin_git_job(
        &self,
        request: &Request,
        api: &str,
        kind: JobKind,
        out_of_sync: OutOfSync,
    ) -> Result<Written<jobs::Job>, Error> {
        let (act, permission) = match kind {
            JobKind::GitPull => ("pull", Permission::GitIntegrationsPull),
            JobKind::GitPush => ("push", Permission::GitIntegrationsPush),
        };
        let (written, head) = self
            .write_unfollowed(request, kind.as_str(), Status::Accepted, |write| {
                Box::pin(async move {
                    let (api, integration) = write.integration_to(api, permission).await?;
                    integration.require_enabled(act)?;
                    Ok(Begun { job: write.begin_job(kind, &api).await?, api_id: api.id })
                })
            })
            .await?;
        let (outcome, envelope) = written.split();
        let outcome = match outcome {
            Outcome::Replayed(body) => Outcome::Replayed(body),
            Outcome::Fresh(Begun { job, api_id }) => {
                let id: JobId = job.id.parse().map_err(Error::internal)?;
                let (service, starter) = (self.clone(), Starter::of(request));
                self.run_job(id, async move { service.git_turn(api_id, kind, starter, out_of_sync).await });
                Outcome::Fresh(job)
            }
        };
        self.follow_to(head).await?;
        Ok(envelope.with_outcome(outcome))
    }

    async fn git_turn(
        &self,
        api_id: ApiId,
        kind: JobKind,
        starter: Starter,
        out_of_sync: OutOfSync,
    ) -> JobResult {
        let mut reader = self.store().read().await.map_err(|error| ended(error.into()))?;
        let turn = self.turn(&mut reader, api_id, starter, out_of_sync).await.map_err(ended)?;
        match kind {
            JobKind::GitPull => {
                drop(reader);
                self.pull(&turn).await
            }
            JobKind::GitPush => self.push(reader, &turn).await,
        }
    }

    async fn turn(
        &self,
        reader: &mut Reader,
        api_id: ApiId,
        starter: Starter,
        out_of_sync: OutOfSync,
    ) -> Result<Turn, Error> {
        let api = reader.api(api_id).await?.ok_or(Refusal::NotFound)?;
        let integration = reader.git_integration(api_id).await?.ok_or(Refusal::NotFound)?;
        integration.require_enabled("run")?;
        let (pair, actor) = (integration.settings.key_pair_id, starter.service_key_id.to_string());
        let remote = remote(&integration.settings, Some(&integration));
        let mut agent = PairAgent::of(self, reader, pair, actor, api_id.to_string()).await?;
        if remote.pinned.is_none() {
            let settings = integration.settings.clone();
            agent = agent.at_first_sight(FirstSight::new(self.clone(), starter.clone(), api_id, settings));
        }
        Ok(Turn { api, integration, remote, agent: Arc::new(agent), starter, out_of_sync })
    }

    /// What happened in a job, as its starter caused it.
    pub(super) fn event_of(&self, starter: &Starter, place: Place, body: EventBody) -> NewEvent {
        let now = self.now();
        NewEvent {
            id: self.fresh_id(now),
            at: now,
            actor: starter.actor.clone(),
            source: starter.source.clone(),
            reason: None,
            place,
            counterpart: None,
            body,
            private: None,
        }
    }
}

impl Starter {
    fn of(request: &Request) -> Self {
        Self {
            service_key_id: request.caller.service_key_id,
            actor: request.caller.actor.clone(),
            source: request.source.map(|source| source.to_string()),
        }
    }
}

/// A job that was stopped on this side.
pub(super) fn ended(error: Error) -> Vec<JobError> {
    vec![broken_off(error)]
}

/// What stopped a job on this side, as its starter is told.
pub(super) fn broken_off(error: Error) -> JobError {
    match error {
        Error::Refused(Refusal::NotFound) => {
            JobError::new("not_found", "The API or its Git integration was removed meanwhile.")
        }
        Error::Refused(Refusal::InvalidTransition { .. }) => {
            JobError::new("disabled", "The Git integration was turned off meanwhile.")
        }
        Error::Refused(Refusal::Conflict) => {
            JobError::new("conflict", "Too much was written at the same time. Start it again.")
        }
        Error::Unavailable(Unavailable::Database) => {
            JobError::new("database_unavailable", "The database could not be reached. Start it again.")
        }
        other => ours(other),
    }
}
