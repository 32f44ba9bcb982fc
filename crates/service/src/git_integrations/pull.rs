//! Pulling: the file is fetched, read as an OpenAPI document, and kept, if nothing is lost by that which its owner
//! would miss (product.md B3, B4). No transaction waits for the host.

use claviger_domain::apis::DocumentSource;
use claviger_domain::event::EventBody;
use claviger_domain::git_integrations::{GitIntegration, IntegrationOf, SyncPoint};
use claviger_domain::jobs::{JobError, JobOutcome};
use claviger_domain::refusal::{FieldError, Refusal};
use claviger_git::{Fetched, Outcome};
use claviger_openapi::Format;
use claviger_store::Tx;

use super::remote::told;
use super::turn::{Turn, ended};
use crate::api_documents::{ReadDocument, SentDocument};
use crate::error::Error;
use crate::jobs::JobResult;
use crate::state::Service;

impl Service {
    pub(super) async fn pull(&self, turn: &Turn) -> JobResult {
        let engine = self.options().git.engine().map_err(|missing| vec![missing])?;
        let agent = std::sync::Arc::clone(&turn.agent);
        let Outcome { result, .. } = engine.fetch(&turn.remote, agent).await;
        let Fetched { commit, blob, document } = result.map_err(|error| vec![told(error)])?;
        let format = Format::of_path(turn.remote.path.as_str());
        let read =
            self.read_document(SentDocument { bytes: document.into(), format }).await.map_err(ended)?;
        let read = &read.map_err(invalid)?;
        let sync = &SyncPoint { commit, blob, document: read.digest() };
        let kept =
            self.store().commit("git_pull_keep", |tx| Box::pin(self.keep_pulled(tx, turn, read, sync)));
        let (outcome, position) = kept.await.map_err(ended)?;
        self.follow_to(position).await.map_err(ended)?;
        outcome.map_err(|error| vec![error])
    }

    /// Makes what was fetched the API's document, unless somebody changed one or the other meanwhile.
    async fn keep_pulled(
        &self,
        tx: &mut Tx<'_>,
        turn: &Turn,
        read: &ReadDocument,
        sync: &SyncPoint,
    ) -> Result<Result<JobOutcome, JobError>, Error> {
        let api = tx.api(turn.api.id).await?.ok_or(Refusal::NotFound)?;
        let integration = tx.git_integration(api.id).await?.ok_or(Refusal::NotFound)?;
        integration.require_enabled("pull")?;
        if !integration.settings.same_attachment(&turn.integration.settings) {
            return Ok(Err(moved()));
        }
        let present = api.document.as_ref().map(|document| &document.sha256);
        if let Err(failure) = integration.allow_pull(present, &sync.document, turn.out_of_sync) {
            return Ok(Err(JobError::new(failure.code.as_str(), failure.detail)));
        }
        let event = read.event(&api, DocumentSource::Pulled);
        let changed = event.is_some();
        if let Some(event) = event {
            read.keep(tx).await?;
            tx.append(self.event_of(&turn.starter, api.place(), event)).await?;
        }
        if changed || is_news(&integration, sync) {
            let api_id = IntegrationOf(api.id);
            let event = EventBody::GitIntegrationPulled { api_id, sync: Box::new(sync.clone()) };
            tx.append(self.event_of(&turn.starter, integration.place(), event)).await?;
        }
        Ok(Ok(JobOutcome { changed, commit: sync.commit.to_string() }))
    }
}

/// Whether the two sides were known to be equal so before.
pub(super) fn is_news(integration: &GitIntegration, sync: &SyncPoint) -> bool {
    integration.synced.as_ref() != Some(sync)
}

/// What is said when the integration leads elsewhere than it did when the job began.
pub(super) fn moved() -> JobError {
    JobError::new("out_of_sync", "The Git integration was changed while the job ran. Start it again.")
}

/// What is wrong with the file, where in it.
fn invalid(errors: Vec<FieldError>) -> Vec<JobError> {
    let told = |error: FieldError| JobError {
        pointer: Some(error.pointer),
        ..JobError::new("invalid_document", format!("The file is no OpenAPI document: {}.", error.detail))
    };
    errors.into_iter().map(told).collect()
}
