//! Permission groups: named sets of permissions. Widening one gives to everybody who holds it, so the
//! actor needs all of what is added wherever it is held (product.md E5).

use claviger_domain::event::EventBody;
use claviger_domain::id::PermissionGroupId;
use claviger_domain::permission::{Permission, Permissions};
use claviger_domain::permission_groups::{DefaultRole, PermissionGroup};
use claviger_domain::refusal::Refusal;
use claviger_domain::scope::{Held, Place};
use claviger_store::{PermissionGroupFilter, PermissionGroupSort};
use claviger_wire::Page;
use claviger_wire::bulk::Bulk;
use claviger_wire::permission_groups as wire;

use crate::authority::Bounds;
use crate::error::Error;
use crate::etag;
use crate::fields::Fields;
use crate::lists::{ListParameters, Parameters};
use crate::request::{Answer, Gone, Read, Request, Status, Written};
use crate::state::Service;
use crate::write::Write;

impl Answer for wire::PermissionGroup {
    fn etag(&self) -> Option<String> {
        etag::of(self).ok()
    }

    fn location(&self) -> Option<String> {
        Some(format!("/v1/permission-groups/{}", self.id))
    }
}

impl Service {
    /// Every permission there is, with what it allows. Any caller may read it.
    pub fn permission_list(&self) -> Vec<wire::Permission> {
        Permission::ALL.iter().copied().map(wire::Permission::from).collect()
    }

    pub async fn permission_group_create(
        &self,
        request: &Request,
        body: &wire::Create,
    ) -> Result<Written<wire::PermissionGroup>, Error> {
        self.write(request, "permission_group_create", Status::Created, |write| {
            Box::pin(write.permission_group_create(body))
        })
        .await
    }

    /// Many at once, all or none.
    pub async fn permission_group_create_bulk(
        &self,
        request: &Request,
        bulk: &Bulk<wire::Create>,
    ) -> Result<Written<Bulk<wire::PermissionGroup>>, Error> {
        self.write_bulk(request, "permission_group_create_bulk", bulk, |write, body| {
            Box::pin(write.permission_group_create(body))
        })
        .await
    }

    pub async fn permission_group_list(
        &self,
        request: &Request,
        given: &ListParameters,
    ) -> Result<Page<wire::PermissionGroup>, Error> {
        let (mut reader, authority) = self.reading(request).await?;
        let visible = authority.listed_within(Permission::PermissionGroupsRead)?;
        let mut parameters = Parameters::new(given)?;
        let filter = PermissionGroupFilter {
            organization_ids: parameters.all("organization_id")?,
            q: parameters.text("q")?,
            ..PermissionGroupFilter::default()
        };
        let sorts = [("created_at", PermissionGroupSort::CreatedAt), ("name", PermissionGroupSort::Name)];
        let query = parameters.finish(self, request, &sorts, filter, visible)?;
        let page = reader.permission_groups(&query).await?;
        self.page(request, given, page.map(|permission_group| (&permission_group).into()))
    }

    pub async fn permission_group_read(
        &self,
        request: &Request,
        id: PermissionGroupId,
    ) -> Result<Read<wire::PermissionGroup>, Error> {
        let (mut reader, authority) = self.reading(request).await?;
        let group = reader.permission_group(id).await?.ok_or(Refusal::NotFound)?;
        if !authority.allows_within(Permission::PermissionGroupsRead, group.organization_id) {
            return Err(Error::not_found());
        }
        Read::of((&group).into())
    }

    pub async fn permission_group_update(
        &self,
        request: &Request,
        id: PermissionGroupId,
        body: &wire::Update,
    ) -> Result<Written<wire::PermissionGroup>, Error> {
        self.write(request, "permission_group_update", Status::Done, |write| {
            Box::pin(async move {
                let present = write.permission_group_to(id, Permission::PermissionGroupsUpdate).await?;
                write.check_if_match(&wire::PermissionGroup::from(&present))?;
                let mut fields = Fields::new();
                let name = body.name.as_deref().and_then(|name| fields.name("/name", name));
                let wanted = body.permissions.as_deref().and_then(|list| permissions(&mut fields, list));
                if wanted.is_some() && present.default_role == Some(DefaultRole::Owner) {
                    fields.wrong("/permissions", "the owner's permissions are always all of them");
                }
                fields.finish()?;
                let name = name.unwrap_or_else(|| present.name.clone());
                let permissions = wanted.unwrap_or_else(|| present.permissions.clone());
                write.require_widening(&present, &permissions).await?;
                if name != present.name || permissions != present.permissions {
                    let event =
                        EventBody::PermissionGroupUpdated { permission_group_id: id, name, permissions };
                    write.append(present.place(), event).await?;
                }
                Ok((&write.permission_group(id).await?).into())
            })
        })
        .await
    }

    pub async fn permission_group_delete(
        &self,
        request: &Request,
        id: PermissionGroupId,
    ) -> Result<Written<Gone>, Error> {
        self.write(request, "permission_group_delete", Status::Deleted, |write| {
            Box::pin(async move {
                let present = write.permission_group_to(id, Permission::PermissionGroupsDelete).await?;
                write.check_if_match(&wire::PermissionGroup::from(&present))?;
                if present.default_role == Some(DefaultRole::Owner) {
                    return Err(Refusal::LastOwner.into());
                }
                let users = write.tx.users_of_permission_group(id).await?;
                let event = EventBody::PermissionGroupDeleted { permission_group_id: id };
                write.delete(present.place(), users, event).await
            })
        })
        .await
    }
}

impl Write<'_, '_> {
    async fn permission_group_create(&mut self, body: &wire::Create) -> Result<wire::PermissionGroup, Error> {
        let organization_id = self.organization_named(body.organization_id.as_deref()).await?;
        let place = Place::organization(organization_id);
        self.authority.require_act(Permission::PermissionGroupsCreate, &place)?;
        let mut fields = Fields::new();
        let name = fields.name("/name", &body.name);
        let permissions = permissions(&mut fields, &body.permissions);
        let (name, permissions) = fields.finish_with(name.zip(permissions))?;
        let permission_group_id = self.fresh_id();
        let event = EventBody::PermissionGroupCreated {
            permission_group_id,
            organization_id,
            name,
            default_role: None,
            permissions,
        };
        self.append(place, event).await?;
        Ok((&self.permission_group(permission_group_id).await?).into())
    }

    pub(crate) async fn permission_group(&mut self, id: PermissionGroupId) -> Result<PermissionGroup, Error> {
        Ok(self.tx.permission_group(id).await?.ok_or(Refusal::NotFound)?)
    }

    async fn permission_group_to(
        &mut self,
        id: PermissionGroupId,
        act: Permission,
    ) -> Result<PermissionGroup, Error> {
        let group = self.permission_group(id).await?;
        if !self.authority.allows_within(Permission::PermissionGroupsRead, group.organization_id) {
            return Err(Error::not_found());
        }
        self.authority.require_act(act, &group.place())?;
        Ok(group)
    }

    /// What is added to a group is gained at every scope where somebody holds it.
    async fn require_widening(
        &mut self,
        present: &PermissionGroup,
        wanted: &Permissions,
    ) -> Result<(), Error> {
        let added: Permissions = wanted.difference(&present.permissions).copied().collect();
        if added.is_empty() {
            return Ok(());
        }
        for holder in self.tx.holders_of_permission_group(present.id).await? {
            let bounds =
                Bounds { expires_at: holder.expires_at, ip_allow_list: holder.ip_allow_list.as_deref() };
            let gained = Held { permissions: added.clone(), scope: holder.scope };
            self.authority.require_gain(&[gained], bounds)?;
        }
        Ok(())
    }

    /// The permission groups that a body names, each visible to the actor and of the one Organization.
    pub(crate) async fn permission_groups_named(
        &mut self,
        ids: &[String],
        organization_id: claviger_domain::id::OrganizationId,
    ) -> Result<Vec<PermissionGroup>, Error> {
        let mut fields = Fields::new();
        if ids.is_empty() || ids.len() > 50 {
            fields.wrong("/permission_group_ids", "must name 1 to 50 permission groups");
        }
        let mut groups: Vec<PermissionGroup> = Vec::new();
        let seen = self.authority.allows_within(Permission::PermissionGroupsRead, organization_id);
        for (at, text) in ids.iter().take(50).enumerate() {
            let pointer = format!("/permission_group_ids/{at}");
            let found = match text.parse() {
                Ok(id) => self.tx.permission_group(id).await?,
                Err(_) => None,
            };
            match found.filter(|group| seen && group.organization_id == organization_id) {
                Some(group) if groups.iter().any(|other| other.id == group.id) => {
                    fields.wrong(&pointer, "is named twice");
                }
                Some(group) => groups.push(group),
                None => {
                    fields.wrong(&pointer, "there is no permission group with this id in the Organization")
                }
            }
        }
        fields.finish()?;
        Ok(groups)
    }
}

/// What a group allows: the group `owner` has every permission there is, also those of later versions.
pub(crate) fn allowed(group: &PermissionGroup) -> Permissions {
    match group.default_role {
        Some(DefaultRole::Owner) => Permission::ALL.iter().copied().collect(),
        _ => group.permissions.clone(),
    }
}

fn permissions(fields: &mut Fields, texts: &[String]) -> Option<Permissions> {
    if texts.is_empty() {
        fields.wrong("/permissions", "must name at least one permission");
        return None;
    }
    let read =
        texts.iter().enumerate().map(|(at, text)| fields.take(&format!("/permissions/{at}"), text.parse()));
    read.collect::<Vec<_>>().into_iter().collect()
}
