//! Acts on a Key Set, decided: its state × the act × now give events, or a refusal and nothing
//! (product.md D4, D8 to D10, D14). Whoever acts settles first what the clock demands
//! ([`KeySet::catch_up`]), in the same transaction.

use super::{Custody, EndReason, IssueCause, Key, KeySet, KeyStatus, Schedule, SuspendedBy};
use crate::event::{EventBody, KeySetTerms};
use crate::id::{KeyId, KeySetId};
use crate::key_sets::FreshKey;
use crate::permission::Permission;
use crate::policy_templates::{Policy, TemplateVersion};
use crate::refusal::Refusal;
use crate::text::Name;
use crate::time::Timestamp;

/// What people do to a Key Set's life, by the names of the paths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Act {
    Suspend,
    Activate,
    Regenerate,
    Revoke,
    /// Ending one living Key that is not LATEST.
    RevokeKey,
    Issue,
    Retrieve,
}

impl Act {
    pub const ALL: [Self; 7] = [
        Self::Suspend,
        Self::Activate,
        Self::Regenerate,
        Self::Revoke,
        Self::RevokeKey,
        Self::Issue,
        Self::Retrieve,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Suspend => "suspend",
            Self::Activate => "activate",
            Self::Regenerate => "regenerate",
            Self::Revoke => "revoke",
            Self::RevokeKey => "revoke_key",
            Self::Issue => "issue",
            Self::Retrieve => "retrieve",
        }
    }

    pub const fn permission(self) -> Permission {
        match self {
            Self::Suspend => Permission::KeySetsSuspend,
            Self::Activate => Permission::KeySetsActivate,
            Self::Regenerate => Permission::KeySetsRegenerate,
            Self::Revoke | Self::RevokeKey => Permission::KeySetsRevoke,
            Self::Issue => Permission::KeySetsIssue,
            Self::Retrieve => Permission::KeySetsRetrieve,
        }
    }

    /// Whether a set in this status is as the act would make it: repeating the act asks for nothing new.
    pub const fn is_already(self, status: KeyStatus) -> bool {
        matches!(
            (self, status),
            (Self::Suspend, KeyStatus::Suspended)
                | (Self::Activate, KeyStatus::Active)
                | (Self::Revoke, KeyStatus::Revoked)
        )
    }
}

/// What a decision must know beyond the Key Set itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Facts {
    pub application_suspended: bool,
    /// Another living set of the same Application, Environment, auth type and template version.
    pub superseded_by: Option<KeySetId>,
}

/// How a new Key Set begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opening {
    /// Its Subscription waits for the provider: the Key gets its dates when it is accepted.
    pub pending: bool,
    pub application_suspended: bool,
}

/// Leave to show a Key's value, once `event` is in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retrieval {
    pub key_id: KeyId,
    pub event: EventBody,
    /// The sealed bytes are to be wiped with it.
    pub last_time: bool,
}

impl KeySet {
    /// The events of a new set with its first Key.
    pub fn open(
        id: KeySetId,
        terms: KeySetTerms,
        opening: Opening,
        fresh: FreshKey,
        now: Timestamp,
    ) -> Vec<EventBody> {
        let empty = Self::begun(id, now, &terms);
        let schedule = (!opening.pending).then(|| Schedule::starting(now, now, &terms.policy));
        let mut key = empty.heir(fresh, IssueCause::Subscribed, schedule);
        key.suspended_by =
            (!opening.pending && opening.application_suspended).then_some(SuspendedBy::Application);
        vec![
            EventBody::KeySetCreated { key_set_id: id, terms: Box::new(terms) },
            EventBody::KeyIssued { key_set_id: id, key: Box::new(key) },
        ]
    }

    /// The acts that would not be refused now.
    pub fn allowed_acts(&self, now: Timestamp, facts: &Facts) -> Vec<Act> {
        let allowed = |act: &Act| self.fits(*act, now) && self.permits(*act, facts).is_ok();
        Act::ALL.into_iter().filter(allowed).collect()
    }

    /// Whether the act is allowed now. `RevokeKey`: on at least one Key; `Retrieve`: of LATEST.
    pub fn check(&self, act: Act, now: Timestamp, facts: &Facts) -> Result<(), Refusal> {
        match self.permits(act, facts) {
            Err(Refusal::ApplicationSuspended) => Err(Refusal::ApplicationSuspended),
            _ if !self.fits(act, now) => Err(self.invalid_transition(act, self.status(now), now, facts)),
            permitted => permitted,
        }
    }

    /// Whether the act fits the status alone: the table of product.md D.
    fn fits(&self, act: Act, now: Timestamp) -> bool {
        let status = self.status(now);
        match act {
            Act::Suspend => status == KeyStatus::Active,
            Act::Activate => status == KeyStatus::Suspended,
            Act::Regenerate => matches!(status, KeyStatus::Active | KeyStatus::Suspended),
            Act::Revoke => matches!(status, KeyStatus::Active | KeyStatus::Suspended) || self.is_behind(now),
            Act::RevokeKey => self.living(now).any(|key| !self.is_latest(key)),
            Act::Issue => !status.is_living() && !self.is_behind(now),
            Act::Retrieve => status.is_living(),
        }
    }

    /// What may refuse an act that fits the status.
    fn permits(&self, act: Act, facts: &Facts) -> Result<(), Refusal> {
        if facts.application_suspended && act != Act::Issue {
            return Err(Refusal::ApplicationSuspended);
        }
        match (act, facts.superseded_by) {
            (Act::Regenerate, _) if !self.policy.manual_regeneration => Err(Refusal::NotAllowedByPolicy),
            (Act::Issue, Some(by)) => Err(Refusal::Superseded { by: by.to_string() }),
            (Act::Retrieve, _) if !self.latest().is_some_and(|key| self.shows(key)) => {
                Err(Refusal::AlreadyShown)
            }
            _ => Ok(()),
        }
    }

    /// The clock ended LATEST, and a rotation that was due earlier has not given it a successor yet. Far
    /// too late to settle in one transaction, such a set can still be revoked at once.
    fn is_behind(&self, now: Timestamp) -> bool {
        !self.status(now).is_living() && self.next_rotation_at().is_some()
    }

    /// Every living Key is refused at once.
    pub fn suspend(&self, now: Timestamp, facts: &Facts) -> Result<Vec<EventBody>, Refusal> {
        self.check(Act::Suspend, now, facts)?;
        Ok(vec![EventBody::KeySetSuspended { key_set_id: self.id, by: SuspendedBy::Hand }])
    }

    /// The same secrets work again.
    pub fn activate(&self, now: Timestamp, facts: &Facts) -> Result<Vec<EventBody>, Refusal> {
        self.check(Act::Activate, now, facts)?;
        Ok(vec![EventBody::KeySetActivated { key_set_id: self.id }])
    }

    /// A new Key takes LATEST's place, which stops at once or after the policy's overlap.
    pub fn regenerate(
        &self,
        now: Timestamp,
        facts: &Facts,
        fresh: FreshKey,
    ) -> Result<Vec<EventBody>, Refusal> {
        self.check(Act::Regenerate, now, facts)?;
        let schedule = Schedule::starting(now, now, &self.policy);
        let heir = self.heir(fresh, IssueCause::Regenerated, Some(schedule));
        let overlap_ends = now.plus(&self.policy.overlap);
        let stops_at = self.latest().and_then(Key::stops_at);
        let retires_at = stops_at.map_or(overlap_ends, |stops_at| stops_at.min(overlap_ends));
        Ok(self.succeeded(heir, retires_at, now))
    }

    /// Final: no Key of the set ever works again.
    pub fn revoke(&self, now: Timestamp, facts: &Facts) -> Result<Vec<EventBody>, Refusal> {
        self.check(Act::Revoke, now, facts)?;
        // What the clock ended before is recorded as that: nobody leaves Expired.
        let mut events = self.clock_ends(now, None);
        events.push(EventBody::KeySetRevoked { key_set_id: self.id });
        Ok(events)
    }

    /// Ends one living Key before its time; LATEST goes only with the set.
    pub fn revoke_key(
        &self,
        key_id: KeyId,
        now: Timestamp,
        facts: &Facts,
    ) -> Result<Vec<EventBody>, Refusal> {
        let key = self.key(key_id).ok_or(Refusal::NotFound)?;
        if facts.application_suspended {
            return Err(Refusal::ApplicationSuspended);
        }
        let status = self.key_status(key, now);
        if self.is_latest(key) || !status.is_living() {
            return Err(self.invalid_transition(Act::RevokeKey, status, now, facts));
        }
        Ok(vec![self.key_ended(key, key.ended_now(now, EndReason::Revoked))])
    }

    /// A new Key on a set whose LATEST is dead: Active, or Suspended if the Application is.
    pub fn issue(&self, now: Timestamp, facts: &Facts, fresh: FreshKey) -> Result<Vec<EventBody>, Refusal> {
        self.check(Act::Issue, now, facts)?;
        let mut events = self.clock_ends(now, None);
        if self.suspended_by == Some(SuspendedBy::Hand) {
            // The new Key is Active; an older one that somebody suspended must not come back with it.
            let older = self.living(now);
            events.extend(older.map(|key| self.key_ended(key, key.ended_now(now, EndReason::Issued))));
        }
        let schedule = Schedule::starting(now, now, &self.policy);
        let mut key = self.heir(fresh, IssueCause::Issued, Some(schedule));
        key.suspended_by = facts.application_suspended.then_some(SuspendedBy::Application);
        events.push(EventBody::KeyIssued { key_set_id: self.id, key: Box::new(key) });
        Ok(events)
    }

    /// Leave to show the value of LATEST or of another living Key (product.md D8).
    pub fn retrieve(
        &self,
        key_id: Option<KeyId>,
        now: Timestamp,
        facts: &Facts,
    ) -> Result<Retrieval, Refusal> {
        let key = key_id.map_or_else(|| self.latest(), |id| self.key(id)).ok_or(Refusal::NotFound)?;
        if facts.application_suspended {
            return Err(Refusal::ApplicationSuspended);
        }
        let status = self.key_status(key, now);
        if !status.is_living() {
            return Err(self.invalid_transition(Act::Retrieve, status, now, facts));
        }
        if !self.shows(key) {
            return Err(Refusal::AlreadyShown);
        }
        let event = EventBody::KeySetRetrieved { key_set_id: self.id, key_id: key.id };
        Ok(Retrieval { key_id: key.id, event, last_time: key.custody == Custody::Once })
    }

    /// The Subscription that a Pending set waited for was accepted: its dates count from now.
    pub fn provision(&self, now: Timestamp, application_suspended: bool) -> Result<Vec<EventBody>, Refusal> {
        let key = self.pending_latest("provision", now)?;
        let status = if application_suspended { KeyStatus::Suspended } else { KeyStatus::Active };
        let schedule = Schedule::starting(now, now, &self.policy);
        Ok(vec![EventBody::KeySetProvisioned { key_set_id: self.id, key_id: key.id, schedule, status }])
    }

    /// No live Subscription uses a Pending set any more: it goes, with its Key (product.md D4).
    pub fn remove(&self, now: Timestamp) -> Result<Vec<EventBody>, Refusal> {
        self.pending_latest("remove", now)?;
        Ok(vec![EventBody::KeySetRemoved { key_set_id: self.id }])
    }

    /// Puts a policy on the set. The live Key keeps its dates unless `enforce_schedule` says that they
    /// are to be counted anew, from the same start (product.md D3).
    pub fn change_policy(
        &self,
        policy: Policy,
        template: TemplateVersion,
        enforce_schedule: bool,
        now: Timestamp,
    ) -> Vec<EventBody> {
        let live = self.latest().filter(|key| enforce_schedule && key.stopped(now).is_none());
        let schedule = live.and_then(|key| key.schedule).map(|dates| dates.rescheduled(now, &policy));
        vec![EventBody::KeySetPolicyChanged { key_set_id: self.id, policy, template, schedule }]
    }

    /// Gives the set another name; the same name is no event.
    pub fn rename(&self, name: Name) -> Vec<EventBody> {
        if name == self.name {
            return Vec::new();
        }
        vec![EventBody::KeySetUpdated { key_set_id: self.id, name }]
    }

    /// Whether the Key's value can still be had.
    fn shows(&self, key: &Key) -> bool {
        match key.custody {
            Custody::Retrievable => self.policy.retrievable,
            Custody::Once => true,
            Custody::Shown => false,
        }
    }

    fn is_latest(&self, key: &Key) -> bool {
        self.latest().is_some_and(|latest| latest.id == key.id)
    }

    fn pending_latest(&self, act: &'static str, now: Timestamp) -> Result<&Key, Refusal> {
        let pending = self.latest().filter(|key| self.key_status(key, now) == KeyStatus::Pending);
        pending.ok_or_else(|| Refusal::InvalidTransition {
            from: self.status(now).as_str(),
            act,
            allowed: Vec::new(),
        })
    }

    fn invalid_transition(&self, act: Act, from: KeyStatus, now: Timestamp, facts: &Facts) -> Refusal {
        let allowed = self.allowed_acts(now, facts).into_iter().map(Act::as_str).collect();
        Refusal::InvalidTransition { from: from.as_str(), act: act.as_str(), allowed }
    }
}
