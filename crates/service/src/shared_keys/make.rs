//! Making shared keys. Key and secret are in the answer and nowhere else, unless the API's policy template says
//! that they can be retrieved.

use claviger_domain::apis::Api;
use claviger_domain::event::{EventBody, SharedKeyTerms};
use claviger_domain::id::EnvironmentId;
use claviger_domain::permission::Permission;
use claviger_domain::refusal::Refusal;
use claviger_domain::shared_keys::{Audience, SharedKey, place};
use claviger_wire::shared_keys as wire;

use super::values::{Fresh, Part, retrievable};
use crate::apis;
use crate::environments;
use crate::error::Error;
use crate::fields::Fields;
use crate::issuing::replan;
use crate::policy_templates::rate_limit;
use crate::request::{Request, Status, Written};
use crate::state::Service;
use crate::subscriptions::permissions;
use crate::write::Write;

impl Service {
    pub async fn shared_key_create(
        &self,
        request: &Request,
        api: &str,
        body: &wire::Create,
    ) -> Result<Written<wire::SharedKey>, Error> {
        let mut attempt = 0;
        loop {
            let sealed = self.seals_values_of(api).await?;
            let fresh = self.fresh_values(None, sealed, self.now()).await?;
            let fresh = &fresh;
            let written = self
                .write(request, "shared_key_create", Status::Created, |write| {
                    Box::pin(write.shared_key_create(api, body, fresh))
                })
                .await;
            if !replan(&mut attempt, &written) {
                return written;
            }
        }
    }

    /// Whether values issued for the API must be sealed, as far as it is there. What is wrong with the request is
    /// told by the transaction.
    pub(super) async fn seals_values_of(&self, api: &str) -> Result<bool, Error> {
        let mut reader = self.state.store.read().await?;
        match apis::by_id_or_slug(&mut reader, api).await? {
            Some(api) => retrievable(&mut reader, &api).await,
            None => Ok(false),
        }
    }
}

impl Write<'_, '_> {
    async fn shared_key_create(
        &mut self,
        api: &str,
        body: &wire::Create,
        fresh: &Fresh,
    ) -> Result<wire::SharedKey, Error> {
        let api = apis::by_id_or_slug(self.tx, api).await?;
        let api = api.filter(|api| apis::is_visible(&self.authority, api)).ok_or(Refusal::NotFound)?;
        let terms = self.terms_of_shared_key(&api, body, fresh).await?;
        if !api.exposed {
            return Err(Refusal::ApiNotExposed.into());
        }
        let in_section = self.tx.shared_keys_in_section(api.id, terms.audience).await?;
        SharedKey::check_limit(in_section, self.service.options().shared_keys_per_section)?;
        let (audience, keeps) = (terms.audience, terms.retrievable);
        let place = place(api.organization_id, api.group_id, terms.environment_id);
        let event = EventBody::SharedKeyCreated { shared_key_id: fresh.id, terms: Box::new(terms) };
        let private = self.service.digests_of_key(fresh, audience == Audience::Inside);
        self.append_private(place, event, private).await?;
        if keeps {
            self.keep_sealed(fresh, Part::Key).await?;
        }
        if keeps && audience == Audience::Inside {
            self.keep_sealed(fresh, Part::Secret).await?;
        }
        let shown = self.shared_key_now(fresh.id).await?;
        let secret = (audience == Audience::Inside).then(|| fresh.secret.value.expose().to_owned());
        Ok(wire::SharedKey { key: Some(fresh.key.value.expose().to_owned()), secret, ..shown })
    }

    /// Reads the body. The right to make the key is asked for where it will stand.
    async fn terms_of_shared_key(
        &mut self,
        api: &Api,
        body: &wire::Create,
        fresh: &Fresh,
    ) -> Result<SharedKeyTerms, Error> {
        let mut fields = Fields::new();
        let environment_id = match &body.environment_id {
            Some(text) => self.environment_of_api(&mut fields, api, text).await?,
            None => None,
        };
        let place = place(api.organization_id, api.group_id, environment_id);
        self.authority.require_act(Permission::SharedKeysCreate, &place)?;
        let name = fields.name("/name", &body.name);
        let permissions = body.permissions.as_ref().map(|texts| permissions(&mut fields, api, texts));
        let rate_limit = body.rate_limit.and_then(|limit| rate_limit(&mut fields, "/rate_limit", &limit));
        let ip_allow_list = fields.address_list("/ip_allow_list", body.ip_allow_list.as_deref());
        let name = fields.finish_with(name)?;
        Ok(SharedKeyTerms {
            api_id: api.id,
            organization_id: api.organization_id,
            group_id: api.group_id,
            name,
            audience: body.audience.into(),
            masked: fresh.key.masked.clone(),
            environment_id,
            permissions,
            rate_limit,
            ip_allow_list,
            retrievable: retrievable(self.tx, api).await?,
        })
    }

    async fn environment_of_api(
        &mut self,
        fields: &mut Fields,
        api: &Api,
        text: &str,
    ) -> Result<Option<EnvironmentId>, Error> {
        let found = environments::by_id_or_slug(self.tx, text).await?;
        let offered = found.map(|it| it.id).filter(|id| api.settings.environment_ids.contains(id));
        Ok(fields.take("/environment_id", offered.ok_or("the API is not offered in such an Environment")))
    }
}
