//! Members, their Groups and their roles in their tables.

use claviger_domain::event::NewEvent;
use claviger_domain::id::{GroupId, MemberId, OrganizationId, RoleGrantId};
use claviger_domain::members::{Email, Member};

use crate::columns::{Columns, FromRow};
use crate::error::StoreError;
use crate::list::{Assembly, ListQuery, Listed, Page, PlaceColumns, SortColumn, pattern};
use crate::reader::Reader;
use crate::statements::{fragments, statements};
use crate::stored::{Stored, insert_links, replace_links};
use crate::value::{json, values};

macro_rules! columns {
    () => {
        "members.id, members.organization_id, members.name, members.email, members.group_ids, \
         members.role_grants, members.created_at"
    };
}

statements! {
    BY_ID = concat!("SELECT ", columns!(), " FROM members WHERE id = $1 AND deleted_at IS NULL");
    BY_EMAIL = concat!("SELECT ", columns!(), " FROM members WHERE organization_id = $1 AND email = $2 AND deleted_at IS NULL");
    INSERT = "INSERT INTO members (id, organization_id, name, folded_name, email, group_ids, role_grants, created_at) \
              VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    UPDATE = "UPDATE members SET name = $2, folded_name = $3, group_ids = $4, role_grants = $5 WHERE id = $1";
    HIDE = "UPDATE members SET deleted_at = $2 WHERE id = $1";
    DELETE_GROUPS = "DELETE FROM member_groups WHERE member_id = $1";
    INSERT_GROUP = "INSERT INTO member_groups (member_id, group_id) VALUES ($1, $2) ON CONFLICT DO NOTHING";
    DELETE_GRANTS = "DELETE FROM role_grants WHERE member_id = $1";
    INSERT_GRANT = "INSERT INTO role_grants (id, member_id, permission_group_id, organization_id, group_id, environment_id, created_at) \
                    VALUES ($1, $2, $3, $4, $5, $6, $7)";
    OWNERS = "SELECT role_grants.id, role_grants.member_id FROM role_grants \
              JOIN permission_groups ON permission_groups.id = role_grants.permission_group_id \
              JOIN members ON members.id = role_grants.member_id \
              WHERE permission_groups.default_role = 'owner' AND members.organization_id = $1 \
              AND (role_grants.organization_id IS NULL OR role_grants.organization_id = $1) \
              AND role_grants.group_id IS NULL AND role_grants.environment_id IS NULL \
              AND members.deleted_at IS NULL ORDER BY role_grants.id";
    OWNERS_OF_EVERYTHING = "SELECT role_grants.id, role_grants.member_id FROM role_grants \
              JOIN permission_groups ON permission_groups.id = role_grants.permission_group_id \
              WHERE permission_groups.default_role = 'owner' AND role_grants.organization_id IS NULL \
              AND role_grants.group_id IS NULL AND role_grants.environment_id IS NULL ORDER BY role_grants.id";
    MEMBER_OF_GRANT = concat!("SELECT ", columns!(), " FROM members WHERE members.deleted_at IS NULL \
              AND members.id = (SELECT role_grants.member_id FROM role_grants WHERE role_grants.id = $1)");
}

fragments! {
    BY_IDS = "members.id = $1";
    BY_ORGANIZATION = "members.organization_id = $1";
    BY_GROUP = "members.id IN (SELECT member_groups.member_id FROM member_groups WHERE member_groups.group_id = $1)";
    BY_NAME = "(members.folded_name LIKE $1 ESCAPE '\\' OR members.email LIKE $1 ESCAPE '\\')";
}

/// Which members a list shows.
#[derive(Debug, Clone, Default)]
pub struct MemberFilter {
    pub ids: Vec<MemberId>,
    pub organization_ids: Vec<OrganizationId>,
    pub group_ids: Vec<GroupId>,
    /// In name or mail address.
    pub q: Option<String>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum MemberSort {
    #[default]
    CreatedAt,
    Name,
}

impl FromRow for Member {
    const TABLE: &'static str = "members";

    fn from_row(columns: &mut Columns<'_>) -> Result<Self, StoreError> {
        Ok(Self {
            id: columns.id()?,
            organization_id: columns.id()?,
            name: columns.word()?,
            email: columns.word()?,
            group_ids: columns.json()?,
            role_grants: columns.json()?,
            created_at: columns.instant()?,
        })
    }
}

/// A grant that makes its holder an Owner.
struct OwnerGrant(RoleGrantId, MemberId);

impl FromRow for OwnerGrant {
    const TABLE: &'static str = "role_grants";

    fn from_row(columns: &mut Columns<'_>) -> Result<Self, StoreError> {
        Ok(Self(columns.id()?, columns.id()?))
    }
}

impl Stored for Member {
    type Id = MemberId;

    async fn load(reader: &mut Reader, id: MemberId) -> Result<Option<Self>, StoreError> {
        reader.member(id).await
    }

    async fn insert(&self, reader: &mut Reader, _: &NewEvent) -> Result<(), StoreError> {
        let values = values![
            self.id,
            self.organization_id,
            &self.name,
            self.name.folded(),
            self.email.as_str(),
            json(&self.group_ids),
            json(&self.role_grants),
            self.created_at,
        ];
        reader.write(INSERT, values).await?;
        insert_links(reader, INSERT_GROUP, self.id, self.group_ids.clone()).await?;
        insert_grants(reader, self).await
    }

    async fn update(&self, before: &Self, reader: &mut Reader, _: &NewEvent) -> Result<(), StoreError> {
        let values =
            values![self.id, &self.name, self.name.folded(), json(&self.group_ids), json(&self.role_grants),];
        reader.write(UPDATE, values).await?;
        if self.group_ids != before.group_ids {
            let statements = [DELETE_GROUPS, INSERT_GROUP];
            replace_links(reader, statements, self.id, self.group_ids.clone()).await?;
        }
        if self.role_grants != before.role_grants {
            reader.write(DELETE_GRANTS, values![self.id]).await?;
            insert_grants(reader, self).await?;
        }
        Ok(())
    }

    /// Roles and memberships go with the member: they grant nothing and use nothing any more.
    async fn hide(&self, reader: &mut Reader, event: &NewEvent) -> Result<(), StoreError> {
        reader.write(DELETE_GROUPS, values![self.id]).await?;
        reader.write(DELETE_GRANTS, values![self.id]).await?;
        reader.write(HIDE, values![self.id, event.at]).await
    }
}

async fn insert_grants(reader: &mut Reader, member: &Member) -> Result<(), StoreError> {
    for grant in &member.role_grants {
        let values = values![
            grant.id,
            member.id,
            grant.permission_group_id,
            grant.scope.organization_id,
            grant.scope.group_id,
            grant.scope.environment_id,
            grant.created_at,
        ];
        reader.write(INSERT_GRANT, values).await?;
    }
    Ok(())
}

impl Listed for Member {
    type Filter = MemberFilter;
    type Sort = MemberSort;
    const COLUMNS: &'static str = columns!();
    const FROM: &'static str = "members WHERE members.deleted_at IS NULL";
    const ID: &'static str = "members.id";
    const PLACES: &'static [PlaceColumns] =
        &[PlaceColumns { organization: Some("members.organization_id"), ..PlaceColumns::INSTANCE }];

    fn sort_column(sort: MemberSort) -> SortColumn {
        match sort {
            MemberSort::CreatedAt => SortColumn::Integer("members.created_at"),
            MemberSort::Name => SortColumn::Text("members.folded_name"),
        }
    }

    fn conditions(filter: &MemberFilter, query: &mut Assembly) {
        query.and_either(BY_IDS, filter.ids.iter().copied());
        query.and_either(BY_ORGANIZATION, filter.organization_ids.iter().copied());
        query.and_either(BY_GROUP, filter.group_ids.iter().copied());
        if let Some(q) = &filter.q {
            query.and(BY_NAME, values![pattern(q)]);
        }
    }
}

impl Reader {
    /// A member with their roles.
    pub async fn member(&mut self, id: MemberId) -> Result<Option<Member>, StoreError> {
        self.optional(BY_ID, values![id]).await
    }

    pub async fn member_by_email(
        &mut self,
        organization_id: OrganizationId,
        email: &Email,
    ) -> Result<Option<Member>, StoreError> {
        self.optional(BY_EMAIL, values![organization_id, email.as_str()]).await
    }

    pub async fn member_of_role_grant(&mut self, id: RoleGrantId) -> Result<Option<Member>, StoreError> {
        self.optional(MEMBER_OF_GRANT, values![id]).await
    }

    pub async fn members(
        &mut self,
        query: &ListQuery<MemberFilter, MemberSort>,
    ) -> Result<Page<Member>, StoreError> {
        self.list(query).await
    }

    /// The Organization's own members who hold its Owner role for all of it, each with the grant that says
    /// so. The last of them can't be removed (product.md E5).
    pub async fn owner_grants(
        &mut self,
        organization_id: OrganizationId,
    ) -> Result<Vec<(RoleGrantId, MemberId)>, StoreError> {
        let grants: Vec<OwnerGrant> = self.all(OWNERS, values![organization_id]).await?;
        Ok(grants.into_iter().map(|OwnerGrant(grant, member)| (grant, member)).collect())
    }

    /// The members of any Organization who own everything, likewise.
    pub async fn owner_grants_of_everything(&mut self) -> Result<Vec<(RoleGrantId, MemberId)>, StoreError> {
        let grants: Vec<OwnerGrant> = self.all(OWNERS_OF_EVERYTHING, values![]).await?;
        Ok(grants.into_iter().map(|OwnerGrant(grant, member)| (grant, member)).collect())
    }
}
