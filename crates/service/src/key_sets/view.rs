//! A Key Set as the caller sees it, with what stands around it in other tables.

use claviger_domain::apis::Api;
use claviger_domain::event::Position;
use claviger_domain::id::KeySetId;
use claviger_domain::key_sets::{Act, Facts, KeySet};
use claviger_domain::subscriptions::{Subscription, SubscriptionStatus};
use claviger_domain::time::Timestamp;
use claviger_store::Reader;
use claviger_wire::key_sets as wire;
use claviger_wire::subscriptions::SubscriptionRef;

use super::surroundings::{Beside, Surrounding, Surroundings};
use crate::authority::Authority;
use crate::enforcement::Fleet;
use crate::error::Error;
use crate::names::Names;
use crate::state::Service;

/// Makes answers of Key Sets for one caller at one moment.
#[derive(Debug)]
pub(crate) struct Viewer<'a> {
    authority: &'a Authority,
    now: Timestamp,
    names: Names,
    fleet: Fleet,
}

impl<'a> Viewer<'a> {
    pub(crate) async fn new(
        service: &Service,
        reader: &mut Reader,
        authority: &'a Authority,
        now: Timestamp,
    ) -> Result<Self, Error> {
        let fleet = Fleet::read(service, reader, now).await?;
        Ok(Self { authority, now, names: Names::default(), fleet })
    }

    pub(crate) async fn view(&mut self, reader: &mut Reader, set: &KeySet) -> Result<wire::KeySet, Error> {
        let surroundings = Surroundings::read(reader, std::slice::from_ref(set), self.now).await?;
        self.view_within(reader, set, surroundings.of(set)).await
    }

    /// A page of them: what stands around is asked once for all.
    pub(crate) async fn views(
        &mut self,
        reader: &mut Reader,
        sets: &[KeySet],
    ) -> Result<Vec<wire::KeySet>, Error> {
        let surroundings = Surroundings::read(reader, sets, self.now).await?;
        let organizations = sets.iter().map(|set| set.organization_id).collect();
        let applications = sets.iter().map(|set| set.application_id).collect();
        self.names.learn(reader, organizations, applications, surroundings.apis()).await?;
        let mut views = Vec::with_capacity(sets.len());
        for set in sets {
            views.push(self.view_within(reader, set, surroundings.of(set)).await?);
        }
        Ok(views)
    }

    async fn view_within(
        &mut self,
        reader: &mut Reader,
        set: &KeySet,
        surrounding: Surrounding<'_>,
    ) -> Result<wire::KeySet, Error> {
        let mut authorized_apis = Vec::new();
        let mut subscriptions = Vec::new();
        for subscription in surrounding.subscriptions {
            let status = subscription.status_at(self.now);
            let reference = self.names.api_ref(reader, subscription.api_id).await?;
            let api = self.names.api(reader, subscription.api_id).await?;
            if opens(set, subscription, api, self.now) {
                authorized_apis.push(reference.clone());
            }
            if status.is_live() {
                let id = subscription.id.to_string();
                subscriptions.push(SubscriptionRef { id, status: status.into(), api: reference });
            }
        }
        let around = wire::Around {
            application: self.names.application(reader, set.application_id).await?,
            organization: self.names.organization(reader, set.organization_id).await?,
            environment: self.names.environment(reader, set.environment_id).await?,
            authorized_apis,
            subscriptions,
            enforcement: self.fleet.enforcement(surrounding.last_change),
            can: self.can(set, &surrounding.facts),
            last_used: surrounding.last_used,
        };
        Ok(wire::KeySet::new(set, around, self.now))
    }

    /// The acts that the set's state allows and the caller may do.
    fn can(&self, set: &KeySet, facts: &Facts) -> Vec<String> {
        let allowed = set.allowed_acts(self.now, facts);
        let permitted = |act: &Act| self.authority.allows(act.permission(), &set.place());
        allowed.into_iter().filter(permitted).map(|act| act.as_str().to_owned()).collect()
    }
}

/// Whether the set opens the API by this Subscription now.
pub(super) fn opens(set: &KeySet, subscription: &Subscription, api: Option<&Api>, now: Timestamp) -> bool {
    subscription.status_at(now) == SubscriptionStatus::Active
        && api.is_some_and(|api| api.settings.auth_types.contains(&set.auth_type))
}

/// What a decision about the set must know beyond it.
pub(super) async fn facts(reader: &mut Reader, set: &KeySet, now: Timestamp) -> Result<Facts, Error> {
    let beside = Beside::read(reader, std::slice::from_ref(set), now).await?;
    Ok(beside.facts(set, now))
}

/// Where in the log the set changed last.
pub(super) async fn last_change(reader: &mut Reader, id: KeySetId) -> Result<Position, Error> {
    let change = reader.last_change_of(&id.to_string()).await?;
    Ok(change.map(|(position, _)| position).unwrap_or_default())
}
