//! Members and their roles on the wire.

use claviger_domain::members::{Member as Domain, RoleGrant as DomainGrant};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::given::given;
use crate::scope::{Named, Scope};

/// A person of an Organization.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Member {
    pub id: String,
    pub organization_id: String,
    pub name: String,
    pub email: String,
    pub group_ids: Vec<String>,
    pub roles: Vec<Role>,
    #[schema(format = DateTime)]
    pub created_at: String,
}

/// A permission group granted at a scope.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Role {
    pub id: String,
    pub permission_group: Named,
    pub scope: Scope,
    #[schema(format = DateTime)]
    pub created_at: String,
}

#[derive(Debug, Clone, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = MemberCreate)]
pub struct Create {
    pub name: String,
    /// Unique in the Organization, whatever its case.
    pub email: String,
    /// Left out: the caller's own Organization.
    #[serde(default)]
    pub organization_id: Option<String>,
    /// At most 100.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub group_ids: Option<Vec<String>>,
}

#[derive(Debug, Clone, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = MemberUpdate)]
pub struct Update {
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub group_ids: Option<Vec<String>>,
}

#[derive(Debug, Clone, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = RoleGrantCreate)]
pub struct Grant {
    pub permission_group_id: String,
    /// Left out: the member's Organization.
    #[serde(default)]
    pub scope: Option<Scope>,
}

impl Member {
    /// The member with their roles, each beside the name of its permission group.
    pub fn new(member: &Domain, roles: &[(DomainGrant, String)]) -> Self {
        Self {
            id: member.id.to_string(),
            organization_id: member.organization_id.to_string(),
            name: member.name.to_string(),
            email: member.email.as_str().to_owned(),
            group_ids: member.group_ids.iter().map(ToString::to_string).collect(),
            roles: roles.iter().map(|(grant, name)| Role::new(grant, name)).collect(),
            created_at: member.created_at.to_string(),
        }
    }
}

impl Role {
    pub fn new(grant: &DomainGrant, permission_group_name: &str) -> Self {
        Self {
            id: grant.id.to_string(),
            permission_group: Named {
                id: grant.permission_group_id.to_string(),
                name: permission_group_name.to_owned(),
            },
            scope: (&grant.scope).into(),
            created_at: grant.created_at.to_string(),
        }
    }
}
