//! Service keys: keys to Claviger's own API, limited to permission groups (product.md E).

use ipnet::IpNet;

use crate::credential::Masked;
use crate::event::ActorRef;
use crate::id::{MemberId, OrganizationId, PermissionGroupId, ServiceKeyId};
use crate::scope::{Place, Scope};
use crate::text::Name;
use crate::time::Timestamp;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceKey {
    pub id: ServiceKeyId,
    /// The Organization whose settings list it.
    pub organization_id: OrganizationId,
    /// The member whom it counts as, where a member is asked for.
    pub member_id: Option<MemberId>,
    pub created_by: ActorRef,
    pub name: Name,
    pub status: ServiceKeyStatus,
    pub masked: Masked,
    pub permission_group_ids: Vec<PermissionGroupId>,
    pub scope: Scope,
    pub expires_at: Option<Timestamp>,
    pub ip_allow_list: Option<Vec<IpNet>>,
    pub created_at: Timestamp,
}

impl ServiceKey {
    /// Where it stands for those who administer it: as narrow as its own scope.
    pub fn place(&self) -> Place {
        Place {
            organization_id: Some(self.organization_id),
            group_id: self.scope.group_id,
            environment_id: self.scope.environment_id,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ServiceKeyStatus {
    Active,
    Inactive,
}

impl ServiceKeyStatus {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Inactive => "inactive",
        }
    }
}
