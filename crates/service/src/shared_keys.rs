//! Shared keys: given directly to a named customer of one API (product.md C3 to C8).

mod acts;
mod impact;
mod make;
mod portal_link;
mod retrieve;
pub(crate) mod values;

use claviger_domain::apis::Api;
use claviger_domain::event::EventBody;
use claviger_domain::id::SharedKeyId;
use claviger_domain::permission::Permission;
use claviger_domain::refusal::Refusal;
use claviger_domain::shared_keys::SharedKey;
use claviger_domain::usage::LastUse;
use claviger_store::{Reader, SharedKeyFilter, SharedKeySort};
use claviger_wire::Page;
use claviger_wire::shared_keys as wire;

use crate::apis;
use crate::error::Error;
use crate::etag;
use crate::fields::Fields;
use crate::lists::{ListParameters, Parameters};
use crate::names::Names;
use crate::policy_templates::rate_limit;
use crate::request::{Answer, Gone, Read, Request, Status, Written};
use crate::state::Service;
use crate::subscriptions::permissions;
use crate::write::Write;

impl Answer for wire::SharedKey {
    fn without_secrets(&self) -> Result<serde_json::Value, serde_json::Error> {
        serde_json::to_value(Self { key: None, secret: None, ..self.clone() })
    }

    fn etag(&self) -> Option<String> {
        etag::of(&Self { key: None, secret: None, ..self.clone() }).ok()
    }

    fn has_secret(&self) -> bool {
        self.key.is_some() || self.secret.is_some()
    }

    fn location(&self) -> Option<String> {
        Some(format!("/v1/shared-keys/{}", self.id))
    }
}

impl Service {
    /// The keys of both sections of an API.
    pub async fn shared_key_list(
        &self,
        request: &Request,
        api: &str,
        given: &ListParameters,
    ) -> Result<Page<wire::SharedKey>, Error> {
        let (mut reader, authority) = self.reading(request).await?;
        let api = apis::by_id_or_slug(&mut reader, api).await?;
        let api = api.filter(|api| apis::is_visible(&authority, api)).ok_or(Refusal::NotFound)?;
        // Whoever may see none of them is not told that the API has such a list.
        let visible = authority.listed(Permission::SharedKeysRead).map_err(|_| Refusal::NotFound)?;
        let mut parameters = Parameters::new(given)?;
        let filter = SharedKeyFilter {
            api_ids: vec![api.id],
            audiences: parameters.words("audience")?,
            statuses: parameters.words("status")?,
            q: parameters.text("q")?,
            ..SharedKeyFilter::default()
        };
        let sorts = [("created_at", SharedKeySort::CreatedAt), ("name", SharedKeySort::Name)];
        let query = parameters.finish(self, request, &sorts, filter, visible)?;
        let page = reader.shared_keys(&query).await?;
        let ids: Vec<_> = page.items.iter().map(|key| key.id.to_string()).collect();
        let used = reader.last_used(&ids).await?;
        let mut names = Names::default();
        let mut items = Vec::with_capacity(page.items.len());
        for key in &page.items {
            items
                .push(view_with(&mut reader, &mut names, key, used.get(&key.id.to_string()).copied()).await?);
        }
        self.page(request, given, page.with_items(items))
    }

    pub async fn shared_key_read(
        &self,
        request: &Request,
        id: SharedKeyId,
    ) -> Result<Read<wire::SharedKey>, Error> {
        let (mut reader, authority) = self.reading(request).await?;
        let key = reader.shared_key(id).await?.ok_or(Refusal::NotFound)?;
        if !authority.allows(Permission::SharedKeysRead, &key.place()) {
            return Err(Error::not_found());
        }
        Read::of(view(&mut reader, &mut Names::default(), &key).await?)
    }

    /// Renames the key, and narrows or widens what it holds, felt at once.
    pub async fn shared_key_update(
        &self,
        request: &Request,
        id: SharedKeyId,
        body: &wire::Update,
    ) -> Result<Written<wire::SharedKey>, Error> {
        self.write(request, "shared_key_update", Status::Done, |write| {
            Box::pin(async move {
                let present = write.shared_key_to(id, Permission::SharedKeysUpdate).await?;
                let changed = write.changed_shared_key(&present, body).await?;
                if changed != present {
                    let event = EventBody::SharedKeyUpdated {
                        shared_key_id: id,
                        name: changed.name,
                        permissions: changed.permissions,
                        rate_limit: changed.rate_limit,
                        ip_allow_list: changed.ip_allow_list,
                    };
                    write.append(present.place(), event).await?;
                }
                write.shared_key_now(id).await
            })
        })
        .await
    }

    /// Takes effect at once, and frees a place.
    pub async fn shared_key_delete(
        &self,
        request: &Request,
        id: SharedKeyId,
    ) -> Result<Written<Gone>, Error> {
        self.write(request, "shared_key_delete", Status::Deleted, |write| {
            Box::pin(async move {
                let present = write.shared_key_to(id, Permission::SharedKeysDelete).await?;
                let event = EventBody::SharedKeyDeleted { shared_key_id: id };
                write.discard_sealed(id).await?;
                write.delete(present.place(), Vec::new(), event).await
            })
        })
        .await
    }
}

impl Write<'_, '_> {
    /// The shared key, if the actor may see it and do `act` to it; `If-Match` is checked.
    pub(crate) async fn shared_key_to(
        &mut self,
        id: SharedKeyId,
        act: Permission,
    ) -> Result<SharedKey, Error> {
        let key = self.tx.shared_key(id).await?.ok_or(Refusal::NotFound)?;
        self.require(Permission::SharedKeysRead, act, &key.place())?;
        if self.request.if_match.is_some() {
            let shown = view(self.tx, &mut Names::default(), &key).await?;
            self.check_if_match(&shown)?;
        }
        Ok(key)
    }

    pub(crate) async fn shared_key_now(&mut self, id: SharedKeyId) -> Result<wire::SharedKey, Error> {
        let key = self.tx.shared_key(id).await?.ok_or(Refusal::NotFound)?;
        view(self.tx, &mut Names::default(), &key).await
    }

    /// The key's API, which is there as long as the key is.
    pub(crate) async fn api_of(&mut self, key: &SharedKey) -> Result<Api, Error> {
        let api = self.tx.api(key.api_id).await?;
        api.ok_or_else(|| Error::internal("the API of a shared key is gone"))
    }

    async fn changed_shared_key(
        &mut self,
        present: &SharedKey,
        body: &wire::Update,
    ) -> Result<SharedKey, Error> {
        let api = self.api_of(present).await?;
        let mut fields = Fields::new();
        let mut key = present.clone();
        if let Some(name) = body.name.as_deref().and_then(|name| fields.name("/name", name)) {
            key.name = name;
        }
        if let Some(texts) = &body.permissions {
            key.permissions = texts.as_ref().map(|texts| permissions(&mut fields, &api, texts));
        }
        if let Some(limit) = &body.rate_limit {
            key.rate_limit = limit.and_then(|limit| rate_limit(&mut fields, "/rate_limit", &limit));
        }
        if let Some(list) = &body.ip_allow_list {
            key.ip_allow_list = fields.address_list("/ip_allow_list", list.as_deref());
        }
        fields.finish()?;
        Ok(key)
    }
}

/// The key as its owner sees it.
async fn view(reader: &mut Reader, names: &mut Names, key: &SharedKey) -> Result<wire::SharedKey, Error> {
    let used = reader.last_used(&[key.id.to_string()]).await?.into_values().next();
    view_with(reader, names, key, used).await
}

async fn view_with(
    reader: &mut Reader,
    names: &mut Names,
    key: &SharedKey,
    used: Option<LastUse>,
) -> Result<wire::SharedKey, Error> {
    let api = names.api_ref(reader, key.api_id).await?;
    let environment = match key.environment_id {
        Some(id) => Some(names.environment(reader, id).await?),
        None => None,
    };
    Ok(wire::SharedKey::new(key, api, environment, used))
}
