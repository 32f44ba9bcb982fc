//! Makes what is called: APIs of both sides, Applications with a Key Set each, shared keys.

use std::sync::Arc;

use claviger_client::Client;
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::presented::Presented;
use super::timeline::Timeline;
use super::world::{APIS, Api, Application, Kind, Side, Subject, World};

/// As many as one request takes.
const AT_ONCE: usize = 1_000;
/// The most of one section that an API has.
const SHARED: usize = 5;
/// All of them; they stand behind the Key Sets.
pub(crate) const SHARED_KEYS: usize = SHARED * APIS;

/// Each with its side, and which part of the Applications subscribes.
const NAMES: [(&str, Side, usize); APIS] = [
    ("lasting", Side::Lasting, 1),
    ("mortal", Side::Mortal, 3),
    ("lasting-seasonal", Side::Lasting, SEASONAL),
    ("mortal-seasonal", Side::Mortal, SEASONAL),
];
/// Of the APIs whose exposure is switched.
const SEASONAL: usize = 20;
pub(crate) const AUTH_TYPES: [&str; 3] = ["api_key", "api_key_and_secret", "basic"];

/// About so many Key Sets, and the shared keys.
pub(crate) async fn populate(
    client: &Client,
    service_key: &str,
    upstreams: [&str; 2],
    keys: usize,
    limited: bool,
) -> World {
    // Nodes count such calls together, and there are more than all callers make.
    let rate_limit = if limited { json!({ "limit": 1_000_000_000, "per": "hour" }) } else { Value::Null };
    for (slug, side, _) in NAMES {
        let api = json!({
            "rate_limit": rate_limit,
            "slug": slug, "name": slug, "upstreams": [upstreams[side as usize]], "auth_types": AUTH_TYPES,
            "requires": "key", "permissions": ["read"], "exposed": true,
        });
        make(client, "/v1/apis", &api).await;
    }
    let mut subjects = key_sets(client, keys).await;
    for (api, (slug, ..)) in NAMES.iter().enumerate() {
        for number in 0..SHARED {
            let shared = json!({ "name": format!("Partner {number}"), "audience": "outside" });
            let made = make(client, &format!("/v1/apis/{slug}/shared-keys"), &shared).await;
            let presented = Presented::told(&made, false).unwrap();
            subjects.push(Subject::new(text(&made["id"]), Kind::Shared { api }, presented));
        }
    }
    let apis = NAMES.map(|(slug, side, part)| {
        let exposed = Mutex::new(Timeline::new(true));
        Api { slug, side, seasonal: part == SEASONAL, exposed }
    });
    World::new(apis, subjects, service_key)
}

/// An Application gets one Key Set of each auth type when it subscribes first.
async fn key_sets(client: &Client, keys: usize) -> Vec<Subject> {
    let all = keys.div_ceil(AUTH_TYPES.len());
    let named: Vec<Value> = (0..all).map(|number| json!({ "name": format!("Shop {number}") })).collect();
    let applications = in_bulk(client, "/v1/applications/bulk", &named).await;
    let mut made = Vec::new();
    for (slug, _, part) in NAMES {
        let subscribers = applications[..(all / part).max(1)].iter();
        let asked: Vec<Value> = subscribers
            .map(|application| json!({ "application_id": application["id"], "api_id": slug, "environment_id": "production" }))
            .collect();
        made.push(in_bulk(client, "/v1/subscriptions/bulk", &asked).await);
    }
    let mut subjects = Vec::new();
    for (number, first) in made[0].iter().enumerate() {
        let application = Arc::new(Application {
            subscriptions: std::array::from_fn(|api| made[api].get(number).map(|one| text(&one["id"]))),
            permitted: std::array::from_fn(|_| Mutex::new(Timeline::new(true))),
        });
        for set in first["key_sets"].as_array().unwrap() {
            let credentials = first["credentials"].as_array().unwrap();
            let own = credentials.iter().find(|own| own["key_set_id"] == set["id"]).unwrap();
            let presented = Presented::told(own, set["auth_type"] == "basic").unwrap();
            subjects.push(Subject::new(text(&set["id"]), Kind::KeySet(Arc::clone(&application)), presented));
        }
    }
    subjects
}

async fn in_bulk(client: &Client, path: &str, items: &[Value]) -> Vec<Value> {
    let mut made = Vec::new();
    for items in items.chunks(AT_ONCE) {
        let answer = make(client, path, &json!({ "items": items })).await;
        made.extend_from_slice(answer["items"].as_array().unwrap());
    }
    made
}

async fn make(client: &Client, path: &str, body: &Value) -> Value {
    client.post(path).body(body).send::<Value>().await.unwrap_or_else(|error| panic!("{path}: {error}")).body
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text")).to_owned()
}
