//! Groups: the teams of an Organization; they own Applications and APIs.

use crate::aggregate::{Aggregate, Misapplied, absent, present};
use crate::event::{EventBody, Subject};
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

impl Aggregate for Group {
    fn apply(state: Option<Self>, at: Timestamp, body: &EventBody) -> Result<Option<Self>, Misapplied> {
        if let EventBody::GroupCreated { group_id, organization_id, name } = body {
            absent(state, body)?;
            return Ok(Some(Self {
                id: *group_id,
                organization_id: *organization_id,
                name: name.clone(),
                created_at: at,
            }));
        }
        let mut group = present(state, body, |it| body.subject() == Subject::Group(it.id))?;
        match body {
            EventBody::GroupUpdated { name, .. } => group.name = name.clone(),
            EventBody::GroupDeleted { .. } => return Ok(None),
            _ => return Err(Misapplied::new(body, "the event is of another noun")),
        }
        Ok(Some(group))
    }
}
