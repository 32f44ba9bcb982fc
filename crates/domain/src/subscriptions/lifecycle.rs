//! The life of a Subscription, decided (product.md D4, D17), and what of the API's own permissions it
//! holds (F6). Rejected and Ended are final.

use super::{LAPSES_AFTER_DAYS, MAX_PENDING_PER_APPLICATION, Subscription, SubscriptionStatus};
use crate::apis::{ApiPermission, AuthType};
use crate::event::EventBody;
use crate::id::KeySetId;
use crate::key_sets::{KeySet, KeyStatus};
use crate::refusal::{FieldError, Refusal};
use crate::time::{Period, Timestamp};

/// What people do to a Subscription, by the names of the paths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SubscriptionAct {
    Accept,
    Reject,
    End,
    Renew,
}

impl SubscriptionAct {
    pub const ALL: [Self; 4] = [Self::Accept, Self::Reject, Self::End, Self::Renew];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Reject => "reject",
            Self::End => "end",
            Self::Renew => "renew",
        }
    }

    const fn fits(self, status: SubscriptionStatus) -> bool {
        match self {
            Self::Accept | Self::Reject => matches!(status, SubscriptionStatus::Pending),
            Self::End => status.is_live(),
            Self::Renew => matches!(status, SubscriptionStatus::Active),
        }
    }
}

/// One of the Key Sets that a Subscription uses.
#[derive(Debug, Clone, Copy)]
pub struct UsedSet<'a> {
    pub set: &'a KeySet,
    /// Whether another Pending or Active Subscription uses it too.
    pub used_by_others: bool,
}

impl Subscription {
    /// When a Subscription that begins Pending at `now` lapses.
    pub fn lapse_after(now: Timestamp) -> Timestamp {
        now.plus(&Period::days(LAPSES_AFTER_DAYS))
    }

    /// Refuses one Pending Subscription more than an Application may have.
    pub fn check_pending_limit(pending: u32) -> Result<(), Refusal> {
        if pending < MAX_PENDING_PER_APPLICATION {
            return Ok(());
        }
        Err(Refusal::LimitReached { limit: MAX_PENDING_PER_APPLICATION })
    }

    /// The status with the clock: a Pending one lapses whether or not that was recorded yet.
    pub fn status_at(&self, now: Timestamp) -> SubscriptionStatus {
        if self.has_lapsed(now) { SubscriptionStatus::Ended } else { self.status }
    }

    pub fn allowed_acts(&self, now: Timestamp) -> Vec<SubscriptionAct> {
        let status = self.status_at(now);
        SubscriptionAct::ALL.into_iter().filter(|act| act.fits(status)).collect()
    }

    /// The provider says yes: the Pending sets among those it uses begin their lives now.
    pub fn accept(
        &self,
        sets: &[UsedSet<'_>],
        application_suspended: bool,
        now: Timestamp,
    ) -> Result<Vec<EventBody>, Refusal> {
        self.check(SubscriptionAct::Accept, now)?;
        let mut events = vec![EventBody::SubscriptionAccepted {
            subscription_id: self.id,
            api_id: self.api_id,
            permissions: self.permissions.clone(),
            key_set_ids: self.key_set_ids.clone(),
        }];
        for used in sets.iter().filter(|used| used.set.status(now) == KeyStatus::Pending) {
            events.extend(used.set.provision(now, application_suspended)?);
        }
        Ok(events)
    }

    /// The provider says no.
    pub fn reject(&self, sets: &[UsedSet<'_>], now: Timestamp) -> Result<Vec<EventBody>, Refusal> {
        self.check(SubscriptionAct::Reject, now)?;
        Ok(with_abandoned(EventBody::SubscriptionRejected { subscription_id: self.id }, sets, now))
    }

    /// Either side gives it up; sets that live go on living.
    pub fn end(&self, sets: &[UsedSet<'_>], now: Timestamp) -> Result<Vec<EventBody>, Refusal> {
        self.check(SubscriptionAct::End, now)?;
        let (subscription_id, api_id) = (self.id, self.api_id);
        let key_set_ids = self.key_set_ids.clone();
        let ended = EventBody::SubscriptionEnded { subscription_id, api_id, key_set_ids };
        Ok(with_abandoned(ended, sets, now))
    }

    /// Nobody decided in time: what the scheduler records, if it is due.
    pub fn lapse(&self, sets: &[UsedSet<'_>], now: Timestamp) -> Vec<EventBody> {
        match self.lapses_at.filter(|_| self.has_lapsed(now)) {
            None => Vec::new(),
            Some(planned_at) => {
                let lapsed = EventBody::SubscriptionLapsed { subscription_id: self.id, planned_at };
                with_abandoned(lapsed, sets, now)
            }
        }
    }

    /// The auth types for which `renew` makes or reuses a set: those of the API, also ones added since,
    /// that have no living set among `sets`, the ones this Subscription uses.
    pub fn auth_types_to_renew<'a>(
        auth_types: impl IntoIterator<Item = AuthType>,
        sets: impl IntoIterator<Item = &'a KeySet>,
        now: Timestamp,
    ) -> Vec<AuthType> {
        let living = sets.into_iter().filter(|set| set.status(now).is_living());
        let served: Vec<AuthType> = living.map(|set| set.auth_type).collect();
        auth_types.into_iter().filter(|auth_type| !served.contains(auth_type)).collect()
    }

    /// Refuses a `renew` that has nothing to do.
    pub fn check_renew(&self, missing: &[AuthType], now: Timestamp) -> Result<(), Refusal> {
        self.check(SubscriptionAct::Renew, now)?;
        if missing.is_empty() {
            let allowed = vec![SubscriptionAct::End.as_str()];
            let (from, act) = (self.status.as_str(), SubscriptionAct::Renew.as_str());
            return Err(Refusal::InvalidTransition { from, act, allowed });
        }
        Ok(())
    }

    /// The event of a renewal by which `added` sets join those that were used before.
    pub fn renewed(&self, added: impl IntoIterator<Item = KeySetId>) -> EventBody {
        let mut key_set_ids = self.key_set_ids.clone();
        for id in added {
            if !key_set_ids.contains(&id) {
                key_set_ids.push(id);
            }
        }
        let permissions = self.permissions.clone();
        EventBody::SubscriptionRenewed {
            subscription_id: self.id,
            api_id: self.api_id,
            permissions,
            key_set_ids,
        }
    }

    /// The provider narrows what it holds, or widens it again; no change is no event.
    pub fn change_permissions(
        &self,
        permissions: Option<Vec<ApiPermission>>,
        now: Timestamp,
    ) -> Result<Vec<EventBody>, Refusal> {
        self.check_update(now)?;
        if permissions == self.permissions {
            return Ok(Vec::new());
        }
        let key_set_ids = self.key_set_ids.clone();
        let (subscription_id, api_id) = (self.id, self.api_id);
        Ok(vec![EventBody::SubscriptionUpdated { subscription_id, api_id, permissions, key_set_ids }])
    }

    /// Refuses a change to what is Rejected or Ended.
    pub fn check_update(&self, now: Timestamp) -> Result<(), Refusal> {
        if self.status_at(now).is_live() { Ok(()) } else { Err(self.invalid_transition("update", now)) }
    }

    /// What it holds of the permissions that the API declares now, in the API's order.
    pub fn held_permissions<'a>(&self, declared: &'a [ApiPermission]) -> Vec<&'a ApiPermission> {
        let holds = |permission: &&ApiPermission| match &self.permissions {
            None => true,
            Some(held) => held.contains(permission),
        };
        declared.iter().filter(holds).collect()
    }

    fn has_lapsed(&self, now: Timestamp) -> bool {
        self.status == SubscriptionStatus::Pending && self.lapses_at.is_some_and(|at| at <= now)
    }

    /// Refuses an act that the present state does not allow.
    pub fn check(&self, act: SubscriptionAct, now: Timestamp) -> Result<(), Refusal> {
        if act.fits(self.status_at(now)) {
            return Ok(());
        }
        Err(self.invalid_transition(act.as_str(), now))
    }

    fn invalid_transition(&self, act: &'static str, now: Timestamp) -> Refusal {
        Refusal::InvalidTransition {
            from: self.status_at(now).as_str(),
            act,
            allowed: self.allowed_acts(now).into_iter().map(SubscriptionAct::as_str).collect(),
        }
    }
}

/// The permissions asked for, each once and in the order of the API's own; every one that the API does
/// not declare is named.
pub fn subset_of(
    declared: &[ApiPermission],
    asked: &[ApiPermission],
) -> Result<Vec<ApiPermission>, Vec<FieldError>> {
    let unknown = asked.iter().enumerate().filter(|(_, permission)| !declared.contains(permission));
    let errors: Vec<FieldError> = unknown
        .map(|(index, _)| {
            FieldError::new(format!("/permissions/{index}"), "is not one of the API's own permissions")
        })
        .collect();
    if !errors.is_empty() {
        return Err(errors);
    }
    Ok(declared.iter().filter(|permission| asked.contains(permission)).cloned().collect())
}

/// The event, and the Pending sets that no live Subscription uses after it.
fn with_abandoned(event: EventBody, sets: &[UsedSet<'_>], now: Timestamp) -> Vec<EventBody> {
    let abandoned = sets.iter().filter(|used| !used.used_by_others);
    let removed = abandoned.filter_map(|used| used.set.remove(now).ok()).flatten();
    std::iter::once(event).chain(removed).collect()
}
