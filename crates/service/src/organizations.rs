//! Organizations: made with all that one begins with, renamed, deleted when nothing uses them.

use claviger_domain::event::EventBody;
use claviger_domain::id::{GroupId, Id, Kind, OrganizationId};
use claviger_domain::organizations::Organization;
use claviger_domain::permission::Permission;
use claviger_domain::permission_groups::DefaultRole;
use claviger_domain::policy_templates::Policy;
use claviger_domain::refusal::Refusal;
use claviger_domain::scope::Place;
use claviger_domain::text::Name;
use claviger_store::{OrganizationFilter, OrganizationSort};
use claviger_wire::Page;
use claviger_wire::bulk::Bulk;
use claviger_wire::organizations as wire;

use crate::error::Error;
use crate::etag;
use crate::fields::Fields;
use crate::lists::{ListParameters, Parameters};
use crate::request::{Answer, Gone, Read, Request, Status, Written};
use crate::state::Service;
use crate::write::Write;

/// The Group that every Organization begins with.
pub(crate) const DEFAULT_GROUP: &str = "default";
/// The policy template that every Organization begins with.
pub(crate) const DEFAULT_TEMPLATE: &str = "Default";

impl Answer for wire::Organization {
    fn etag(&self) -> Option<String> {
        etag::of(self).ok()
    }

    fn location(&self) -> Option<String> {
        Some(format!("/v1/organizations/{}", self.id))
    }
}

impl Service {
    /// Adds an Organization with its Group `default`, its template `Default` and its permission groups.
    pub async fn organization_create(
        &self,
        request: &Request,
        body: &wire::Create,
    ) -> Result<Written<wire::Organization>, Error> {
        self.write(request, "organization_create", Status::Created, |write| {
            Box::pin(write.organization_create(body))
        })
        .await
    }

    /// Many at once, all or none.
    pub async fn organization_create_bulk(
        &self,
        request: &Request,
        bulk: &Bulk<wire::Create>,
    ) -> Result<Written<Bulk<wire::Organization>>, Error> {
        self.write_bulk(request, "organization_create_bulk", bulk, |write, body| {
            Box::pin(write.organization_create(body))
        })
        .await
    }

    pub async fn organization_list(
        &self,
        request: &Request,
        given: &ListParameters,
    ) -> Result<Page<wire::Organization>, Error> {
        let (mut reader, authority) = self.reading(request).await?;
        let visible = authority.listed_within(Permission::OrganizationsRead)?;
        let mut parameters = Parameters::new(given)?;
        let filter = OrganizationFilter { q: parameters.text("q")?, ..OrganizationFilter::default() };
        let sorts = [("created_at", OrganizationSort::CreatedAt), ("name", OrganizationSort::Name)];
        let query = parameters.finish(self, request, &sorts, filter, visible)?;
        let page = reader.organizations(&query).await?;
        self.page(request, given, page.map(|organization| (&organization).into()))
    }

    pub async fn organization_read(
        &self,
        request: &Request,
        id: OrganizationId,
    ) -> Result<Read<wire::Organization>, Error> {
        let (mut reader, authority) = self.reading(request).await?;
        let organization = reader.organization(id).await?.ok_or(Refusal::NotFound)?;
        if !authority.allows_within(Permission::OrganizationsRead, id) {
            return Err(Error::not_found());
        }
        Read::of((&organization).into())
    }

    pub async fn organization_update(
        &self,
        request: &Request,
        id: OrganizationId,
        body: &wire::Update,
    ) -> Result<Written<wire::Organization>, Error> {
        self.write(request, "organization_update", Status::Done, |write| {
            Box::pin(async move {
                let present = write.organization_to(id, Permission::OrganizationsUpdate).await?;
                write.check_if_match(&wire::Organization::from(&present))?;
                let mut fields = Fields::new();
                let name = body.name.as_deref().and_then(|name| fields.name("/name", name));
                fields.finish()?;
                if let Some(name) = name.filter(|name| *name != present.name) {
                    let event = EventBody::OrganizationUpdated { organization_id: id, name };
                    write.append(Place::organization(id), event).await?;
                }
                Ok((&write.organization(id).await?).into())
            })
        })
        .await
    }

    pub async fn organization_delete(
        &self,
        request: &Request,
        id: OrganizationId,
    ) -> Result<Written<Gone>, Error> {
        self.write(request, "organization_delete", Status::Deleted, |write| {
            Box::pin(async move {
                let present = write.organization_to(id, Permission::OrganizationsDelete).await?;
                write.check_if_match(&wire::Organization::from(&present))?;
                let users = write.tx.users_of_organization(id).await?;
                write
                    .delete(
                        Place::organization(id),
                        users,
                        EventBody::OrganizationDeleted { organization_id: id },
                    )
                    .await
            })
        })
        .await
    }
}

impl Write<'_, '_> {
    async fn organization_create(&mut self, body: &wire::Create) -> Result<wire::Organization, Error> {
        self.authority.require_act(Permission::OrganizationsCreate, &Place::INSTANCE)?;
        let mut fields = Fields::new();
        let name = fields.name("/name", &body.name);
        let name = fields.finish_with(name)?;
        let id: OrganizationId = self.fresh_id();
        let kind = body.kind.unwrap_or(wire::Kind::Internal).into();
        let bodies = beginnings(id, name, kind, &mut Fresh(self))?;
        self.append_all(Place::organization(id), None, bodies).await?;
        Ok((&self.organization(id).await?).into())
    }

    pub(crate) async fn organization(&mut self, id: OrganizationId) -> Result<Organization, Error> {
        Ok(self.tx.organization(id).await?.ok_or(Refusal::NotFound)?)
    }

    /// The Organization, if the actor may see it and do `act` to it.
    async fn organization_to(&mut self, id: OrganizationId, act: Permission) -> Result<Organization, Error> {
        let organization = self.organization(id).await?;
        if !self.authority.allows_within(Permission::OrganizationsRead, id) {
            return Err(Error::not_found());
        }
        self.authority.require_act(act, &Place::organization(id))?;
        Ok(organization)
    }

    /// The Organization that a body names, or the actor's own; one that may not be seen was never there.
    pub(crate) async fn organization_named(&mut self, text: Option<&str>) -> Result<OrganizationId, Error> {
        match text {
            Some(text) => self.organization_at("/organization_id", text).await,
            None => Ok(self.authority.organization_id),
        }
    }

    /// The Organization that a body names at `pointer`.
    pub(crate) async fn organization_at(
        &mut self,
        pointer: &str,
        text: &str,
    ) -> Result<OrganizationId, Error> {
        let unknown = || Refusal::invalid(pointer, "there is no Organization with this id");
        let id = text.parse().map_err(|_| unknown())?;
        let seen = self.authority.knows_organization(id)
            || self.authority.allows_within(Permission::OrganizationsRead, id);
        let there = seen && self.tx.organization(id).await?.is_some();
        if there { Ok(id) } else { Err(unknown().into()) }
    }
}

/// Where fresh ids come from while an Organization is set up.
pub(crate) trait FreshIds {
    fn fresh<K: Kind>(&mut self) -> Id<K>;
}

struct Fresh<'a, 'tx, 'env>(&'a Write<'tx, 'env>);

impl FreshIds for Fresh<'_, '_, '_> {
    fn fresh<K: Kind>(&mut self) -> Id<K> {
        self.0.fresh_id()
    }
}

/// The events by which an Organization comes into being with all that one begins with.
pub(crate) fn beginnings(
    organization_id: OrganizationId,
    name: Name,
    organization_kind: claviger_domain::organizations::OrganizationKind,
    ids: &mut impl FreshIds,
) -> Result<Vec<EventBody>, Error> {
    let own_name = |text: &str| Name::new(text).map_err(Error::internal);
    let mut bodies = vec![
        EventBody::OrganizationCreated { organization_id, name, organization_kind },
        EventBody::GroupCreated {
            group_id: ids.fresh::<claviger_domain::id::GroupKind>() as GroupId,
            organization_id,
            name: own_name(DEFAULT_GROUP)?,
        },
        EventBody::PolicyTemplateCreated {
            policy_template_id: ids.fresh(),
            organization_id,
            name: own_name(DEFAULT_TEMPLATE)?,
            policy: Policy::default(),
        },
    ];
    for role in DefaultRole::ALL {
        bodies.push(EventBody::PermissionGroupCreated {
            permission_group_id: ids.fresh(),
            organization_id,
            name: own_name(role.as_str())?,
            default_role: Some(role),
            permissions: role.permissions(),
        });
    }
    Ok(bodies)
}
