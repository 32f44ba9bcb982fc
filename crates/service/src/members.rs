//! Members of an Organization and their roles. The last Owner can't be removed (product.md E5).

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use claviger_domain::event::EventBody;
use claviger_domain::id::{GroupId, MemberId, OrganizationId, PermissionGroupId, RoleGrantId};
use claviger_domain::key_pairs::Grantee;
use claviger_domain::members::{Member, RoleGrant};
use claviger_domain::permission::Permission;
use claviger_domain::refusal::{Refusal, User};
use claviger_domain::scope::{Held, Place, Scope};
use claviger_store::{MemberFilter, MemberSort, Reader};
use claviger_wire::Page;
use claviger_wire::bulk::Bulk;
use claviger_wire::members as wire;

use crate::authority::Bounds;
use crate::error::Error;
use crate::etag;
use crate::fields::Fields;
use crate::lists::{ListParameters, Parameters};
use crate::permission_groups;
use crate::request::{Answer, Gone, Read, Request, Status, Written};
use crate::scopes;
use crate::state::Service;
use crate::write::Write;

/// How many Groups a member can be in.
const MOST_GROUPS: usize = 100;

impl Answer for wire::Member {
    fn etag(&self) -> Option<String> {
        etag::of(self).ok()
    }

    fn location(&self) -> Option<String> {
        Some(format!("/v1/members/{}", self.id))
    }
}

impl Answer for wire::Role {}

impl Service {
    pub async fn member_create(
        &self,
        request: &Request,
        body: &wire::Create,
    ) -> Result<Written<wire::Member>, Error> {
        self.write(request, "member_create", Status::Created, |write| Box::pin(write.member_create(body)))
            .await
    }

    /// Many at once, all or none.
    pub async fn member_create_bulk(
        &self,
        request: &Request,
        bulk: &Bulk<wire::Create>,
    ) -> Result<Written<Bulk<wire::Member>>, Error> {
        self.write_bulk(request, "member_create_bulk", bulk, |write, body| {
            Box::pin(write.member_create(body))
        })
        .await
    }

    pub async fn member_list(
        &self,
        request: &Request,
        given: &ListParameters,
    ) -> Result<Page<wire::Member>, Error> {
        let (mut reader, authority) = self.reading(request).await?;
        let visible = authority.listed_within(Permission::MembersRead)?;
        let mut parameters = Parameters::new(given)?;
        let filter = MemberFilter {
            organization_ids: parameters.all("organization_id")?,
            group_ids: parameters.all("group_id")?,
            q: parameters.text("q")?,
            ..MemberFilter::default()
        };
        let sorts = [("created_at", MemberSort::CreatedAt), ("name", MemberSort::Name)];
        let query = parameters.finish(self, request, &sorts, filter, visible)?;
        let page = reader.members(&query).await?;
        let mut roles = RoleNames::default();
        let mut items = Vec::with_capacity(page.items.len());
        for member in &page.items {
            items.push(roles.show(&mut reader, member).await?);
        }
        self.page(request, given, page.with_items(items))
    }

    pub async fn member_read(&self, request: &Request, id: MemberId) -> Result<Read<wire::Member>, Error> {
        let (mut reader, authority) = self.reading(request).await?;
        let member = reader.member(id).await?.ok_or(Refusal::NotFound)?;
        if !authority.allows_within(Permission::MembersRead, member.organization_id) {
            return Err(Error::not_found());
        }
        Read::of(member_on_wire(&mut reader, id).await?)
    }

    pub async fn member_update(
        &self,
        request: &Request,
        id: MemberId,
        body: &wire::Update,
    ) -> Result<Written<wire::Member>, Error> {
        self.write(request, "member_update", Status::Done, |write| {
            Box::pin(async move {
                let present = write.member_to(id, Permission::MembersUpdate).await?;
                write.check_member_if_match(id).await?;
                let mut fields = Fields::new();
                let name = body.name.as_deref().and_then(|name| fields.name("/name", name));
                fields.finish()?;
                let group_ids = match &body.group_ids {
                    Some(ids) => write.groups_of(present.organization_id, ids).await?,
                    None => present.group_ids.clone(),
                };
                let name = name.unwrap_or_else(|| present.name.clone());
                if name != present.name || group_ids != present.group_ids {
                    let event = EventBody::MemberUpdated { member_id: id, name, group_ids };
                    write.append(present.place(), event).await?;
                }
                member_on_wire(write.tx, id).await
            })
        })
        .await
    }

    /// Removes a member with their roles. Service keys that count as them must be gone first.
    pub async fn member_delete(&self, request: &Request, id: MemberId) -> Result<Written<Gone>, Error> {
        self.write(request, "member_delete", Status::Deleted, |write| {
            Box::pin(async move {
                let present = write.member_to(id, Permission::MembersDelete).await?;
                write.check_member_if_match(id).await?;
                let mut users: Vec<User> = write.tx.users_of_member(id).await?;
                users.extend(write.take_access_from(Grantee::Member(id)).await?);
                if users.is_empty() {
                    write.keep_an_owner(&present, &present.role_grants).await?;
                }
                write.delete(present.place(), users, EventBody::MemberDeleted { member_id: id }).await
            })
        })
        .await
    }

    /// Grants a role: everything it allows must be the actor's own at that scope, now.
    pub async fn role_grant_create(
        &self,
        request: &Request,
        id: MemberId,
        body: &wire::Grant,
    ) -> Result<Written<wire::Role>, Error> {
        self.write(request, "role_grant_create", Status::Created, |write| {
            Box::pin(async move {
                let member = write.visible_member(id).await?;
                let whole = Scope { organization_id: Some(member.organization_id), ..Scope::EVERYTHING };
                let scope = scopes::named(write, "/scope", body.scope.as_ref(), whole).await?;
                let place = scopes::place_of(&scope);
                write.authority.require_act(Permission::RoleGrantsCreate, &place)?;
                let ids = std::slice::from_ref(&body.permission_group_id);
                let group = write.permission_groups_named(ids, member.organization_id).await;
                let group = group.map_err(at_single_group)?.remove(0);
                let gained = Held { permissions: permission_groups::allowed(&group), scope };
                write.authority.require_gain(&[gained], Bounds::NONE)?;
                let same = |grant: &RoleGrant| grant.permission_group_id == group.id && grant.scope == scope;
                if member.role_grants.iter().any(same) {
                    return Err(Refusal::NameTaken { pointer: "/permission_group_id".into() }.into());
                }
                let grant = RoleGrant {
                    id: write.fresh_id(),
                    member_id: id,
                    permission_group_id: group.id,
                    scope,
                    created_at: write.now,
                };
                let event = EventBody::RoleGranted { member_id: id, grant: grant.clone() };
                write.append(member.place(), event).await?;
                Ok(wire::Role::new(&grant, group.name.as_str()))
            })
        })
        .await
    }

    pub async fn role_grant_delete(
        &self,
        request: &Request,
        id: MemberId,
        role_grant_id: RoleGrantId,
    ) -> Result<Written<Gone>, Error> {
        self.write(request, "role_grant_delete", Status::Deleted, |write| {
            Box::pin(async move {
                let member = write.visible_member(id).await?;
                let grant = member.role_grants.iter().find(|grant| grant.id == role_grant_id);
                let grant = grant.ok_or(Refusal::NotFound)?;
                write.authority.require_act(Permission::RoleGrantsDelete, &scopes::place_of(&grant.scope))?;
                write.keep_an_owner(&member, std::slice::from_ref(grant)).await?;
                write.append(member.place(), EventBody::RoleRevoked { member_id: id, role_grant_id }).await?;
                Ok(Gone)
            })
        })
        .await
    }
}

impl Write<'_, '_> {
    async fn member_create(&mut self, body: &wire::Create) -> Result<wire::Member, Error> {
        let organization_id = self.organization_named(body.organization_id.as_deref()).await?;
        let place = Place::organization(organization_id);
        self.authority.require_act(Permission::MembersCreate, &place)?;
        let mut fields = Fields::new();
        let name = fields.name("/name", &body.name);
        let email = fields.email("/email", &body.email);
        let (name, email) = fields.finish_with(name.zip(email))?;
        if self.tx.member_by_email(organization_id, &email).await?.is_some() {
            return Err(Refusal::NameTaken { pointer: "/email".into() }.into());
        }
        let group_ids =
            self.groups_of(organization_id, body.group_ids.as_deref().unwrap_or_default()).await?;
        let member_id = self.fresh_id();
        let event = EventBody::MemberCreated { member_id, organization_id, name, email, group_ids };
        self.append(place, event).await?;
        member_on_wire(self.tx, member_id).await
    }

    async fn visible_member(&mut self, id: MemberId) -> Result<Member, Error> {
        let member = self.tx.member(id).await?.ok_or(Refusal::NotFound)?;
        if self.authority.allows_within(Permission::MembersRead, member.organization_id) {
            Ok(member)
        } else {
            Err(Error::not_found())
        }
    }

    async fn member_to(&mut self, id: MemberId, act: Permission) -> Result<Member, Error> {
        let member = self.visible_member(id).await?;
        self.authority.require_act(act, &member.place())?;
        Ok(member)
    }

    /// The Groups that a body names, all of the one Organization.
    async fn groups_of(
        &mut self,
        organization_id: OrganizationId,
        ids: &[String],
    ) -> Result<Vec<GroupId>, Error> {
        let mut fields = Fields::new();
        if ids.len() > MOST_GROUPS {
            return Err(Refusal::invalid("/group_ids", format!("must name at most {MOST_GROUPS}")).into());
        }
        let mut groups = Vec::with_capacity(ids.len());
        for (at, text) in ids.iter().enumerate() {
            let found = match text.parse() {
                Ok(id) => self.tx.group(id).await?,
                Err(_) => None,
            };
            match found.filter(|group| group.organization_id == organization_id && self.sees_group(group)) {
                Some(group) if !groups.contains(&group.id) => groups.push(group.id),
                Some(_) => {}
                None => fields.wrong(
                    &format!("/group_ids/{at}"),
                    "there is no Group with this id in the member's Organization",
                ),
            }
        }
        fields.finish()?;
        Ok(groups)
    }

    async fn check_member_if_match(&mut self, id: MemberId) -> Result<(), Error> {
        if self.request.if_match.is_none() {
            return Ok(());
        }
        let shown = member_on_wire(self.tx, id).await?;
        self.check_if_match(&shown)
    }

    /// Refuses to take the last grants by which somebody owns the whole Organization, or everything.
    async fn keep_an_owner(&mut self, member: &Member, taken: &[RoleGrant]) -> Result<(), Error> {
        let is_taken = |id: &RoleGrantId| taken.iter().any(|grant| grant.id == *id);
        let of_organization = self.tx.owner_grants(member.organization_id).await?;
        let of_everything = self.tx.owner_grants_of_everything().await?;
        for owners in [of_organization, of_everything] {
            if !owners.is_empty() && owners.iter().all(|(id, _)| is_taken(id)) {
                return Err(Refusal::LastOwner.into());
            }
        }
        Ok(())
    }
}

/// The member as callers see them.
async fn member_on_wire(reader: &mut Reader, id: MemberId) -> Result<wire::Member, Error> {
    let member = reader.member(id).await?.ok_or(Refusal::NotFound)?;
    RoleNames::default().show(reader, &member).await
}

/// The names of permission groups, each looked up once.
#[derive(Debug, Default)]
struct RoleNames(HashMap<PermissionGroupId, String>);

impl RoleNames {
    async fn show(&mut self, reader: &mut Reader, member: &Member) -> Result<wire::Member, Error> {
        let mut roles = Vec::with_capacity(member.role_grants.len());
        for grant in &member.role_grants {
            let id = grant.permission_group_id;
            if let Entry::Vacant(vacant) = self.0.entry(id) {
                let group = reader.permission_group(id).await?;
                vacant.insert(group.map(|group| group.name.to_string()).unwrap_or_default());
            }
            roles.push((grant.clone(), self.0.get(&id).cloned().unwrap_or_default()));
        }
        Ok(wire::Member::new(member, &roles))
    }
}

/// The same errors, pointing at the one field that a grant has.
fn at_single_group(error: Error) -> Error {
    match error {
        Error::Refused(Refusal::Invalid(errors)) => {
            let detail = errors.into_iter().next().map(|error| error.detail).unwrap_or_default();
            Refusal::invalid("/permission_group_id", detail).into()
        }
        other => other,
    }
}
