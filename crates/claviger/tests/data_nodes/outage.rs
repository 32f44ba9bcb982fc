//! The database goes away: nothing is lost, and a node that starts meanwhile starts from its snapshot (product.md F5).

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use claviger_testkit::{DataNode, Server};
use serde_json::json;

use super::installation::Installation;

const OUTAGE: Duration = Duration::from_secs(6);

/// Asks both doors of the node again and again until told to end; what was not answered as it should be.
async fn load(
    http: claviger_client::reqwest::Client,
    urls: [String; 2],
    key: String,
    asked: &AtomicUsize,
    end: &AtomicBool,
) -> Vec<String> {
    let mut wrong = Vec::new();
    while !end.load(Ordering::Relaxed) {
        for url in &urls {
            asked.fetch_add(1, Ordering::Relaxed);
            match http.get(url).header("X-API-Key", &key).send().await {
                Ok(answer) if answer.status() == 200 => {}
                Ok(answer) => wrong.push(format!("{url}: {}", answer.status())),
                Err(error) => wrong.push(format!("{url}: {error}")),
            }
        }
    }
    wrong
}

fn doors(server: &Server) -> [String; 2] {
    [
        format!("{}/v1/forward-auth?api=orders", server.url()),
        format!("{}/orders/anything", server.gateway_url()),
    ]
}

#[test]
fn f5_a_database_that_is_killed_under_load_loses_no_call() {
    let mut scene = Installation::on_its_own_postgres();
    let node = scene.enrol("edge");
    let server = node.claviger.gateway();
    scene.wait_until_in_sync(&node);
    let (asked, end) = (AtomicUsize::new(0), AtomicBool::new(false));
    let (http, key, urls) = (scene.http.clone(), scene.key.clone(), doors(&server));
    let (handle, mut postgres) = (scene.runtime.handle().clone(), scene.postgres.take().unwrap());
    let wrong = std::thread::scope(|scope| {
        let loads: Vec<_> = (0..4)
            .map(|_| {
                let (http, key, urls, handle) = (http.clone(), key.clone(), urls.clone(), handle.clone());
                let (asked, end) = (&asked, &end);
                scope.spawn(move || handle.block_on(load(http, urls, key, asked, end)))
            })
            .collect();
        std::thread::sleep(Duration::from_secs(1));
        postgres.stop_immediately();
        let before = asked.load(Ordering::Relaxed);
        std::thread::sleep(OUTAGE);
        assert!(asked.load(Ordering::Relaxed) > before + 100, "it goes on answering");
        postgres.start_again();
        std::thread::sleep(Duration::from_secs(1));
        end.store(true, Ordering::Relaxed);
        loads.into_iter().flat_map(|load| load.join().unwrap()).collect::<Vec<_>>()
    });
    assert_eq!(wrong, Vec::<String>::new(), "of {asked:?}");
    scene.postgres = Some(postgres);
    // What was done after the outage is heard of.
    scene.wait_until("acting again", || {
        let path = format!("/v1/key-sets/{}/suspend", scene.key_set);
        scene.runtime.block_on(scene.client.post(&path).send_raw()).is_ok()
    });
    let acted = Instant::now();
    scene.wait_until("suspended at the data node", || scene.ask(&server) == (401, "suspended".to_owned()));
    assert!(acted.elapsed() < Duration::from_secs(5), "{:?}", acted.elapsed());
}

#[test]
fn f5_a_node_restarted_without_its_database_serves_from_its_snapshot() {
    let mut scene = Installation::on_its_own_postgres();
    let node = scene.enrol("edge");
    let server = node.claviger.gateway();
    scene.wait_until_in_sync(&node);
    // Heard of after the base was written: it must come back from the journal.
    scene.act("suspend");
    scene.wait_until("suspended", || scene.ask(&server).1 == "suspended");
    scene.act("activate");
    scene.act("suspend");
    scene.wait_until_in_sync(&node);
    let mut postgres = scene.postgres.take().unwrap();
    postgres.stop_immediately();
    server.kill();
    let mut server = node.claviger.gateway();
    server.wait_for_log("started from the snapshot");
    assert_eq!(scene.ask(&server), (401, "suspended".to_owned()), "no step back");
    scene.wait_until("an age told", || scene.metric(&server, "claviger_staleness_seconds") > Some(0.0));
    assert_eq!(scene.metric(&server, "claviger_deciding"), Some(1.0));
    // It goes on where it was, once the database is back.
    postgres.start_again();
    scene.postgres = Some(postgres);
    scene.wait_until("acting again", || {
        let path = format!("/v1/key-sets/{}/activate", scene.key_set);
        scene.runtime.block_on(scene.client.post(&path).send_raw()).is_ok()
    });
    scene.wait_until("activated at the data node", || scene.ask(&server).0 == 200);
    let (status, log) = server.stop();
    assert!(status.success(), "{status}\n{log}");
    // And the gateway behind it too, from the same snapshot, after an orderly end.
    let server = node.claviger.gateway();
    let answer = scene.runtime.block_on(async {
        scene
            .http
            .get(format!("{}/orders/x", server.gateway_url()))
            .header("X-API-Key", &scene.key)
            .send()
            .await
    });
    assert_eq!(answer.unwrap().status(), 200);
    scene.post("/v1/applications", &json!({ "name": "Another" }));
    scene.wait_until_in_sync(&node);
}

#[test]
fn f4_what_was_ended_while_a_node_was_down_is_refused_from_its_first_answer_on() {
    let scene = Installation::new();
    let node = scene.enrol("edge");
    let server = node.claviger.gateway();
    scene.wait_until_in_sync(&node);
    assert_eq!(scene.ask(&server).0, 200);
    server.kill();
    scene.act("suspend");
    let mut server = node.claviger.gateway_beginning();
    server.wait_until_alive();
    assert_eq!(scene.ask(&server), (401, "suspended".to_owned()));
    // It could have answered by its snapshot alone, and waited until it had heard. It says so once its doors are open.
    server.wait_for_log(" listening ");
    let log = server.log();
    let at = |words: &str| log.find(words).unwrap_or_else(|| panic!("no {words:?} in {log}"));
    let (heard, listening) = (at("heard what the log said since"), at(" listening "));
    assert!(at("started from the snapshot") < heard && heard < listening, "{log}");
}

#[test]
fn past_max_staleness_a_node_fails_closed_and_says_so() {
    let mut scene = Installation::on_its_own_postgres();
    let mut node = scene.enrol("edge");
    node.claviger = node.claviger.with_variable("CLAVIGER_DOORS__MAX_STALENESS", "PT3S");
    let server = node.claviger.gateway();
    scene.wait_until_in_sync(&node);
    assert_eq!(scene.ask(&server).0, 200);
    let mut postgres = scene.postgres.take().unwrap();
    postgres.stop_immediately();
    scene.wait_until("stale", || scene.ask(&server) == (503, "stale".to_owned()));
    scene.wait_until("not deciding", || scene.metric(&server, "claviger_deciding") == Some(0.0));
    // Started anew, its snapshot is too old as well.
    server.kill();
    let mut server = node.claviger.gateway_unready();
    server.wait_for_log("`doors.max_staleness` is 3 s");
    assert_ne!(scene.ask(&server).0, 200);
    postgres.start_again();
    scene.postgres = Some(postgres);
    scene.wait_until("deciding again", || scene.ask(&server).0 == 200);
}

/// Makes all connections of the node hang while one of them reads from this table, as when a firewall forgets them: nobody
/// says that they are over. `begin` is done before that one reads.
fn hang_while_it_reads<T>(
    scene: &mut Installation,
    node: &DataNode,
    table: &str,
    begin: impl FnOnce() -> T,
) -> T {
    let mut postgres = scene.postgres.take().unwrap();
    let database = &scene.database;
    let ask = |sql: &str| database.ask_as(database.url(), sql).unwrap();
    let begun = std::thread::scope(|scope| {
        // Far longer than it is needed: it is ended below, which its own words are an error about.
        scope.spawn(|| {
            database.ask_as(database.url(), &format!("BEGIN; LOCK TABLE {table}; SELECT pg_sleep(60)"))
        });
        let locked = format!(
            "SELECT pid FROM pg_locks WHERE relation = '{table}'::regclass AND mode = 'AccessExclusiveLock' AND granted"
        );
        scene.wait_until("locked", || !ask(&locked).is_empty());
        let begun = begin();
        let of_node = format!("SELECT pid FROM pg_stat_activity WHERE usename = '{}'", node.role);
        let reading = format!("{of_node} AND wait_event_type = 'Lock'");
        scene.wait_until("reading", || !ask(&reading).is_empty());
        ask(&of_node).lines().for_each(|session| postgres.freeze_session(session.parse().unwrap()));
        ask(&format!("SELECT pg_terminate_backend(pid) FROM ({locked}) AS holders"));
        begun
    });
    scene.postgres = Some(postgres);
    begun
}

#[test]
fn f4_connections_that_hang_are_given_up_and_what_was_missed_is_heard_over_others() {
    let mut scene = Installation::on_its_own_postgres();
    let node = scene.enrol("edge");
    let server = node.claviger.gateway();
    scene.wait_until_in_sync(&node);
    hang_while_it_reads(&mut scene, &node, "log_head", || ());
    scene.act("suspend");
    scene.wait_until("suspended", || scene.ask(&server).1 == "suspended");
    scene.wait_until_in_sync(&node);
    scene.postgres.as_mut().unwrap().thaw();
}

#[test]
fn a_node_whose_connections_hang_while_it_loads_loads_over_others() {
    let mut scene = Installation::on_its_own_postgres();
    let node = scene.enrol("edge");
    let mut server = hang_while_it_reads(&mut scene, &node, "nodes", || node.claviger.gateway_beginning());
    server.wait_until_alive();
    scene.wait_until("deciding", || scene.ask(&server).0 == 200);
    scene.postgres.as_mut().unwrap().thaw();
}
