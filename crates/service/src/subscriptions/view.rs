//! A Subscription as either side sees it: both names and the Key Sets' ids and states.

use claviger_domain::subscriptions::Subscription;
use claviger_domain::time::Timestamp;
use claviger_store::Reader;
use claviger_wire::subscriptions as wire;

use crate::error::Error;
use crate::names::Names;

pub(super) async fn view(
    reader: &mut Reader,
    names: &mut Names,
    subscription: &Subscription,
    now: Timestamp,
) -> Result<wire::Subscription, Error> {
    let mut key_sets = Vec::with_capacity(subscription.key_set_ids.len());
    for set in reader.key_sets_by_ids(&subscription.key_set_ids).await? {
        key_sets.push(wire::KeySetUse {
            id: set.id.to_string(),
            auth_type: set.auth_type.into(),
            reused: None,
            status: set.status(now).into(),
        });
    }
    let around = wire::Around {
        application: names.application(reader, subscription.application_id).await?,
        organization: names.organization(reader, subscription.organization_id).await?,
        api: names.api_ref(reader, subscription.api_id).await?,
        api_organization: names.organization(reader, subscription.api_organization_id).await?,
        environment: names.environment(reader, subscription.environment_id).await?,
        key_sets,
    };
    let view = wire::Subscription::new(subscription, around);
    // The clock lets a Pending one lapse before anything records it.
    Ok(wire::Subscription { status: subscription.status_at(now).into(), ..view })
}
