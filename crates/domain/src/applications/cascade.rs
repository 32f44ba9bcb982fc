//! Suspending an Application takes its Key Sets along, and activating it brings back what it took
//! (product.md D9).

use super::{Application, ApplicationStatus};
use crate::event::EventBody;
use crate::id::KeySetId;
use crate::key_sets::{KeySet, SuspendedBy};
use crate::refusal::Refusal;
use crate::time::Timestamp;

/// Which Key Sets activating an Application brings back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Return {
    /// Those that suspending the Application suspended.
    #[default]
    Cascaded,
    /// Every Suspended one.
    All,
}

/// What activating an Application does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Activation {
    pub events: Vec<EventBody>,
    pub activated: Vec<KeySetId>,
    /// Suspended by hand, and left so.
    pub left_suspended: Vec<KeySetId>,
}

impl Application {
    /// Suspends it with all its Active Key Sets; `sets` are all it has.
    pub fn suspend<'a>(
        &self,
        sets: impl IntoIterator<Item = &'a KeySet>,
        now: Timestamp,
    ) -> Result<Vec<EventBody>, Refusal> {
        if self.status != ApplicationStatus::Active {
            return Err(self.invalid_transition("suspend", "activate"));
        }
        let active = sets.into_iter().filter(|set| set.suspended_by.is_none() && is_in_use(set, now));
        let by = SuspendedBy::Application;
        let suspended = active.map(|set| EventBody::KeySetSuspended { key_set_id: set.id, by });
        let own = EventBody::ApplicationSuspended { application_id: self.id };
        Ok(std::iter::once(own).chain(suspended).collect())
    }

    /// Activates it with its Key Sets; `sets` are all it has.
    pub fn activate<'a>(
        &self,
        sets: impl IntoIterator<Item = &'a KeySet>,
        returning: Return,
        now: Timestamp,
    ) -> Result<Activation, Refusal> {
        if self.status != ApplicationStatus::Suspended {
            return Err(self.invalid_transition("activate", "suspend"));
        }
        let mut activation = Activation {
            events: vec![EventBody::ApplicationActivated { application_id: self.id }],
            activated: Vec::new(),
            left_suspended: Vec::new(),
        };
        for set in sets.into_iter().filter(|set| is_in_use(set, now)) {
            match (set.suspended_by, returning) {
                (None, _) => {}
                (Some(SuspendedBy::Hand), Return::Cascaded) => activation.left_suspended.push(set.id),
                (Some(SuspendedBy::Application), _) | (Some(SuspendedBy::Hand), Return::All) => {
                    activation.events.push(EventBody::KeySetActivated { key_set_id: set.id });
                    activation.activated.push(set.id);
                }
            }
        }
        Ok(activation)
    }

    fn invalid_transition(&self, act: &'static str, allowed: &'static str) -> Refusal {
        Refusal::InvalidTransition { from: self.status.as_str(), act, allowed: vec![allowed] }
    }
}

/// Whether one of its Keys is provisioned and neither Revoked nor Expired. LATEST may have expired while
/// an older one still works.
fn is_in_use(set: &KeySet, now: Timestamp) -> bool {
    set.living(now).any(|key| key.schedule.is_some())
}
