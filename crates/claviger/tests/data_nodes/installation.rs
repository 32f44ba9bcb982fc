//! A control node on a PostgreSQL of its own, one API with a key, and data nodes beside it.

use std::time::{Duration, Instant};

use claviger_client::{Client, reqwest};
use claviger_testkit::{Claviger, DataNode, Database, Postgres, Server, Upstream};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

const PATIENCE: Duration = Duration::from_secs(30);

pub(super) struct Installation {
    pub(super) control: Server,
    service_key: String,
    pub(super) client: Client,
    pub(super) key: String,
    pub(super) key_set: String,
    pub(super) runtime: Runtime,
    pub(super) http: reqwest::Client,
    pub(super) claviger: Claviger,
    // In the order in which they end.
    _upstream: Upstream,
    pub(super) database: Database,
    pub(super) postgres: Option<Postgres>,
}

impl Installation {
    /// On the PostgreSQL that all tests share.
    pub(super) fn new() -> Self {
        Self::on(Postgres::shared().create_database(), None, claviger())
    }

    /// The same with a setting for all nodes.
    pub(super) fn with_variable(name: &str, value: &str) -> Self {
        Self::on(Postgres::shared().create_database(), None, claviger().with_variable(name, value))
    }

    /// On one that the test may stop.
    pub(super) fn on_its_own_postgres() -> Self {
        let postgres = Postgres::start();
        Self::on(postgres.create_database(), Some(postgres), claviger())
    }

    fn on(database: Database, postgres: Option<Postgres>, claviger: Claviger) -> Self {
        let claviger = claviger.with_database(database.url());
        let service_key = claviger.init().service_key;
        let control = claviger.serve();
        let client = Client::new(&control.url()).unwrap().with_key(&service_key).unwrap();
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let upstream = Upstream::start();
        let subscription = runtime.block_on(subscribed(&client, &format!("http://{}", upstream.address())));
        let text = |pointer: &str| subscription.pointer(pointer).unwrap().as_str().unwrap().to_owned();
        let (key, key_set) = (text("/credentials/0/key"), text("/credentials/0/key_set_id"));
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Self {
            control,
            service_key,
            client,
            key,
            key_set,
            runtime,
            http,
            claviger,
            _upstream: upstream,
            database,
            postgres,
        }
    }

    pub(super) fn enrol(&self, name: &str) -> DataNode {
        DataNode::enrol(&self.claviger, &self.control, &self.service_key, &self.database, name)
    }

    pub(super) fn post(&self, path: &str, body: &Value) -> Value {
        self.runtime.block_on(self.client.post(path).body(body).send::<Value>()).unwrap().body
    }

    pub(super) fn get(&self, path: &str) -> Value {
        self.runtime.block_on(self.client.get(path).send::<Value>()).unwrap().body
    }

    /// An act on the Key Set.
    pub(super) fn act(&self, act: &str) -> Value {
        let path = format!("/v1/key-sets/{}/{act}", self.key_set);
        self.runtime.block_on(self.client.post(&path).send::<Value>()).unwrap().body
    }

    /// The status and code that forward-auth of this server answers to the key.
    pub(super) fn ask(&self, server: &Server) -> (u16, String) {
        self.ask_with(server, &self.key)
    }

    pub(super) fn ask_with(&self, server: &Server, key: &str) -> (u16, String) {
        let url = format!("{}/v1/forward-auth?api=orders", server.url());
        let call = self.http.get(url).header("X-API-Key", key).send();
        let answer = self.runtime.block_on(call).unwrap();
        let code = answer.headers().get("x-claviger-code").map(|code| code.to_str().unwrap().to_owned());
        (answer.status().as_u16(), code.unwrap_or_default())
    }

    /// A number that the server's metrics tell.
    pub(super) fn metric(&self, server: &Server, name: &str) -> Option<f64> {
        let url = format!("{}/metrics", server.metrics_url());
        let text =
            self.runtime.block_on(async { self.http.get(url).send().await.unwrap().text().await.unwrap() });
        let line =
            text.lines().find_map(|line| line.strip_prefix(name).filter(|rest| rest.starts_with(' ')))?;
        line.trim().parse().ok()
    }

    #[track_caller]
    pub(super) fn wait_until(&self, what: &str, mut is_so: impl FnMut() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !is_so() {
            assert!(Instant::now() < deadline, "not {what} within {PATIENCE:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until the control node shows the data node as up to date: it has also kept all that it applied.
    #[track_caller]
    pub(super) fn wait_until_in_sync(&self, node: &DataNode) {
        let path = format!("/v1/nodes/{}", node.id);
        self.wait_until("in sync", || self.get(&path)["status"] == "in_sync");
    }
}

fn claviger() -> Claviger {
    Claviger::new(env!("CARGO_BIN_EXE_claviger"))
}

pub(super) fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

async fn subscribed(client: &Client, upstream: &str) -> Value {
    let make =
        async |path: &str, body: Value| client.post(path).body(&body).send::<Value>().await.unwrap().body;
    let api = json!({
        "slug": "orders", "name": "Orders", "upstreams": [upstream], "auth_types": ["api_key"],
        "requires": "key", "exposed": true,
    });
    make("/v1/apis", api).await;
    let application = make("/v1/applications", json!({ "name": "Caller" })).await;
    let body =
        json!({ "application_id": application["id"], "api_id": "orders", "environment_id": "production" });
    make("/v1/subscriptions", body).await
}
