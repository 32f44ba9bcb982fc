//! A Subscription as either side sees it: both names and the Key Sets' ids and states.

use std::collections::{BTreeSet, HashMap};

use claviger_domain::id::KeySetId;
use claviger_domain::key_sets::KeySet;
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
    let sets = key_sets(reader, std::slice::from_ref(subscription)).await?;
    viewed(reader, names, &sets, subscription, now).await
}

/// A page of them, in a query for each kind of thing.
pub(super) async fn views(
    reader: &mut Reader,
    subscriptions: &[Subscription],
    now: Timestamp,
) -> Result<Vec<wire::Subscription>, Error> {
    let sides = |it: &Subscription| [it.organization_id, it.api_organization_id];
    let organizations = subscriptions.iter().flat_map(sides).collect();
    let applications = subscriptions.iter().map(|it| it.application_id).collect();
    let apis = subscriptions.iter().map(|it| it.api_id).collect();
    let mut names = Names::default();
    names.learn(reader, organizations, applications, apis).await?;
    let sets = key_sets(reader, subscriptions).await?;
    let mut views = Vec::with_capacity(subscriptions.len());
    for subscription in subscriptions {
        views.push(viewed(reader, &mut names, &sets, subscription, now).await?);
    }
    Ok(views)
}

async fn key_sets(
    reader: &mut Reader,
    subscriptions: &[Subscription],
) -> Result<HashMap<KeySetId, KeySet>, Error> {
    let ids: BTreeSet<_> = subscriptions.iter().flat_map(|it| it.key_set_ids.iter().copied()).collect();
    let ids: Vec<_> = ids.into_iter().collect();
    Ok(reader.key_sets_by_ids(&ids).await?.into_iter().map(|set| (set.id, set)).collect())
}

async fn viewed(
    reader: &mut Reader,
    names: &mut Names,
    sets: &HashMap<KeySetId, KeySet>,
    subscription: &Subscription,
    now: Timestamp,
) -> Result<wire::Subscription, Error> {
    let key_sets = subscription.key_set_ids.iter().filter_map(|id| sets.get(id)).map(|set| wire::KeySetUse {
        id: set.id.to_string(),
        auth_type: set.auth_type.into(),
        reused: None,
        status: set.status(now).into(),
    });
    let around = wire::Around {
        application: names.application(reader, subscription.application_id).await?,
        organization: names.organization(reader, subscription.organization_id).await?,
        api: names.api_ref(reader, subscription.api_id).await?,
        api_organization: names.organization(reader, subscription.api_organization_id).await?,
        environment: names.environment(reader, subscription.environment_id).await?,
        key_sets: key_sets.collect(),
    };
    let view = wire::Subscription::new(subscription, around);
    // The clock lets a Pending one lapse before anything records it.
    Ok(wire::Subscription { status: subscription.status_at(now).into(), ..view })
}
