//! Permission groups: named sets of permissions. Granted to a member at a scope, one is a role.

use crate::aggregate::{Aggregate, Misapplied, absent, present};
use crate::event::{EventBody, Subject};
use crate::id::{OrganizationId, PermissionGroupId};
use crate::permission::{Permission, Permissions};
use crate::scope::Place;
use crate::text::Name;
use crate::time::Timestamp;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PermissionGroup {
    pub id: PermissionGroupId,
    pub organization_id: OrganizationId,
    pub name: Name,
    /// Set on the groups that come with an Organization; they are found by it however they are renamed.
    pub default_role: Option<DefaultRole>,
    pub permissions: Permissions,
    pub created_at: Timestamp,
}

impl PermissionGroup {
    pub const fn place(&self) -> Place {
        Place::organization(self.organization_id)
    }
}

impl Aggregate for PermissionGroup {
    fn apply(state: Option<Self>, at: Timestamp, body: &EventBody) -> Result<Option<Self>, Misapplied> {
        if let EventBody::PermissionGroupCreated {
            permission_group_id,
            organization_id,
            name,
            default_role,
            permissions,
        } = body
        {
            absent(state, body)?;
            return Ok(Some(Self {
                id: *permission_group_id,
                organization_id: *organization_id,
                name: name.clone(),
                default_role: *default_role,
                permissions: permissions.clone(),
                created_at: at,
            }));
        }
        let mut group = present(state, body, |it| body.subject() == Subject::PermissionGroup(it.id))?;
        match body {
            EventBody::PermissionGroupUpdated { name, permissions, .. } => {
                group.name = name.clone();
                group.permissions.clone_from(permissions);
            }
            EventBody::PermissionGroupDeleted { .. } => return Ok(None),
            _ => return Err(Misapplied::new(body, "the event is of another noun")),
        }
        Ok(Some(group))
    }
}

/// The roles that every Organization begins with (product.md G5). All but `Owner` can be edited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DefaultRole {
    Owner,
    OrganizationAdmin,
    GroupAdmin,
    Contributor,
    Consumer,
    Guest,
}

impl DefaultRole {
    pub const ALL: [Self; 6] = [
        Self::Owner,
        Self::OrganizationAdmin,
        Self::GroupAdmin,
        Self::Contributor,
        Self::Consumer,
        Self::Guest,
    ];

    /// The name of the permission group made by `init`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::OrganizationAdmin => "organization_admin",
            Self::GroupAdmin => "group_admin",
            Self::Contributor => "contributor",
            Self::Consumer => "consumer",
            Self::Guest => "guest",
        }
    }

    /// What the role may do until somebody edits its group.
    pub fn permissions(self) -> Permissions {
        Permission::ALL.iter().copied().filter(|permission| self.begins_with(*permission)).collect()
    }

    fn begins_with(self, permission: Permission) -> bool {
        let name = permission.as_str();
        let (collection, act) = name.split_once(':').unwrap_or((name, ""));
        match self {
            Self::Owner => true,
            // All but what belongs to the instance and to other Organizations.
            Self::OrganizationAdmin => !matches!(
                name,
                "organizations:create"
                    | "organizations:delete"
                    | "environments:create"
                    | "environments:update"
                    | "environments:delete"
                    | "nodes:enroll"
                    | "nodes:delete"
            ),
            Self::GroupAdmin => match collection {
                "apis" | "applications" | "subscriptions" | "key_sets" | "service_keys" | "shared_keys"
                | "git_integrations" | "jobs" => act != "act_for",
                "key_pairs" => act != "administer",
                "role_grants" | "keys" | "verify" => true,
                "groups" => matches!(act, "read" | "update"),
                "members" => matches!(act, "read"),
                "events" | "organizations" | "environments" | "policy_templates" | "permission_groups"
                | "usage" => act == "read",
                _ => false,
            },
            Self::Contributor => match collection {
                "apis" | "applications" | "shared_keys" | "git_integrations" => act != "delete",
                "subscriptions" => true,
                // Access to each pair says which.
                "key_pairs" => act != "administer",
                "key_sets" => !matches!(act, "policy"),
                "verify" | "jobs" => true,
                "organizations" | "groups" | "environments" | "policy_templates" | "usage" => act == "read",
                _ => false,
            },
            Self::Consumer => match collection {
                "applications" => matches!(act, "read" | "create" | "update"),
                "subscriptions" => matches!(act, "read" | "create" | "end" | "renew"),
                "key_sets" => matches!(act, "read" | "update" | "regenerate" | "retrieve" | "issue"),
                "organizations" | "groups" | "environments" | "apis" | "policy_templates" | "usage" => {
                    act == "read"
                }
                _ => false,
            },
            Self::Guest => matches!(
                name,
                "organizations:read"
                    | "groups:read"
                    | "environments:read"
                    | "apis:read"
                    | "applications:read"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_role_has_all_that_the_lesser_one_has() {
        let mut greater = DefaultRole::Owner.permissions();
        assert_eq!(greater.len(), Permission::ALL.len());
        for role in DefaultRole::ALL {
            let permissions = role.permissions();
            assert!(permissions.is_subset(&greater), "{role:?}: {:?}", permissions.difference(&greater));
            greater = permissions;
        }
        assert!(!DefaultRole::Guest.permissions().is_empty());
    }
}
