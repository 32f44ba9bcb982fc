//! Rates and quotas of policies, APIs and shared keys, from where they are set to the decision (product.md C9, F2).

use claviger_domain::permission::Permission;
use claviger_service::verify::Asker;
use claviger_wire::apis::Update;
use claviger_wire::key_sets::PutPolicy;
use serde_json::{Value, json};

use crate::shared_keys::id_of;
use crate::world::{World, body, everywhere, fresh};

on_both_databases!(
    c9_the_strictest_of_policy_and_api_binds_and_answers_tell_what_is_left,
    c9_a_shared_key_has_a_rate_of_its_own,
    a_batch_uses_up_one_call_after_the_other,
    what_is_limited_is_so_after_a_new_start_and_on_another_node,
    a_new_policy_binds_at_once,
    what_a_call_costs_is_in_range,
    c9_a_source_that_was_told_is_slowed_only_after_it_failed,
);

impl World {
    async fn asker(&self) -> Asker {
        let actor = self.actor(&[Permission::VerifyCall], everywhere()).await;
        self.service.follow().await.expect("followed");
        self.service.verify_sign_in(&actor.value, None).expect("it may ask")
    }

    async fn asked(&self, asker: &Asker, api: &str, key: &str, cost: u32) -> Value {
        let question = json!({ "api": api, "credential": { "key": key }, "cost": cost });
        let verdict = self.service.verify(asker, body(question)).await.expect("a verdict");
        serde_json::to_value(&verdict).expect("JSON")
    }

    /// An API, an Application's key to it, and its slug.
    async fn limited(&self, policy: Value, api: Value) -> (String, String, claviger_wire::apis::Api) {
        let mut members = api;
        members["policy_template_id"] = self.template(policy).await.into();
        let api = self.api_with(members).await;
        let application = self.application().await;
        let subscription = self.subscribe(&application, &api).await;
        let key = subscription.credentials.as_ref().expect("shown once")[0].key.clone();
        (api.entry.slug.clone(), key, api)
    }
}

fn told(answer: &Value) -> (&str, &Value, &Value) {
    (answer["code"].as_str().expect("a code"), &answer["rate_limit"], &answer["retry_after"])
}

async fn c9_the_strictest_of_policy_and_api_binds_and_answers_tell_what_is_left(world: World) {
    let policy = json!({"quota": {"limit": 10, "per": "month"}});
    let api = json!({"rate_limit": {"limit": 6, "per": "minute", "burst": 4}});
    let (slug, key, _) = world.limited(policy, api).await;
    let asker = world.asker().await;
    let first = world.asked(&asker, &slug, &key, 1).await;
    assert_eq!(told(&first), ("valid", &json!({"limit": 4, "remaining": 3, "reset": 10}), &Value::Null));
    let refused = world.asked(&asker, &slug, &key, 4).await;
    let left = json!({"limit": 4, "remaining": 3, "reset": 10});
    assert_eq!(told(&refused), ("rate_limited", &left, &json!(10)));
    assert_eq!(refused["allowed"], false);
    assert!(refused["key_id"].is_string() && refused["application"].is_object(), "it is proved: {refused}");
    world.pass("PT1M");
    assert_eq!(told(&world.asked(&asker, &slug, &key, 4).await).0, "valid");
    world.pass("PT1M");
    // 5 of 10 are used: the quota is now the stricter.
    let four = world.asked(&asker, &slug, &key, 4).await;
    assert_eq!((&four["rate_limit"]["remaining"], told(&four).0), (&json!(0), "valid"));
    world.pass("PT1M");
    let refused = world.asked(&asker, &slug, &key, 2).await;
    // Thirty days and a half, less the three minutes.
    let left = json!({"limit": 10, "remaining": 1, "reset": 2_635_020});
    assert_eq!(told(&refused), ("quota_exceeded", &left, &json!(2_635_020)));
    world.set_time(crate::world::instant("2026-04-01T00:00:00Z"));
    world.service.follow().await.expect("in touch with the log");
    assert_eq!(told(&world.asked(&asker, &slug, &key, 2).await).0, "valid", "a new month");
    assert!(world.service.degraded().is_empty());
}

async fn c9_a_shared_key_has_a_rate_of_its_own(world: World) {
    let api = world.api_with(json!({"requires": "key"})).await;
    let limited = json!({"rate_limit": {"limit": 2, "per": "hour"}});
    let (slow, free) = (world.shared_key(&api, limited).await, world.shared_key(&api, json!({})).await);
    let asker = world.asker().await;
    let keys = [&slow, &free].map(|key| key.key.clone().expect("shown once"));
    let codes = async |key: &str| {
        let mut codes = Vec::new();
        for _ in 0..3 {
            codes.push(world.asked(&asker, &api.entry.slug, key, 1).await["code"].clone());
        }
        codes
    };
    assert_eq!(codes(&keys[0]).await, ["valid", "valid", "rate_limited"]);
    assert_eq!(codes(&keys[1]).await, ["valid", "valid", "valid"]);
    let update = body(json!({"rate_limit": null}));
    fresh(world.service.shared_key_update(&world.owner.request(), id_of(&slow), &update).await);
    let unbound = world.asked(&asker, &api.entry.slug, &keys[0], 1).await;
    assert_eq!(told(&unbound), ("valid", &Value::Null, &Value::Null));
}

async fn a_batch_uses_up_one_call_after_the_other(world: World) {
    let (slug, key, _) = world.limited(json!({"rate_limit": {"limit": 3, "per": "hour"}}), json!({})).await;
    let asker = world.asker().await;
    let one = |cost: u32| json!({ "api": slug, "credential": { "key": key }, "cost": cost });
    let batch = body(json!({ "items": [one(2), one(2), one(1), one(1)] }));
    let verdicts = world.service.verify_batch(&asker, batch).await.expect("verdicts");
    let verdicts = serde_json::to_value(&verdicts).expect("JSON");
    let codes: Vec<&str> = verdicts["items"]
        .as_array()
        .expect("items")
        .iter()
        .map(|item| item["code"].as_str().expect("a code"))
        .collect();
    assert_eq!(codes, ["valid", "rate_limited", "valid", "rate_limited"]);
}

async fn what_is_limited_is_so_after_a_new_start_and_on_another_node(world: World) {
    let policy = json!({"rate_limit": {"limit": 1, "per": "hour"}, "quota": {"limit": 9, "per": "day"}});
    let (slug, key, _) = world.limited(policy, json!({})).await;
    let other = world.another_node(2).await;
    other.load().await.expect("loaded");
    assert_eq!(other.index().entries(), world.service.index().entries());
    let actor = world.actor(&[Permission::VerifyCall], everywhere()).await;
    other.follow().await.expect("followed");
    let asker = other.verify_sign_in(&actor.value, None).expect("it may ask");
    let question = || body(json!({ "api": slug, "credential": { "key": key } }));
    let codes = [
        other.verify(&asker, question()).await.expect("a verdict").code().as_str(),
        other.verify(&asker, question()).await.expect("a verdict").code().as_str(),
    ];
    assert_eq!(codes, ["valid", "rate_limited"], "by its own count");
}

async fn a_new_policy_binds_at_once(world: World) {
    let (slug, key, api) = world.limited(json!({}), json!({})).await;
    let set = world.listed(&[("api_id", &api.entry.id)]).await.remove(0);
    let asker = world.asker().await;
    let free = world.asked(&asker, &slug, &key, 1_000_000_000).await;
    assert_eq!(told(&free), ("valid", &Value::Null, &Value::Null));
    let template = world.template(json!({"quota": {"limit": 2, "per": "day"}})).await;
    let put: PutPolicy = body(json!({"policy_template_id": template, "enforce_schedule": false}));
    let request = world.owner.request();
    fresh(world.service.key_set_set_policy(&request, set.parse().expect("an id"), &put).await);
    assert_eq!(told(&world.asked(&asker, &slug, &key, 2).await).0, "valid");
    assert_eq!(told(&world.asked(&asker, &slug, &key, 1).await).0, "quota_exceeded");
    let update: Update = body(json!({"rate_limit": {"limit": 1, "per": "second"}}));
    fresh(world.service.api_update(&request, &api.entry.id, &update).await);
    assert_eq!(told(&world.asked(&asker, &slug, &key, 2).await).0, "rate_limited", "it is told first");
}

async fn what_a_call_costs_is_in_range(world: World) {
    let asker = world.asker().await;
    for cost in [0, -1, 1_000_000_001_i64] {
        let question = body(json!({ "credential": {}, "cost": cost }));
        let refused = world.refused(async { world.service.verify(&asker, question).await }).await;
        assert_eq!(crate::world::pointers(&refused), ["/cost"]);
    }
}

async fn c9_a_source_that_was_told_is_slowed_only_after_it_failed(world: World) {
    let (slug, key, _) = world.limited(json!({}), json!({})).await;
    let asker = world.asker().await;
    let ask = async |key: &str, ip: Option<&str>| {
        let mut question = json!({ "api": slug, "credential": { "key": key } });
        if let Some(ip) = ip {
            question["ip"] = ip.into();
        }
        let verdict = world.service.verify(&asker, body(question)).await.expect("a verdict");
        let told = serde_json::to_value(&verdict).expect("JSON");
        (told["code"].clone(), told["retry_after"].clone())
    };
    let malformed = |retry_after: Value| (json!("malformed"), retry_after);
    for _ in 0..120 {
        assert_eq!(ask("x", Some("2001:db8:1:2::9")).await, malformed(Value::Null));
    }
    assert_eq!(ask("x", Some("2001:db8:1:2:ffff::1")).await, malformed(json!(60)), "one network");
    assert_eq!(ask("x", Some("2001:db8:1:3::1")).await, malformed(Value::Null));
    assert_eq!(ask("x", None).await, malformed(Value::Null), "nobody in particular");
    let good = (json!("valid"), Value::Null);
    assert_eq!(ask(&key, Some("2001:db8:1:2::9")).await, good, "a good call is not concerned");
    world.pass("PT61S");
    assert_eq!(ask("x", Some("2001:db8:1:2::9")).await, malformed(Value::Null));
}
