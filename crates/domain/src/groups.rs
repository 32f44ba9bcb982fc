//! Groups: the teams of an Organization; they own Applications and APIs.

use crate::id::{GroupId, OrganizationId};
use crate::scope::Place;
use crate::text::Name;
use crate::time::Timestamp;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    pub id: GroupId,
    pub organization_id: OrganizationId,
    pub name: Name,
    pub created_at: Timestamp,
}

impl Group {
    pub const fn place(&self) -> Place {
        Place::group(self.organization_id, self.id)
    }
}
