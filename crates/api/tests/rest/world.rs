//! A whole Claviger behind its router, and callers as typed values.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use claviger_api::Options as ApiOptions;
use claviger_domain::members::Email;
use claviger_domain::text::Name;
use claviger_domain::time::Timestamp;
use claviger_keeper::client::{Program, SpawnOptions};
use claviger_keeper::{Ceilings, Keeper, process};
use claviger_service::ambient::{Clock, Entropy};
use claviger_service::{Beginning, Options, Service};
use claviger_store::Store;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, Method, Request};
use http_body_util::BodyExt as _;
use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use serde_json::{Value, json};
use tempfile::TempDir;
use tower::ServiceExt as _;

/// 2027-01-15T08:00:00Z.
pub(crate) const BEGINNING: i64 = 1_800_000_000_000_000;

/// A clock that stands still.
#[derive(Debug)]
pub(crate) struct FrozenClock(AtomicI64);

impl FrozenClock {
    pub(crate) fn advance_seconds(&self, seconds: i64) {
        self.0.fetch_add(seconds * 1_000_000, Ordering::SeqCst);
    }
}

impl Clock for FrozenClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(Ordering::SeqCst))
    }
}

/// Bytes that are the same in every run, so that answers can be compared as they are.
#[derive(Debug)]
struct SeededEntropy(Mutex<StdRng>);

impl Entropy for SeededEntropy {
    fn fill(&self, buffer: &mut [u8]) {
        self.0.lock().fill_bytes(buffer);
    }
}

/// One Claviger, initialised, with an owner.
pub(crate) struct World {
    pub(crate) service: Service,
    pub(crate) clock: Arc<FrozenClock>,
    /// The owner's service key, which may do everything everywhere.
    pub(crate) owner: String,
    pub(crate) organization_id: String,
    router: Router,
    _folder: TempDir,
}

impl World {
    pub(crate) async fn on_sqlite() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let url = format!("sqlite:{}", folder.path().join("claviger.db").display());
        Self::on(&url, folder).await
    }

    pub(crate) async fn on_postgres(database: &claviger_testkit::Database) -> Self {
        Self::on(database.url(), tempfile::tempdir().expect("a folder")).await
    }

    async fn on(url: &str, folder: TempDir) -> Self {
        let store = Store::open(url, claviger_store::Options::default()).await.expect("a database");
        let clock = Arc::new(FrozenClock(AtomicI64::new(BEGINNING)));
        let entropy = Arc::new(SeededEntropy(Mutex::new(StdRng::seed_from_u64(7))));
        let keeper = Arc::new(keeper(&folder));
        let frozen = Arc::<FrozenClock>::clone(&clock);
        let seeded = Arc::<SeededEntropy>::clone(&entropy);
        let service = Service::start(store, keeper, frozen, seeded, options()).await.expect("started");
        let beginning = Beginning {
            owner: Email::new("ada@example.com").expect("an address"),
            organization: Name::new("Acme").expect("a name"),
        };
        let first = service.init(&beginning).await.expect("initialised");
        service.load().await.expect("loaded");
        let router = claviger_api::router(service.clone(), entropy.as_ref(), api_options());
        Self {
            owner: first.service_key.expose().to_owned(),
            organization_id: first.organization_id.to_string(),
            service,
            clock,
            router,
            _folder: folder,
        }
    }

    pub(crate) fn call(&self, method: &str, path: &str) -> Call<'_> {
        let method = method.parse().expect("a method");
        Call { world: self, method, path: path.to_owned(), headers: HeaderMap::new(), body: Vec::new() }
            .header("x-request-id", "test")
    }

    pub(crate) fn get(&self, path: &str) -> Call<'_> {
        self.call("GET", path).by(&self.owner)
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Call<'_> {
        self.call("POST", path).by(&self.owner).json(body)
    }

    /// An act without a body.
    pub(crate) fn act(&self, path: &str) -> Call<'_> {
        self.call("POST", path).by(&self.owner)
    }

    pub(crate) fn patch(&self, path: &str, body: &Value) -> Call<'_> {
        self.call("PATCH", path).by(&self.owner).json(body)
    }

    pub(crate) fn put(&self, path: &str, body: &Value) -> Call<'_> {
        self.call("PUT", path).by(&self.owner).json(body)
    }

    pub(crate) fn delete(&self, path: &str) -> Call<'_> {
        self.call("DELETE", path).by(&self.owner)
    }

    /// How far the log has come.
    pub(crate) async fn position(&self) -> i64 {
        self.get("/v1/events/proof").send().await.json()["position"].as_i64().expect("a position")
    }
}

fn keeper(folder: &TempDir) -> Keeper {
    let mut options = SpawnOptions::new(process::Options {
        ceilings: Ceilings { per_actor: 10_000, together: 100_000 },
        ..process::Options::new(folder.path())
    });
    options.program = Program::RunningImage { arguments: claviger_testkit::keeper_arguments() };
    Keeper::spawn(options).expect("a keeper")
}

fn options() -> Options {
    Options {
        node_id: claviger_domain::id::NodeId::from_bytes([1; 16]),
        node_name: "test".to_owned(),
        own_listeners: vec!["127.0.0.1:7700".parse().expect("an address")],
        max_staleness_seconds: 86_400,
        failures_per_minute: 120,
    }
}

fn api_options() -> ApiOptions {
    ApiOptions {
        public_url: "http://127.0.0.1:7700".to_owned(),
        trusted: vec!["127.0.0.0/8".parse().expect("a net")],
    }
}

/// A request being made.
#[derive(Clone)]
pub(crate) struct Call<'w> {
    world: &'w World,
    method: Method,
    path: String,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Call<'_> {
    /// Signs the call in with a service key.
    pub(crate) fn by(self, key: &str) -> Self {
        self.header(AUTHORIZATION.as_str(), &format!("Bearer {key}"))
    }

    pub(crate) fn by_nobody(mut self) -> Self {
        self.headers.remove(AUTHORIZATION);
        self
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        let name: http::HeaderName = name.parse().expect("a name");
        self.headers.insert(name, value.parse().expect("a value"));
        self
    }

    pub(crate) fn json(self, body: &Value) -> Self {
        self.raw("application/json", body.to_string())
    }

    pub(crate) fn raw(mut self, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self.header(CONTENT_TYPE.as_str(), content_type)
    }

    pub(crate) async fn send(self) -> Answer {
        let mut request = Request::builder().method(self.method.clone()).uri(&self.path);
        *request.headers_mut().expect("headers") = self.headers;
        let peer = SocketAddr::from(([127, 0, 0, 1], 40_000));
        let request = request.extension(ConnectInfo(peer)).body(Body::from(self.body)).expect("a request");
        let answer = self.world.router.clone().oneshot(request).await.expect("an answer");
        let (parts, body) = answer.into_parts();
        let bytes = body.collect().await.expect("a body").to_bytes().to_vec();
        let asked = format!("{} {}", self.method, self.path);
        Answer { asked, status: parts.status.as_u16(), headers: parts.headers, bytes }
    }

    /// Sends it, and expects this status.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> impl Future<Output = Value> {
        let from = std::panic::Location::caller();
        async move {
            let answer = self.send().await;
            assert_eq!(answer.status, status, "at {from}: {answer}");
            if answer.bytes.is_empty() { Value::Null } else { answer.json() }
        }
    }
}

/// What came back.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    asked: String,
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) bytes: Vec<u8>,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or_else(|error| panic!("{error}: {self}"))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The stable code of a problem; empty for an answer that is none.
    pub(crate) fn code(&self) -> String {
        let problem = self.header("content-type") == Some("application/problem+json");
        problem.then(|| self.json()["code"].as_str().unwrap_or_default().to_owned()).unwrap_or_default()
    }

    /// The pointers of the values that were refused.
    pub(crate) fn pointers(&self) -> Vec<String> {
        let body = self.json();
        let errors = body["errors"].as_array().into_iter().flatten();
        errors.filter_map(|error| error["pointer"].as_str().map(str::to_owned)).collect()
    }
}

impl std::fmt::Display for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} answered {}: {}", self.asked, self.status, self.text())
    }
}

/// What tests begin with, made through the API itself by the owner.
impl World {
    async fn made(&self, path: &str, body: Value) -> String {
        let made = self.post(path, &body).expect(201).await;
        made["id"].as_str().expect("an id").to_owned()
    }

    pub(crate) async fn organization(&self, name: &str) -> String {
        self.made("/v1/organizations", json!({"name": name})).await
    }

    pub(crate) async fn group(&self, organization_id: &str, name: &str) -> String {
        self.made("/v1/groups", json!({"name": name, "organization_id": organization_id})).await
    }

    /// The Group `default` of an Organization.
    pub(crate) async fn default_group(&self, organization_id: &str) -> String {
        let found = self.get(&format!("/v1/groups?organization_id={organization_id}")).expect(200).await;
        let groups = found["items"].as_array().expect("Groups").clone();
        let default = groups.iter().find(|group| group["name"] == "default").expect("the Group `default`");
        default["id"].as_str().expect("an id").to_owned()
    }

    pub(crate) async fn application(&self, name: &str, group_id: &str) -> String {
        self.made("/v1/applications", json!({"name": name, "group_id": group_id})).await
    }

    pub(crate) async fn template(&self, name: &str, organization_id: &str, policy: &Value) -> String {
        let mut body = json!({"name": name, "organization_id": organization_id});
        for (member, value) in policy.as_object().into_iter().flatten() {
            body[member] = value.clone();
        }
        self.made("/v1/policy-templates", body).await
    }

    /// An exposed API with the auth type `api_key`.
    pub(crate) async fn api(&self, slug: &str, group_id: &str, template_id: &str) -> String {
        let body = json!({
            "slug": slug, "name": slug, "group_id": group_id, "upstreams": ["http://127.0.0.1:9000"],
            "auth_types": ["api_key"], "requires": "key", "policy_template_id": template_id, "exposed": true,
        });
        self.made("/v1/apis", body).await
    }

    pub(crate) async fn subscribe(&self, application_id: &str, api_id: &str) -> Value {
        let body = json!({"application_id": application_id, "api_id": api_id, "environment_id": "sandbox"});
        self.post("/v1/subscriptions", &body).expect(201).await
    }

    pub(crate) async fn permission_group(
        &self,
        name: &str,
        organization_id: &str,
        permissions: &[&str],
    ) -> String {
        let body = json!({"name": name, "organization_id": organization_id, "permissions": permissions});
        self.made("/v1/permission-groups", body).await
    }

    /// A service key of an Organization, limited to it, with just these permissions: id and value.
    pub(crate) async fn service_key(
        &self,
        name: &str,
        organization_id: &str,
        permissions: &[&str],
    ) -> (String, String) {
        let group = self.permission_group(name, organization_id, permissions).await;
        let scope = json!({"organization_id": organization_id});
        self.service_key_in(name, &group, &scope).await
    }

    pub(crate) async fn service_key_in(&self, name: &str, group_id: &str, scope: &Value) -> (String, String) {
        let body = json!({"name": name, "permission_group_ids": [group_id], "scope": scope});
        let made = self.post("/v1/service-keys", &body).expect(201).await;
        let text = |member: &str| made[member].as_str().expect("a text").to_owned();
        (text("id"), text("key"))
    }
}
