//! Each guide against real servers.

use std::path::Path;
use std::process::Command;

use claviger_client::Client;
use claviger_testkit::{
    Caddy, Claviger, Envoy, HaProxy, Nginx, Postgres, Redis, Server, Upstream, free_port,
};
use serde_json::{Value, json};

use super::guide::Guide;

fn claviger() -> Claviger {
    Claviger::new(env!("CARGO_BIN_EXE_claviger"))
}

/// A shell that finds the program where a reader would have it.
fn shell(claviger: &Claviger) -> Command {
    let program = Path::new(env!("CARGO_BIN_EXE_claviger"));
    let paths = std::iter::once(program.parent().unwrap().to_owned())
        .chain(["/usr/local/bin", "/usr/bin", "/bin"].map(Into::into));
    let mut shell = Command::new("bash");
    shell
        .env_clear()
        .env("PATH", std::env::join_paths(paths).unwrap())
        .env("HOME", claviger.data_folder())
        .env("CLAVIGER_DATA_DIR", claviger.data_folder())
        .current_dir(claviger.data_folder());
    shell
}

#[test]
fn getting_started() {
    let claviger = claviger();
    let server = claviger.serve_unready();
    let address = server.url().replace("http://", "");
    Guide::read("getting-started.md", &[("127.0.0.1:7700", address)]).run(&mut shell(&claviger));
}

/// A server with the API `orders`, and two keys: of an Application that has subscribed to it, and of one
/// that has not.
struct Doors {
    claviger: Claviger,
    server: Server,
    service_key: String,
    key: String,
    other_key: String,
}

impl Doors {
    fn new(claviger: Claviger, upstream: &Upstream) -> Self {
        let service_key = claviger.init().service_key;
        let server = claviger.serve();
        let client = Client::new(&server.url()).unwrap().with_key(&service_key).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let key = runtime.block_on(subscribed(&client, "orders", upstream));
        let other_key = runtime.block_on(subscribed(&client, "stock", upstream));
        Self { claviger, server, service_key, key, other_key }
    }

    fn address(&self) -> String {
        self.server.url().replace("http://", "")
    }

    fn run(&self, guide: &Guide) {
        guide.run(shell(&self.claviger).env("KEY", &self.key).env("OTHER_KEY", &self.other_key));
    }
}

/// The key of a new Application that subscribes to a new API.
async fn subscribed(client: &Client, slug: &str, upstream: &Upstream) -> String {
    let make =
        async |path: &str, body: Value| client.post(path).body(&body).send::<Value>().await.unwrap().body;
    make(
        "/v1/apis",
        json!({
            "slug": slug, "name": slug, "upstreams": [upstream.url()], "auth_types": ["api_key"],
            "requires": "key", "exposed": true,
        }),
    )
    .await;
    let application = make("/v1/applications", json!({ "name": format!("Caller of {slug}") })).await;
    let subscription = make(
        "/v1/subscriptions",
        json!({ "application_id": application["id"], "api_id": slug, "environment_id": "production" }),
    )
    .await;
    subscription["credentials"][0]["key"].as_str().expect("a key, shown once").to_owned()
}

#[test]
fn behind_nginx() {
    let (upstream, port) = (Upstream::start(), free_port());
    let doors = Doors::new(claviger().with_variable("CLAVIGER_DOORS__DIALECT", "original"), &upstream);
    let guide = Guide::read(
        "nginx.md",
        &[
            ("127.0.0.1:7700", doors.address()),
            ("127.0.0.1:8080", port.address().to_string()),
            ("127.0.0.1:9000", upstream.address().to_string()),
        ],
    );
    assert_eq!(guide.only("toml").trim(), "[doors]\ndialect = \"original\"");
    let _nginx = Nginx::start(guide.only("nginx"), &port);
    doors.run(&guide);
    for name in OURS {
        for spelled in [name.to_owned(), name.to_lowercase(), name.replace('-', "_")] {
            let headers = [format!("X-API-Key: {}", doors.key), format!("{spelled}: somebody else")];
            assert_eq!(status_with(&port.address().to_string(), &headers), "200", "{spelled}");
        }
    }
    for seen in upstream.seen() {
        assert!(seen.header("x-api-key").is_none());
        assert!(seen.headers.iter().all(|(_, value)| value != "somebody else"), "{:?}", seen.headers);
    }
    doors.server.kill();
    let status = status_of(&port.address().to_string(), &doors.key);
    assert_eq!(status, "500", "a door that can't ask stays closed");
}

#[test]
fn behind_caddy() {
    let (upstream, port) = (Upstream::start(), free_port());
    let doors = Doors::new(claviger(), &upstream);
    let guide = Guide::read(
        "caddy.md",
        &[
            ("127.0.0.1:7700", doors.address()),
            ("127.0.0.1:8080", port.address().to_string()),
            ("127.0.0.1:9000", upstream.address().to_string()),
        ],
    );
    let _caddy = Caddy::start(guide.only("caddyfile"), &port);
    doors.run(&guide);
    assert!(upstream.seen().iter().all(|seen| seen.header("x-api-key").is_none()));
    demand_nothing_goes_on(&port.address().to_string(), &doors.key, &upstream);
    doors.server.kill();
    let status = status_of(&port.address().to_string(), &doors.key);
    assert_eq!(status, "502", "a door that can't ask stays closed");
}

#[test]
fn behind_envoy() {
    let (upstream, port) = (Upstream::start(), free_port());
    let doors = Doors::new(claviger(), &upstream);
    let number = |port: u16| format!("port_value: {port} ");
    let ext_authz = doors.server.ext_authz_url().rsplit(':').next().unwrap().parse().unwrap();
    let guide = Guide::read(
        "envoy.md",
        &[
            ("port_value: 7702 ", number(ext_authz)),
            ("port_value: 8080 ", number(port.address().port())),
            ("port_value: 9000 ", number(upstream.address().port())),
            ("127.0.0.1:8080", port.address().to_string()),
        ],
    );
    let _envoy = Envoy::start(guide.only("yaml"), &port);
    doors.run(&guide);
    let seen = upstream.seen();
    assert_eq!(seen.len(), 2, "the refused calls did not reach it");
    assert!(seen.iter().all(|seen| seen.header("x-api-key").is_none()));
    doors.server.kill();
    let status = status_of(&port.address().to_string(), &doors.key);
    assert_eq!(status, "503", "a door that can't ask stays closed");
}

#[test]
fn behind_haproxy() {
    let (upstream, port) = (Upstream::start(), free_port());
    let doors = Doors::new(claviger(), &upstream);
    let guide = Guide::read(
        "haproxy.md",
        &[
            ("127.0.0.1:7700", doors.address()),
            ("127.0.0.1:8080", port.address().to_string()),
            ("127.0.0.1:9000", upstream.address().to_string()),
        ],
    );
    let lua = [("claviger.lua", guide.only("lua"))];
    let _haproxy = HaProxy::start(guide.only("haproxy"), &lua, &port);
    doors.run(&guide);
    let seen = upstream.seen();
    assert_eq!(seen.len(), 2, "the refused calls did not reach it");
    assert!(seen.iter().all(|seen| seen.header("x-api-key").is_none()));
    demand_nothing_goes_on(&port.address().to_string(), &doors.key, &upstream);
    let seen = upstream.seen().len();
    // One that does not answer is as good as none.
    let frozen = doors.server.process_id().to_string();
    assert!(Command::new("kill").args(["-STOP", &frozen]).status().unwrap().success());
    assert_eq!(status_of(&port.address().to_string(), &doors.key), "503");
    assert_eq!(upstream.seen().len(), seen);
    doors.server.kill();
    let status = status_of(&port.address().to_string(), &doors.key);
    assert_eq!(status, "503", "a door that can't ask stays closed");
}

#[test]
fn through_the_gateway() {
    let upstream = Upstream::start();
    let doors = Doors::new(claviger(), &upstream);
    let gateway = doors.server.gateway_url().replace("http://", "");
    doors.run(&Guide::read("gateway.md", &[("127.0.0.1:7701", gateway)]));
    assert_eq!(upstream.seen().len(), 2, "the refused calls did not reach it");
}

#[test]
fn limits() {
    let (upstream, redis) = (Upstream::start(), Redis::start_locked("password"));
    let doors = Doors::new(claviger().with_variable("CLAVIGER_LIMITS__REDIS_URL", redis.url()), &upstream);
    let gateway = doors.server.gateway_url().replace("http://", "");
    let addresses = [("127.0.0.1:7700", doors.address()), ("127.0.0.1:7701", gateway)];
    let guide = Guide::read("limits.md", &addresses);
    assert!(guide.only("toml").starts_with("[limits]\nredis_url = \"redis://"));
    guide.run(shell(&doors.claviger).env("KEY", &doors.key).env("CLAVIGER_KEY", &doors.service_key));
    assert_eq!(upstream.seen().len(), 2, "the refused call did not reach it");
    let counters = redis.ask(&["EVAL", "return #redis.call('KEYS', 'claviger:limits:{ks_*}:api_*')", "0"]);
    assert_eq!(counters.as_deref(), Some(":2"), "the rate and the quota were counted there");
}

#[test]
fn data_nodes() {
    let (upstream, database) = (Upstream::start(), Postgres::shared().create_database());
    let doors = Doors::new(claviger().with_database(database.url()), &upstream);
    // Roles are the whole cluster's.
    let (role, ports) = (database.role_name("edge"), [free_port(), free_port(), free_port(), free_port()]);
    let mut addresses = vec![
        ("127.0.0.1:7700", doors.address()),
        ("ROLE edge", format!("ROLE {role}")),
        ("('edge')", format!("('{role}')")),
    ];
    for (shown, port) in ["7800", "7801", "7802", "7803"].into_iter().zip(&ports) {
        addresses.push((shown, port.address().port().to_string()));
    }
    let guide = Guide::read("data-nodes.md", &addresses);
    guide.run(
        shell(&doors.claviger)
            .env("OWNER_URL", database.url())
            .env("EDGE_URL", database.url_of(&role))
            .env("KEY", &doors.key)
            .env("CLAVIGER_KEY", &doors.service_key)
            .env("CLAVIGER_URL", doors.server.url()),
    );
}

#[test]
fn openapi_documents() {
    let upstream = Upstream::start();
    let doors = Doors::new(claviger(), &upstream);
    let mut shell = shell(&doors.claviger);
    shell.env("CLAVIGER_URL", doors.server.url()).env("CLAVIGER_KEY", &doors.service_key);
    Guide::read("openapi-documents.md", &[]).run(&mut shell);
}

#[test]
fn key_pairs() {
    let claviger = claviger();
    let service_key = claviger.init().service_key;
    let server = claviger.serve();
    let guide = Guide::read("key-pairs.md", &[("127.0.0.1:7700", server.url().replace("http://", ""))]);
    guide.run(shell(&claviger).env("CLAVIGER_URL", server.url()).env("CLAVIGER_KEY", &service_key));
}

#[test]
fn what_is_counted() {
    let upstream = Upstream::start();
    let doors = Doors::new(claviger(), &upstream);
    let gateway = doors.server.gateway_url().replace("http://", "");
    let guide = Guide::read("usage.md", &[("127.0.0.1:7701", gateway), ("127.0.0.1:7700", doors.address())]);
    let mut shell = shell(&doors.claviger);
    shell
        .env("KEY", &doors.key)
        .env("CLAVIGER_URL", doors.server.url())
        .env("CLAVIGER_KEY", &doors.service_key);
    guide.run(&mut shell);
}

/// All headers that Claviger sets on calls and answers.
const OURS: [&str; 7] = [
    "X-Claviger-Application",
    "X-Claviger-As-Of",
    "X-Claviger-Code",
    "X-Claviger-Environment",
    "X-Claviger-Key-Id",
    "X-Claviger-Key-Name",
    "X-Claviger-Permissions",
];

/// A header's name, with either sign at each place.
pub(super) fn spellings(first: &str, second: &str, third: &str) -> Vec<String> {
    let signs = [("-", "-"), ("-", "_"), ("_", "-"), ("_", "_")];
    signs.into_iter().map(|(one, other)| format!("{first}{one}{second}{other}{third}")).collect()
}

/// However their headers are spelled, no credential reaches the upstream, and no name that a caller gave itself.
#[track_caller]
fn demand_nothing_goes_on(address: &str, key: &str, upstream: &Upstream) {
    for name in spellings("X", "API", "Key") {
        for ours in spellings("X", "Claviger", "Key_Name") {
            let headers = [format!("{name}: {key}"), format!("{ours}: somebody else")];
            assert_eq!(status_with(address, &headers), "200", "{headers:?}");
        }
    }
    for seen in upstream.seen() {
        for (name, value) in &seen.headers {
            assert!(!value.contains(key) && !value.contains("somebody else"), "{name}: {value}");
        }
    }
}

/// The status that a caller with this key gets.
fn status_of(address: &str, key: &str) -> String {
    status_with(address, &[format!("X-API-Key: {key}")])
}

fn status_with(address: &str, headers: &[String]) -> String {
    let output = Command::new("curl")
        .args(["-s", "-o", "/dev/null", "-w", "%{http_code}", "--max-time", "30"])
        .args(headers.iter().flat_map(|header| ["-H", header]))
        .arg(format!("http://{address}/orders/42"))
        .output()
        .unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}
