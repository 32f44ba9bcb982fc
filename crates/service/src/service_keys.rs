//! Service keys: made, shown once, changed, replaced. Nobody makes, revives, widens or replaces one that
//! can do more than they can, lives longer than they do or is good from more places (product.md E).

mod make;
pub(crate) mod rights;
mod view;

use claviger_domain::event::EventBody;
use claviger_domain::id::ServiceKeyId;
use claviger_domain::permission::Permission;
use claviger_domain::refusal::Refusal;
use claviger_domain::service_keys::{ServiceKey, ServiceKeyStatus};
use claviger_store::{ServiceKeyFilter, ServiceKeySort};
use claviger_wire::Page;
use claviger_wire::acts::Act;
use claviger_wire::service_keys as wire;

use crate::error::Error;
use crate::etag;
use crate::fields::{Fields, reason_of};
use crate::lists::{ListParameters, Parameters};
use crate::request::{Answer, Gone, Read, Request, Status, Written};
use crate::state::Service;
use crate::write::Write;

impl Answer for wire::ServiceKey {
    fn without_secrets(&self) -> Result<serde_json::Value, serde_json::Error> {
        serde_json::to_value(Self { key: None, ..self.clone() })
    }

    fn etag(&self) -> Option<String> {
        etag::of(&Self { key: None, ..self.clone() }).ok()
    }

    fn has_secret(&self) -> bool {
        self.key.is_some()
    }

    fn location(&self) -> Option<String> {
        Some(format!("/v1/service-keys/{}", self.id))
    }
}

impl Service {
    pub async fn service_key_list(
        &self,
        request: &Request,
        given: &ListParameters,
    ) -> Result<Page<wire::ServiceKey>, Error> {
        let (mut reader, authority) = self.reading(request).await?;
        let visible = authority.listed(Permission::ServiceKeysRead)?;
        let mut parameters = Parameters::new(given)?;
        let filter = ServiceKeyFilter {
            statuses: parameters.words("status")?,
            organization_ids: parameters.all("organization_id")?,
            permission_group_ids: parameters.all("permission_group_id")?,
            member_ids: parameters.all("member_id")?,
            q: parameters.text("q")?,
            ..ServiceKeyFilter::default()
        };
        let sorts = [("created_at", ServiceKeySort::CreatedAt), ("name", ServiceKeySort::Name)];
        let query = parameters.finish(self, request, &sorts, filter, visible)?;
        let page = reader.service_keys(&query).await?;
        let items = view::of_all(&mut reader, &page.items, self.now()).await?;
        self.page(request, given, page.with_items(items))
    }

    pub async fn service_key_read(
        &self,
        request: &Request,
        id: ServiceKeyId,
    ) -> Result<Read<wire::ServiceKey>, Error> {
        let (mut reader, authority) = self.reading(request).await?;
        let key = reader.service_key(id).await?.ok_or(Refusal::NotFound)?;
        if !authority.allows(Permission::ServiceKeysRead, &key.place()) {
            return Err(Error::not_found());
        }
        Read::of(view::of(&mut reader, &key, self.now()).await?)
    }

    pub async fn service_key_update(
        &self,
        request: &Request,
        id: ServiceKeyId,
        body: &wire::Update,
    ) -> Result<Written<wire::ServiceKey>, Error> {
        self.write(request, "service_key_update", Status::Done, |write| {
            Box::pin(async move {
                let present = write.service_key_to(id, Permission::ServiceKeysUpdate).await?;
                let mut fields = Fields::new();
                let name = body.name.as_deref().and_then(|name| fields.name("/name", name));
                fields.finish()?;
                if let Some(name) = name.filter(|name| *name != present.name) {
                    let event = EventBody::ServiceKeyUpdated { service_key_id: id, name };
                    write.append(present.place(), event).await?;
                }
                write.service_key_on_wire(id).await
            })
        })
        .await
    }

    /// Revives a service key: the actor needs all that it can do.
    pub async fn service_key_activate(
        &self,
        request: &Request,
        id: ServiceKeyId,
        act: &Act,
    ) -> Result<Written<wire::ServiceKey>, Error> {
        self.write(request, "service_key_activate", Status::Done, |write| {
            Box::pin(async move {
                let reason = reason_of(act)?;
                let present = write.service_key_to(id, Permission::ServiceKeysActivate).await?;
                if present.status == ServiceKeyStatus::Active {
                    return Err(transition(&present, "activate"));
                }
                write.require_all_it_can_do(&present).await?;
                let event = EventBody::ServiceKeyActivated { service_key_id: id };
                write.append_all(present.place(), reason.as_ref(), [event]).await?;
                write.service_key_on_wire(id).await
            })
        })
        .await
    }

    pub async fn service_key_deactivate(
        &self,
        request: &Request,
        id: ServiceKeyId,
        act: &Act,
    ) -> Result<Written<wire::ServiceKey>, Error> {
        self.write(request, "service_key_deactivate", Status::Done, |write| {
            Box::pin(async move {
                let reason = reason_of(act)?;
                let present = write.service_key_to(id, Permission::ServiceKeysDeactivate).await?;
                if present.status == ServiceKeyStatus::Inactive {
                    return Err(transition(&present, "deactivate"));
                }
                let event = EventBody::ServiceKeyDeactivated { service_key_id: id };
                write.append_all(present.place(), reason.as_ref(), [event]).await?;
                write.service_key_on_wire(id).await
            })
        })
        .await
    }

    /// The service key that makes the request. It needs no permission to look at itself.
    pub async fn service_key_current(&self, request: &Request) -> Result<Read<wire::ServiceKey>, Error> {
        let (mut reader, authority) = self.reading(request).await?;
        let id = authority.service_key_id.ok_or(Refusal::NotFound)?;
        let key = reader.service_key(id).await?.ok_or(Refusal::NotFound)?;
        Read::of(view::of(&mut reader, &key, self.now()).await?)
    }

    /// Changes the permission groups, effective on the next call.
    pub async fn service_key_set_permission_groups(
        &self,
        request: &Request,
        id: ServiceKeyId,
        body: &wire::PutPermissionGroups,
    ) -> Result<Written<wire::ServiceKey>, Error> {
        self.write(request, "service_key_set_permission_groups", Status::Done, |write| {
            Box::pin(async move {
                let present = write.service_key_to(id, Permission::ServiceKeysPermissionGroups).await?;
                let groups = write
                    .permission_groups_named(&body.permission_group_ids, present.organization_id)
                    .await?;
                let added: Vec<_> =
                    groups.iter().filter(|group| !present.permission_group_ids.contains(&group.id)).collect();
                if !added.is_empty() {
                    // Widening a key shows in what it can do afterwards, all of it.
                    write.require_all_that(&groups, &present).await?;
                }
                let permission_group_ids: Vec<_> = groups.iter().map(|group| group.id).collect();
                if permission_group_ids != present.permission_group_ids {
                    let event = EventBody::ServiceKeyPermissionGroupsChanged {
                        service_key_id: id,
                        permission_group_ids,
                    };
                    write.append(present.place(), event).await?;
                }
                write.service_key_on_wire(id).await
            })
        })
        .await
    }

    pub async fn service_key_delete(
        &self,
        request: &Request,
        id: ServiceKeyId,
    ) -> Result<Written<Gone>, Error> {
        self.write(request, "service_key_delete", Status::Deleted, |write| {
            Box::pin(async move {
                let present = write.service_key_to(id, Permission::ServiceKeysDelete).await?;
                let event = EventBody::ServiceKeyDeleted { service_key_id: id };
                write.delete(present.place(), Vec::new(), event).await
            })
        })
        .await
    }
}

impl Write<'_, '_> {
    /// The service key, if the actor may see it and do `act` to it; `If-Match` is checked.
    async fn service_key_to(&mut self, id: ServiceKeyId, act: Permission) -> Result<ServiceKey, Error> {
        let key = self.tx.service_key(id).await?.ok_or(Refusal::NotFound)?;
        self.require(Permission::ServiceKeysRead, act, &key.place())?;
        if self.request.if_match.is_some() {
            let shown = view::of(self.tx, &key, self.now).await?;
            self.check_if_match(&shown)?;
        }
        Ok(key)
    }

    async fn service_key_on_wire(&mut self, id: ServiceKeyId) -> Result<wire::ServiceKey, Error> {
        let key = self.tx.service_key(id).await?.ok_or(Refusal::NotFound)?;
        view::of(self.tx, &key, self.now).await
    }
}

fn transition(key: &ServiceKey, act: &'static str) -> Error {
    let allowed = match key.status {
        ServiceKeyStatus::Active => "deactivate",
        ServiceKeyStatus::Inactive => "activate",
    };
    Refusal::InvalidTransition { from: key.status.as_str(), act, allowed: vec![allowed, "replace"] }.into()
}
