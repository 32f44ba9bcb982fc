//! A server with an API, a Git host beside it, and a key pair that the host lets in.

use std::fs;
use std::time::{Duration, Instant};

use claviger_client::{Client, Error};
use claviger_testkit::{Claviger, GitHost, Repository, Server};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

const PATIENCE: Duration = Duration::from_secs(90);
/// Where the document is in every repository.
pub(super) const PATH: &str = "api/openapi.json";

pub(super) struct Installation {
    pub(super) claviger: Claviger,
    pub(super) server: Server,
    pub(super) host: GitHost,
    pub(super) key: String,
    pub(super) client: Client,
    runtime: Runtime,
}

/// An OpenAPI document with this title.
pub(super) fn document(title: &str) -> Value {
    json!({"openapi": "3.1.0", "info": {"title": title, "version": "1"}, "paths": {}})
}

/// The same as the bytes of a file.
pub(super) fn file(title: &str) -> Vec<u8> {
    serde_json::to_vec_pretty(&document(title)).unwrap()
}

impl Installation {
    /// With leave to go to this machine, and the API `orders`.
    pub(super) fn new() -> Self {
        Self::of(claviger().with_variable("CLAVIGER_EGRESS__ALLOW", "127.0.0.0/8"))
    }

    pub(super) fn of(claviger: Claviger) -> Self {
        let key = claviger.init().service_key;
        let server = claviger.serve();
        let client = Client::new(&server.url()).unwrap().with_key(&key).unwrap();
        let it = Self { claviger, server, host: GitHost::start(), key, client, runtime: runtime() };
        it.api("orders");
        it
    }

    pub(super) fn api(&self, slug: &str) {
        let body = json!({
            "slug": slug, "name": slug, "upstreams": ["http://127.0.0.1:9000"], "auth_types": ["api_key"],
            "requires": "key",
        });
        self.post("/v1/apis", &body);
    }

    #[track_caller]
    pub(super) fn get(&self, path: &str) -> Value {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let query: Vec<(&str, &str)> = query.split('&').filter_map(|pair| pair.split_once('=')).collect();
        let call = self.client.get(path).query(&query);
        self.good(self.runtime.block_on(call.send::<Value>()).map(|answer| answer.body))
    }

    #[track_caller]
    pub(super) fn post(&self, path: &str, body: &Value) -> Value {
        self.good(self.runtime.block_on(self.client.post(path).body(body).send::<Value>()).map(|it| it.body))
    }

    #[track_caller]
    pub(super) fn put(&self, path: &str, body: &Value) -> Value {
        self.good(self.runtime.block_on(self.client.put(path).body(body).send::<Value>()).map(|it| it.body))
    }

    #[track_caller]
    pub(super) fn delete(&self, path: &str) {
        self.good(self.runtime.block_on(self.client.delete(path).send::<Value>()).map(|it| it.body));
    }

    #[track_caller]
    fn good(&self, answer: Result<Value, Error>) -> Value {
        answer.unwrap_or_else(|error| panic!("{error}: {:?}\n{}", error.problem(), self.server.log()))
    }

    /// What a call is refused with.
    #[track_caller]
    pub(super) fn refused(&self, method: &str, path: &str, body: &Value) -> claviger_client::Problem {
        let call = match method {
            "GET" => self.client.get(path),
            "DELETE" => self.client.delete(path),
            "PUT" => self.client.put(path).body(body),
            _ => self.client.post(path).body(body),
        };
        let answer = self.runtime.block_on(call.send::<Value>());
        let error = answer.map(|answer| answer.body).expect_err("a refusal");
        error.problem().cloned().unwrap_or_else(|| panic!("{error}"))
    }

    /// A new pair of this algorithm.
    pub(super) fn pair(&self, algorithm: &str) -> Value {
        self.post("/v1/key-pairs", &json!({"name": format!("Deploy {algorithm}"), "algorithm": algorithm}))
    }

    /// A new pair that the host lets in.
    pub(super) fn welcome_pair(&self) -> Value {
        let pair = self.pair("ed25519");
        self.host.authorize(public_key(&pair));
        pair
    }

    /// An integration with a file of a repository.
    pub(super) fn integration(&self, repository: &Repository, pair: &Value) -> Value {
        json!({
            "enabled": true, "address": self.host.address("127.0.0.1", repository), "branch": "main",
            "path": PATH, "key_pair_id": pair["id"],
        })
    }

    pub(super) fn set_up(&self, api: &str, integration: &Value) -> Value {
        self.put(&format!("/v1/apis/{api}/git-integration"), integration)
    }

    /// Starts a pull or push, and answers the job when it has ended.
    #[track_caller]
    pub(super) fn run(&self, api: &str, act: &str, body: &Value) -> Value {
        let begun = self.begin(api, act, body);
        self.ended(&begun)
    }

    #[track_caller]
    pub(super) fn begin(&self, api: &str, act: &str, body: &Value) -> Value {
        let call = self.client.post(&format!("/v1/apis/{api}/git-integration/{act}")).body(body);
        let answer = self.runtime.block_on(call.send::<Value>()).unwrap();
        let place = format!("/v1/jobs/{}", answer.body["id"].as_str().unwrap());
        assert_eq!((answer.status, answer.location), (202, Some(place)));
        answer.body
    }

    #[track_caller]
    pub(super) fn ended(&self, job: &Value) -> Value {
        let path = format!("/v1/jobs/{}", job["id"].as_str().unwrap());
        let deadline = Instant::now() + PATIENCE;
        loop {
            let job = self.get(&path);
            if job["status"] != "running" {
                return job;
            }
            assert!(Instant::now() < deadline, "{job} runs for {PATIENCE:?}\n{}", self.server.log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    #[track_caller]
    pub(super) fn succeeds(&self, api: &str, act: &str, body: &Value) -> Value {
        let job = self.run(api, act, body);
        assert_eq!(job["status"], "succeeded", "{job}\n{}", self.server.log());
        job
    }

    /// The code of the first error of a job that fails.
    #[track_caller]
    pub(super) fn fails(&self, api: &str, act: &str, body: &Value) -> String {
        let job = self.run(api, act, body);
        assert_eq!((&job["status"], &job["outcome"]), (&json!("failed"), &Value::Null), "{job}");
        assert!(job["errors"][0]["detail"].as_str().unwrap().len() > 20, "{job}");
        job["errors"][0]["code"].as_str().unwrap().to_owned()
    }

    /// Edits the API's document.
    pub(super) fn edit(&self, api: &str, title: &str) {
        let call = self.client.put(&format!("/v1/apis/{api}/openapi"));
        let sent = call.raw_body("application/json", file(title)).send::<Value>();
        self.good(self.runtime.block_on(sent).map(|answer| answer.body));
    }

    /// The title of the API's document.
    pub(super) fn title(&self, api: &str) -> Value {
        self.get(&format!("/v1/apis/{api}/openapi"))["info"]["title"].clone()
    }

    /// Nothing of a job is left on the server's disk.
    #[track_caller]
    pub(super) fn demand_nothing_left(&self) {
        let jobs = self.claviger.data_folder().join("git/1");
        let left: Vec<_> = fs::read_dir(&jobs).unwrap().flatten().collect();
        assert!(left.is_empty(), "left over: {left:?}");
    }

    /// The same installation, its server started again.
    pub(super) fn again(claviger: Claviger, host: GitHost, key: String) -> Self {
        let server = claviger.serve();
        let client = Client::new(&server.url()).unwrap().with_key(&key).unwrap();
        Self { claviger, server, host, key, client, runtime: runtime() }
    }
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

pub(super) fn claviger() -> Claviger {
    Claviger::new(env!("CARGO_BIN_EXE_claviger"))
}

pub(super) fn public_key(pair: &Value) -> &str {
    pair["public_key"]["openssh"].as_str().unwrap()
}

/// With one member of an object exchanged.
pub(super) fn with(object: &Value, member: &str, value: &str) -> Value {
    let mut changed = object.clone();
    changed[member] = json!(value);
    changed
}
