//! The kills: of the server on both databases, and of PostgreSQL itself.

use std::hash::{BuildHasher as _, RandomState};
use std::io::Write as _;
use std::time::Duration;

use claviger_client::Client;
use claviger_testkit::{Claviger, Postgres, Server, kills};
use serde_json::{Value, json};

use super::checks;
use super::writers::Writers;

fn claviger() -> Claviger {
    Claviger::new(env!("CARGO_BIN_EXE_claviger"))
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

fn client(server: &Server, service_key: &str) -> Client {
    Client::new(&server.url()).unwrap().with_key(service_key).unwrap()
}

/// The API that all writers subscribe to.
async fn make_api(client: &Client) {
    let body = json!({
        "slug": "orders", "name": "Orders", "upstreams": ["http://127.0.0.1:9000"], "auth_types": ["api_key"],
        "requires": "key", "exposed": true,
    });
    client.post("/v1/apis").body(&body).send::<Value>().await.unwrap();
}

/// An instant that nobody chose, within reach of many writes.
async fn random_instant() {
    let random = RandomState::new().hash_one(std::process::id());
    tokio::time::sleep(Duration::from_millis(30 + random % 270)).await;
}

/// What came of all kills, for whoever reads the test's output; and enough of them must have hit.
fn report(what: &str, kills: u32, hits: u32, unanswered: usize, answered: u64) {
    // Past the test harness, which shows nothing of a test that passes.
    let _ = writeln!(
        std::io::stderr(),
        "{what}: {hits} of {kills} kills hit unanswered writes, {unanswered} in all; {answered} writes were \
         answered, and every one is there"
    );
    assert!(hits * 3 >= kills, "{what}: only {hits} of {kills} kills hit unanswered writes");
}

fn kill_the_server(claviger: &Claviger, what: &str) {
    let service_key = claviger.init().service_key;
    let runtime = runtime();
    let mut server = claviger.serve();
    runtime.block_on(make_api(&client(&server, &service_key)));
    let (mut writers, mut hits, mut unanswered) = (Writers::new(), 0, 0);
    for _ in 0..kills() {
        writers.begin(&client(&server, &service_key));
        runtime.block_on(random_instant());
        server.kill();
        runtime.block_on(writers.all_unanswered_or_stopped());
        hits += u32::from(writers.unanswered() > 0);
        unanswered += writers.unanswered();
        checks::log_and_tables_agree(claviger);
        server = claviger.serve();
        let client = client(&server, &service_key);
        runtime.block_on(checks::every_answered_write_is_there(&client, &writers));
        runtime.block_on(checks::the_index_is_what_the_tables_say(&client, &writers));
    }
    end_well(&runtime, &mut writers, &client(&server, &service_key));
    report(what, kills(), hits, unanswered, writers.answered());
    let (status, log) = server.stop();
    assert!(status.success(), "{log}");
    checks::log_and_tables_agree(claviger);
}

/// What was left unanswered is repeated, and done once; then the index has followed, not been loaded.
fn end_well(runtime: &tokio::runtime::Runtime, writers: &mut Writers, client: &Client) {
    runtime.block_on(async {
        writers.begin(client);
        tokio::time::sleep(Duration::from_millis(200)).await;
        writers.stop().await;
        assert_eq!(writers.unanswered(), 0);
        checks::every_answered_write_is_there(client, writers).await;
        checks::the_index_is_what_the_tables_say(client, writers).await;
    });
}

#[test]
fn the_server_on_sqlite() {
    kill_the_server(&claviger(), "SIGKILL of the server on SQLite");
}

#[test]
fn the_server_on_postgresql() {
    let database = Postgres::shared().create_database();
    kill_the_server(&claviger().with_database(database.url()), "SIGKILL of the server on PostgreSQL");
}

#[test]
fn postgresql_itself() {
    let mut postgres = Postgres::start();
    let database = postgres.create_database();
    let claviger = claviger().with_database(database.url());
    let service_key = claviger.init().service_key;
    let runtime = runtime();
    let server = claviger.serve();
    let client = client(&server, &service_key);
    runtime.block_on(make_api(&client));
    let (mut writers, mut hits, mut unanswered) = (Writers::new(), 0, 0);
    for _ in 0..kills() {
        writers.begin(&client);
        runtime.block_on(random_instant());
        postgres.stop_immediately();
        runtime.block_on(writers.stop());
        hits += u32::from(writers.unanswered() > 0);
        unanswered += writers.unanswered();
        // Deciding goes on meanwhile.
        runtime.block_on(decides(&client));
        postgres.start_again();
        runtime.block_on(ready(&client));
        checks::log_and_tables_agree(&claviger);
        runtime.block_on(checks::every_answered_write_is_there(&client, &writers));
        runtime.block_on(checks::the_index_is_what_the_tables_say(&client, &writers));
    }
    end_well(&runtime, &mut writers, &client);
    report("PostgreSQL stopped at once", kills(), hits, unanswered, writers.answered());
    let (status, log) = server.stop();
    assert!(status.success(), "{log}");
    checks::log_and_tables_agree(&claviger);
}

/// The server answers on calls though it has no database.
async fn decides(client: &Client) {
    let body =
        json!({ "credential": { "key": "clv_key_00000000000000000000000000000000000000" }, "api": "orders" });
    let decision = client.post("/v1/verify").body(&body).send::<Value>().await.unwrap();
    assert_eq!(decision.body["code"], "malformed");
}

async fn ready(client: &Client) {
    for _ in 0..600 {
        if client.get("/readyz").send::<Value>().await.is_ok() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the server did not find its database again");
}
