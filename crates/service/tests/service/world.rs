//! A whole small world for one test: an initialised [`Service`], its owner, its clock, and the few
//! questions that all tests ask of it.

use std::fs;
use std::future::Future;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use claviger_domain::id::{MemberId, NodeId, OrganizationId};
use claviger_domain::members::Email;
use claviger_domain::permission::Permission;
use claviger_domain::refusal::Refusal;
use claviger_domain::text::Name;
use claviger_domain::time::{Period, Timestamp};
use claviger_keeper::client::{Program, SpawnOptions};
use claviger_keeper::{Keeper, process};
use claviger_limits::Limiter;
use claviger_service::ambient::{Clock, Entropy};
use claviger_service::request::Outcome;
use claviger_service::{
    Beginning, Caller, Error, Git, IdempotencyClaim, ListParameters, Options, Request, Service,
    UsageRetention, Written,
};
use claviger_store::Store;
use claviger_testkit::{Database, Postgres, keeper_arguments};
use claviger_wire::scope::Scope;
use claviger_wire::{permission_groups, service_keys};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

/// Makes tests of async functions that take a [`World`]: each of them once on SQLite and once on PostgreSQL.
macro_rules! on_both_databases {
    ($($test:ident),+ $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$test($crate::world::World::on_sqlite().await).await;
            })+
        }

        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$test($crate::world::World::on_postgres().await).await;
            })+
        }
    };
}

/// When every world begins.
pub(crate) const BEGINNING: &str = "2026-03-01T12:00:00Z";

/// An initialised instance with one node, alone in its database.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) service: Service,
    /// The owner's service key: everything is allowed to it.
    pub(crate) owner: Actor,
    pub(crate) organization_id: OrganizationId,
    pub(crate) owner_member_id: MemberId,
    clock: Arc<SetClock>,
    made: AtomicU64,
    place: Place,
}

/// Where a world's files and rows are; they go with it.
#[derive(Debug)]
struct Place {
    url: String,
    folder: TempDir,
    _database: Option<Database>,
}

/// A service key in somebody's hands.
#[derive(Debug, Clone)]
pub(crate) struct Actor {
    pub(crate) value: String,
    pub(crate) caller: Caller,
    /// From where it calls.
    pub(crate) source: Option<IpAddr>,
}

/// How a service key is limited besides its permissions and its scope.
#[derive(Debug, Clone, Default)]
pub(crate) struct Limits {
    pub(crate) expires_at: Option<Timestamp>,
    pub(crate) ip_allow_list: Option<Vec<String>>,
    pub(crate) member_id: Option<MemberId>,
}

impl World {
    pub(crate) async fn on_sqlite() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let url = format!("sqlite:{}", folder.path().join("claviger.db").display());
        Self::begin(Place { url, folder, _database: None }).await
    }

    pub(crate) async fn on_postgres() -> Self {
        let database = Postgres::shared().create_database();
        let folder = tempfile::tempdir().expect("a folder");
        Self::begin(Place { url: database.url().to_owned(), folder, _database: Some(database) }).await
    }

    async fn begin(place: Place) -> Self {
        let clock = Arc::new(SetClock::at(instant(BEGINNING)));
        let service = start(&place.url, place.folder.path(), &clock, 1).await;
        let beginning = Beginning {
            owner: Email::new("owner@example.com").expect("a mail address"),
            organization: Name::new("Acme").expect("a name"),
        };
        let first = service.init(&beginning).await.expect("an initialised database");
        service.load().await.expect("a loaded index");
        let value = first.service_key.expose().to_owned();
        let caller = service.sign_in(&value, None).await.expect("the owner");
        Self {
            owner: Actor { value, caller, source: None },
            organization_id: first.organization_id,
            owner_member_id: first.member_id,
            service,
            clock,
            made: AtomicU64::new(0),
            place,
        }
    }

    /// One more node on the same database, with the same clock, and a keeper process of its own in a copy of
    /// the first one's folder. `number` is 2 or more, and no other node's.
    pub(crate) async fn another_node(&self, number: u8) -> Service {
        let folder = self.place.folder.path().join(format!("node-{number}"));
        copy(&self.place.folder.path().join("keeper"), &folder.join("keeper"));
        fs::copy(self.place.folder.path().join("master.key"), folder.join("master.key")).expect("a copy");
        let service = start(&self.place.url, &folder, &self.clock, number).await;
        service.load().await.expect("a loaded index");
        service
    }

    /// Runs a statement behind the store's back.
    pub(crate) async fn tamper(&self, sql: &'static str) {
        use sqlx::Connection as _;
        if let Some(path) = self.place.url.strip_prefix("sqlite:") {
            let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path);
            let mut connection = sqlx::SqliteConnection::connect_with(&options).await.expect("a file");
            sqlx::raw_sql(sql).execute(&mut connection).await.expect("a statement");
        } else {
            let mut connection = sqlx::PgConnection::connect(&self.place.url).await.expect("a database");
            sqlx::raw_sql(sql).execute(&mut connection).await.expect("a statement");
        }
    }

    pub(crate) fn database_url(&self) -> &str {
        &self.place.url
    }

    /// Where the first node's keeper has its files.
    pub(crate) fn folder(&self) -> &Path {
        self.place.folder.path()
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(crate) fn set_time(&self, now: Timestamp) {
        self.clock.now.store(now.as_micros(), Ordering::SeqCst);
    }

    /// Lets the clock go on by so many seconds whenever it is asked; 0: it stands still again.
    pub(crate) fn let_time_run(&self, seconds: i64) {
        self.clock.step.store(seconds * 1_000_000, Ordering::SeqCst);
    }

    /// Lets a calendar period such as `P30D` or `PT90S` go by.
    pub(crate) fn pass(&self, period: &str) {
        let period: Period = period.parse().expect("a period");
        self.set_time(self.now().plus(&period));
    }

    /// A word that nothing in this world is called yet.
    pub(crate) fn fresh_word(&self, of: &str) -> String {
        format!("{of} {}", self.made.fetch_add(1, Ordering::SeqCst) + 1)
    }

    /// A service key with just these permissions at this scope, made by the owner.
    pub(crate) async fn actor(&self, permissions: &[Permission], scope: Scope) -> Actor {
        self.limited_actor(permissions, scope, Limits::default()).await
    }

    pub(crate) async fn limited_actor(
        &self,
        permissions: &[Permission],
        scope: Scope,
        limits: Limits,
    ) -> Actor {
        let source = limits.ip_allow_list.as_ref().and_then(|list| list.first()).map(|first| {
            first.split('/').next().and_then(|address| address.parse().ok()).expect("an address")
        });
        let group = self.permission_group(permissions, scope.organization_id.clone()).await;
        let body = service_keys::Create {
            name: self.fresh_word("Key"),
            permission_group_ids: vec![group],
            scope: Some(scope),
            member_id: limits.member_id.map(|id| id.to_string()),
            expires_at: limits.expires_at.map(|at| at.to_string()),
            ip_allow_list: limits.ip_allow_list,
        };
        let made = fresh(self.service.service_key_create(&self.owner.request(), &body).await);
        let value = made.key.expect("the value, this once");
        let caller = self.service.sign_in(&value, source).await.expect("a good service key");
        Actor { value, caller, source }
    }

    /// A new permission group of an Organization (left out: the owner's); its id.
    pub(crate) async fn permission_group(
        &self,
        permissions: &[Permission],
        organization_id: Option<String>,
    ) -> String {
        let body = permission_groups::Create {
            name: self.fresh_word("Permissions"),
            permissions: permissions.iter().map(ToString::to_string).collect(),
            organization_id,
        };
        fresh(self.service.permission_group_create(&self.owner.request(), &body).await).id
    }

    /// The log's last position: as many events as there are.
    pub(crate) async fn events(&self) -> i64 {
        self.service.store().head().await.expect("the log's head").0
    }

    /// Runs an act that must be refused and must leave the log as it is; answers why it was refused.
    #[track_caller]
    pub(crate) fn refused<T: std::fmt::Debug>(
        &self,
        act: impl Future<Output = Result<T, Error>>,
    ) -> impl Future<Output = Refusal> {
        let at = std::panic::Location::caller();
        async move {
            let before = self.events().await;
            let answer = act.await;
            let Err(Error::Refused(refusal)) = answer else { panic!("{at}: not refused: {answer:?}") };
            assert_eq!(self.events().await, before, "{at}: a refused act wrote an event");
            refusal
        }
    }
}

impl Actor {
    pub(crate) fn request(&self) -> Request {
        Request { caller: self.caller.clone(), source: self.source, if_match: None, idempotency: None }
    }

    pub(crate) fn request_if_match(&self, etag: &str) -> Request {
        Request { if_match: Some(etag.to_owned()), ..self.request() }
    }

    /// A request under an `Idempotency-Key`.
    pub(crate) fn request_under(&self, key: &str, path: &str, body: &impl Serialize) -> Request {
        let text = serde_json::to_vec(body).expect("a body");
        let claim = IdempotencyClaim {
            key: key.to_owned(),
            method: "POST".to_owned(),
            path: path.to_owned(),
            body_sha256: Sha256::digest(text).into(),
        };
        Request { idempotency: Some(claim), ..self.request() }
    }
}

/// Copies a folder of files, with their modes.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    fs::set_permissions(to, fs::metadata(from).expect("a folder").permissions()).expect("its mode");
    for entry in fs::read_dir(from).expect("a folder") {
        let path = entry.expect("a file").path();
        fs::copy(&path, to.join(path.file_name().expect("a name"))).expect("a copy");
    }
}

/// Opens the database as node `number`, with a keeper of its own in this folder.
async fn start(url: &str, folder: &Path, clock: &Arc<SetClock>, number: u8) -> Service {
    let mut options = SpawnOptions::new(process::Options::new(folder));
    options.program = Program::RunningImage { arguments: keeper_arguments() };
    let keeper = Keeper::spawn(options).expect("a keeper");
    let store = Store::open(url, claviger_store::Options::default()).await.expect("a database");
    let options = Options {
        node_id: NodeId::from_bytes([number; 16]),
        node_name: format!("node-{number}"),
        own_listeners: vec!["127.0.0.1:7700".parse().expect("an address")],
        max_staleness_seconds: 86_400,
        failures_per_minute: 120,
        shared_keys_per_section: 5,
        limiter: Limiter::alone(),
        public_url: "https://keys.example.com".to_owned(),
        usage_retention: UsageRetention::default(),
        git: Git::Missing("these tests ask no host".to_owned()),
    };
    let clock = Arc::clone(clock) as Arc<dyn Clock>;
    let entropy = Arc::new(SeededEntropy::new(number.into()));
    Service::start(store, Arc::new(keeper), clock, entropy, options).await.expect("a service")
}

/// A clock that stands still until it is set, or goes on by a step whenever it is asked.
#[derive(Debug)]
struct SetClock {
    now: AtomicI64,
    step: AtomicI64,
}

impl SetClock {
    fn at(now: Timestamp) -> Self {
        Self { now: AtomicI64::new(now.as_micros()), step: AtomicI64::new(0) }
    }
}

impl Clock for SetClock {
    fn now(&self) -> Timestamp {
        let step = self.step.load(Ordering::SeqCst);
        Timestamp::from_micros(self.now.fetch_add(step, Ordering::SeqCst))
    }
}

/// The same chance in every run.
#[derive(Debug)]
struct SeededEntropy(std::sync::Mutex<StdRng>);

impl SeededEntropy {
    fn new(seed: u64) -> Self {
        Self(std::sync::Mutex::new(StdRng::seed_from_u64(seed)))
    }
}

impl Entropy for SeededEntropy {
    fn fill(&self, buffer: &mut [u8]) {
        self.0.lock().expect("nobody panicked here").fill_bytes(buffer);
    }
}

/// An instant as people write it.
#[track_caller]
pub(crate) fn instant(text: &str) -> Timestamp {
    text.parse().expect("an instant")
}

/// A body as people type it.
#[track_caller]
pub(crate) fn body<T: DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).expect("a body of this shape")
}

/// The answer to a write that was done, for the first time.
#[track_caller]
pub(crate) fn fresh<T: std::fmt::Debug>(written: Result<Written<T>, Error>) -> T {
    match written.expect("done").outcome {
        Outcome::Fresh(answer) => answer,
        Outcome::Replayed(answer) => panic!("told again: {answer}"),
    }
}

/// The answer to a write that was done before.
#[track_caller]
pub(crate) fn replayed<T: std::fmt::Debug>(written: Result<Written<T>, Error>) -> Value {
    match written.expect("done").outcome {
        Outcome::Fresh(answer) => panic!("done anew: {answer:?}"),
        Outcome::Replayed(answer) => answer,
    }
}

/// The query of a list: `query("/v1/groups", &[("q", "a")])`.
pub(crate) fn query(path: &str, pairs: &[(&str, &str)]) -> ListParameters {
    let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    ListParameters { path: path.to_owned(), pairs }
}

/// The pointers of a refusal of values.
#[track_caller]
pub(crate) fn pointers(refusal: &Refusal) -> Vec<&str> {
    let Refusal::Invalid(errors) = refusal else { panic!("refused otherwise: {refusal:?}") };
    errors.iter().map(|error| error.pointer.as_str()).collect()
}

pub(crate) fn forbidden(missing: Permission) -> Refusal {
    Refusal::Forbidden { missing }
}

/// Everything.
pub(crate) fn everywhere() -> Scope {
    Scope::default()
}

/// A whole Organization.
pub(crate) fn in_organization(id: impl ToString) -> Scope {
    Scope { organization_id: Some(id.to_string()), ..Scope::default() }
}
