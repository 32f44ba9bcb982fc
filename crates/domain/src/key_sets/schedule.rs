//! What the clock demands of a Key Set (product.md D11 to D13): the dates a Key gets, the next instant
//! at which something must be recorded or issued, and catching up, however late.
//!
//! Due dates decide, never run times: each generation starts where the one before was due, so that a
//! late run gives the chain that a timely one gives. What was due is done in the order of its dates.

use super::{Custody, EndReason, Ended, IssueCause, Key, KeySet, Retirement, Schedule};
use crate::aggregate::{Aggregate as _, Misapplied};
use crate::credential::Masked;
use crate::event::{EventBody, IssuedKey};
use crate::id::KeyId;
use crate::policy_templates::Policy;
use crate::time::Timestamp;

/// So many Keys are issued by one [`KeySet::catch_up`] at most, and one more if the last of them is still
/// in its time (it would count as used by the next run). A template in seconds that slept for
/// months comes back in several transactions, none of them long; `next_due_at` stays in the past until
/// the last one.
pub const MAX_GENERATIONS_PER_RUN: usize = 100;

/// What a new Key needs from outside: chance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FreshKey {
    pub id: KeyId,
    pub masked: Masked,
}

/// Why catching up stopped. Nothing was decided.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CatchUpError {
    /// [`KeySet::keys_needed`] says how many it takes.
    #[error("more fresh keys are needed than were given")]
    NotEnoughFreshKeys,
    #[error(transparent)]
    Misapplied(#[from] Misapplied),
}

/// Something that the clock demands.
enum Due {
    /// The Key of this id stopped working: record it.
    End(KeyId),
    /// LATEST's successor is to be issued.
    Rotation,
}

impl Schedule {
    /// The dates of a Key that is provisioned now and whose dates count from `start`.
    pub fn starting(start: Timestamp, provisioned_at: Timestamp, policy: &Policy) -> Self {
        let rotation_due_at = policy.rotates_every.map(|every| start.plus(&every));
        let expires_at = policy.expires_after.map(|after| start.plus(&after));
        Self { start, provisioned_at, rotation_due_at, expires_at }.without_same_day_expiration()
    }

    /// The dates under another policy. The start stays; a date that has passed already becomes now:
    /// nothing ends in the past that worked until now, and no generation is made up.
    #[must_use]
    pub fn rescheduled(&self, now: Timestamp, policy: &Policy) -> Self {
        let new = Self::starting(self.start, self.provisioned_at, policy);
        let not_before_now = |date: Option<Timestamp>| date.map(|date| date.max(now));
        Self {
            rotation_due_at: not_before_now(new.rotation_due_at),
            expires_at: not_before_now(new.expires_at),
            ..new
        }
        .without_same_day_expiration()
    }

    /// On the same UTC day rotation wins: there is no expiration (product.md D13).
    fn without_same_day_expiration(mut self) -> Self {
        if let (Some(due), Some(expires_at)) = (self.rotation_due_at, self.expires_at)
            && due.utc_day() == expires_at.utc_day()
        {
            self.expires_at = None;
        }
        self
    }

    /// When a newer Key is due to take over, unless this one expires first.
    pub fn rotates_at(&self) -> Option<Timestamp> {
        let due = self.rotation_due_at?;
        self.expires_at.is_none_or(|expires_at| due < expires_at).then_some(due)
    }
}

impl Key {
    /// When the clock ends it and as what, whatever else happens; the record may follow later.
    ///
    /// A Key past its `expires_at` whose rotation was due earlier counts as rotated from then on, since
    /// that is how it will be recorded (product.md D13).
    pub fn clock_end(&self) -> Option<(Timestamp, EndReason)> {
        let expires_at = self.schedule.and_then(|schedule| schedule.expires_at);
        let (at, reason) = match (self.retirement, expires_at) {
            (Some(retirement), Some(expires_at)) if expires_at < retirement.retires_at => {
                (expires_at, EndReason::Expired)
            }
            (Some(retirement), _) => (retirement.retires_at, retirement.reason),
            (None, Some(expires_at)) => {
                let rotates = self.schedule.is_some_and(|schedule| schedule.rotates_at().is_some());
                (expires_at, if rotates { EndReason::Rotated } else { EndReason::Expired })
            }
            (None, None) => return None,
        };
        Some((at.max(self.created_at), reason))
    }

    /// The end that the clock brought, ready to be recorded.
    pub(super) fn ended_by_clock(&self, now: Timestamp) -> Option<Ended> {
        let (ended_at, reason) = self.clock_end().filter(|(at, _)| *at <= now)?;
        Some(Ended { ended_at, planned_at: self.planned_end(reason), reason })
    }

    /// The end that a decision brings now; the clock may have been faster.
    pub(super) fn ended_now(&self, now: Timestamp, reason: EndReason) -> Ended {
        let ended_at = self.clock_end().map_or(now, |(at, _)| at.min(now));
        Ended { ended_at, planned_at: self.planned_end(reason), reason }
    }

    /// When it was to end for this reason, if anything had set a date.
    pub(super) fn planned_end(&self, reason: EndReason) -> Option<Timestamp> {
        match reason {
            EndReason::Expired => self.schedule.and_then(|schedule| schedule.expires_at),
            EndReason::Rotated if self.retirement.is_none_or(|it| it.reason == EndReason::Rotated) => {
                self.schedule.and_then(|schedule| schedule.rotation_due_at)
            }
            _ => self.retirement.map(|retirement| retirement.retires_at),
        }
    }

    /// Whether rotation issued it when its own successor was due as well: nobody ever used it.
    fn was_missed(&self, due: Timestamp, now: Timestamp) -> bool {
        let provisioned_at = self.schedule.map_or(now, |schedule| schedule.provisioned_at);
        self.issued_by == IssueCause::Rotated && (due <= provisioned_at || self.created_at == now)
    }
}

impl KeySet {
    /// The earliest instant at which something is to be recorded or issued; what the store indexes for
    /// the scheduler. In the past while the scheduler is late.
    pub fn next_due_at(&self) -> Option<Timestamp> {
        self.next_due().map(|(at, _)| at)
    }

    /// When LATEST's successor is to be issued: its due date less the lead.
    pub fn next_rotation_at(&self) -> Option<Timestamp> {
        let latest = self.latest().filter(|key| key.ended.is_none() && key.retirement.is_none())?;
        latest.schedule.and_then(|schedule| self.issues_successor_at(&schedule))
    }

    /// How many Keys [`KeySet::catch_up`] issues at `now`.
    pub fn keys_needed(&self, now: Timestamp) -> usize {
        let latest = self.latest().filter(|key| key.ended.is_none() && key.retirement.is_none());
        let mut schedule = latest.and_then(|key| key.schedule);
        let mut needed = 0;
        while let Some(current) = schedule
            && (needed < MAX_GENERATIONS_PER_RUN || current.rotation_due_at > Some(now))
            && self.issues_successor_at(&current).is_some_and(|at| at <= now)
        {
            needed += 1;
            schedule = current.rotates_at().map(|due| Schedule::starting(due, now, &self.policy));
        }
        needed
    }

    /// Does all that is due at `now`, step by step in the order of the dates: records ends and performs
    /// rotations, planned and actual (product.md D11 to D13).
    ///
    /// A generation missed wholly is issued and ended in one step, and the Key last in use keeps its
    /// overlap. At most two Keys live. The order of `fresh` is the order of the generations. After
    /// [`MAX_GENERATIONS_PER_RUN`] it stops for this time.
    pub fn catch_up(
        &self,
        now: Timestamp,
        fresh: impl IntoIterator<Item = FreshKey>,
    ) -> Result<Vec<EventBody>, CatchUpError> {
        self.settle(now, self.keys_needed(now), &mut fresh.into_iter())
    }

    /// Records the ends that came before the next rotation: what can be settled while no Key can be made.
    pub fn record_ends(&self, now: Timestamp) -> Result<Vec<EventBody>, CatchUpError> {
        self.settle(now, 0, &mut std::iter::empty())
    }

    fn settle(
        &self,
        now: Timestamp,
        mut rotations_left: usize,
        fresh: &mut dyn Iterator<Item = FreshKey>,
    ) -> Result<Vec<EventBody>, CatchUpError> {
        let mut set = self.clone();
        let mut events = Vec::new();
        while let Some((_, due)) = set.next_due().filter(|(at, _)| *at <= now) {
            let step = match due {
                Due::End(key_id) => set.clock_ends(now, Some(key_id)),
                Due::Rotation if rotations_left == 0 => break,
                Due::Rotation => {
                    rotations_left -= 1;
                    set.rotation(fresh.next().ok_or(CatchUpError::NotEnoughFreshKeys)?, now)
                }
            };
            for body in &step {
                set = set.after(now, body)?;
            }
            events.extend(step);
        }
        Ok(events)
    }

    /// The records of what the clock ended by `now`: of one Key, or of all.
    pub(super) fn clock_ends(&self, now: Timestamp, of: Option<KeyId>) -> Vec<EventBody> {
        let unrecorded = |key: &&Key| key.ended.is_none() && of.is_none_or(|id| id == key.id);
        self.keys
            .iter()
            .filter(unrecorded)
            .filter_map(|key| Some(self.key_ended(key, key.ended_by_clock(now)?)))
            .collect()
    }

    pub(super) fn key_ended(&self, key: &Key, ended: Ended) -> EventBody {
        let (key_set_id, key_id) = (self.id, key.id);
        match ended.reason {
            EndReason::Expired => EventBody::KeyExpired { key_set_id, key_id, ended },
            _ => EventBody::KeyRevoked { key_set_id, key_id, ended },
        }
    }

    /// Issues `heir` in LATEST's place. LATEST works until `retires_at`, or stops now; if it goes on
    /// while older ones still work, these end at once: at most two Keys live (product.md D11).
    pub(super) fn succeeded(&self, heir: IssuedKey, retires_at: Timestamp, now: Timestamp) -> Vec<EventBody> {
        let reason = heir.issued_by.ends_others_as();
        let key_set_id = self.id;
        let mut events = Vec::new();
        if let Some(latest) = self.latest().filter(|key| key.ended.is_none()) {
            let stays = retires_at > now && latest.stopped(now).is_none();
            if stays {
                let older = self.living(now).filter(|key| key.id != latest.id);
                events.extend(older.map(|key| self.key_ended(key, key.ended_now(now, reason))));
                let retirement = Retirement { retires_at, reason };
                events.push(EventBody::KeyRetirementPlanned { key_set_id, key_id: latest.id, retirement });
            } else {
                events.push(self.key_ended(latest, latest.ended_now(now, reason)));
            }
        }
        events.push(EventBody::KeyIssued { key_set_id, key: Box::new(heir) });
        events
    }

    /// A Key of the next generation, with the custody that the policy gives it.
    pub(super) fn heir(
        &self,
        fresh: FreshKey,
        issued_by: IssueCause,
        schedule: Option<Schedule>,
    ) -> IssuedKey {
        let custody = match issued_by {
            _ if self.policy.retrievable => Custody::Retrievable,
            IssueCause::Rotated => Custody::Once,
            IssueCause::Subscribed | IssueCause::Regenerated | IssueCause::Issued => Custody::Shown,
        };
        IssuedKey {
            key_id: fresh.id,
            generation: self.latest().map_or(1, |latest| latest.generation + 1),
            masked: fresh.masked,
            issued_by,
            custody,
            planned_at: None,
            schedule,
            suspended_by: self.suspended_by,
        }
    }

    fn rotation(&self, fresh: FreshKey, now: Timestamp) -> Vec<EventBody> {
        let Some((latest, schedule)) = self.latest().and_then(|key| Some((key, key.schedule?))) else {
            return Vec::new();
        };
        let Some(due) = schedule.rotates_at() else {
            return Vec::new();
        };
        let next = Schedule::starting(due, now, &self.policy);
        let mut heir = self.heir(fresh, IssueCause::Rotated, Some(next));
        heir.planned_at = self.issues_successor_at(&schedule);
        let retires_at =
            if latest.was_missed(due, now) { now } else { due.max(now.plus(&self.policy.overlap)) };
        let retires_at = schedule.expires_at.map_or(retires_at, |expires_at| retires_at.min(expires_at));
        self.succeeded(heir, retires_at, now)
    }

    fn issues_successor_at(&self, schedule: &Schedule) -> Option<Timestamp> {
        let due = schedule.rotates_at()?;
        // A policy put on the set later may have a lead longer than the life of the live Key.
        Some(due.minus(&self.policy.rotation_lead).max(schedule.start.min(due)))
    }

    fn next_due(&self) -> Option<(Timestamp, Due)> {
        let ends = self.keys.iter().filter(|key| key.ended.is_none());
        let end = ends
            .filter_map(|key| key.clock_end().map(|(at, _)| (at, key.id)))
            .min_by_key(|(at, _)| *at)
            .map(|(at, id)| (at, Due::End(id)));
        let rotation = self.next_rotation_at().map(|at| (at, Due::Rotation));
        match (end, rotation) {
            // On the same instant an end is told before what begins.
            (Some(end), Some(rotation)) => Some(if end.0 <= rotation.0 { end } else { rotation }),
            (end, rotation) => end.or(rotation),
        }
    }

    fn after(self, at: Timestamp, body: &EventBody) -> Result<Self, Misapplied> {
        Self::apply(Some(self), at, body)?.ok_or_else(|| Misapplied::new(body, "the set is gone"))
    }
}

impl IssueCause {
    /// The reason for which a Key ends that the issued one takes the place of.
    const fn ends_others_as(self) -> EndReason {
        match self {
            Self::Rotated => EndReason::Rotated,
            Self::Regenerated => EndReason::Regenerated,
            Self::Subscribed | Self::Issued => EndReason::Issued,
        }
    }
}
