//! Permissions and permission groups on the wire.

use claviger_domain::permission::Permission as DomainPermission;
use claviger_domain::permission_groups::PermissionGroup as Domain;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::given::given;

/// One right on one collection.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Permission {
    #[schema(example = "key_sets:revoke")]
    pub name: String,
    pub description: String,
}

/// A named set of permissions.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct PermissionGroup {
    pub id: String,
    pub organization_id: String,
    pub name: String,
    /// The role it came as, if it came with its Organization: `owner`, `organization_admin`, …
    pub default_role: Option<String>,
    pub permissions: Vec<String>,
    #[schema(format = DateTime)]
    pub created_at: String,
}

#[derive(Debug, Clone, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = PermissionGroupCreate)]
pub struct Create {
    /// Unique in its Organization.
    pub name: String,
    /// At least one.
    pub permissions: Vec<String>,
    /// Left out: the caller's own Organization.
    #[serde(default)]
    pub organization_id: Option<String>,
}

#[derive(Debug, Clone, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = PermissionGroupUpdate)]
pub struct Update {
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub permissions: Option<Vec<String>>,
}

impl From<&Domain> for PermissionGroup {
    fn from(group: &Domain) -> Self {
        Self {
            id: group.id.to_string(),
            organization_id: group.organization_id.to_string(),
            name: group.name.to_string(),
            default_role: group.default_role.map(|role| role.as_str().to_owned()),
            permissions: group.permissions.iter().map(ToString::to_string).collect(),
            created_at: group.created_at.to_string(),
        }
    }
}

impl From<DomainPermission> for Permission {
    fn from(permission: DomainPermission) -> Self {
        Self { name: permission.to_string(), description: permission.description().to_owned() }
    }
}
