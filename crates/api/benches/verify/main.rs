//! `POST /v1/verify` over loopback against an axum JSON echo that takes and gives the same bytes: the CPU
//! time of each server's own thread per request, in rounds that take turns, and the ratio of the medians.

#![expect(clippy::print_stdout, reason = "a measurement tells what it found")]

#[expect(dead_code, reason = "shared with the tests, which use all of it")]
#[path = "../../tests/rest/call.rs"]
mod call;
#[expect(dead_code, reason = "shared with the tests, which use all of it")]
#[path = "../../tests/rest/fixtures.rs"]
mod fixtures;
mod load;
#[expect(dead_code, reason = "shared with the tests, which use all of it")]
#[path = "../../tests/rest/world.rs"]
mod world;

use std::sync::Arc;

use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use claviger_wire::verify::{Decision, Question};
use serde_json::json;

use load::{Server, Wire};
use world::World;

const ROUNDS: usize = 7;
const REQUESTS: usize = 20_000;

fn main() {
    claviger_testkit::enter_keeper(claviger_keeper::process::main);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let world = runtime.block_on(World::on_sqlite());
    let (key, credential) = runtime.block_on(prepare(&world));
    let body =
        json!({"credential": {"key": credential}, "api": "orders", "environment": "sandbox"}).to_string();
    let verify = Server::start(world.router());
    let mut asked = Wire::connect(&verify, &key, &body);
    let answer = asked.once();
    let decision: Decision = serde_json::from_slice(&answer).expect("a decision");
    assert!(decision.allowed, "{decision:?}");
    let echo = Server::start(echo(decision));
    let mut echoed = Wire::connect(&echo, &key, &body);
    assert_eq!(echoed.once(), answer, "both servers give the same bytes");
    let mut costs = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        costs.0.push(echoed.cost(&echo, REQUESTS));
        costs.1.push(asked.cost(&verify, REQUESTS));
    }
    let (echo, verify) = (median(costs.0), median(costs.1));
    println!("axum JSON echo      {echo:>7.2} µs CPU per request");
    println!("POST /v1/verify     {verify:>7.2} µs CPU per request");
    println!("verify of its limit {:>7.2}   (target 0.93)", echo / verify);
}

/// An API, a Key that opens it, and a service key that may ask.
async fn prepare(world: &World) -> (String, String) {
    let organization = world.organization_id.clone();
    let group = world.default_group(&organization).await;
    let template = world.template("Retrievable", &organization, &json!({"retrievable": true})).await;
    let api = world.api("orders", &group, &template).await;
    let application = world.application("Shop", &group).await;
    let subscription = world.subscribe(&application, &api).await;
    let set = subscription["key_sets"][0]["id"].as_str().expect("an id");
    let retrieved = world.act(&format!("/v1/key-sets/{set}/retrieve")).expect(200).await;
    let (_, key) = world.service_key("gateway", &organization, &["verify:call"]).await;
    (key, retrieved["key"].as_str().expect("a key").to_owned())
}

fn echo(decision: Decision) -> Router {
    async fn answer(State(decision): State<Arc<Decision>>, Json(_): Json<Question>) -> Json<Arc<Decision>> {
        Json(decision)
    }
    Router::new().route("/v1/verify", post(answer)).with_state(Arc::new(decision))
}

fn median(mut costs: Vec<f64>) -> f64 {
    costs.sort_by(f64::total_cmp);
    costs[costs.len() / 2]
}
