//! A server with one API behind its gateway, and a key to it.

use claviger_client::Client;
use claviger_testkit::{Claviger, Server};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

pub(super) struct Installation {
    pub(super) claviger: Claviger,
    pub(super) server: Server,
    pub(super) client: Client,
    pub(super) runtime: Runtime,
    pub(super) key: String,
    pub(super) key_set: String,
}

pub(super) fn claviger() -> Claviger {
    Claviger::new(env!("CARGO_BIN_EXE_claviger"))
}

impl Installation {
    /// With the API `behind`, whose upstream this is.
    pub(super) fn new(claviger: Claviger, upstream: &str) -> Self {
        let service_key = claviger.init().service_key;
        let server = claviger.serve();
        let client = Client::new(&server.url()).unwrap().with_key(&service_key).unwrap();
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let subscription = runtime.block_on(subscribed(&client, upstream));
        let text = |pointer: &str| subscription.pointer(pointer).unwrap().as_str().unwrap().to_owned();
        let (key, key_set) = (text("/credentials/0/key"), text("/credentials/0/key_set_id"));
        Self { claviger, server, client, runtime, key, key_set }
    }

    /// An act on the Key Set.
    pub(super) fn act(&self, act: &str) {
        let path = format!("/v1/key-sets/{}/{act}", self.key_set);
        self.runtime.block_on(self.client.post(&path).send::<Value>()).unwrap();
    }
}

async fn subscribed(client: &Client, upstream: &str) -> Value {
    let make =
        async |path: &str, body: Value| client.post(path).body(&body).send::<Value>().await.unwrap().body;
    let api = json!({
        "slug": "behind", "name": "Behind", "upstreams": [upstream], "auth_types": ["api_key"],
        "requires": "key", "exposed": true,
    });
    make("/v1/apis", api).await;
    let application = make("/v1/applications", json!({ "name": "Caller" })).await;
    let body =
        json!({ "application_id": application["id"], "api_id": "behind", "environment_id": "production" });
    make("/v1/subscriptions", body).await
}
