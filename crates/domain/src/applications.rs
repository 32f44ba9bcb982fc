//! Applications: consumers' programs; they belong to a Group and hold Key Sets (product.md D9).

use crate::id::{ApplicationId, GroupId, OrganizationId};
use crate::scope::Place;
use crate::text::Name;
use crate::time::Timestamp;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Application {
    pub id: ApplicationId,
    pub organization_id: OrganizationId,
    pub group_id: GroupId,
    pub name: Name,
    pub status: ApplicationStatus,
    pub created_at: Timestamp,
    pub suspended_at: Option<Timestamp>,
}

impl Application {
    pub const fn place(&self) -> Place {
        Place::group(self.organization_id, self.group_id)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ApplicationStatus {
    Active,
    Suspended,
}

impl ApplicationStatus {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Suspended => "suspended",
        }
    }
}
