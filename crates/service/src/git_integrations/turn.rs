//! What a pull and a push have in common: they are started by one who may, look at everything anew when their turn
//! comes, and pin the host's key when they meet it first (product.md B5).

use std::sync::Arc;

use claviger_domain::apis::Api;
use claviger_domain::event::{ActorRef, EventBody, NewEvent};
use claviger_domain::git::HostKey;
use claviger_domain::git_integrations::{GitIntegration, IntegrationOf, OutOfSync};
use claviger_domain::id::{ApiId, JobId, ServiceKeyId};
use claviger_domain::jobs::{JobError, JobKind};
use claviger_domain::permission::Permission;
use claviger_domain::refusal::Refusal;
use claviger_domain::scope::Place;
use claviger_git::Remote;
use claviger_store::Reader;
use claviger_wire::{git_integrations as wire, jobs};

use super::agent::PairAgent;
use super::remote::{ours, remote};
use crate::error::{Error, Unavailable};
use crate::jobs::JobResult;
use crate::request::{Outcome, Request, Status, Written};
use crate::state::Service;

/// Who started it. What it changes is theirs in the log.
#[derive(Debug, Clone)]
pub(super) struct Starter {
    pub(super) service_key_id: ServiceKeyId,
    pub(super) actor: ActorRef,
    source: Option<String>,
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

    async fn git_job(
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
        let written = self
            .write(request, kind.as_str(), Status::Accepted, |write| {
                Box::pin(async move {
                    let (api, integration) = write.integration_to(api, permission).await?;
                    integration.require_enabled(act)?;
                    write.begin_job(kind, &api).await
                })
            })
            .await?;
        if let Outcome::Fresh(job) = &written.outcome {
            let id: JobId = job.id.parse().map_err(Error::internal)?;
            let api_id: ApiId = job.api.id.parse().map_err(Error::internal)?;
            let (service, starter) = (self.clone(), Starter::of(request));
            self.run_job(id, async move { service.git_turn(api_id, kind, starter, out_of_sync).await });
        }
        Ok(written)
    }

    async fn git_turn(
        &self,
        api_id: ApiId,
        kind: JobKind,
        starter: Starter,
        out_of_sync: OutOfSync,
    ) -> JobResult {
        let mut reader = self.store().read().await.map_err(|error| broken_off(error.into()))?;
        let turn = self.turn(&mut reader, api_id, starter, out_of_sync).await.map_err(broken_off)?;
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
        let agent = PairAgent::of(self, reader, pair, actor, api_id.to_string()).await?;
        let remote = remote(&integration.settings, Some(&integration));
        Ok(Turn { api, integration, remote, agent: Arc::new(agent), starter, out_of_sync })
    }

    /// Pins the key of a host that was met for the first time: from here on it is the only one.
    pub(super) async fn pin_host_key(&self, turn: &Turn, shown: Option<&HostKey>) -> Result<(), Error> {
        let Some(shown) = shown.filter(|_| turn.remote.pinned.is_none()) else { return Ok(()) };
        let pinned = self.store().commit("git_pin_host_key", |tx| {
            Box::pin(async move {
                let present = tx.git_integration(turn.api.id).await?;
                let fits = |present: &GitIntegration| {
                    present.host_key.is_none() && present.settings.same_host(&turn.integration.settings)
                };
                if present.as_ref().is_some_and(fits) {
                    let event = EventBody::GitIntegrationHostKeyPinned {
                        api_id: IntegrationOf(turn.api.id),
                        host_key: shown.clone(),
                        fingerprint: shown.fingerprint(),
                    };
                    tx.append(self.event_of(&turn.starter, turn.integration.place(), event)).await?;
                }
                Ok::<_, Error>(())
            })
        });
        pinned.await.map(|((), _)| ())
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

/// What stopped a job on this side, as its starter is told.
pub(super) fn broken_off(error: Error) -> Vec<JobError> {
    let told = match error {
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
    };
    vec![told]
}
