//! Two nodes on one PostgreSQL, one for each dialect of forward-auth, behind Caddy and nginx; and a credential in
//! each state that a table of requests needs.

use std::fmt::Debug;
use std::time::{Duration, Instant};

use claviger_client::Client;
use claviger_client::reqwest;
use claviger_testkit::{Caddy, Claviger, Database, Envoy, Nginx, Port, Redis, Server, Upstream, free_port};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use super::door::{ROUTE, route};
use super::library::Library;

/// What the table asks about; one of them never was.
pub(super) const APIS: [&str; 13] = [
    "orders", "brief", "hidden", "nowhere", "stock", "fenced", "slow", "scarce", "partners", "paired",
    "lone", "open", "branded",
];
pub(super) const ENVIRONMENTS: [Option<&str>; 3] = [None, Some("production"), Some("sandbox")];
pub(super) const PERMISSIONS: [&[&str]; 5] =
    [&[], &["orders:read"], &["orders:write"], &["orders:read", "orders:write"], &["orders:fly"]];
const PATIENCE: Duration = Duration::from_secs(30);

/// All doors, and those who knock.
#[derive(Debug)]
pub(super) struct Scene {
    runtime: Runtime,
    pub(super) http: reqwest::Client,
    /// REST verify, forward-auth in the dialect `forwarded`, and a gateway for every Environment.
    pub(super) node: Node,
    /// Forward-auth in the dialect `original`, and a gateway for the sandbox.
    pub(super) other_node: Node,
    pub(super) nginx: Port,
    pub(super) caddy: Port,
    pub(super) envoy: Port,
    pub(super) library: Library,
    pub(super) held: Credentials,
    _others: (Nginx, Caddy, Envoy, Upstream, Redis),
}

/// A server, and its REST API in the owner's hands.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) claviger: Claviger,
    pub(super) server: Server,
    pub(super) client: Client,
}

/// What callers have.
#[derive(Debug, Default)]
pub(super) struct Credentials {
    /// Well-formed, and never a key to a company's API.
    pub(super) service_key: String,
    pub(super) key: String,
    /// Of a Key Set `api_key_and_secret`.
    pub(super) pair: (String, String),
    /// Of a Key Set `basic`: user name and password.
    pub(super) basic: (String, String),
    pub(super) fenced: String,
    pub(super) pending: String,
    pub(super) suspended: String,
    pub(super) revoked: String,
    pub(super) expired: String,
    /// Key and secret of shared keys: of an API that wants the key, both, the secret, and both in headers of a preset.
    pub(super) partner: (String, String),
    pub(super) paired: (String, String),
    pub(super) lone: (String, String),
    pub(super) branded: (String, String),
    pub(super) disabled: String,
    pub(super) deleted: String,
    /// Has used up the only call an hour that `slow` allows, and at `scarce` the only one a month.
    pub(super) slow: String,
    pub(super) scarce: String,
}

impl Scene {
    /// On this database; deciding goes on for so many seconds without it, a day unless it is told.
    pub(super) fn new(database: &Database, max_staleness_seconds: Option<u32>) -> Self {
        let mut one = Claviger::new(env!("CARGO_BIN_EXE_claviger"))
            .with_database(database.url())
            // The table has more wrong knocks a minute than a stranger would be allowed.
            .with_variable("CLAVIGER_DOORS__FAILURES_PER_MINUTE", "100000");
        // What is used up at one door is so at all of them, on both nodes.
        let redis = Redis::start();
        one = one.with_variable("CLAVIGER_LIMITS__REDIS_URL", redis.url());
        let mut told =
            vec![format!("--redis-url={}", redis.url()), "--failures-per-minute=100000".to_owned()];
        if let Some(seconds) = max_staleness_seconds {
            one = one.with_variable("CLAVIGER_DOORS__MAX_STALENESS", format!("PT{seconds}S"));
            told.push(format!("--max-staleness-seconds={seconds}"));
        }
        let service_key = one.init().service_key;
        let other = one
            .another_node()
            .with_variable("CLAVIGER_DOORS__DIALECT", "original")
            .with_variable("CLAVIGER_GATEWAY__ENVIRONMENT", "sandbox");
        let upstream = Upstream::start();
        let (node, other_node) = (Node::new(one, &service_key), Node::new(other, &service_key));
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let told: Vec<&str> = told.iter().map(String::as_str).collect();
        let library = Library::start(&node, &service_key, database, &told);
        let mut held = runtime.block_on(held(&node.client, &upstream));
        held.service_key = service_key;
        let (nginx, caddy, envoy) = (free_port(), free_port(), free_port());
        let nginx_runs = Nginx::start(&nginx_configuration(&nginx, &other_node, &upstream), &nginx);
        let caddy_runs = Caddy::start(&caddyfile(&caddy, &node, &upstream), &caddy);
        let envoy_runs = Envoy::start(&envoy_bootstrap(&envoy, &node, &upstream), &envoy);
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let others = (nginx_runs, caddy_runs, envoy_runs, upstream, redis);
        let scene =
            Self { runtime, http, node, other_node, nginx, caddy, envoy, library, held, _others: others };
        scene.wait_for_the_other_nodes();
        scene
    }

    pub(super) fn block_on<F: Future>(&self, work: F) -> F::Output {
        self.runtime.block_on(work)
    }

    /// The other nodes have read what was made through the first.
    fn wait_for_the_other_nodes(&self) {
        self.wait_until("followed by the other nodes", || {
            let call = self.other_node.client.get("/readyz").send_raw();
            let set = self.node.client.get("/v1/nodes").send::<Value>();
            let (ready, nodes) = self.block_on(async { (call.await.is_ok(), set.await.unwrap().body) });
            let nodes = nodes["items"].as_array().unwrap().clone();
            ready && nodes.len() == 3 && nodes.iter().all(|node| node["status"] == "in_sync")
        });
    }

    /// Waits until it is so.
    #[track_caller]
    pub(super) fn wait_until(&self, what: &str, is_so: impl Fn() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !is_so() {
            assert!(Instant::now() < deadline, "not {what} within {PATIENCE:?}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Node {
    pub(super) fn new(claviger: Claviger, service_key: &str) -> Self {
        let server = claviger.serve();
        let client = Client::new(&server.url()).unwrap().with_key(service_key).unwrap();
        Self { claviger, server, client }
    }

    fn address(&self) -> String {
        self.server.url().replace("http://", "")
    }
}

/// Makes the world that the table is about: APIs, an Application for each caller, its Key Sets.
async fn held(client: &Client, upstream: &Upstream) -> Credentials {
    let api = async |client: &Client, slug: &str, auth_types: &[&str], further: Value| {
        api(client, slug, auth_types, upstream, further).await;
    };
    let retrievable = template(client, json!({ "name": "Retrievable", "retrievable": true })).await;
    let brief = json!({ "name": "Brief", "retrievable": true, "expires_after": "PT1S" });
    let brief = template(client, brief).await;
    let approved = template(client, json!({ "name": "Approved", "approval": "required" })).await;
    let all = ["api_key", "api_key_and_secret", "basic"];
    let orders = json!({ "permissions": ["orders:read", "orders:write"], "policy_template_id": retrievable });
    api(client, "orders", &all, orders).await;
    api(client, "stock", &["api_key"], json!({ "policy_template_id": retrievable })).await;
    api(client, "hidden", &["api_key"], json!({ "exposed": false })).await;
    let fence = json!({ "ip_allow_list": ["203.0.113.0/24"], "policy_template_id": retrievable });
    api(client, "fenced", &["api_key"], fence).await;
    api(client, "brief", &["api_key"], json!({ "policy_template_id": brief })).await;
    api(client, "approved", &["api_key"], json!({ "policy_template_id": approved })).await;
    for (slug, further) in [
        ("partners", json!({ "requires": "key" })),
        ("paired", json!({ "requires": "key_and_secret" })),
        ("lone", json!({ "requires": "secret" })),
        ("open", json!({ "requires": "none" })),
        ("branded", json!({ "requires": "key_and_secret", "credential_headers": { "preset": "ibm" } })),
    ] {
        api(client, slug, &["api_key"], further).await;
    }
    let partner = shared(client, "partners", "One").await;
    let (disabled, deleted) =
        (shared(client, "partners", "Other").await, shared(client, "partners", "Gone").await);
    make(client, &format!("/v1/shared-keys/{}/disable", disabled.id), json!({})).await;
    client.delete(&format!("/v1/shared-keys/{}", deleted.id)).send_raw().await.unwrap();
    let caller = subscribe(client, "orders", json!({ "permissions": ["orders:read"] })).await;
    let pair = retrieve(client, set_of(&caller, "api_key_and_secret")).await;
    let basic = retrieve(client, set_of(&caller, "basic")).await;
    let pending = subscribe(client, "approved", json!({})).await;
    Credentials {
        service_key: String::new(),
        key: key_of(client, &caller).await,
        pair: (text(&pair["key"]), text(&pair["secret"])),
        basic: (text(&basic["username"]), text(&basic["password"])),
        fenced: key_of(client, &subscribe(client, "fenced", json!({})).await).await,
        pending: text(&pending["credentials"][0]["key"]),
        suspended: after(client, "suspend").await,
        revoked: after(client, "revoke").await,
        expired: expired(client).await,
        partner: partner.credential,
        paired: shared(client, "paired", "One").await.credential,
        lone: shared(client, "lone", "One").await.credential,
        branded: shared(client, "branded", "One").await.credential,
        disabled: disabled.credential.0,
        deleted: deleted.credential.0,
        slow: used_up(client, upstream, "slow", json!({ "rate_limit": { "limit": 1, "per": "hour" } })).await,
        scarce: used_up(client, upstream, "scarce", json!({ "quota": { "limit": 1, "per": "month" } })).await,
    }
}

async fn make(client: &Client, path: &str, body: Value) -> Value {
    client
        .post(path)
        .body(&body)
        .send::<Value>()
        .await
        .unwrap_or_else(|e| panic!("{path} {body}: {e:?}"))
        .body
}

async fn template(client: &Client, body: Value) -> String {
    text(&make(client, "/v1/policy-templates", body).await["id"])
}

pub(super) async fn api(
    client: &Client,
    slug: &str,
    auth_types: &[&str],
    upstream: &Upstream,
    further: Value,
) {
    let mut body = json!({
        "slug": slug, "name": slug, "upstreams": [upstream.url()], "auth_types": auth_types,
        "requires": "key", "exposed": true,
    });
    body.as_object_mut().unwrap().extend(further.as_object().unwrap().clone());
    make(client, "/v1/apis", body).await;
}

/// A new Application that subscribes to the API.
pub(super) async fn subscribe(client: &Client, slug: &str, further: Value) -> Value {
    static NUMBER: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(1);
    let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let application = make(client, "/v1/applications", json!({ "name": format!("Caller {number}") })).await;
    let mut body =
        json!({ "application_id": application["id"], "api_id": slug, "environment_id": "production" });
    body.as_object_mut().unwrap().extend(further.as_object().unwrap().clone());
    make(client, "/v1/subscriptions", body).await
}

fn set_of<'a>(subscription: &'a Value, auth_type: &str) -> &'a str {
    let sets = subscription["key_sets"].as_array().unwrap();
    sets.iter().find(|set| set["auth_type"] == auth_type).unwrap()["id"].as_str().unwrap()
}

async fn retrieve(client: &Client, key_set: &str) -> Value {
    make(client, &format!("/v1/key-sets/{key_set}/retrieve"), json!({})).await
}

async fn key_of(client: &Client, subscription: &Value) -> String {
    text(&retrieve(client, set_of(subscription, "api_key")).await["key"])
}

/// The key of a caller of `orders` to whose Key Set this was done.
async fn after(client: &Client, act: &str) -> String {
    let subscription = subscribe(client, "orders", json!({})).await;
    let key = key_of(client, &subscription).await;
    let key_set = set_of(&subscription, "api_key");
    make(client, &format!("/v1/key-sets/{key_set}/{act}"), json!({})).await;
    key
}

/// The key of a caller whose time is over.
async fn expired(client: &Client) -> String {
    let subscription = subscribe(client, "brief", json!({})).await;
    let key = key_of(client, &subscription).await;
    let question = json!({ "credential": { "key": key }, "api": "brief" });
    while make(client, "/v1/verify", question.clone()).await["code"] != "expired" {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    key
}

struct Shared {
    id: String,
    credential: (String, String),
}

/// A new shared key of the API, inside.
async fn shared(client: &Client, api: &str, name: &str) -> Shared {
    let body = json!({ "name": name, "audience": "inside" });
    let made = make(client, &format!("/v1/apis/{api}/shared-keys"), body).await;
    Shared { id: text(&made["id"]), credential: (text(&made["key"]), text(&made["secret"])) }
}

/// The key of a caller that has made the only call that a new API allows.
async fn used_up(client: &Client, upstream: &Upstream, slug: &str, limits: Value) -> String {
    api(client, slug, &["api_key"], upstream, limits).await;
    let subscription = subscribe(client, slug, json!({})).await;
    let key = text(&subscription["credentials"][0]["key"]);
    let question = json!({ "credential": { "key": key }, "api": slug });
    assert_eq!(make(client, "/v1/verify", question).await["code"], "valid");
    key
}

#[track_caller]
fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text")).to_owned()
}

/// The guide's configuration, with the query of the call passed on to forward-auth, and its word about where it comes
/// from: both are for the table to say.
fn nginx_configuration(port: &Port, node: &Node, upstream: &Upstream) -> String {
    let server = from_the_guide("nginx", "nginx");
    let mut configuration = format!("map $request_uri $told {{ ~\\?(?<asked>.*)$ $asked; }}\n{server}");
    for (shown, real) in [
        ("127.0.0.1:8080", port.address().to_string()),
        ("127.0.0.1:7700", node.address()),
        ("127.0.0.1:9000", upstream.address().to_string()),
        ("errors=auth_request;", "errors=auth_request&$told;".to_owned()),
        ("X-Forwarded-For $remote_addr", "X-Forwarded-For $http_x_forwarded_for".to_owned()),
    ] {
        configuration = with(&configuration, shown, &real);
    }
    configuration
}

/// The block in this language.
fn from_the_guide(guide: &str, language: &str) -> String {
    let file = format!("{}/../../docs/{guide}.md", env!("CARGO_MANIFEST_DIR"));
    let guide = std::fs::read_to_string(file).unwrap();
    let block = guide.split(&format!("```{language}\n")).nth(1).and_then(|rest| rest.split("```").next());
    block.unwrap().to_owned()
}

fn with(configuration: &str, shown: &str, real: &str) -> String {
    assert!(configuration.contains(shown), "the guide does not say {shown}");
    configuration.replace(shown, real)
}

/// The guide's bootstrap, with a route for each thing that the table asks.
fn envoy_bootstrap(port: &Port, node: &Node, upstream: &Upstream) -> String {
    let mut routes = String::new();
    for api in APIS {
        for environment in ENVIRONMENTS {
            for permissions in PERMISSIONS {
                let mut told = format!("api: {api}");
                if let Some(environment) = environment {
                    told.push_str(&format!(", environment: {environment}"));
                }
                if !permissions.is_empty() {
                    told.push_str(&format!(", permissions: \"{}\"", permissions.join(",")));
                }
                routes.push_str(&format!(
                    r#"
                        - match: {{ prefix: /, headers: [{{ name: {ROUTE}, string_match: {{ exact: "{}" }} }}] }}
                          route: {{ cluster: orders }}
                          typed_per_filter_config:
                            envoy.filters.http.ext_authz:
                              "@type": type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute
                              check_settings: {{ context_extensions: {{ {told} }} }}"#,
                    route(api, environment, permissions)
                ));
            }
        }
    }
    let one = "                        - match: { prefix: /orders/ }\n                          route: { cluster: orders }";
    let ext_authz = node.server.ext_authz_url();
    let mut bootstrap = with(&from_the_guide("envoy", "yaml"), one, &routes);
    for (shown, real) in [
        // Where a call comes from is for the table to say, and Envoy would write down the test's own machine.
        (
            "use_remote_address: true",
            "use_remote_address: true\n                skip_xff_append: true".to_owned(),
        ),
        ("port_value: 8080 ", format!("port_value: {} ", port.address().port())),
        ("port_value: 7702 ", format!("port_value: {} ", ext_authz.rsplit(':').next().unwrap())),
        ("port_value: 9000 ", format!("port_value: {} ", upstream.address().port())),
    ] {
        bootstrap = with(&bootstrap, shown, &real);
    }
    bootstrap
}

/// What the guide says, likewise.
fn caddyfile(port: &Port, node: &Node, upstream: &Upstream) -> String {
    format!(
        "http://{} {{\n\troute /orders/* {{\n\t\tforward_auth {} {{\n\t\t\turi /v1/forward-auth?{{query}}\n\
         \t\t\ttrusted_proxies 127.0.0.0/8\n\t\t}}\n\t\treverse_proxy {}\n\t}}\n}}",
        port.address(),
        node.address(),
        upstream.address()
    )
}
