//! Trying an integration as it was typed, before it is saved (product.md B2). It changes nothing: a key that the host
//! shows is told, and pinned by the first pull or push.

use std::sync::Arc;
use std::time::Duration;

use claviger_domain::git_integrations::GitIntegration;
use claviger_domain::jobs::JobError;
use claviger_domain::permission::Permission;
use claviger_domain::refusal::Refusal;
use claviger_git::{Outcome, Remote};
use claviger_wire::git_integrations as wire;

use super::agent::PairAgent;
use super::remote::{remote, told};
use super::{fields, seen};
use crate::error::Error;
use crate::request::Request;
use crate::state::Service;

/// How long a test waits for others to end.
const PATIENCE: Duration = Duration::from_secs(10);

impl Service {
    /// Whether the file could be pulled; or why not.
    pub async fn git_integration_test(
        &self,
        request: &Request,
        api: &str,
        body: &wire::Put,
    ) -> Result<wire::Tested, Error> {
        let (mut reader, authority) = self.reading(request).await?;
        let api = seen(&mut reader, &authority, api).await?;
        authority.require_act(Permission::GitIntegrationsTest, &api.place())?;
        let settings = fields::settings(body)?;
        let present = reader.git_integration(api.id).await?;
        let attached = present.as_ref().map(|present| &present.settings);
        fields::check_pair(&mut reader, &authority, &api, &settings, attached).await?;
        let actor = request.caller.service_key_id.to_string();
        let agent = PairAgent::of(self, &mut reader, settings.key_pair_id, actor, api.id.to_string()).await?;
        drop(reader);
        let remote = remote(&settings, present.as_ref());
        let outcome = self.try_remote(&remote, agent).await?;
        Ok(tested(outcome, present.as_ref().filter(|present| present.settings.same_host(&settings))))
    }

    async fn try_remote(&self, remote: &Remote, agent: PairAgent) -> Result<Tried, Error> {
        let engine = match self.options().git.engine() {
            Ok(engine) => engine,
            Err(missing) => return Ok(Tried { host_key: None, failed: Some(missing) }),
        };
        let place = tokio::time::timeout(PATIENCE, self.state.jobs.place()).await;
        let Ok(_place) = place else {
            return Err(Refusal::TooManyRequests { retry_after_seconds: PATIENCE.as_secs() }.into());
        };
        let Outcome { host_key, result } = engine.test(remote, Arc::new(agent)).await;
        Ok(Tried { host_key, failed: result.err().map(told) })
    }
}

/// What came of asking.
struct Tried {
    host_key: Option<claviger_domain::git::HostKey>,
    failed: Option<JobError>,
}

/// The key that is pinned says so.
fn tested(tried: Tried, known: Option<&GitIntegration>) -> wire::Tested {
    let pinned = known.and_then(|known| known.host_key.as_ref());
    let host_key = tried.host_key.as_ref().map(|shown| match pinned.filter(|pinned| pinned.key == *shown) {
        Some(pinned) => wire::GitHostKey::from(pinned),
        None => wire::GitHostKey::from(shown),
    });
    match tried.failed {
        None => wire::Tested {
            ok: true,
            code: None,
            detail: "The host lets the key in, and the file is there.".to_owned(),
            host_key,
        },
        Some(JobError { code, detail, .. }) => wire::Tested { ok: false, code: Some(code), detail, host_key },
    }
}
