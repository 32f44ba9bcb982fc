//! A Key Set under test: every decision is applied, and kept in a log of its own.

use claviger_domain::aggregate::Aggregate as _;
use claviger_domain::apis::AuthType;
use claviger_domain::credential::Masked;
use claviger_domain::event::{EventBody, KeySetTerms};
use claviger_domain::id::{
    ApplicationId, EnvironmentId, GroupId, KeyId, KeySetId, OrganizationId, PolicyTemplateId,
};
use claviger_domain::key_sets::{FreshKey, KeySet, KeyStatus, Opening};
use claviger_domain::policy_templates::{Policy, TemplateVersion};
use claviger_domain::text::Name;
use claviger_domain::time::{Period, Timestamp};

pub(crate) fn at(text: &str) -> Timestamp {
    text.parse().expect("an instant")
}

pub(crate) fn period(text: &str) -> Period {
    text.parse().expect("a period")
}

pub(crate) fn name(text: &str) -> Name {
    Name::new(text).expect("a name")
}

/// The template of the walk-through: rotation P30D, lead P7D, overlap P3D, expiration P1Y.
pub(crate) fn rotating() -> Policy {
    Policy {
        expires_after: Some(period("P1Y")),
        rotates_every: Some(period("P30D")),
        rotation_lead: period("P7D"),
        overlap: period("P3D"),
        retrievable: true,
        ..Policy::default()
    }
}

pub(crate) fn template(version: u32) -> TemplateVersion {
    TemplateVersion { template_id: PolicyTemplateId::from_bytes([1; 16]), template_version: version }
}

pub(crate) fn terms(policy: Policy) -> KeySetTerms {
    KeySetTerms {
        name: name("API key – Shop"),
        organization_id: OrganizationId::from_bytes([1; 16]),
        group_id: GroupId::from_bytes([1; 16]),
        application_id: ApplicationId::from_bytes([1; 16]),
        environment_id: EnvironmentId::from_bytes([1; 16]),
        auth_type: AuthType::ApiKey,
        policy,
        template: template(1),
    }
}

pub(crate) const DIRECT: Opening = Opening { pending: false, application_suspended: false };
pub(crate) const PENDING: Opening = Opening { pending: true, application_suspended: false };

/// Start, rotation due and expiration of a Key.
pub(crate) type Dates = (Timestamp, Option<Timestamp>, Option<Timestamp>);

/// One Key Set with its log.
#[derive(Debug, Clone)]
pub(crate) struct Story {
    pub(crate) set: Option<KeySet>,
    pub(crate) log: Vec<(Timestamp, EventBody)>,
    pub(crate) now: Timestamp,
    made: u64,
}

impl Story {
    pub(crate) fn begin(policy: Policy, opening: Opening, now: Timestamp) -> Self {
        Self::begin_as(KeySetId::from_bytes([9; 16]), policy, opening, now)
    }

    pub(crate) fn begin_as(id: KeySetId, policy: Policy, opening: Opening, now: Timestamp) -> Self {
        let mut story = Self { set: None, log: Vec::new(), now, made: 0 };
        let fresh = story.fresh();
        story.record(KeySet::open(id, terms(policy), opening, fresh, now));
        story
    }

    pub(crate) fn set(&self) -> &KeySet {
        self.set.as_ref().expect("the set stands")
    }

    pub(crate) fn status(&self) -> KeyStatus {
        self.set().status(self.now)
    }

    /// The dates of every Key of the chain; of a Pending one, none.
    pub(crate) fn dates(&self) -> Vec<Option<Dates>> {
        let schedules = self.set().keys.iter().map(|key| key.schedule);
        schedules.map(|it| it.map(|it| (it.start, it.rotation_due_at, it.expires_at))).collect()
    }

    pub(crate) fn fresh(&mut self) -> FreshKey {
        self.made += 1;
        let masked = Masked::from_stored(format!("clv_key_{:04}…last", self.made));
        FreshKey { id: KeyId::from_uuid(uuid::Uuid::from_u64_pair(7, self.made)), masked }
    }

    pub(crate) fn record(&mut self, events: Vec<EventBody>) {
        for body in events {
            let state = KeySet::apply(self.set.take(), self.now, &body);
            self.set = state.unwrap_or_else(|misapplied| panic!("{misapplied}"));
            self.log.push((self.now, body));
        }
    }

    /// The scheduler passes by; as often as it takes.
    pub(crate) fn settle(&mut self) {
        loop {
            let needed = self.set().keys_needed(self.now);
            let fresh: Vec<FreshKey> = (0..needed).map(|_| self.fresh()).collect();
            let events = self.set().catch_up(self.now, fresh).expect("enough fresh keys");
            if events.is_empty() {
                return;
            }
            let issued = events.iter().filter(|body| matches!(body, EventBody::KeyIssued { .. })).count();
            assert_eq!(issued, needed, "keys_needed says what catch_up takes");
            self.record(events);
        }
    }

    /// The scheduler passes by at `now`, and not before.
    pub(crate) fn settle_at(&mut self, now: Timestamp) {
        self.now = now;
        self.settle();
    }

    /// The scheduler passes by whenever something is due, until `end`.
    pub(crate) fn settle_in_time(&mut self, end: Timestamp) {
        while let Some(due) = self.set().next_due_at().filter(|due| *due <= end) {
            self.settle_at(due.max(self.now));
        }
        self.now = end;
    }
}
