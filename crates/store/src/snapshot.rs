//! What deciding is loaded from besides the Keys themselves: whole tables, streamed once in one consistent
//! state. With [`Reader::position`] of the same reader it is a snapshot from which the log is tailed.

use claviger_domain::apis::{Api, ApiPermission};
use claviger_domain::applications::ApplicationStatus;
use claviger_domain::id::{ApiId, ApplicationId, GroupId, KeySetId, OrganizationId, PermissionGroupId};
use claviger_domain::permission_groups::PermissionGroup;
use claviger_domain::scope::Scope;
use claviger_domain::text::Name;
use claviger_domain::time::Timestamp;
use ipnet::IpNet;

use crate::columns::{Columns, FromRow, known};
use crate::error::StoreError;
use crate::joined::FromText;
use crate::list::{Assembly, Listed};
use crate::reader::Reader;
use crate::statements::statements;
use crate::value::values;

statements! {
    HOLDERS_OF_PERMISSION_GROUP = "SELECT organization_id, group_id, environment_id, NULL AS expires_at, \
              NULL AS ip_allow_list FROM role_grants WHERE permission_group_id = $1 \
              UNION SELECT scope_organization_id, scope_group_id, scope_environment_id, expires_at, ip_allow_list FROM service_keys \
              WHERE deleted_at IS NULL AND id IN \
              (SELECT service_key_id FROM service_key_permission_groups WHERE permission_group_id = $1)";
}

/// What one Active Subscription gives to each of its Key Sets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantRow {
    pub key_set_ids: Vec<KeySetId>,
    pub api_id: ApiId,
    /// None: all of the API's permissions.
    pub permissions: Option<Vec<ApiPermission>>,
}

impl FromText for GrantRow {
    const TABLE: &'static str = "subscriptions";

    fn from_text<'t>(columns: &mut impl Iterator<Item = &'t str>) -> Option<Self> {
        Some(Self {
            key_set_ids: serde_json::from_str(columns.next()?).ok()?,
            api_id: columns.next()?.parse().ok()?,
            permissions: match columns.next()? {
                "" => None,
                permissions => Some(serde_json::from_str(permissions).ok()?),
            },
        })
    }
}

/// What deciding needs of an Application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApplicationRow {
    pub id: ApplicationId,
    pub organization_id: OrganizationId,
    pub group_id: GroupId,
    pub name: Name,
    pub status: ApplicationStatus,
}

impl FromText for ApplicationRow {
    const TABLE: &'static str = "applications";

    fn from_text<'t>(columns: &mut impl Iterator<Item = &'t str>) -> Option<Self> {
        Some(Self {
            id: columns.next()?.parse().ok()?,
            organization_id: columns.next()?.parse().ok()?,
            group_id: columns.next()?.parse().ok()?,
            name: Name::new(columns.next()?).ok()?,
            status: known(columns.next()?).ok()?,
        })
    }
}

/// Where, for how long and from which addresses somebody holds a permission group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    pub scope: Scope,
    /// None: for ever, as members do.
    pub expires_at: Option<Timestamp>,
    /// None: from everywhere.
    pub ip_allow_list: Option<Vec<IpNet>>,
}

impl FromRow for Holder {
    const TABLE: &'static str = "role_grants";

    fn from_row(columns: &mut Columns<'_>) -> Result<Self, StoreError> {
        Ok(Self {
            scope: Scope {
                organization_id: columns.optional_id()?,
                group_id: columns.optional_id()?,
                environment_id: columns.optional_id()?,
            },
            expires_at: columns.optional_instant()?,
            ip_allow_list: columns.optional_json()?,
        })
    }
}

impl Reader {
    /// Hands every API to `take`, in no particular order; so do the others below.
    pub async fn each_api(&mut self, take: impl FnMut(Api) + Send) -> Result<(), StoreError> {
        self.each_listed(take).await
    }

    pub async fn each_application(
        &mut self,
        take: impl FnMut(ApplicationRow) + Send,
    ) -> Result<(), StoreError> {
        let all = self.connection.dialect().all_applications;
        self.each(all, take).await
    }

    pub async fn all_permission_groups(&mut self) -> Result<Vec<PermissionGroup>, StoreError> {
        let mut groups = Vec::new();
        self.each_listed(|group| groups.push(group)).await?;
        Ok(groups)
    }

    /// What Active Subscriptions give to Key Sets.
    pub async fn each_grant(&mut self, take: impl FnMut(GrantRow) + Send) -> Result<(), StoreError> {
        let all = self.connection.dialect().all_grants;
        self.each(all, take).await
    }

    /// About how many Keys there are, living and dead.
    pub async fn key_count(&mut self) -> Result<usize, StoreError> {
        let count: Option<i64> = self.optional(self.connection.dialect().key_count, values![]).await?;
        Ok(count.and_then(|count| count.try_into().ok()).unwrap_or_default())
    }

    /// All who hold the permission group, members and service keys; those who hold it alike are one.
    pub async fn holders_of_permission_group(
        &mut self,
        id: PermissionGroupId,
    ) -> Result<Vec<Holder>, StoreError> {
        self.all(HOLDERS_OF_PERMISSION_GROUP, values![id]).await
    }

    async fn each_listed<T: Listed>(&mut self, take: impl FnMut(T) + Send) -> Result<(), StoreError> {
        let mut query = Assembly::default();
        for text in ["SELECT ", T::COLUMNS, " FROM ", T::FROM] {
            query.text(text);
        }
        let (sql, values) = query.finish();
        self.each_row(sql, values, take).await
    }
}
