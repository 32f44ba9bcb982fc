//! Where a right holds, and where a thing stands: Organization, Group, Environment (product.md G5, E5).

use crate::id::{EnvironmentId, GroupId, OrganizationId};
use crate::permission::{Permission, Permissions};

/// Where a right holds: everything, an Organization, or a Group; optionally in one Environment only.
/// `group_id` never stands without its `organization_id`.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
pub struct Scope {
    pub organization_id: Option<OrganizationId>,
    pub group_id: Option<GroupId>,
    pub environment_id: Option<EnvironmentId>,
}

/// Where a thing stands. What belongs to the instance has none of the three.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Place {
    pub organization_id: Option<OrganizationId>,
    pub group_id: Option<GroupId>,
    pub environment_id: Option<EnvironmentId>,
}

impl Place {
    pub const INSTANCE: Self = Self { organization_id: None, group_id: None, environment_id: None };

    pub const fn organization(organization_id: OrganizationId) -> Self {
        Self { organization_id: Some(organization_id), group_id: None, environment_id: None }
    }

    pub const fn group(organization_id: OrganizationId, group_id: GroupId) -> Self {
        Self { organization_id: Some(organization_id), group_id: Some(group_id), environment_id: None }
    }

    #[must_use]
    pub const fn in_environment(self, environment_id: EnvironmentId) -> Self {
        Self { environment_id: Some(environment_id), ..self }
    }
}

impl Scope {
    pub const EVERYTHING: Self = Self { organization_id: None, group_id: None, environment_id: None };

    /// Whether a right held here holds at `place`. One limited to an Environment gives nothing on things
    /// that have none (product.md G5).
    pub fn covers(&self, place: &Place) -> bool {
        let fits = |mine: bool, theirs: bool| mine || theirs;
        fits(self.organization_id.is_none(), self.organization_id == place.organization_id)
            && fits(self.group_id.is_none(), self.group_id == place.group_id)
            && fits(self.environment_id.is_none(), self.environment_id == place.environment_id)
    }

    /// Whether all that `other` covers is covered by this scope.
    pub fn contains(&self, other: &Self) -> bool {
        self.covers(&Place {
            organization_id: other.organization_id,
            group_id: other.group_id,
            environment_id: other.environment_id,
        })
    }

    /// What both scopes cover, if anything.
    pub fn intersection(&self, other: &Self) -> Option<Self> {
        fn both<T: PartialEq + Copy>(a: Option<T>, b: Option<T>) -> Option<Option<T>> {
            match (a, b) {
                (Some(a), Some(b)) if a != b => None,
                (a, b) => Some(a.or(b)),
            }
        }
        Some(Self {
            organization_id: both(self.organization_id, other.organization_id)?,
            group_id: both(self.group_id, other.group_id)?,
            environment_id: both(self.environment_id, other.environment_id)?,
        })
    }
}

/// Permissions held at a scope: one line of what somebody may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    pub permissions: Permissions,
    pub scope: Scope,
}

impl Held {
    pub fn allows(&self, permission: Permission, place: &Place) -> bool {
        self.permissions.contains(&permission) && self.scope.covers(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn organization(n: u8) -> OrganizationId {
        OrganizationId::from_bytes([n; 16])
    }

    fn group(n: u8) -> GroupId {
        GroupId::from_bytes([n; 16])
    }

    fn environment(n: u8) -> EnvironmentId {
        EnvironmentId::from_bytes([n; 16])
    }

    #[test]
    fn a_scope_covers_what_stands_inside_it() {
        let in_group = Place::group(organization(1), group(1));
        let in_sandbox = in_group.in_environment(environment(1));
        let of_organization = Scope { organization_id: Some(organization(1)), ..Scope::EVERYTHING };
        let of_group = Scope { group_id: Some(group(1)), ..of_organization };
        let of_sandbox = Scope { environment_id: Some(environment(1)), ..Scope::EVERYTHING };
        for (scope, place, covers) in [
            (Scope::EVERYTHING, Place::INSTANCE, true),
            (Scope::EVERYTHING, in_sandbox, true),
            (of_organization, Place::INSTANCE, false),
            (of_organization, Place::organization(organization(1)), true),
            (of_organization, Place::organization(organization(2)), false),
            (of_organization, in_sandbox, true),
            (of_group, Place::organization(organization(1)), false),
            (of_group, in_group, true),
            (of_group, Place::group(organization(1), group(2)), false),
            (of_sandbox, in_group, false),
            (of_sandbox, in_sandbox, true),
            (of_sandbox, in_group.in_environment(environment(2)), false),
        ] {
            assert_eq!(scope.covers(&place), covers, "{scope:?} {place:?}");
        }
        assert!(of_organization.contains(&of_group) && !of_group.contains(&of_organization));
        assert_eq!(
            of_group.intersection(&of_sandbox),
            Some(Scope { environment_id: Some(environment(1)), ..of_group })
        );
        let other = Scope { organization_id: Some(organization(2)), ..Scope::EVERYTHING };
        assert_eq!(of_group.intersection(&other), None);
    }
}
