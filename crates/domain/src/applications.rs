//! Applications: consumers' programs; they belong to a Group and hold Key Sets (product.md D9).

use crate::aggregate::{Aggregate, Misapplied, absent, present};
use crate::event::{EventBody, Subject};
use crate::id::{ApplicationId, GroupId, OrganizationId};
use crate::scope::Place;
use crate::text::Name;
use crate::time::Timestamp;

mod cascade;

pub use cascade::{Activation, Return};

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

impl Aggregate for Application {
    fn apply(state: Option<Self>, at: Timestamp, body: &EventBody) -> Result<Option<Self>, Misapplied> {
        if let EventBody::ApplicationCreated { application_id, organization_id, group_id, name } = body {
            absent(state, body)?;
            return Ok(Some(Self {
                id: *application_id,
                organization_id: *organization_id,
                group_id: *group_id,
                name: name.clone(),
                status: ApplicationStatus::Active,
                created_at: at,
                suspended_at: None,
            }));
        }
        let mut application = present(state, body, |it| body.subject() == Subject::Application(it.id))?;
        match body {
            EventBody::ApplicationUpdated { name, .. } => application.name = name.clone(),
            EventBody::ApplicationSuspended { .. } => {
                application.status = ApplicationStatus::Suspended;
                application.suspended_at = Some(at);
            }
            EventBody::ApplicationActivated { .. } => {
                application.status = ApplicationStatus::Active;
                application.suspended_at = None;
            }
            EventBody::ApplicationDeleted { .. } => return Ok(None),
            _ => return Err(Misapplied::new(body, "the event is of another noun")),
        }
        Ok(Some(application))
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
