//! Making service keys, anew or in place of a lost one. The value is in the answer and nowhere else.

use claviger_domain::credential::{CredentialKind, Generated};
use claviger_domain::event::{EventBody, Private, ServiceKeyTerms};
use claviger_domain::id::{MemberId, ServiceKeyId};
use claviger_domain::permission::Permission;
use claviger_domain::refusal::Refusal;
use claviger_domain::scope::Scope;
use claviger_domain::service_keys::ServiceKey;
use claviger_domain::time::Timestamp;
use claviger_wire::acts::Act;
use claviger_wire::bulk::Bulk;
use claviger_wire::service_keys as wire;
use ipnet::IpNet;

use super::rights;
use crate::authority::Bounds;
use crate::error::Error;
use crate::fields::{Fields, reason_of};
use crate::request::{Request, Status, Written};
use crate::scopes;
use crate::state::Service;
use crate::write::Write;

impl Service {
    pub async fn service_key_create(
        &self,
        request: &Request,
        body: &wire::Create,
    ) -> Result<Written<wire::ServiceKey>, Error> {
        self.write(request, "service_key_create", Status::Created, |write| {
            Box::pin(write.service_key_create(body))
        })
        .await
    }

    /// Many at once, all or none.
    pub async fn service_key_create_bulk(
        &self,
        request: &Request,
        bulk: &Bulk<wire::Create>,
    ) -> Result<Written<Bulk<wire::ServiceKey>>, Error> {
        self.write_bulk(request, "service_key_create_bulk", bulk, |write, body| {
            Box::pin(write.service_key_create(body))
        })
        .await
    }

    /// Makes a new key in place of a lost one, with the same name, groups, scope and bounds; the lost one
    /// is deleted in the same step (product.md E2).
    pub async fn service_key_replace(
        &self,
        request: &Request,
        id: ServiceKeyId,
        act: &Act,
    ) -> Result<Written<wire::ServiceKey>, Error> {
        self.write(request, "service_key_replace", Status::Done, |write| {
            Box::pin(async move {
                let reason = reason_of(act)?;
                let lost = write.service_key_to(id, Permission::ServiceKeysReplace).await?;
                if lost.expires_at.is_some_and(|at| at <= write.now) {
                    let allowed = vec!["delete"];
                    return Err(
                        Refusal::InvalidTransition { from: "expired", act: "replace", allowed }.into()
                    );
                }
                write.require_all_it_can_do(&lost).await?;
                let terms = terms_of(&lost, write);
                let made = write.issue_service_key(terms).await?;
                let event = EventBody::ServiceKeyDeleted { service_key_id: id };
                write.append_all(lost.place(), reason.as_ref(), [event]).await?;
                Ok(made)
            })
        })
        .await
    }
}

impl Write<'_, '_> {
    async fn service_key_create(&mut self, body: &wire::Create) -> Result<wire::ServiceKey, Error> {
        let mut fields = Fields::new();
        let name = fields.name("/name", &body.name);
        let expires_at = fields.instant("/expires_at", body.expires_at.as_deref());
        if expires_at.is_some_and(|at| at <= self.now) {
            fields.wrong("/expires_at", "must be in the future");
        }
        let listed = fields.address_list("/ip_allow_list", body.ip_allow_list.as_deref());
        let name = fields.finish_with(name)?;
        let own_scope = self.own_scope().await?;
        let scope = scopes::named(self, "/scope", body.scope.as_ref(), own_scope).await?;
        self.authority.require_act(Permission::ServiceKeysCreate, &scopes::place_of(&scope))?;
        let organization_id = scope.organization_id.unwrap_or(self.authority.organization_id);
        let groups = self.permission_groups_named(&body.permission_group_ids, organization_id).await?;
        let expires_at = self.span_of_time(expires_at)?;
        let ip_allow_list = self.span_of_addresses(listed)?;
        let bounds = Bounds { expires_at, ip_allow_list: ip_allow_list.as_deref() };
        self.authority.require_gain(&rights::held(&groups, &scope), bounds)?;
        let terms = ServiceKeyTerms {
            organization_id,
            member_id: self.member_acted_for(body.member_id.as_deref()).await?,
            created_by: self.authority.actor.clone(),
            name,
            masked: claviger_domain::credential::Masked::from_stored(String::new()),
            permission_group_ids: groups.iter().map(|group| group.id).collect(),
            scope,
            expires_at,
            ip_allow_list,
            replaces: None,
        };
        self.issue_service_key(terms).await
    }

    /// The scope of the actor's own service key.
    async fn own_scope(&mut self) -> Result<Scope, Error> {
        match self.authority.service_key_id {
            Some(id) => Ok(self.tx.service_key(id).await?.ok_or(Refusal::NotFound)?.scope),
            None => Ok(Scope { organization_id: Some(self.authority.organization_id), ..Scope::EVERYTHING }),
        }
    }

    /// The member whom a new key counts as: the actor's own, or another one by `service_keys:act_for`.
    async fn member_acted_for(&mut self, text: Option<&str>) -> Result<Option<MemberId>, Error> {
        let Some(text) = text else { return Ok(self.authority.member_id) };
        let unknown = || Error::from(Refusal::invalid("/member_id", "there is no member with this id"));
        let id: MemberId = text.parse().map_err(|_| unknown())?;
        if self.authority.member_id == Some(id) {
            return Ok(Some(id));
        }
        let member = self.tx.member(id).await?.ok_or_else(unknown)?;
        if !self.authority.allows_within(Permission::MembersRead, member.organization_id) {
            return Err(unknown());
        }
        self.require_to_act_for(Some(id)).await?;
        Ok(Some(id))
    }

    fn span_of_time(&self, wanted: Option<Timestamp>) -> Result<Option<Timestamp>, Error> {
        let wanted = wanted.or(self.authority.expires_at);
        let bounds = Bounds { expires_at: wanted, ..self.authority.bounds() };
        if !bounds.within(&self.authority.bounds()) {
            return Err(Refusal::invalid("/expires_at", "must not be later than your own key's end").into());
        }
        Ok(wanted)
    }

    fn span_of_addresses(&self, wanted: Option<Vec<IpNet>>) -> Result<Option<Vec<IpNet>>, Error> {
        let wanted = wanted.or_else(|| self.authority.ip_allow_list.clone());
        let bounds = Bounds { ip_allow_list: wanted.as_deref(), ..self.authority.bounds() };
        if !bounds.within(&self.authority.bounds()) {
            return Err(Refusal::invalid("/ip_allow_list", "must lie within your own key's addresses").into());
        }
        Ok(wanted)
    }

    /// Makes the key that the terms describe; its value is in the answer.
    async fn issue_service_key(&mut self, terms: ServiceKeyTerms) -> Result<wire::ServiceKey, Error> {
        let Generated { value, masked } = self.service.fresh_credential(CredentialKind::Service);
        let digest_key = self.service.state.keys.digest_control.newest();
        let private = Private {
            digest_key: digest_key.id(),
            key: digest_key.digest(value.expose().as_bytes()),
            secret: None,
        };
        let id: ServiceKeyId = self.fresh_id();
        let place = claviger_domain::scope::Place {
            organization_id: Some(terms.organization_id),
            ..scopes::place_of(&terms.scope)
        };
        let terms = Box::new(ServiceKeyTerms { masked, ..terms });
        self.append_private(place, EventBody::ServiceKeyCreated { service_key_id: id, terms }, private)
            .await?;
        let shown = self.service_key_on_wire(id).await?;
        Ok(wire::ServiceKey { key: Some(value.expose().to_owned()), ..shown })
    }
}

/// The terms of a lost key's successor.
fn terms_of(lost: &ServiceKey, write: &Write<'_, '_>) -> ServiceKeyTerms {
    ServiceKeyTerms {
        organization_id: lost.organization_id,
        member_id: lost.member_id,
        created_by: write.authority.actor.clone(),
        name: lost.name.clone(),
        masked: lost.masked.clone(),
        permission_group_ids: lost.permission_group_ids.clone(),
        scope: lost.scope,
        expires_at: lost.expires_at,
        ip_allow_list: lost.ip_allow_list.clone(),
        replaces: Some(lost.id),
    }
}
