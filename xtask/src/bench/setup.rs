//! The stage: the release build of the server with one key that is good, the baseline beside it, both on the
//! first core, and the load on the second.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use claviger_testkit::{Claviger, Port, Server, free_port};
use serde_json::{Value, json};

use super::accounting::pin;
use super::load::{Connection, Exchange};
use super::rivals::Rival;
use crate::shell::{self, cargo, run, say};

const SERVERS: usize = 0;
const SENDERS: usize = 1;
/// How long the baseline may take to listen.
const PATIENCE: Duration = Duration::from_secs(20);

/// What was built.
pub(super) struct Built {
    server: PathBuf,
    baseline: PathBuf,
}

pub(super) fn build() -> Result<Built> {
    run(&mut cargo(&[
        "build",
        "--release",
        "--locked",
        "-p",
        "claviger",
        "--bin",
        "claviger",
        "--example",
        "baseline",
    ]))?;
    let folder = shell::target_folder().join("release");
    Ok(Built { server: folder.join("claviger"), baseline: folder.join("examples/baseline") })
}

/// Both servers, running.
pub(super) struct Stage {
    server: Server,
    baseline: Baseline,
    verify: Vec<u8>,
    forward_auth: Vec<u8>,
}

struct Baseline {
    process: Child,
    echo: Port,
    hello: Port,
}

impl Drop for Baseline {
    fn drop(&mut self) {
        // It may have ended by itself: then there is nothing to end.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Stage {
    pub(super) fn set(built: &Built) -> Result<Self> {
        let cores = thread::available_parallelism()?.get();
        ensure!(cores > SENDERS, "the load needs a core of its own: this machine has {cores}");
        // The log as the documentation has it for production: no line for each call that is decided.
        let claviger = Claviger::new(&built.server);
        let owner = claviger.init();
        let server = claviger.serve();
        let address: SocketAddr = server.url().trim_start_matches("http://").parse()?;
        let key = make_key(address, &owner.service_key)?;
        let question = json!({ "credential": { "key": key }, "api": "orders" }).to_string();
        let verify =
            request("POST", "/v1/verify", &[("authorization", &bearer(&owner.service_key))], &question);
        let forward_auth = request(
            "GET",
            "/v1/forward-auth?api=orders",
            &[
                ("x-api-key", &key),
                ("x-forwarded-method", "GET"),
                ("x-forwarded-uri", "/orders/17"),
                ("x-forwarded-for", "192.0.2.1"),
            ],
            "",
        );
        let answer = Connection::open(address)?.exchange(&verify)?;
        ensure!(answer.status == 200 && answer.body.contains("\"valid\""), "verify answered {answer:?}");
        say(&format!("   verify: {} bytes of body asked, {} answered", question.len(), answer.body.len()));
        let baseline = Baseline::start(built, &answer.body)?;
        pin(server.process_id(), SERVERS)?;
        pin(baseline.process.id(), SERVERS)?;
        pin(std::process::id(), SENDERS)?;
        // The keeper, which deciding never asks, stays where it is.
        Ok(Self { server, baseline, verify, forward_auth })
    }

    pub(super) fn verify(&self) -> Rival {
        self.of_server("POST /v1/verify", &self.verify, "\"code\":\"valid\"")
    }

    pub(super) fn forward_auth(&self) -> Rival {
        self.of_server("forward-auth", &self.forward_auth, "x-claviger-code: valid")
    }

    pub(super) fn echo(&self) -> Rival {
        self.of_baseline("axum JSON echo of the same size", &self.baseline.echo, &self.verify, "\"orders\"")
    }

    pub(super) fn hello(&self) -> Rival {
        self.of_baseline("hyper hello", &self.baseline.hello, &self.forward_auth, "x-claviger-code: valid")
    }

    fn of_server(&self, name: &'static str, bytes: &[u8], expected: &str) -> Rival {
        let address = self.server.url().trim_start_matches("http://").parse();
        let address = address.unwrap_or_else(|_| SocketAddr::from(([127, 0, 0, 1], 0)));
        let exchange = Exchange { address, bytes: bytes.to_vec(), expected: expected.to_owned() };
        Rival { name, process: self.server.process_id(), exchange }
    }

    fn of_baseline(&self, name: &'static str, port: &Port, bytes: &[u8], expected: &str) -> Rival {
        let exchange =
            Exchange { address: port.address(), bytes: bytes.to_vec(), expected: expected.to_owned() };
        Rival { name, process: self.baseline.process.id(), exchange }
    }
}

impl Baseline {
    fn start(built: &Built, answer: &str) -> Result<Self> {
        let (echo, hello) = (free_port(), free_port());
        let mut command = Command::new(&built.baseline);
        command.args([&echo.address().to_string(), &hello.address().to_string(), answer]);
        let process = command.stdin(Stdio::null()).spawn().context("start the baseline")?;
        let baseline = Self { process, echo, hello };
        let deadline = Instant::now() + PATIENCE;
        while Connection::open(baseline.echo.address()).is_err() {
            ensure!(Instant::now() < deadline, "the baseline does not listen");
            thread::sleep(Duration::from_millis(20));
        }
        Ok(baseline)
    }
}

/// An exposed API, an Application subscribed to it: the key that this makes.
fn make_key(address: SocketAddr, service_key: &str) -> Result<String> {
    let mut connection = Connection::open(address)?;
    let mut make = |path: &str, body: Value| -> Result<Value> {
        let request = request("POST", path, &[("authorization", &bearer(service_key))], &body.to_string());
        let answer = connection.exchange(&request)?;
        if answer.status != 201 {
            bail!("POST {path}: {answer:?}");
        }
        Ok(serde_json::from_str(&answer.body)?)
    };
    make(
        "/v1/apis",
        json!({
            "slug": "orders", "name": "Orders", "upstreams": ["http://127.0.0.1:9"], "auth_types": ["api_key"],
            "requires": "key", "exposed": true,
        }),
    )?;
    let application = make("/v1/applications", json!({ "name": "Shop" }))?;
    let subscription = make(
        "/v1/subscriptions",
        json!({ "application_id": application["id"], "api_id": "orders", "environment_id": "production" }),
    )?;
    let key = subscription["credentials"][0]["key"].as_str();
    Ok(key.context("the key that subscribing makes")?.to_owned())
}

fn bearer(service_key: &str) -> String {
    format!("Bearer {service_key}")
}

fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Vec<u8> {
    let mut text = format!("{method} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\n");
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    if !body.is_empty() {
        text.push_str(&format!("content-type: application/json\r\ncontent-length: {}\r\n", body.len()));
    }
    text.push_str("\r\n");
    text.push_str(body);
    text.into_bytes()
}
