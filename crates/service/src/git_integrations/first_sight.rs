//! Meeting a host for the first time (product.md B5): its key is pinned before anything signs in to it, and from then on
//! it is the only one. Of several jobs that meet a host at once, those that met another key than the one that was
//! pinned end there.

use claviger_domain::event::EventBody;
use claviger_domain::git::{Failure, HostKey};
use claviger_domain::git_integrations::{GitSettings, IntegrationOf};
use claviger_domain::id::ApiId;
use claviger_domain::refusal::Refusal;
use claviger_git::AgentError;
use claviger_store::Tx;

use super::turn::Starter;
use crate::error::Error;
use crate::state::Service;

/// A job on an integration whose host was not met when the job began.
pub(super) struct FirstSight {
    service: Service,
    starter: Starter,
    api_id: ApiId,
    settings: GitSettings,
}

impl FirstSight {
    pub(super) const fn new(
        service: Service,
        starter: Starter,
        api_id: ApiId,
        settings: GitSettings,
    ) -> Self {
        Self { service, starter, api_id, settings }
    }

    /// Pins the key that the host shows. An error: nobody may sign in there.
    pub(super) async fn pin(&self, shown: &HostKey) -> Result<(), AgentError> {
        let pinned = self.service.store().commit("git_pin_host_key", |tx| Box::pin(self.pin_in(tx, shown)));
        let (pinned, _) = pinned.await?;
        Ok(pinned?)
    }

    async fn pin_in(&self, tx: &mut Tx<'_>, shown: &HostKey) -> Result<Result<(), Failure>, Error> {
        let integration = tx.git_integration(self.api_id).await?.ok_or(Refusal::NotFound)?;
        match integration.pins_at_first_sight(&self.settings, shown) {
            Err(failure) => return Ok(Err(failure)),
            Ok(false) => return Ok(Ok(())),
            Ok(true) => {}
        }
        let event = EventBody::GitIntegrationHostKeyPinned {
            api_id: IntegrationOf(self.api_id),
            host_key: shown.clone(),
            fingerprint: shown.fingerprint(),
        };
        tx.append(self.service.event_of(&self.starter, integration.place(), event)).await?;
        Ok(Ok(()))
    }
}
