//! Pushing: the API's document becomes the file, as one commit on top of the branch, if nobody's work is lost by that
//! (product.md B3, B4).

use claviger_domain::apis::{DocumentDigest, DocumentFormat};
use claviger_domain::event::EventBody;
use claviger_domain::git_integrations::{IntegrationOf, SyncPoint};
use claviger_domain::jobs::{JobError, JobOutcome};
use claviger_domain::members::Member;
use claviger_domain::refusal::Refusal;
use claviger_git::{Author, Expected, Outcome, Push};
use claviger_openapi::Format;
use claviger_store::{Reader, Tx};

use super::pull::{is_news, moved};
use super::remote::told;
use super::turn::{Starter, Turn, ended};
use crate::api_documents::{DocumentBytes, document_bytes};
use crate::error::Error;
use crate::jobs::JobResult;
use crate::state::Service;

/// What a commit names where its author has no address.
const NO_ADDRESS: &str = "claviger@localhost";

impl Service {
    pub(super) async fn push(&self, mut reader: Reader, turn: &Turn) -> JobResult {
        let engine = self.options().git.engine().map_err(|missing| vec![missing])?;
        let (push, digest) = self.commit_of(&mut reader, turn).await?;
        drop(reader);
        let agent = std::sync::Arc::clone(&turn.agent);
        let Outcome { result, .. } = engine.push(&turn.remote, agent, &push).await;
        let pushed = result.map_err(|error| vec![told(error)])?;
        let sync = &SyncPoint { commit: pushed.commit, blob: pushed.blob, document: digest };
        let kept = self.store().commit("git_push_keep", |tx| Box::pin(self.keep_pushed(tx, turn, sync)));
        let (kept, position) = kept.await.map_err(ended)?;
        self.follow_to(position).await.map_err(ended)?;
        kept.map_err(|error| vec![error])?;
        Ok(JobOutcome { changed: pushed.changed, commit: sync.commit.to_string() })
    }

    /// The document as a commit of whoever pushes it.
    async fn commit_of(
        &self,
        reader: &mut Reader,
        turn: &Turn,
    ) -> Result<(Push, DocumentDigest), Vec<JobError>> {
        let nothing =
            || vec![JobError::new("invalid_document", "The API has no document: put or pull one first.")];
        let present = turn.api.document.as_ref().ok_or_else(nothing)?;
        if present.format == DocumentFormat::Yaml
            && Format::of_path(turn.remote.path.as_str()) == Format::Json
        {
            let detail =
                "The document is YAML, and the file's name says JSON: name a file that ends in .yaml.";
            return Err(vec![JobError::new("invalid_document", detail)]);
        }
        let DocumentBytes { bytes, document, .. } =
            document_bytes(reader, &turn.api, None).await.map_err(ended)?;
        let member = member_of(reader, &turn.starter).await.map_err(ended)?;
        let expected = match turn.integration.expected_at_host(turn.out_of_sync) {
            Some(blob) => Expected::Blob(blob.cloned()),
            None => Expected::Anything,
        };
        let push = Push {
            document: bytes,
            message: message(turn, member.as_ref()),
            author: author(&turn.starter, member.as_ref()),
            at: self.now(),
            expected,
        };
        Ok((push, document.sha256))
    }

    /// Notes that both sides are equal, unless the integration leads elsewhere by now.
    async fn keep_pushed(
        &self,
        tx: &mut Tx<'_>,
        turn: &Turn,
        sync: &SyncPoint,
    ) -> Result<Result<(), JobError>, Error> {
        let integration = tx.git_integration(turn.api.id).await?.ok_or(Refusal::NotFound)?;
        if !integration.settings.same_file(&turn.integration.settings) {
            return Ok(Err(moved()));
        }
        if is_news(&integration, sync) {
            let api_id = IntegrationOf(turn.api.id);
            let event = EventBody::GitIntegrationPushed { api_id, sync: Box::new(sync.clone()) };
            tx.append(self.event_of(&turn.starter, integration.place(), event)).await?;
        }
        Ok(Ok(()))
    }
}

/// The member that the starter's key counts as.
async fn member_of(reader: &mut Reader, starter: &Starter) -> Result<Option<Member>, Error> {
    let key = reader.service_key(starter.service_key_id).await?;
    match key.and_then(|key| key.member_id) {
        Some(id) => Ok(reader.member(id).await?),
        None => Ok(None),
    }
}

fn author(starter: &Starter, member: Option<&Member>) -> Author {
    match member {
        Some(member) => Author { name: member.name.to_string(), email: member.email.as_str().to_owned() },
        None => Author { name: starter.actor.name.clone(), email: NO_ADDRESS.to_owned() },
    }
}

/// What a commit says: what it is, and who pushed it by which key.
fn message(turn: &Turn, member: Option<&Member>) -> String {
    let key = &turn.starter.actor.name;
    let who = match member {
        Some(member) => format!("{} <{}>, with the service key {key}", member.name, member.email.as_str()),
        None => format!("the service key {key}"),
    };
    format!(
        "Update {}\n\nThe OpenAPI document of {} ({}).\nPushed from Claviger by {who}.\n",
        turn.remote.path, turn.api.settings.name, turn.api.slug
    )
}
