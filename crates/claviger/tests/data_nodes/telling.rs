//! What is told to data nodes and of them: changes within a second, `enforcement`, the end of an enrolment.

use std::time::{Duration, Instant};

use claviger_testkit::{Claviger, Output};
use serde_json::{Value, json};

use super::installation::{Installation, text};

const BOUND: Duration = Duration::from_secs(1);

#[test]
fn f4_two_data_nodes_enforce_a_change_within_a_second_and_d15_says_so() {
    let scene = Installation::new();
    let nodes = ["one", "two"].map(|name| scene.enrol(name));
    let servers = nodes.each_ref().map(|node| node.claviger.gateway());
    nodes.iter().for_each(|node| scene.wait_until_in_sync(node));
    for (act, code) in [("suspend", "suspended"), ("activate", "valid"), ("revoke", "revoked")] {
        scene.act(act);
        let answered = Instant::now();
        for server in &servers {
            loop {
                // What counts is when it was asked: a busy machine may be slow to tell.
                let asked = answered.elapsed();
                if scene.ask(server).1 == code {
                    break;
                }
                assert!(asked < BOUND, "{act}: too late");
                std::thread::sleep(Duration::from_millis(2));
            }
        }
        let enforcement = || scene.get(&format!("/v1/key-sets/{}", scene.key_set))["enforcement"].clone();
        scene.wait_until("enforced", || enforcement()["state"] == "enforced");
    }
    for server in &servers {
        let measured = scene.metric(server, "claviger_enforcement_delay_seconds_count");
        assert!(measured >= Some(3.0), "{measured:?}");
        let within = scene.metric(server, "claviger_enforcement_delay_seconds_bucket{le=\"1\"}");
        assert_eq!(within, measured, "all within the bound");
    }
}

#[test]
fn d15_a_data_node_that_could_not_be_told_shows_as_such() {
    let scene = Installation::new();
    let node = scene.enrol("edge");
    let server = node.claviger.gateway();
    scene.wait_until_in_sync(&node);
    let listed = scene.get("/v1/nodes");
    let own = listed["items"].as_array().unwrap().iter().find(|item| item["id"] == node.id.as_str()).unwrap();
    assert_eq!((own["kind"].as_str(), own["name"].as_str()), (Some("data"), Some("edge")));
    server.kill();
    let enforcement = scene.act("suspend")["enforcement"].clone();
    assert_eq!(enforcement["state"], "waiting");
    assert_eq!(enforcement["nodes_behind"][0]["id"], node.id.as_str());
    assert_eq!(enforcement["nodes_behind"][0]["name"], "edge");
    let server = node.claviger.gateway();
    scene.wait_until_in_sync(&node);
    assert_eq!(scene.ask(&server).1, "suspended");
    let set: Value = scene.get(&format!("/v1/key-sets/{}", scene.key_set));
    assert_eq!(set["enforcement"]["state"], "enforced");
}

#[test]
fn a_node_whose_enrolment_was_ended_stops_deciding_and_keeps_nothing() {
    let scene = Installation::new();
    let node = scene.enrol("edge");
    let mut server = node.claviger.gateway();
    scene.wait_until_in_sync(&node);
    assert_eq!(scene.ask(&server).0, 200);
    let path = format!("/v1/nodes/{}", node.id);
    scene.runtime.block_on(scene.client.delete(&path).send::<claviger_client::Nothing>()).unwrap();
    let ended = Instant::now();
    server.wait_for_log("this node's enrolment was ended");
    assert!(ended.elapsed() < BOUND, "{:?}", ended.elapsed());
    let (status, log) = server.stop();
    assert_eq!(status.code(), Some(1), "{log}");
    let left: Vec<_> = std::fs::read_dir(node.claviger.data_folder().join("node"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert!(left.is_empty(), "{left:?}");
    let again = node.claviger.run_on_data(&["gateway"]);
    assert_eq!(again.status.code(), Some(1));
    assert!(again.stderr.contains("this node is not enrolled"), "{}", again.stderr);
    let nodes = scene.get("/v1/nodes");
    assert!(nodes["items"].as_array().unwrap().iter().all(|item| item["id"] != node.id.as_str()));
}

#[test]
fn a_token_is_good_for_one_node_and_only_for_enrolling() {
    let scene = Installation::new();
    let node = scene.enrol("edge");
    let made = scene.post("/v1/nodes/enroll", &json!({ "name": "twice" }));
    let token = text(&made["token"]);
    assert!(token.starts_with("clv_node_"), "{token}");
    assert_eq!(scene.ask_with(&scene.control, &token).1, "unknown");
    let fresh = || scene.claviger.data_node(&node.url);
    let join = |claviger: &Claviger, token: &str| {
        let url = scene.control.url();
        Output::of(&mut claviger.command_on_data(&["gateway", "join", "--control-url", &url]), token)
    };
    let (first, second) = (fresh(), fresh());
    join(&first, &token).demand_success("join");
    let again = join(&first, &token);
    again.demand_success("join again");
    assert!(again.stdout.contains("was enrolled before"), "{}", again.stdout);
    let refused = join(&second, &token);
    assert_eq!(refused.status.code(), Some(1));
    assert!(refused.stderr.contains("unknown, used or older than an hour"), "{}", refused.stderr);
    let wrong = join(&second, "clv_node_nonsense");
    assert!(wrong.stderr.contains("this is no node's token"), "{}", wrong.stderr);
    let sqlite = claviger_with_sqlite(&first);
    assert_eq!(sqlite.status.code(), Some(1));
    assert!(sqlite.stderr.contains("a data node needs PostgreSQL"), "{}", sqlite.stderr);
    let query = [("subject_kind", "node"), ("sort", "position")];
    let kinds = scene.runtime.block_on(scene.client.get("/v1/events").query(&query).send::<Value>());
    let kinds: Vec<_> =
        kinds.unwrap().body["items"].as_array().unwrap().iter().map(|event| text(&event["kind"])).collect();
    assert_eq!(kinds, ["node.token_issued", "node.enrolled", "node.token_issued", "node.enrolled"]);
    assert!(!scene.database.dump().contains(&token));
}

/// An enrolled node whose configuration names no PostgreSQL.
fn claviger_with_sqlite(enrolled: &Claviger) -> Output {
    let mut command = enrolled.command(&["gateway", "--database-url", "sqlite:claviger.db"]);
    for flag in ["--listen", "--gateway-listen", "--metrics-listen"] {
        command.args([flag, "127.0.0.1:0"]);
    }
    command.arg("--data-dir").arg(enrolled.data_folder());
    Output::of(&mut command, "")
}
