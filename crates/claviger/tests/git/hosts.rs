//! Hosts that are met for the first time, that change, that let nobody write, and that nobody may go to (product.md
//! B5, B6).

use claviger_testkit::GitHost;
use serde_json::{Value, json};

use super::installation::{Installation, PATH, claviger, file, public_key, with};

const HOST_KEY: &str = "/v1/apis/orders/git-integration/host-key";

fn pinned(it: &Installation) -> Value {
    it.get("/v1/apis/orders/git-integration")["host_key"]["fingerprint"].clone()
}

#[test]
fn b5_a_host_key_is_pinned_when_it_is_met_and_a_changed_one_is_a_hard_stop() {
    let mut it = Installation::new();
    let pair = it.welcome_pair();
    let repository = it.host.repository("orders", &[(PATH, &file("Orders"))]);
    let typed = it.integration(&repository, &pair);
    it.set_up("orders", &typed);
    it.succeeds("orders", "pull", &json!({}));
    let first = pinned(&it);
    let tested = it.post("/v1/apis/orders/git-integration/test", &typed);
    assert_eq!(
        (&tested["host_key"]["fingerprint"], tested["host_key"]["pinned_at"].is_string()),
        (&first, true)
    );
    it.host.start_again_with("ecdsa");
    it.edit("orders", "Edited");
    let sign_ins = it.host.sign_ins();
    for act in ["pull", "push"] {
        let job = it.run("orders", act, &json!({"out_of_sync": "overwrite"}));
        assert_eq!(job["errors"][0]["code"], "host_key_changed", "{job}");
        let detail = job["errors"][0]["detail"].as_str().unwrap();
        assert!(detail.contains(first.as_str().unwrap()), "it explains itself: {detail}");
    }
    assert_eq!(it.post("/v1/apis/orders/git-integration/test", &typed)["code"], "host_key_changed");
    assert_eq!((it.host.sign_ins(), pinned(&it)), (sign_ins, first.clone()), "nobody has signed in");
    it.delete(HOST_KEY);
    assert_eq!(it.refused("DELETE", HOST_KEY, &Value::Null).status, 404, "there is none to forget");
    it.succeeds("orders", "push", &json!({}));
    assert_ne!(pinned(&it), first);
    it.demand_nothing_left();
}

#[test]
fn b5_what_is_known_of_one_host_says_nothing_of_another() {
    let it = Installation::new();
    let pair = it.welcome_pair();
    let repository = it.host.repository("orders", &[(PATH, &file("Orders"))]);
    it.set_up("orders", &it.integration(&repository, &pair));
    it.succeeds("orders", "pull", &json!({}));
    let first = pinned(&it);
    let other = GitHost::start();
    other.authorize(public_key(&pair));
    let elsewhere = other.repository("orders", &[(PATH, &file("Elsewhere"))]);
    let address = other.address("127.0.0.1", &elsewhere);
    let moved = it.set_up("orders", &with(&it.integration(&repository, &pair), "address", &address));
    assert_eq!((&moved["host_key"], &moved["synced"]), (&Value::Null, &Value::Null));
    it.succeeds("orders", "pull", &json!({"out_of_sync": "overwrite"}));
    assert_ne!(pinned(&it), first);
    let again = it.set_up("orders", &with(&it.integration(&elsewhere, &pair), "address", &address));
    assert_eq!(again["host_key"]["fingerprint"], pinned(&it));
    let branch = it.set_up("orders", &with(&with(&again_settings(&again), "branch", "next"), "path", PATH));
    assert_eq!(branch["host_key"]["fingerprint"], pinned(&it), "another branch is on the same host");
    assert_eq!(branch["synced"], Value::Null);
}

/// What was put, of what is shown.
fn again_settings(shown: &Value) -> Value {
    let of = |member: &str| shown[member].clone();
    json!({
        "enabled": of("enabled"), "address": of("address"), "branch": of("branch"), "path": of("path"),
        "key_pair_id": of("key_pair_id"),
    })
}

#[test]
fn a_key_that_may_only_read_fails_on_push_and_a_protected_branch_says_so() {
    let it = Installation::new();
    let reader = it.pair("ed25519");
    it.host.authorize_to_read(public_key(&reader));
    let repository = it.host.repository("orders", &[(PATH, &file("Orders"))]);
    it.set_up("orders", &it.integration(&repository, &reader));
    it.succeeds("orders", "pull", &json!({}));
    it.edit("orders", "Edited");
    assert_eq!(it.fails("orders", "push", &json!({})), "read_only");
    let writer = it.pair("ecdsa-p256");
    it.host.authorize(public_key(&writer));
    it.set_up("orders", &it.integration(&repository, &writer));
    repository.hook("update", "echo 'GH006: Protected branch update failed' >&2; exit 1");
    let job = it.run("orders", "push", &json!({}));
    assert_eq!(job["errors"][0]["code"], "protected_branch", "{job}");
    assert_eq!(repository.read("main", PATH), Some(file("Orders")));
    assert_eq!(it.title("orders"), "Edited");
    it.demand_nothing_left();
}

#[test]
fn b6_nobody_is_sent_to_this_machine_or_its_networks_unless_the_operator_says_so() {
    let it = Installation::of(claviger());
    let pair = it.welcome_pair();
    let repository = it.host.repository("orders", &[(PATH, &file("Orders"))]);
    let typed = it.integration(&repository, &pair);
    let port = it.host.port().to_string();
    for name in
        ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "10.0.0.7", "169.254.169.254", "0.0.0.0"]
    {
        let address = format!("ssh://git@{name}:{port}/orders");
        let tested = it.post("/v1/apis/orders/git-integration/test", &with(&typed, "address", &address));
        assert_eq!(
            (&tested["ok"], &tested["code"]),
            (&json!(false), &json!("target_refused")),
            "{name}: {tested}"
        );
        assert_eq!(tested["host_key"], Value::Null);
    }
    it.set_up("orders", &typed);
    assert_eq!(it.fails("orders", "pull", &json!({})), "target_refused");
    assert_eq!(it.host.sign_ins(), 0);
    it.demand_nothing_left();
}
