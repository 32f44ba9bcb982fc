//! What the server keeps while it is measured: an API that asks for a key, one that asks for none, and a thousand
//! Applications with a key each.

use std::net::SocketAddr;

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use super::http::{Connection, bearer, request};

pub(super) const HOW_MANY: usize = 1_000;

/// Makes all of it, and gives the keys.
pub(super) fn make(address: SocketAddr, service_key: &str, upstream: SocketAddr) -> Result<Vec<String>> {
    let mut connection = Connection::open(address)?;
    let mut make = |path: &str, body: Value| -> Result<Value> {
        let request = request("POST", path, &[("authorization", &bearer(service_key))], &body.to_string());
        let answer = connection.exchange(&request)?;
        if answer.status != 201 {
            bail!("POST {path}: {answer:?}");
        }
        Ok(serde_json::from_str(&answer.body)?)
    };
    for (slug, requires) in [("orders", "key"), ("open", "none")] {
        make(
            "/v1/apis",
            json!({
                "slug": slug, "name": slug, "upstreams": [format!("http://{upstream}")], "auth_types": ["api_key"], "requires": requires,
                "exposed": true,
            }),
        )?;
    }
    let named: Vec<Value> = (0..HOW_MANY).map(|at| json!({ "name": format!("Shop {at}") })).collect();
    let applications = make("/v1/applications/bulk", json!({ "items": named }))?;
    let subscribing: Vec<Value> = items(&applications)?
        .iter()
        .map(|it| json!({ "application_id": it["id"], "api_id": "orders", "environment_id": "production" }))
        .collect();
    let subscriptions = make("/v1/subscriptions/bulk", json!({ "items": subscribing }))?;
    items(&subscriptions)?
        .iter()
        .map(|it| it["credentials"][0]["key"].as_str().map(str::to_owned))
        .collect::<Option<_>>()
        .context("the keys that subscribing makes")
}

fn items(list: &Value) -> Result<&Vec<Value>> {
    list["items"].as_array().context("a list of items")
}

/// A key of the same length that nobody has.
pub(super) fn mistyped(key: &str) -> String {
    let (rest, last) = key.split_at(key.len() - 1);
    format!("{rest}{}", if last == "a" { "b" } else { "a" })
}
