//! What is counted about calls: every call once, over a database that is away, and shown to whom it concerns.

use claviger_domain::permission::Permission;
use claviger_domain::refusal::Refusal;
use claviger_service::Error;
use claviger_wire::key_sets::Credentials;
use claviger_wire::shared_keys::PostPortalLink;
use claviger_wire::usage::Count;
use serde_json::json;

use crate::shared_keys::id_of;
use crate::workspace::OneKeySet;
use crate::world::{Actor, World, body, everywhere, fresh, in_organization, instant, query};

on_both_databases!(
    c10_calls_are_counted_by_key_api_application_and_code,
    c10_every_call_is_counted_once_over_steps_and_late_flushes,
    c10_nobody_sees_the_usage_of_others,
    c5_the_portal_counts_the_calls_of_its_own_key,
    g3_an_impact_says_how_many_calls_it_would_stop,
    what_is_wrong_with_a_range_is_named,
    e6_last_used_is_kept_with_its_source_for_every_kind_of_key,
);

impl World {
    /// Asks through REST verify, so many times.
    async fn call(&self, api: Option<&str>, key: &str, secret: Option<&str>, times: usize) {
        let asker = self.service.verify_sign_in(&self.owner.value, None).expect("may ask");
        for _ in 0..times {
            let mut question = json!({"credential": {"key": key}, "ip": "203.0.113.7"});
            api.into_iter().for_each(|api| question["api"] = api.into());
            secret.into_iter().for_each(|secret| question["credential"]["secret"] = secret.into());
            self.service.verify(&asker, body(question)).await.expect("decided");
        }
    }

    async fn counts(&self, who: &Actor, pairs: &[(&str, &str)]) -> Vec<Count> {
        let page = self.service.usage(&who.request(), &query("/v1/usage", pairs)).await;
        page.expect("counts").items
    }

    async fn refused_query(&self, pairs: &[(&str, &str)]) -> String {
        match self.service.usage(&self.owner.request(), &query("/v1/usage", pairs)).await {
            Err(Error::BadQuery { parameter, detail }) => format!("{parameter} {detail}"),
            other => panic!("{other:?}"),
        }
    }
}

/// The Key that the Subscription came with.
fn issued(one: &OneKeySet) -> &Credentials {
    one.subscription.credentials.as_deref().and_then(<[_]>::first).expect("shown once")
}

fn sum(counts: &[Count]) -> (u64, u64) {
    (counts.iter().map(|count| count.calls).sum(), counts.iter().map(|count| count.refused).sum())
}

async fn c10_calls_are_counted_by_key_api_application_and_code(world: World) {
    let one = world.one_key_set("api_key_and_secret", json!({})).await;
    let issued = issued(&one);
    let (key, secret) = (issued.key.as_str(), issued.secret.as_deref());
    let api = world.api_with(json!({"requires": "key"})).await;
    let shared = world.shared_key(&api, json!({})).await;
    world.service.follow().await.expect("followed");
    let slug = one.api.entry.slug.as_str();
    world.call(Some(slug), key, secret, 3).await;
    world.call(Some(slug), key, None, 2).await;
    world.call(Some(&api.entry.slug), shared.key.as_deref().expect("a key"), None, 4).await;
    world.call(Some("never-was"), key, secret, 1).await;
    world.service.flush_usage().await.expect("written");
    let owner = &world.owner;
    assert_eq!(sum(&world.counts(owner, &[]).await), (10, 3));
    let by = async |by: &str| {
        let counts = world.counts(owner, &[("by", by), ("step", "day")]).await;
        let name = |count: &Count| {
            let ids = [&count.key_id, &count.api_id, &count.application_id];
            let id = ids.into_iter().find_map(|id| id.clone().flatten());
            id.or(count.code.clone()).unwrap_or_default()
        };
        let mut groups: Vec<_> = counts.iter().map(|count| (name(count), count.calls)).collect();
        groups.sort();
        groups
    };
    let sorted = |mut groups: Vec<(String, u64)>| {
        groups.sort();
        groups
    };
    let named = |name: &str, calls| (name.to_owned(), calls);
    assert_eq!(
        by("code").await,
        [named("api_not_exposed", 1), named("secret_required", 2), named("valid", 7)]
    );
    assert_eq!(
        by("api").await,
        sorted(vec![named("", 1), named(&one.api.entry.id, 5), named(&api.entry.id, 4)])
    );
    assert_eq!(by("key").await, sorted(vec![named("", 1), named(&issued.key_id, 5), named(&shared.id, 4)]));
    assert_eq!(by("application").await, sorted(vec![named("", 5), named(&one.application.id, 5)]));
    let of_set = world.counts(owner, &[("key_set_id", &one.id)]).await;
    assert_eq!(sum(&of_set), (5, 2));
    let given = query("/v1/apis/x/usage", &[("by", "code")]);
    let of_api = world.service.api_usage(&owner.request(), slug, &given).await.expect("counts").items;
    assert_eq!(of_api.iter().map(|count| count.calls).collect::<Vec<_>>(), [2, 3]);
}

async fn c10_every_call_is_counted_once_over_steps_and_late_flushes(world: World) {
    let one = world.one_key_set("api_key", json!({})).await;
    let slug = one.api.entry.slug.clone();
    world.service.follow().await.expect("followed");
    world.set_time(instant("2026-03-02T08:59:30Z"));
    world.call(Some(&slug), &issued(&one).key, None, 3).await;
    world.set_time(instant("2026-03-02T09:00:10Z"));
    world.call(Some(&slug), &issued(&one).key, None, 2).await;
    // Nothing was written meanwhile: what was counted keeps its minute.
    world.service.collect_usage();
    world.set_time(instant("2026-03-02T09:30:00Z"));
    world.service.flush_usage().await.expect("written");
    world.call(Some(&slug), &issued(&one).key, None, 1).await;
    world.service.flush_usage().await.expect("written");
    assert_eq!(world.service.flush_usage().await.expect("written"), 0, "nothing is left");
    let starts = async |step: &str| {
        let pairs = [("step", step), ("from", "2026-03-02"), ("to", "2026-03-02T10:00:00Z")];
        let counts = world.counts(&world.owner, &pairs).await;
        counts.into_iter().map(|count| (count.start, count.calls)).collect::<Vec<_>>()
    };
    let at = |text: &str, calls| (text.to_owned(), calls);
    assert_eq!(
        starts("minute").await,
        [at("2026-03-02T08:59:00Z", 3), at("2026-03-02T09:00:00Z", 2), at("2026-03-02T09:30:00Z", 1),]
    );
    assert_eq!(starts("hour").await, [at("2026-03-02T08:00:00Z", 3), at("2026-03-02T09:00:00Z", 3)]);
    assert_eq!(starts("day").await, [at("2026-03-02T00:00:00Z", 6)]);
    // In pages.
    let mut pairs =
        vec![("step", "minute".to_owned()), ("from", "2026-03-02".to_owned()), ("limit", "2".to_owned())];
    pairs.push(("to", "2026-03-02T10:00:00Z".to_owned()));
    let mut counts = Vec::new();
    loop {
        let given: Vec<(&str, &str)> = pairs.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let given = query("/v1/usage", &given);
        let page = world.service.usage(&world.owner.request(), &given).await.expect("a page");
        counts.extend(page.items);
        pairs.retain(|(name, _)| *name != "cursor");
        match page.next_cursor {
            Some(cursor) => pairs.push(("cursor", cursor)),
            None => break,
        }
    }
    assert_eq!(counts.len(), 3);
    world.pass("P3D");
    world.service.forget_usage().await.expect("forgotten");
    assert_eq!(starts("minute").await, []);
    assert_eq!(starts("hour").await.len(), 2, "hours are kept for longer");
}

async fn c10_nobody_sees_the_usage_of_others(world: World) {
    let other = world.other_organization().await;
    let one = world.one_key_set("api_key", json!({})).await;
    world.service.follow().await.expect("followed");
    world.call(Some(&one.api.entry.slug), &issued(&one).key, None, 2).await;
    world.service.flush_usage().await.expect("written");
    let reading = [Permission::UsageRead, Permission::ApisRead];
    let mine = world.actor(&reading, in_organization(world.organization_id)).await;
    let theirs = world.actor(&reading, in_organization(&other.organization_id)).await;
    let lacking = world.actor(&[Permission::ApisRead], everywhere()).await;
    assert_eq!(sum(&world.counts(&mine, &[]).await), (2, 0));
    assert_eq!(world.counts(&theirs, &[("by", "key")]).await, []);
    assert_eq!(world.counts(&theirs, &[("key_id", &issued(&one).key_id)]).await, []);
    let given = query("/v1/usage", &[]);
    let refusal = world.refused(world.service.usage(&lacking.request(), &given)).await;
    assert_eq!(refusal, Refusal::Forbidden { missing: Permission::UsageRead });
    for who in [&theirs, &lacking] {
        let request = who.request();
        let refusal = world.refused(world.service.api_usage(&request, &one.api.entry.id, &given)).await;
        assert_eq!(refusal, Refusal::NotFound);
        let refusal = world.refused(world.service.api_calls(&request, &one.api.entry.id, &given)).await;
        assert_eq!(refusal, Refusal::NotFound);
    }
}

async fn c5_the_portal_counts_the_calls_of_its_own_key(world: World) {
    let api = world.api_with(json!({"requires": "key"})).await;
    let own = world.shared_key(&api, json!({"audience": "outside"})).await;
    let other = world.shared_key(&api, json!({"audience": "outside"})).await;
    world.service.follow().await.expect("followed");
    for (key, times) in [(&own, 3), (&other, 5)] {
        world.call(Some(&api.entry.slug), key.key.as_deref().expect("a key"), None, times).await;
    }
    world.service.flush_usage().await.expect("written");
    let link = PostPortalLink::default();
    let made = world.service.shared_key_create_portal_link(&world.owner.request(), id_of(&own), &link).await;
    let url = fresh(made).url.expect("a link");
    let token = url.split_once('#').expect("a fragment").1.to_owned();
    let pass = claviger_service::portal::Pass::Link(&token);
    let visit = world.service.portal_sign_in(pass, None).await.expect("a visit");
    let given = query("/v1/portal/usage", &[("by", "code")]);
    let counts = world.service.portal_usage(&visit, &given).await.expect("counts").items;
    assert_eq!(
        counts.iter().map(|count| (count.code.as_deref(), count.calls)).collect::<Vec<_>>(),
        [(Some("valid"), 3)]
    );
}

async fn g3_an_impact_says_how_many_calls_it_would_stop(world: World) {
    let one = world.one_key_set("api_key", json!({})).await;
    world.service.follow().await.expect("followed");
    let slug = one.api.entry.slug.clone();
    world.call(Some(&slug), &issued(&one).key, None, 4).await;
    world.pass("PT23H");
    world.service.follow().await.expect("followed");
    world.call(Some(&slug), &issued(&one).key, None, 1).await;
    world.service.flush_usage().await.expect("written");
    let request = world.owner.request();
    let impact = async || {
        let set = world.service.key_set_impact(&request, one.key_set_id(), None).await;
        let application = world.service.application_impact(&request, one.application_id(), None).await;
        (set.expect("an impact").calls_24h, application.expect("an impact").calls_24h)
    };
    assert_eq!(impact().await, (5, 5));
    world.pass("PT2H");
    assert_eq!(impact().await, (1, 1), "those of the last day");
}

async fn what_is_wrong_with_a_range_is_named(world: World) {
    for (pairs, said) in [
        (&[("step", "week")][..], "step must be minute, hour or day"),
        (&[("by", "phase")], "by must be key, api, application or code"),
        (&[("from", "2026-03-02"), ("to", "2026-03-02")], "from must be before `to`"),
        (&[("from", "2026-03-01"), ("to", "2026-03-04"), ("step", "minute")], "from is more than 1500 steps"),
        (&[("from", "yesterday")], "from must be"),
        (&[("limit", "1501")], "limit must be a whole number from 1 to 1500"),
        (&[("cursor", "x")], "cursor is not a cursor"),
        (&[("key_set_id", "x")], "key_set_id is"),
        (&[("colour", "red")], "colour is not a parameter"),
    ] {
        let refused = world.refused_query(pairs).await;
        assert!(refused.starts_with(said), "{pairs:?}: {refused}");
    }
}

async fn e6_last_used_is_kept_with_its_source_for_every_kind_of_key(world: World) {
    let one = world.one_key_set("api_key", json!({})).await;
    let api = world.api_with(json!({"requires": "key"})).await;
    let shared = world.shared_key(&api, json!({})).await;
    world.service.follow().await.expect("followed");
    world.set_time(instant("2026-03-02T08:15:42Z"));
    world.call(Some(&one.api.entry.slug), &issued(&one).key, None, 1).await;
    world.call(Some(&api.entry.slug), shared.key.as_deref().expect("a key"), None, 1).await;
    // What is refused is no use.
    world.set_time(instant("2026-03-02T08:16:42Z"));
    world.call(Some(&one.api.entry.slug), shared.key.as_deref().expect("a key"), None, 1).await;
    world.service.flush_usage().await.expect("written");
    let expected = (Some("2026-03-02T08:15:00Z".to_owned()), Some("203.0.113.7".to_owned()));
    let read = world.service.shared_key_read(&world.owner.request(), id_of(&shared)).await.expect("it").body;
    assert_eq!((read.last_used_at, read.last_used_from), expected);
    let set = world.key_set(&one.id).await;
    assert_eq!((set.keys[0].last_used_at.clone(), set.keys[0].last_used_from.clone()), expected);
}
