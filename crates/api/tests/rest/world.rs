//! A whole Claviger behind its router, and callers as typed values.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use axum::Router;
use claviger_api::{Face, Options as ApiOptions};
use claviger_domain::members::Email;
use claviger_domain::peers::TrustedPeers;
use claviger_domain::text::Name;
use claviger_domain::time::Timestamp;
use claviger_keeper::client::{Program, SpawnOptions};
use claviger_keeper::{AllCeilings, Ceilings, Keeper, process};
use claviger_limits::Limiter;
use claviger_service::ambient::{Clock, Entropy};
use claviger_service::{Beginning, Options, Service};
use claviger_store::Store;
use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use serde_json::Value;
use tempfile::TempDir;

use crate::call::Call;

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
    face: Face,
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
        let face = Face::new(service.clone(), entropy.as_ref(), api_options("http://127.0.0.1:7700"));
        Self {
            owner: first.service_key.expose().to_owned(),
            organization_id: first.organization_id.to_string(),
            service,
            clock,
            router: face.router(),
            face,
            _folder: folder,
        }
    }

    /// The whole face, as a server asks it.
    pub(crate) fn face(&self) -> &Face {
        &self.face
    }

    /// All its routes, to be served.
    pub(crate) fn router(&self) -> Router {
        self.router.clone()
    }

    /// The same face, shown to the world at another address.
    pub(crate) fn router_at(&self, public_url: &str) -> Router {
        self.router_with(api_options(public_url))
    }

    /// The same face, which waits for bodies only so long.
    pub(crate) fn router_in_haste(&self, body_timeout: Duration) -> Router {
        self.router_with(ApiOptions { body_timeout, ..api_options("http://127.0.0.1:7700") })
    }

    fn router_with(&self, options: ApiOptions) -> Router {
        let entropy = SeededEntropy(Mutex::new(StdRng::seed_from_u64(8)));
        Face::new(self.service.clone(), &entropy, options).router()
    }

    pub(crate) fn call(&self, method: &str, path: &str) -> Call<'_> {
        Call::new(&self.router, method, path).header("x-request-id", "test")
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
        ceilings: AllCeilings {
            reveals: Ceilings { per_actor: 10_000, together: 100_000 },
            ..AllCeilings::default()
        },
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
        shared_keys_per_section: 5,
        limiter: Limiter::alone(),
        public_url: "https://keys.example.com".to_owned(),
        usage_retention: claviger_service::UsageRetention::default(),
        git: claviger_service::Git::Missing("these tests ask no host".to_owned()),
    }
}

fn api_options(public_url: &str) -> ApiOptions {
    ApiOptions {
        public_url: public_url.to_owned(),
        trusted: TrustedPeers::loopback(),
        body_timeout: claviger_api::BODY_TIMEOUT,
        trials: None,
    }
}
