//! Calls sent are calls counted: through the gateway, forward-auth and REST verify, over a database that goes away,
//! and over the end of the server (product.md C10).

use std::time::{Duration, Instant};

use claviger_client::{Client, reqwest};
use claviger_testkit::{Postgres, Upstream};
use serde_json::{Value, json};

use super::installation::{Installation, claviger};

const PATIENCE: Duration = Duration::from_secs(30);

impl Installation {
    /// So many good calls and one bad one through each door.
    async fn knock(&self, times: usize) {
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let gateway = format!("{}/behind/orders?token=none", self.server.gateway_url());
        let forward_auth = format!("{}/v1/forward-auth?api=behind", self.server.url());
        for address in [&gateway, &forward_auth] {
            for _ in 0..times {
                let answer = http.get(address).header("x-api-key", &self.key).send().await.unwrap();
                assert_eq!(answer.status(), 200);
                answer.bytes().await.unwrap();
            }
            let refused = http.get(address).send().await.unwrap();
            assert_eq!(refused.status(), 401);
        }
        let ask = async |key: &str| {
            let question = json!({ "api": "behind", "credential": { "key": key } });
            let verdict = self.client.post("/v1/verify").body(&question).send::<Value>().await.unwrap().body;
            verdict["code"].as_str().unwrap().to_owned()
        };
        for _ in 0..times {
            assert_eq!(ask(&self.key).await, "valid");
        }
        assert_eq!(ask("clv_key_x").await, "malformed");
    }

    /// By code, as this server tells.
    async fn counted(client: &Client) -> Vec<(String, u64)> {
        let counted = client
            .get("/v1/apis/behind/usage")
            .query(&[("step", "day"), ("by", "code")])
            .send::<Value>()
            .await
            .unwrap()
            .body;
        let items = counted["items"].as_array().unwrap().iter();
        let mut counted: Vec<_> = items
            .map(|item| (item["code"].as_str().unwrap().to_owned(), item["calls"].as_u64().unwrap()))
            .collect();
        counted.sort();
        counted
    }
}

fn codes(missing: u64, malformed: u64, valid: u64) -> Vec<(String, u64)> {
    [("malformed", malformed), ("missing", missing), ("valid", valid)]
        .map(|(code, n)| (code.to_owned(), n))
        .to_vec()
}

async fn eventually(client: &Client, expected: &[(String, u64)]) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let counted = Installation::counted(client).await;
        if counted == expected {
            return;
        }
        assert!(Instant::now() < deadline, "{counted:?} instead of {expected:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[test]
fn c10_calls_sent_are_calls_counted_also_at_the_end_of_the_server() {
    let upstream = Upstream::start();
    let installation = Installation::new(claviger(), &upstream.url());
    installation.runtime.block_on(installation.knock(20));
    installation.runtime.block_on(eventually(&installation.client, &codes(2, 1, 60)));
    let last = installation.client.get("/v1/apis/behind/calls").send::<Value>();
    let last = installation.runtime.block_on(last).unwrap().body;
    let responses = last["items"].as_array().unwrap();
    assert_eq!(responses.len(), 21, "those of the gateway: {last}");
    let good = responses.iter().find(|response| response["status"] == 200).unwrap();
    assert_eq!(
        (&good["method"], &good["path"], &good["code"]),
        (&json!("GET"), &json!("/behind/orders"), &json!("valid"))
    );
    assert!(good["sent_bytes"].as_u64().unwrap() > 0 && good["latency_ms"].as_f64().unwrap() > 0.0, "{good}");
    assert!(
        good["source"] == "127.0.0.1"
            && good["key_id"].is_string()
            && good["key_set_id"] == installation.key_set.as_str()
    );
    assert!(responses.iter().any(|response| response["status"] == 401 && response["key_id"].is_null()));
    let usage = installation.client.get("/v1/usage").query(&[("step", "day"), ("by", "api")]).send::<Value>();
    let usage = installation.runtime.block_on(usage).unwrap().body;
    assert_eq!(usage["items"][0]["latency"]["answers"], 21, "{usage}");
    // What comes last is written when the server ends.
    installation.runtime.block_on(installation.knock(5));
    let Installation { claviger, server, runtime, .. } = installation;
    let (status, log) = server.stop();
    assert!(status.success(), "{log}");
    let key = claviger.run_on_data(&["owner-key", "--json"]);
    let key: Value = serde_json::from_str(&key.stdout).unwrap();
    let again = claviger.serve();
    let client = Client::new(&again.url()).unwrap().with_key(key["service_key"].as_str().unwrap()).unwrap();
    runtime.block_on(eventually(&client, &codes(4, 2, 75)));
}

#[test]
fn c10_calls_sent_while_the_database_is_away_are_counted_when_it_is_back() {
    let mut postgres = Postgres::start();
    let database = postgres.create_database();
    let upstream = Upstream::start();
    let installation = Installation::new(claviger().with_database(database.url()), &upstream.url());
    installation.runtime.block_on(installation.knock(10));
    postgres.stop_immediately();
    installation.runtime.block_on(installation.knock(10));
    // Longer than it takes to try in vain.
    std::thread::sleep(Duration::from_secs(7));
    installation.runtime.block_on(installation.knock(10));
    postgres.start_again();
    installation.runtime.block_on(eventually(&installation.client, &codes(6, 3, 90)));
}
