//! Environments, such as `sandbox` and `production`. They belong to the instance.

use crate::aggregate::{Aggregate, Misapplied, absent, present};
use crate::event::{EventBody, Subject};
use crate::id::EnvironmentId;
use crate::text::{Name, Slug};
use crate::time::Timestamp;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Environment {
    pub id: EnvironmentId,
    pub slug: Slug,
    pub name: Name,
    pub created_at: Timestamp,
}

impl Aggregate for Environment {
    fn apply(state: Option<Self>, at: Timestamp, body: &EventBody) -> Result<Option<Self>, Misapplied> {
        if let EventBody::EnvironmentCreated { environment_id, slug, name } = body {
            absent(state, body)?;
            return Ok(Some(Self {
                id: *environment_id,
                slug: slug.clone(),
                name: name.clone(),
                created_at: at,
            }));
        }
        let mut environment = present(state, body, |it| body.subject() == Subject::Environment(it.id))?;
        match body {
            EventBody::EnvironmentUpdated { name, .. } => environment.name = name.clone(),
            EventBody::EnvironmentDeleted { .. } => return Ok(None),
            _ => return Err(Misapplied::new(body, "the event is of another noun")),
        }
        Ok(Some(environment))
    }
}
