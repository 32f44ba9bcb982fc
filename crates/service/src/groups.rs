//! Groups: the teams of an Organization. Who is limited to one sees that one alone.

use claviger_domain::event::EventBody;
use claviger_domain::groups::Group;
use claviger_domain::id::GroupId;
use claviger_domain::key_pairs::Grantee;
use claviger_domain::permission::Permission;
use claviger_domain::refusal::Refusal;
use claviger_domain::scope::Place;
use claviger_domain::text::Name;
use claviger_store::{GroupFilter, GroupSort};
use claviger_wire::Page;
use claviger_wire::bulk::Bulk;
use claviger_wire::groups as wire;

use crate::error::Error;
use crate::etag;
use crate::fields::Fields;
use crate::lists::{ListParameters, Parameters};
use crate::request::{Answer, Gone, Read, Request, Status, Written};
use crate::state::Service;
use crate::write::Write;

impl Answer for wire::Group {
    fn etag(&self) -> Option<String> {
        etag::of(self).ok()
    }

    fn location(&self) -> Option<String> {
        Some(format!("/v1/groups/{}", self.id))
    }
}

impl Service {
    pub async fn group_create(
        &self,
        request: &Request,
        body: &wire::Create,
    ) -> Result<Written<wire::Group>, Error> {
        self.write(request, "group_create", Status::Created, |write| Box::pin(write.group_create(body))).await
    }

    /// Many at once, all or none.
    pub async fn group_create_bulk(
        &self,
        request: &Request,
        bulk: &Bulk<wire::Create>,
    ) -> Result<Written<Bulk<wire::Group>>, Error> {
        self.write_bulk(request, "group_create_bulk", bulk, |write, body| Box::pin(write.group_create(body)))
            .await
    }

    pub async fn group_list(
        &self,
        request: &Request,
        given: &ListParameters,
    ) -> Result<Page<wire::Group>, Error> {
        let (mut reader, authority) = self.reading(request).await?;
        let visible = authority.listed(Permission::GroupsRead)?;
        let mut parameters = Parameters::new(given)?;
        let filter = GroupFilter {
            organization_ids: parameters.all("organization_id")?,
            q: parameters.text("q")?,
            ..GroupFilter::default()
        };
        let sorts = [("created_at", GroupSort::CreatedAt), ("name", GroupSort::Name)];
        let query = parameters.finish(self, request, &sorts, filter, visible)?;
        let page = reader.groups(&query).await?;
        self.page(request, given, page.map(|group| (&group).into()))
    }

    pub async fn group_read(&self, request: &Request, id: GroupId) -> Result<Read<wire::Group>, Error> {
        let (mut reader, authority) = self.reading(request).await?;
        let group = reader.group(id).await?.ok_or(Refusal::NotFound)?;
        if !authority.allows(Permission::GroupsRead, &group.place()) {
            return Err(Error::not_found());
        }
        Read::of((&group).into())
    }

    pub async fn group_update(
        &self,
        request: &Request,
        id: GroupId,
        body: &wire::Update,
    ) -> Result<Written<wire::Group>, Error> {
        self.write(request, "group_update", Status::Done, |write| {
            Box::pin(async move {
                let present = write.group_to(id, Permission::GroupsUpdate).await?;
                write.check_if_match(&wire::Group::from(&present))?;
                let mut fields = Fields::new();
                let name = body.name.as_deref().and_then(|name| fields.name("/name", name));
                fields.finish()?;
                if let Some(name) = name.filter(|name| *name != present.name) {
                    write.append(present.place(), EventBody::GroupUpdated { group_id: id, name }).await?;
                }
                Ok((&write.group(id).await?).into())
            })
        })
        .await
    }

    pub async fn group_delete(&self, request: &Request, id: GroupId) -> Result<Written<Gone>, Error> {
        self.write(request, "group_delete", Status::Deleted, |write| {
            Box::pin(async move {
                let present = write.group_to(id, Permission::GroupsDelete).await?;
                write.check_if_match(&wire::Group::from(&present))?;
                let mut users = write.tx.users_of_group(id).await?;
                users.extend(write.take_access_from(Grantee::Group(id)).await?);
                write.delete(present.place(), users, EventBody::GroupDeleted { group_id: id }).await
            })
        })
        .await
    }
}

impl Write<'_, '_> {
    async fn group_create(&mut self, body: &wire::Create) -> Result<wire::Group, Error> {
        let organization_id = self.organization_named(body.organization_id.as_deref()).await?;
        let place = Place::organization(organization_id);
        self.authority.require_act(Permission::GroupsCreate, &place)?;
        let mut fields = Fields::new();
        let name = fields.name("/name", &body.name);
        let name = fields.finish_with(name)?;
        let group_id = self.fresh_id();
        let place = Place::group(organization_id, group_id);
        self.append(place, EventBody::GroupCreated { group_id, organization_id, name }).await?;
        Ok((&self.group(group_id).await?).into())
    }

    pub(crate) async fn group(&mut self, id: GroupId) -> Result<Group, Error> {
        Ok(self.tx.group(id).await?.ok_or(Refusal::NotFound)?)
    }

    async fn group_to(&mut self, id: GroupId, act: Permission) -> Result<Group, Error> {
        let group = self.group(id).await?;
        self.require(Permission::GroupsRead, act, &group.place())?;
        Ok(group)
    }

    /// The Group that a body names; left out, the one that the actor is limited to, else the Group
    /// `default` of the actor's Organization (surface.md, "Bodies").
    pub(crate) async fn group_named(&mut self, pointer: &str, text: Option<&str>) -> Result<Group, Error> {
        let unknown = || Error::from(Refusal::invalid(pointer, "there is no Group with this id"));
        let id = match (text, self.authority.own_group().and_then(|scope| scope.group_id)) {
            (Some(text), _) => text.parse().map_err(|_| unknown())?,
            (None, Some(id)) => id,
            (None, None) => {
                let organization_id = self.authority.organization_id;
                let name = Name::new(crate::organizations::DEFAULT_GROUP).map_err(Error::internal)?;
                let group = self.tx.group_named(organization_id, &name).await?;
                return group.ok_or_else(|| {
                    Refusal::invalid(pointer, "name a Group: the Group default is gone").into()
                });
            }
        };
        let group = self.tx.group(id).await?;
        group.filter(|group| self.authority.knows_group(id) || self.sees_group(group)).ok_or_else(unknown)
    }

    pub(crate) fn sees_group(&self, group: &Group) -> bool {
        self.authority.allows(Permission::GroupsRead, &group.place())
    }
}
