//! Jobs that the server's end cuts off: each has an end that says so.

use std::net::{TcpListener, TcpStream};
use std::thread;

use serde_json::{Value, json};

use super::installation::{Installation, PATH, file, with};

/// A host that takes connections and says nothing, for as long as anybody waits.
fn silent_host() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        let taken: Vec<TcpStream> = listener.incoming().map_while(Result::ok).collect();
        drop(taken);
    });
    format!("ssh://git@127.0.0.1:{port}/orders")
}

fn waiting() -> (Installation, Value) {
    let it = Installation::new();
    let pair = it.welcome_pair();
    let repository = it.host.repository("orders", &[(PATH, &file("Orders"))]);
    it.set_up("orders", &with(&it.integration(&repository, &pair), "address", &silent_host()));
    let job = it.begin("orders", "pull", &json!({}));
    assert_eq!((&job["status"], &job["finished_at"]), (&json!("running"), &Value::Null));
    (it, job)
}

#[track_caller]
fn demand_interrupted(it: &Installation, job: &Value) {
    let job = it.get(&format!("/v1/jobs/{}", job["id"].as_str().unwrap()));
    assert_eq!(
        (&job["status"], &job["errors"][0]["code"]),
        (&json!("failed"), &json!("interrupted")),
        "{job}"
    );
    assert!(job["finished_at"].is_string(), "{job}");
    it.demand_nothing_left();
}

#[test]
fn b3_a_job_that_a_crash_cut_off_says_so_when_the_server_is_back() {
    let (it, job) = waiting();
    let Installation { claviger, server, host, key, .. } = it;
    server.kill();
    let it = Installation::again(claviger, host, key);
    demand_interrupted(&it, &job);
}

#[test]
fn b3_a_job_that_an_orderly_end_cut_off_says_so() {
    let (it, job) = waiting();
    let Installation { claviger, server, host, key, .. } = it;
    let (status, log) = server.stop();
    assert!(status.success(), "{log}");
    let it = Installation::again(claviger, host, key);
    demand_interrupted(&it, &job);
}
