//! A Key Set as the caller sees it, with what stands around it in other tables.

use claviger_domain::apis::Api;
use claviger_domain::applications::ApplicationStatus;
use claviger_domain::event::Position;
use claviger_domain::id::{KeyId, KeySetId};
use claviger_domain::key_sets::{Act, Facts, KeySet};
use claviger_domain::subscriptions::{Subscription, SubscriptionStatus};
use claviger_domain::time::Timestamp;
use claviger_store::Reader;
use claviger_wire::key_sets as wire;
use claviger_wire::subscriptions::SubscriptionRef;

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
        let mut authorized_apis = Vec::new();
        let mut subscriptions = Vec::new();
        for subscription in reader.subscriptions_of_key_set(set.id).await? {
            let status = subscription.status_at(self.now);
            let reference = self.names.api_ref(reader, subscription.api_id).await?;
            let api = self.names.api(reader, subscription.api_id).await?;
            if opens(set, &subscription, api, self.now) {
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
            enforcement: self.fleet.enforcement(last_change(reader, set.id).await?),
            can: self.can(reader, set).await?,
            last_used: last_used(reader, set).await?,
        };
        Ok(wire::KeySet::new(set, around, self.now))
    }

    /// The acts that the set's state allows and the caller may do.
    async fn can(&self, reader: &mut Reader, set: &KeySet) -> Result<Vec<String>, Error> {
        let facts = facts(reader, set, self.now).await?;
        let allowed = set.allowed_acts(self.now, &facts);
        let permitted = |act: &Act| self.authority.allows(act.permission(), &set.place());
        Ok(allowed.into_iter().filter(permitted).map(|act| act.as_str().to_owned()).collect())
    }
}

/// Whether the set opens the API by this Subscription now.
pub(super) fn opens(set: &KeySet, subscription: &Subscription, api: Option<&Api>, now: Timestamp) -> bool {
    subscription.status_at(now) == SubscriptionStatus::Active
        && api.is_some_and(|api| api.settings.auth_types.contains(&set.auth_type))
}

/// What a decision about the set must know beyond it.
pub(super) async fn facts(reader: &mut Reader, set: &KeySet, now: Timestamp) -> Result<Facts, Error> {
    let application = reader.application(set.application_id).await?;
    let application_suspended =
        application.is_some_and(|application| application.status == ApplicationStatus::Suspended);
    let superseded_by = match set.status(now).is_living() {
        true => None,
        false => {
            let (application_id, environment_id) = (set.application_id, set.environment_id);
            let alike = reader
                .living_key_sets(application_id, environment_id, set.auth_type, set.template, now)
                .await?;
            alike.iter().map(|other| other.id).find(|id| *id != set.id)
        }
    };
    Ok(Facts { application_suspended, superseded_by })
}

async fn last_used(reader: &mut Reader, set: &KeySet) -> Result<Vec<(KeyId, Timestamp)>, Error> {
    let ids: Vec<_> = set.keys.iter().map(|key| key.id.to_string()).collect();
    let marks = reader.last_used(&ids).await?;
    Ok(set.keys.iter().zip(&ids).filter_map(|(key, id)| Some((key.id, *marks.get(id)?))).collect())
}

/// Where in the log the set changed last.
pub(super) async fn last_change(reader: &mut Reader, id: KeySetId) -> Result<Position, Error> {
    let change = reader.last_change_of(&id.to_string()).await?;
    Ok(change.map(|(position, _)| position).unwrap_or_default())
}
