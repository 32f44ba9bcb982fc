//! Git integrations: where an API's OpenAPI document is pulled from and pushed to (product.md B). Setting one up is
//! here; what asks the host is below.

mod agent;
mod fields;
mod first_sight;
mod pull;
mod push;
mod remote;
mod test;
mod turn;

use claviger_domain::apis::Api;
use claviger_domain::event::EventBody;
use claviger_domain::git_integrations::{GitIntegration, GitSettings, IntegrationOf};
use claviger_domain::permission::Permission;
use claviger_domain::refusal::Refusal;
use claviger_store::Reader;
use claviger_wire::git_integrations as wire;

pub use remote::Git;

use crate::apis;
use crate::authority::Authority;
use crate::error::Error;
use crate::etag;
use crate::key_pairs::Accessor;
use crate::request::{Answer, Gone, Read, Request, Status, Written};
use crate::state::Service;
use crate::write::Write;

/// What may be done with an integration, as `can` lists it.
const ACTS: [(&str, Permission); 6] = [
    ("update", Permission::GitIntegrationsUpdate),
    ("delete", Permission::GitIntegrationsDelete),
    ("test", Permission::GitIntegrationsTest),
    ("pull", Permission::GitIntegrationsPull),
    ("push", Permission::GitIntegrationsPush),
    ("host-key", Permission::GitIntegrationsHostKey),
];

impl Answer for wire::GitIntegration {
    fn etag(&self) -> Option<String> {
        etag::of(self).ok()
    }
}

impl Service {
    pub async fn git_integration_read(
        &self,
        request: &Request,
        api: &str,
    ) -> Result<Read<wire::GitIntegration>, Error> {
        let (mut reader, authority) = self.reading(request).await?;
        let api = seen(&mut reader, &authority, api).await?;
        let integration = reader.git_integration(api.id).await?.ok_or(Refusal::NotFound)?;
        Read::of(view(&mut reader, &authority, &api, &integration).await?)
    }

    /// Sets the integration up, or changes it. Attaching a pair, or having an attached one sign in for something
    /// else, needs write access to it; putting what is there already is no event.
    pub async fn git_integration_put(
        &self,
        request: &Request,
        api: &str,
        body: &wire::Put,
    ) -> Result<Written<wire::GitIntegration>, Error> {
        self.write(request, "git_integration_put", Status::Done, |write| {
            Box::pin(write.git_integration_put(api, body))
        })
        .await
    }

    /// Removes the integration. The API's document stays, and the key pair is free.
    pub async fn git_integration_delete(&self, request: &Request, api: &str) -> Result<Written<Gone>, Error> {
        self.write(request, "git_integration_delete", Status::Deleted, |write| {
            Box::pin(async move {
                let (_, integration) = write.integration_to(api, Permission::GitIntegrationsDelete).await?;
                write.remove_integration(&integration).await?;
                Ok(Gone)
            })
        })
        .await
    }

    /// Forgets the host's key: the one that it shows next is pinned.
    pub async fn git_integration_forget_host_key(
        &self,
        request: &Request,
        api: &str,
    ) -> Result<Written<Gone>, Error> {
        self.write(request, "git_integration_forget_host_key", Status::Deleted, |write| {
            Box::pin(async move {
                let (_, integration) = write.integration_to(api, Permission::GitIntegrationsHostKey).await?;
                if integration.host_key.is_none() {
                    return Err(Error::not_found());
                }
                let api_id = IntegrationOf(integration.api_id);
                let event = EventBody::GitIntegrationHostKeyRemoved { api_id };
                write.append(integration.place(), event).await?;
                Ok(Gone)
            })
        })
        .await
    }
}

impl Write<'_, '_> {
    /// The API's integration, if the actor may see it and do `act` to it; `If-Match` is checked.
    async fn integration_to(&mut self, api: &str, act: Permission) -> Result<(Api, GitIntegration), Error> {
        let api = seen(self.tx, &self.authority, api).await?;
        self.authority.require_act(act, &api.place())?;
        let integration = self.tx.git_integration(api.id).await?.ok_or(Refusal::NotFound)?;
        self.check_integration_match(&api, Some(&integration)).await?;
        Ok((api, integration))
    }

    async fn check_integration_match(
        &mut self,
        api: &Api,
        integration: Option<&GitIntegration>,
    ) -> Result<(), Error> {
        match (&self.request.if_match, integration) {
            (None, _) => Ok(()),
            (Some(_), None) => Err(Refusal::PreconditionFailed.into()),
            (Some(_), Some(integration)) => {
                let shown = view(self.tx, &self.authority, api, integration).await?;
                self.check_if_match(&shown)
            }
        }
    }

    async fn git_integration_put(
        &mut self,
        api: &str,
        body: &wire::Put,
    ) -> Result<wire::GitIntegration, Error> {
        let api = seen(self.tx, &self.authority, api).await?;
        self.authority.require_act(Permission::GitIntegrationsUpdate, &api.place())?;
        let present = self.tx.git_integration(api.id).await?;
        self.check_integration_match(&api, present.as_ref()).await?;
        let settings = fields::settings(body)?;
        let attached = present.as_ref().map(|present| &present.settings);
        fields::check_pair(self.tx, &self.authority, &api, &settings, attached).await?;
        if let Some(event) = put_event(&api, present.as_ref(), settings) {
            self.append(api.place(), event).await?;
        }
        let integration = self.tx.git_integration(api.id).await?.ok_or(Refusal::NotFound)?;
        view(self.tx, &self.authority, &api, &integration).await
    }

    async fn remove_integration(&mut self, integration: &GitIntegration) -> Result<(), Error> {
        let event = EventBody::GitIntegrationDeleted { api_id: IntegrationOf(integration.api_id) };
        self.append(integration.place(), event).await.map(drop)
    }

    /// An API takes its integration along.
    pub(crate) async fn remove_integration_of(&mut self, api: &Api) -> Result<(), Error> {
        match self.tx.git_integration(api.id).await? {
            Some(integration) => self.remove_integration(&integration).await,
            None => Ok(()),
        }
    }
}

/// What putting the settings is in the log; `None`: they are so already.
fn put_event(api: &Api, present: Option<&GitIntegration>, settings: GitSettings) -> Option<EventBody> {
    let api_id = IntegrationOf(api.id);
    match present {
        Some(present) if present.settings == settings => None,
        Some(_) => Some(EventBody::GitIntegrationUpdated { api_id, settings: Box::new(settings) }),
        None => Some(EventBody::GitIntegrationCreated {
            api_id,
            organization_id: api.organization_id,
            group_id: api.group_id,
            settings: Box::new(settings),
        }),
    }
}

/// The API, if its integration may be seen. Whoever may not see that is not told whether there is one.
async fn seen(reader: &mut Reader, authority: &Authority, api: &str) -> Result<Api, Error> {
    let api = apis::by_id_or_slug(reader, api).await?.ok_or(Refusal::NotFound)?;
    if authority.allows(Permission::GitIntegrationsRead, &api.place()) {
        Ok(api)
    } else {
        Err(Error::not_found())
    }
}

/// The integration as this caller sees it: a pair without access to it is one that can't be seen (product.md A7).
async fn view(
    reader: &mut Reader,
    authority: &Authority,
    api: &Api,
    integration: &GitIntegration,
) -> Result<wire::GitIntegration, Error> {
    let pair = reader.key_pair(integration.settings.key_pair_id).await?;
    let accessor = Accessor::of(reader, authority).await?;
    let pair = pair.filter(|pair| accessor.level(pair).is_some());
    let document = api.document.as_ref().map(|document| &document.sha256);
    let fits = |act: &str| match act {
        "pull" | "push" => integration.settings.enabled,
        "host-key" => integration.host_key.is_some(),
        _ => true,
    };
    let allowed = ACTS.iter().filter(|(act, needs)| fits(act) && authority.allows(*needs, &api.place()));
    let can = allowed.map(|(act, _)| (*act).to_owned()).collect();
    Ok(wire::GitIntegration::new(integration, pair.as_ref(), document, can))
}
