//! What policies limit, as deciding is loaded with it.

use claviger_domain::apis::AuthType;
use claviger_domain::event::EventBody;
use claviger_domain::policy_templates::{CallLimits, Policy, Quota, QuotaPeriod, RateLimit, RatePeriod};

use crate::world::{Place, World, append, start, with_private};

pub(crate) async fn the_snapshot_has_the_limits_of_every_policy_that_has_any(place: &Place) {
    let store = place.open().await;
    let world = World::make(&store).await;
    let rate_limit = Some(RateLimit { limit: 5, per: RatePeriod::Second, burst: 9 });
    let quota = Some(Quota { limit: 7, per: QuotaPeriod::Month });
    let all = [(None, None), (rate_limit, None), (None, quota), (rate_limit, quota)];
    let mut expected = Vec::new();
    for (rate_limit, quota) in all {
        let mut terms = world.terms("Limited", AuthType::ApiKey);
        (terms.policy.rate_limit, terms.policy.quota) = (rate_limit, quota);
        let (set, events) = world.opened(terms, false, start());
        append(&store, events).await.unwrap();
        expected.push((set, CallLimits { rate_limit, quota }));
    }
    let loose = expected.remove(0).0;
    let read = async || {
        let (mut reader, mut limited) = (store.read().await.unwrap(), Vec::new());
        reader.each_limited_key_set(|set, limits| limited.push((set, limits))).await.unwrap();
        limited.sort_by_key(|(set, _)| *set);
        limited
    };
    expected.sort_by_key(|(set, _)| *set);
    assert_eq!(read().await, expected);
    let set = store.read().await.unwrap().key_set(loose).await.unwrap().unwrap();
    let changed = EventBody::KeySetPolicyChanged {
        key_set_id: loose,
        policy: Policy { rate_limit, ..set.policy },
        template: set.template,
        schedule: None,
    };
    append(&store, with_private(vec![changed], start(), world.place(), [])).await.unwrap();
    expected.push((loose, CallLimits { rate_limit, quota: None }));
    expected.sort_by_key(|(set, _)| *set);
    assert_eq!(read().await, expected);
}
