//! What must be so after a crash, however it came.

use std::collections::HashMap;

use claviger_client::Client;
use claviger_testkit::Claviger;
use serde_json::{Value, json};

use super::writers::{Act, Writers, locked};

/// The log's chain verifies, and the tables are what it says: nothing is half there.
#[track_caller]
pub(super) fn log_and_tables_agree(claviger: &Claviger) {
    let output = claviger.run_on_data(&["verify-log", "--state", "--json"]);
    output.demand_success("verify-log --state");
    let report: Value = serde_json::from_str(&output.stdout).unwrap();
    assert!(report["checked"].as_u64() > Some(10), "{report}");
}

/// Every answered write is there, no unanswered one is there twice or in part.
pub(super) async fn every_answered_write_is_there(client: &Client, writers: &Writers) {
    let applications = by_id(client, "/v1/applications").await;
    let subscriptions = by_id(client, "/v1/subscriptions").await;
    let sets = by_id(client, "/v1/key-sets").await;
    let mut names: Vec<&str> = applications.values().map(name).collect();
    names.sort_unstable();
    let count = names.len();
    names.dedup();
    assert_eq!(names.len(), count, "an Application was made twice");
    let (mut made, mut may_be) = (0, 0);
    for known in &writers.known {
        let known = locked(known);
        for (name, id) in &known.applications {
            let found =
                applications.get(id).unwrap_or_else(|| panic!("{name} was answered and is not there"));
            assert_eq!(found["name"], name.as_str());
        }
        made += known.applications.len();
        may_be +=
            usize::from(matches!(&known.unanswered, Some(left) if matches!(left.act, Act::Create { .. })));
        for id in &known.subscriptions {
            assert!(subscriptions.contains_key(id), "{id} was answered and is not there");
        }
        for (at, set) in known.sets.iter().enumerate() {
            let found =
                sets.get(&set.id).unwrap_or_else(|| panic!("{} was answered and is not there", set.id));
            let left = known.unanswered.as_ref().map(|left| &left.act);
            let open = matches!(left, Some(Act::Suspend { set } | Act::Activate { set } | Act::Revoke { set }) if *set == at);
            assert!(open || found["status"] == set.status, "{}: {} {}", set.id, found["status"], set.status);
        }
    }
    assert!((made..=made + may_be).contains(&count), "{made} answered, {may_be} open, {count} there");
    for subscription in subscriptions.values() {
        let used = subscription["key_sets"].as_array().unwrap();
        assert_eq!(used.len(), 1, "a Subscription without its Key Set: {subscription}");
        let set = &sets[used[0]["id"].as_str().unwrap()];
        assert_eq!(set["keys"].as_array().unwrap().len(), 1, "a Key Set without its Key: {set}");
    }
    assert_eq!(sets.len(), subscriptions.len(), "a Key Set without its Subscription");
}

/// What the index decides on every key that a writer knows is what the tables say of its Key Set.
pub(super) async fn the_index_is_what_the_tables_say(client: &Client, writers: &Writers) {
    let sets = by_id(client, "/v1/key-sets").await;
    let keys: Vec<(String, String)> = writers
        .known
        .iter()
        .flat_map(|known| locked(known).sets.clone())
        .filter(|set| !set.key.is_empty())
        .map(|set| (set.id, set.key))
        .collect();
    for some in keys.chunks(500) {
        let items: Vec<Value> =
            some.iter().map(|(_, key)| json!({ "credential": { "key": key }, "api": "orders" })).collect();
        let answer = client.post("/v1/verify/batch").body(&json!({ "items": items })).send::<Value>().await;
        let decisions = answer.unwrap().body["items"].as_array().unwrap().clone();
        assert_eq!(decisions.len(), some.len());
        for ((id, _), decision) in some.iter().zip(&decisions) {
            let expected = match sets[id]["status"].as_str().unwrap() {
                "active" => "valid",
                status => status,
            };
            assert_eq!(decision["code"], expected, "{id}");
        }
    }
}

async fn by_id(client: &Client, path: &str) -> HashMap<String, Value> {
    let query = vec![("limit".to_owned(), "200".to_owned())];
    let items: Vec<Value> = client.pages(path, query).all().await.unwrap();
    items.into_iter().map(|item| (item["id"].as_str().unwrap().to_owned(), item)).collect()
}

fn name(application: &Value) -> &str {
    application["name"].as_str().unwrap()
}
