//! Service keys: keys to Claviger's own API, limited to permission groups (product.md E).

use ipnet::IpNet;

use crate::aggregate::{Aggregate, Misapplied, absent, present};
use crate::credential::Masked;
use crate::event::{ActorRef, EventBody, ServiceKeyTerms, Subject};
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

impl Aggregate for ServiceKey {
    fn apply(state: Option<Self>, at: Timestamp, body: &EventBody) -> Result<Option<Self>, Misapplied> {
        if let EventBody::ServiceKeyCreated { service_key_id, terms } = body {
            absent(state, body)?;
            return Ok(Some(Self::begun(*service_key_id, at, terms)));
        }
        let mut key = present(state, body, |it| body.subject() == Subject::ServiceKey(it.id))?;
        match body {
            EventBody::ServiceKeyUpdated { name, .. } => key.name = name.clone(),
            EventBody::ServiceKeyActivated { .. } => key.status = ServiceKeyStatus::Active,
            EventBody::ServiceKeyDeactivated { .. } => key.status = ServiceKeyStatus::Inactive,
            EventBody::ServiceKeyPermissionGroupsChanged { permission_group_ids, .. } => {
                key.permission_group_ids.clone_from(permission_group_ids);
            }
            EventBody::ServiceKeyDeleted { .. } => return Ok(None),
            _ => return Err(Misapplied::new(body, "the event is of another noun")),
        }
        Ok(Some(key))
    }
}

impl ServiceKey {
    fn begun(id: ServiceKeyId, at: Timestamp, terms: &ServiceKeyTerms) -> Self {
        Self {
            id,
            organization_id: terms.organization_id,
            member_id: terms.member_id,
            created_by: terms.created_by.clone(),
            name: terms.name.clone(),
            status: ServiceKeyStatus::Active,
            masked: terms.masked.clone(),
            permission_group_ids: terms.permission_group_ids.clone(),
            scope: terms.scope,
            expires_at: terms.expires_at,
            ip_allow_list: terms.ip_allow_list.clone(),
            created_at: at,
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
