//! Policy templates: every edit makes a new version and touches no live Key Set (product.md D3, D16).

use claviger_domain::event::EventBody;
use claviger_domain::id::PolicyTemplateId;
use claviger_domain::permission::Permission;
use claviger_domain::policy_templates::{Policy, PolicyTemplate};
use claviger_domain::refusal::Refusal;
use claviger_domain::scope::Place;
use claviger_store::{PolicyTemplateFilter, PolicyTemplateSort};
use claviger_wire::Page;
use claviger_wire::bulk::Bulk;
use claviger_wire::policy_templates as wire;

use crate::bulk;
use crate::error::Error;
use crate::etag;
use crate::fields::Fields;
use crate::lists::{ListParameters, Parameters};
use crate::request::{Answer, Gone, Read, Request, Status, Written};
use crate::state::Service;
use crate::write::Write;

mod fields;
pub(crate) use fields::{quota, rate_limit};

impl Answer for wire::PolicyTemplate {
    fn etag(&self) -> Option<String> {
        etag::of(self).ok()
    }

    fn location(&self) -> Option<String> {
        Some(format!("/v1/policy-templates/{}", self.id))
    }
}

impl Service {
    pub async fn policy_template_create(
        &self,
        request: &Request,
        body: &wire::Create,
    ) -> Result<Written<wire::PolicyTemplate>, Error> {
        self.write(request, "policy_template_create", Status::Created, |write| {
            Box::pin(async move { write.policy_template_create(body).await })
        })
        .await
    }

    /// Adds many, all or none.
    pub async fn policy_template_create_bulk(
        &self,
        request: &Request,
        body: &Bulk<wire::Create>,
    ) -> Result<Written<Bulk<wire::PolicyTemplate>>, Error> {
        bulk::check(body)?;
        self.write(request, "policy_template_create_bulk", Status::Created, |write| {
            Box::pin(async move {
                let mut items = Vec::with_capacity(body.items.len());
                for (at, item) in body.items.iter().enumerate() {
                    let made = write.policy_template_create(item).await;
                    items.push(made.map_err(|error| bulk::at_item(at, error))?);
                }
                Ok(Bulk { items })
            })
        })
        .await
    }

    pub async fn policy_template_read(
        &self,
        request: &Request,
        id: PolicyTemplateId,
    ) -> Result<Read<wire::PolicyTemplate>, Error> {
        let (mut reader, authority) = self.reading(request).await?;
        let template = reader.policy_template(id).await?.ok_or(Refusal::NotFound)?;
        if !authority.allows_within(Permission::PolicyTemplatesRead, template.organization_id) {
            return Err(Error::not_found());
        }
        Read::of((&template).into())
    }

    /// The templates of the Organizations in which the caller may read any.
    pub async fn policy_template_list(
        &self,
        request: &Request,
        given: &ListParameters,
    ) -> Result<Page<wire::PolicyTemplate>, Error> {
        let (mut reader, authority) = self.reading(request).await?;
        let visible = authority.listed_within(Permission::PolicyTemplatesRead)?;
        let mut parameters = Parameters::new(given)?;
        let filter = PolicyTemplateFilter {
            organization_ids: parameters.all("organization_id")?,
            q: parameters.text("q")?,
            ..PolicyTemplateFilter::default()
        };
        let sorts = [("created_at", PolicyTemplateSort::CreatedAt), ("name", PolicyTemplateSort::Name)];
        let query = parameters.finish(self, request, &sorts, filter, visible)?;
        let page = reader.policy_templates(&query).await?;
        self.page(request, given, page.map(|template| (&template).into()))
    }

    pub async fn policy_template_update(
        &self,
        request: &Request,
        id: PolicyTemplateId,
        body: &wire::Update,
    ) -> Result<Written<wire::PolicyTemplate>, Error> {
        self.write(request, "policy_template_update", Status::Done, |write| {
            Box::pin(async move {
                let present = write.policy_template_to(id, Permission::PolicyTemplatesUpdate).await?;
                write.check_if_match(&wire::PolicyTemplate::from(&present))?;
                let mut fields = Fields::new();
                let name = body.name.as_deref().and_then(|name| fields.name("/name", name));
                let policy = fields::policy(&mut fields, present.policy.clone(), &body.policy());
                fields.finish()?;
                let name = name.unwrap_or_else(|| present.name.clone());
                if name != present.name || policy != present.policy {
                    let version = present.version + 1;
                    let event =
                        EventBody::PolicyTemplateUpdated { policy_template_id: id, name, version, policy };
                    write.append(present.place(), event).await?;
                }
                Ok((&write.policy_template(id).await?).into())
            })
        })
        .await
    }

    /// Refused while an API uses it.
    pub async fn policy_template_delete(
        &self,
        request: &Request,
        id: PolicyTemplateId,
    ) -> Result<Written<Gone>, Error> {
        self.write(request, "policy_template_delete", Status::Deleted, |write| {
            Box::pin(async move {
                let present = write.policy_template_to(id, Permission::PolicyTemplatesDelete).await?;
                write.check_if_match(&wire::PolicyTemplate::from(&present))?;
                let users = write.tx.users_of_policy_template(id).await?;
                let event = EventBody::PolicyTemplateDeleted { policy_template_id: id };
                write.delete(present.place(), users, event).await
            })
        })
        .await
    }
}

impl Write<'_, '_> {
    async fn policy_template_create(&mut self, body: &wire::Create) -> Result<wire::PolicyTemplate, Error> {
        let mut fields = Fields::new();
        let organization_id = self.organization_named(body.organization_id.as_deref()).await?;
        let place = Place::organization(organization_id);
        self.authority.require_act(Permission::PolicyTemplatesCreate, &place)?;
        let name = fields.name("/name", &body.name);
        let policy = fields::policy(&mut fields, Policy::default(), &body.policy());
        let name = fields.finish_with(name)?;
        let policy_template_id = self.fresh_id();
        let event = EventBody::PolicyTemplateCreated { policy_template_id, organization_id, name, policy };
        self.append(place, event).await?;
        Ok((&self.policy_template(policy_template_id).await?).into())
    }

    pub(crate) async fn policy_template(&mut self, id: PolicyTemplateId) -> Result<PolicyTemplate, Error> {
        Ok(self.tx.policy_template(id).await?.ok_or(Refusal::NotFound)?)
    }

    /// The template, if the actor may see it and do `act` to it.
    async fn policy_template_to(
        &mut self,
        id: PolicyTemplateId,
        act: Permission,
    ) -> Result<PolicyTemplate, Error> {
        let template = self.policy_template(id).await?;
        if !self.authority.allows_within(Permission::PolicyTemplatesRead, template.organization_id) {
            return Err(Error::not_found());
        }
        self.authority.require_act(act, &template.place())?;
        Ok(template)
    }
}
