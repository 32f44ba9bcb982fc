//! Rates and quotas that nodes count together, and what they say when they can't.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use claviger_testkit::{Postgres, Redis};
use serde_json::{Value, json};

use super::workspace::{Workspace, retrievable};
use super::{Shell, claviger};

/// What `/readyz` says; it is ready in any case.
fn degraded(shell: &Shell<'_>) -> Value {
    let ready = shell.block_on(shell.client().get("/readyz").send::<Value>()).unwrap().body;
    assert_eq!(ready["status"], "ready");
    ready["degraded"].clone()
}

/// The value of a metric, named with the space or the labels behind it.
pub(super) fn metric(server: &claviger_testkit::Server, name: &str) -> Option<f64> {
    let address = format!("{}/metrics", server.metrics_url());
    let output = std::process::Command::new("curl").args(["-s", &address]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
}

#[test]
fn two_nodes_count_together_and_say_when_one_counts_alone() {
    let (database, mut redis) = (Postgres::shared().create_database(), Redis::start_locked("hush-hush"));
    let one =
        claviger().with_database(database.url()).with_variable("CLAVIGER_LIMITS__REDIS_URL", redis.url());
    let service_key = one.init().service_key;
    let other = one.another_node();
    let (server, other_server) = (one.serve(), other.serve());
    let (here, there) =
        (Shell::new(&one, &server, &service_key), Shell::new(&other, &other_server, &service_key));
    let made = Workspace::new(&here, "orders", &retrievable(&here));
    here.json(&["apis", "update", "orders", "--rate-limit", "6/hour"]);
    let key = made.retrieve(&here);
    let call = |shell: &Shell<'_>, cost: u32| {
        let body = json!({ "credential": { "key": key }, "api": "orders", "cost": cost });
        shell.block_on(shell.client().post("/v1/verify").body(&body).send::<Value>()).unwrap().body
    };
    there.wait_until("limited on the other node", || call(&there, 1_000)["code"] == "rate_limited");
    assert_eq!((degraded(&here), degraded(&there)), (Value::Null, Value::Null));
    assert_eq!(call(&here, 4)["rate_limit"]["remaining"], 2);
    let refused = call(&there, 3);
    assert_eq!((&refused["code"], &refused["rate_limit"]["remaining"]), (&json!("rate_limited"), &json!(2)));
    let doctor = one.run_on_data(&["doctor"]);
    assert!(doctor.stdout.contains("counted together with other nodes"), "{}", doctor.stdout);

    redis.kill();
    for (shell, server) in [(&here, &server), (&there, &other_server)] {
        shell.wait_until("missed", || degraded(shell) == json!(["limits_alone"]));
        assert_eq!(metric(server, "claviger_limits_shared "), Some(0.0));
    }
    assert_eq!(call(&there, 6)["code"], "valid", "by its own count, of which nothing was used");
    assert_eq!(call(&here, 3)["code"], "rate_limited", "by its own count, of which 4 were used");
    assert!(metric(&other_server, "claviger_limits_alone_total ").is_some_and(|count| count >= 1.0));
    let doctor = one.run_on_data(&["doctor"]);
    assert!(doctor.stdout.contains("can't be used") || doctor.stderr.contains("can't be used"), "{doctor:?}");

    redis.start_again();
    for shell in [&here, &there] {
        shell.wait_until("together again", || degraded(shell) == Value::Null);
    }
    for server in [server, other_server] {
        let (_, log) = server.stop();
        assert_eq!(log.matches("counts limits alone").count(), 1, "it is said once: {log}");
        assert_eq!(log.matches("counted together with the other nodes").count(), 2, "{log}");
        assert!(!log.contains("hush-hush"), "the password is nowhere");
    }
}

#[test]
fn a_node_starts_without_its_redis() {
    let port = claviger_testkit::free_port();
    let url = format!("redis://{}", port.address());
    let claviger = claviger().with_variable("CLAVIGER_LIMITS__REDIS_URL", url);
    let key = claviger.init().service_key;
    let server = claviger.serve();
    let shell = Shell::new(&claviger, &server, &key);
    assert_eq!(degraded(&shell), json!(["limits_alone"]));
    let made = Workspace::new(&shell, "orders", &retrievable(&shell));
    shell.json(&["apis", "update", "orders", "--quota", "1/month"]);
    let key = made.retrieve(&shell);
    assert_eq!(made.verify(&shell, &key), "valid");
    assert_eq!(made.verify(&shell, &key), "quota_exceeded");
}

/// A line to this address on which each way takes so long; where it begins.
fn slow_line(to: SocketAddr, each_way: Duration) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let carry = move |mut from: TcpStream, mut to: TcpStream| {
        let (late, due) = std::sync::mpsc::channel::<(Instant, Vec<u8>)>();
        thread::spawn(move || {
            for (at, bytes) in due {
                thread::sleep(at.saturating_duration_since(Instant::now()));
                let _ = to.write_all(&bytes);
            }
        });
        let mut buffer = [0; 16 << 10];
        while let Ok(read @ 1..) = from.read(&mut buffer) {
            let _ = late.send((Instant::now() + each_way, buffer[..read].to_vec()));
        }
    };
    thread::spawn(move || {
        for caller in listener.incoming().flatten() {
            let redis = TcpStream::connect(to).unwrap();
            let (back, forth) = (redis.try_clone().unwrap(), caller.try_clone().unwrap());
            thread::spawn(move || carry(caller, redis));
            thread::spawn(move || carry(back, forth));
        }
    });
    address
}

#[test]
fn a_batch_does_not_wait_for_redis_once_for_each_of_its_questions() {
    let redis = Redis::start();
    let address = redis.url().rsplit('/').next().unwrap().parse().unwrap();
    let url = format!("redis://{}", slow_line(address, Duration::from_millis(3)));
    let claviger = claviger().with_variable("CLAVIGER_LIMITS__REDIS_URL", url);
    let service_key = claviger.init().service_key;
    let server = claviger.serve();
    let shell = Shell::new(&claviger, &server, &service_key);
    let made = Workspace::new(&shell, "orders", &retrievable(&shell));
    shell.json(&["apis", "update", "orders", "--quota", "600/month"]);
    let question = json!({ "credential": { "key": made.retrieve(&shell) }, "api": "orders" });
    shell.wait_until("counted together", || degraded(&shell) == Value::Null);
    let ask = |many: usize| {
        let body = json!({ "items": vec![question.clone(); many] });
        let began = Instant::now();
        let answer = shell.block_on(shell.client().post("/v1/verify/batch").body(&body).send::<Value>());
        (answer.unwrap().body["items"].as_array().unwrap().clone(), began.elapsed())
    };
    let (_, one) = ask(1);
    assert!(one > Duration::from_millis(6), "the line is slow: {one:?}");
    let (answers, all) = ask(1_000);
    let passed: Vec<bool> = answers.iter().map(|answer| answer["allowed"] == true).collect();
    assert_eq!(passed, (0..1_000).map(|at| at < 599).collect::<Vec<_>>(), "the first get what is left");
    assert!(all < Duration::from_secs(3), "one after the other they would take 6 s: {all:?}");
}
