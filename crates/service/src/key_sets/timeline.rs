//! A Key Set's story: planned and actual (product.md D7).

use claviger_domain::id::KeySetId;
use claviger_domain::key_sets::Milestone;
use claviger_domain::permission::Permission;
use claviger_domain::refusal::Refusal;
use claviger_wire::key_sets as wire;

use crate::error::Error;
use crate::request::Request;
use crate::state::Service;

impl Service {
    pub async fn key_set_timeline(&self, request: &Request, id: KeySetId) -> Result<wire::Timeline, Error> {
        let (mut reader, authority) = self.reading(request).await?;
        let set = reader.key_set(id).await?.ok_or(Refusal::NotFound)?;
        if !authority.allows(Permission::KeySetsRead, &set.place()) {
            return Err(Error::not_found());
        }
        let events = reader.events_of_key_set(id).await?;
        let told = events.iter().map(|recorded| (recorded.event.at, &recorded.event.body));
        let items = set.timeline(told, self.now());
        let entry = |item: &claviger_domain::key_sets::TimelineItem| {
            wire::TimelineEntry::new(item.key_id, on_wire(item.milestone), item.planned_at, item.actual_at)
        };
        Ok(wire::Timeline { items: items.iter().map(entry).collect() })
    }
}

const fn on_wire(milestone: Milestone) -> wire::Milestone {
    match milestone {
        Milestone::Provisioned => wire::Milestone::Provisioned,
        Milestone::Suspension => wire::Milestone::Suspension,
        Milestone::Activation => wire::Milestone::Activation,
        Milestone::Rotation => wire::Milestone::Rotation,
        Milestone::Regeneration => wire::Milestone::Regeneration,
        Milestone::Revocation => wire::Milestone::Revocation,
        Milestone::Expiration => wire::Milestone::Expiration,
    }
}
