//! Two nodes on one PostgreSQL, each with a keeper and an index of its own.

use std::time::{Duration, Instant};

use claviger_testkit::Postgres;
use serde_json::{Value, json};

use super::limits::metric;
use super::workspace::{Workspace, retrievable};
use super::{Shell, claviger};

#[test]
fn what_one_node_revokes_the_other_refuses_within_a_second() {
    let database = Postgres::shared().create_database();
    let one = claviger().with_database(database.url());
    let service_key = one.init().service_key;
    let other = one.another_node();
    let (server, other_server) = (one.serve(), other.serve());
    let (here, there) =
        (Shell::new(&one, &server, &service_key), Shell::new(&other, &other_server, &service_key));
    let template = retrievable(&here);
    for round in 0..5 {
        let made = Workspace::new(&here, &format!("orders-{round}"), &template);
        // The other node's keeper opens what this one's sealed.
        let key = made.retrieve(&there);
        let verify = |shell: &Shell<'_>| {
            let body = json!({ "credential": { "key": key }, "api": made.api });
            let decision = shell.block_on(shell.client().post("/v1/verify").body(&body).send::<Value>());
            decision.unwrap().body["code"].as_str().unwrap().to_owned()
        };
        there.wait_until("known on the other node", || verify(&there) == "valid");
        let path = format!("/v1/key-sets/{}/revoke", made.key_set);
        here.block_on(here.client().post(&path).send::<Value>()).unwrap();
        let answered = Instant::now();
        assert_eq!(verify(&here), "revoked", "on its own node before the answer");
        loop {
            // What counts is when it was asked: a busy machine may be slow to tell.
            let asked = answered.elapsed();
            if verify(&there) == "revoked" {
                break;
            }
            assert!(asked < Duration::from_secs(1), "the other node is too late");
            std::thread::sleep(Duration::from_millis(5));
        }
        here.wait_until("enforced everywhere", || {
            here.json(&["key-sets", "show", &made.key_set])["enforcement"]["state"] == "enforced"
        });
    }
    for server in [&server, &other_server] {
        let delays = |what: &str| metric(server, &format!("claviger_enforcement_delay_seconds_{what} "));
        let (all, within) = (delays("count"), delays("bucket{le=\"1\"}"));
        assert!(
            all >= Some(5.0) && all == within,
            "{all:?} changes were measured, {within:?} within the bound"
        );
    }
    let nodes = here.json(&["nodes", "list"]);
    let items = nodes["items"].as_array().unwrap();
    assert_eq!(items.len(), 2, "{nodes}");
    assert!(items.iter().all(|node| node["kind"] == "control"), "{nodes}");
}

#[test]
fn a_node_that_could_not_be_told_shows_as_such() {
    let database = Postgres::shared().create_database();
    let one = claviger().with_database(database.url());
    let service_key = one.init().service_key;
    let other = one.another_node();
    let server = one.serve();
    let shell = Shell::new(&one, &server, &service_key);
    let made = Workspace::new(&shell, "orders", &retrievable(&shell));
    let other_server = other.serve();
    shell.wait_until("two nodes", || shell.json(&["nodes", "list"])["items"].as_array().unwrap().len() == 2);
    // Stopped, it neither follows nor says that it is gone.
    let stopped = |signal: &str| {
        let process = other_server.process_id().to_string();
        assert!(std::process::Command::new("kill").args([signal, &process]).status().unwrap().success());
    };
    stopped("-STOP");
    let suspended = shell.json(&["key-sets", "suspend", &made.key_set]);
    assert_eq!(suspended["enforcement"]["state"], "waiting", "{suspended}");
    assert_eq!(suspended["enforcement"]["nodes_behind"].as_array().unwrap().len(), 1);
    // Repeating the act is not refused while a node has not confirmed it, and writes no event.
    let head = shell.json(&["events", "proof"])["position"].clone();
    assert_eq!(shell.json(&["key-sets", "suspend", &made.key_set])["status"], "suspended");
    assert_eq!(shell.json(&["events", "proof"])["position"], head);
    stopped("-CONT");
    shell.wait_until("enforced", || {
        shell.json(&["key-sets", "show", &made.key_set])["enforcement"]["state"] == "enforced"
    });
    assert_eq!(shell.refused(&["key-sets", "suspend", &made.key_set])["code"], "invalid_transition");
}

#[test]
fn a_write_of_this_moment_is_no_lag_to_doctor() {
    let claviger = claviger();
    let service_key = claviger.init().service_key;
    let server = claviger.serve();
    let shell = Shell::new(&claviger, &server, &service_key);
    let address = server.url().replace("http://", "");
    for number in 0..5 {
        shell.json(&["applications", "create", "--name", &format!("Number {number}")]);
        let said = claviger.run_on_data(&["doctor", "--json", "--listen", &address]);
        let said: Value = serde_json::from_str(&said.stdout).unwrap();
        let findings = said["findings"].as_array().unwrap();
        assert!(!findings.iter().any(|finding| finding["about"] == "node"), "{said}");
    }
}
