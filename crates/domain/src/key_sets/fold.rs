//! Applying events to a Key Set. What the clock alone does (`expires_at`, `retires_at`) is no event
//! until it is recorded; a state therefore answers questions only together with a time.

use super::{Custody, EndReason, Ended, Key, KeySet, KeyStatus, SuspendedBy};
use crate::aggregate::{Aggregate, Misapplied, absent, present};
use crate::event::{EventBody, IssuedKey, KeySetTerms, Subject};
use crate::id::{KeyId, KeySetId};
use crate::time::Timestamp;

impl Aggregate for KeySet {
    /// A Pending set whose Subscriptions all ended is taken away with its Key, hence `None`
    /// (product.md D4).
    fn apply(state: Option<Self>, at: Timestamp, body: &EventBody) -> Result<Option<Self>, Misapplied> {
        if let EventBody::KeySetCreated { key_set_id, terms } = body {
            absent(state, body)?;
            return Ok(Some(Self::begun(*key_set_id, at, terms)));
        }
        let mut set = present(state, body, |it| body.subject() == Subject::KeySet(it.id))?;
        match body {
            EventBody::KeySetUpdated { name, .. } => set.name = name.clone(),
            EventBody::KeySetProvisioned { key_id, schedule, status, .. } => {
                set.pending_key(*key_id, body)?.schedule = Some(*schedule);
                // A set accepted while its Application is Suspended returns with it.
                set.suspended_by = (*status == KeyStatus::Suspended).then_some(SuspendedBy::Application);
            }
            EventBody::KeySetSuspended { by, .. } => set.suspended_by = Some(*by),
            EventBody::KeySetActivated { .. } => set.suspended_by = None,
            EventBody::KeySetRevoked { .. } => set.end_all(at),
            EventBody::KeySetPolicyChanged { policy, template, schedule, .. } => {
                set.policy = policy.clone();
                set.template = *template;
                if let (Some(schedule), Some(latest)) = (schedule, set.keys.last_mut()) {
                    latest.schedule = Some(*schedule);
                }
            }
            EventBody::KeySetRetrieved { key_id, .. } => set.living_key(*key_id, body)?.custody_used(),
            EventBody::KeySetRemoved { .. } => return Ok(None),
            EventBody::KeyIssued { key, .. } => set.add(key, at, body)?,
            EventBody::KeyRetirementPlanned { key_id, retirement, .. } => {
                set.living_key(*key_id, body)?.retirement = Some(*retirement);
            }
            EventBody::KeyRevoked { key_id, ended, .. } | EventBody::KeyExpired { key_id, ended, .. } => {
                set.living_key(*key_id, body)?.ended = Some(*ended);
            }
            _ => return Err(Misapplied::new(body, "the event is of another noun")),
        }
        Ok(Some(set))
    }
}

impl KeySet {
    pub(super) fn begun(id: KeySetId, at: Timestamp, terms: &KeySetTerms) -> Self {
        Self {
            id,
            name: terms.name.clone(),
            organization_id: terms.organization_id,
            group_id: terms.group_id,
            application_id: terms.application_id,
            environment_id: terms.environment_id,
            auth_type: terms.auth_type,
            policy: terms.policy.clone(),
            template: terms.template,
            suspended_by: None,
            keys: Vec::new(),
            created_at: at,
        }
    }

    fn add(&mut self, key: &IssuedKey, at: Timestamp, body: &EventBody) -> Result<(), Misapplied> {
        let generation = self.latest().map_or(1, |latest| latest.generation + 1);
        if key.generation != generation {
            return Err(Misapplied::new(body, "the generation does not follow the last one"));
        }
        self.suspended_by = key.suspended_by;
        self.keys.push(Key {
            id: key.key_id,
            generation: key.generation,
            masked: key.masked.clone(),
            issued_by: key.issued_by,
            custody: key.custody,
            created_at: at,
            planned_at: key.planned_at,
            schedule: key.schedule,
            retirement: None,
            ended: None,
        });
        Ok(())
    }

    /// The Key, if its end is not recorded yet.
    fn living_key(&mut self, id: KeyId, body: &EventBody) -> Result<&mut Key, Misapplied> {
        self.keys
            .iter_mut()
            .find(|key| key.id == id && key.ended.is_none())
            .ok_or_else(|| Misapplied::new(body, "the Key is not of this set or has ended"))
    }

    fn pending_key(&mut self, id: KeyId, body: &EventBody) -> Result<&mut Key, Misapplied> {
        let key = self.living_key(id, body)?;
        if key.schedule.is_some() {
            return Err(Misapplied::new(body, "the Key is provisioned already"));
        }
        Ok(key)
    }

    fn end_all(&mut self, at: Timestamp) {
        for key in self.keys.iter_mut().filter(|key| key.ended.is_none()) {
            key.ended = Some(Ended { ended_at: at, planned_at: None, reason: EndReason::Revoked });
        }
    }
}

impl Key {
    /// A value that could be had once has been had.
    fn custody_used(&mut self) {
        if self.custody == Custody::Once {
            self.custody = Custody::Shown;
        }
    }
}
