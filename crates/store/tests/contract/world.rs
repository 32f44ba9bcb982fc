//! A small world to test in: a database, ids in order, a clock that stands still, and the events of every
//! noun.

use std::sync::atomic::{AtomicU64, Ordering};

use claviger_domain::apis::{
    ApiSettings, AuthType, CredentialHeaders, HeaderPreset, Requires, Upstream, Visibility,
};
use claviger_domain::credential::{CredentialKind, generate};
use claviger_domain::event::{
    ActorRef, EventBody, KeySetTerms, NewEvent, Position, Private, SubscriptionTerms,
};
use claviger_domain::id::{
    ApiId, ApplicationId, EnvironmentId, GroupId, Id, KeySetId, Kind, OrganizationId, PolicyTemplateId,
    SubscriptionId,
};
use claviger_domain::key_sets::{FreshKey, KeySet, Opening};
use claviger_domain::organizations::OrganizationKind;
use claviger_domain::policy_templates::{Approval, Policy, TemplateVersion};
use claviger_domain::scope::Place as Where;
use claviger_domain::secret::{Digest, DigestKeyId};
use claviger_domain::text::{Name, Slug};
use claviger_domain::time::{Period, Timestamp};
use claviger_store::{Options, Store, StoreError};
use claviger_testkit::{Database, Postgres};
use tempfile::TempDir;

/// Where a test's database is; gone with the value.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) url: String,
    _guard: Guard,
}

#[derive(Debug)]
#[expect(dead_code, reason = "held until the test ends")]
enum Guard {
    Folder(TempDir),
    Database(Database),
}

impl Place {
    pub(crate) fn sqlite() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let url = format!("sqlite:{}", folder.path().join("claviger.db").display());
        Self { url, _guard: Guard::Folder(folder) }
    }

    pub(crate) fn postgres() -> Self {
        let database = Postgres::shared().create_database();
        Self { url: database.url().to_owned(), _guard: Guard::Database(database) }
    }

    pub(crate) fn is_sqlite(&self) -> bool {
        self.url.starts_with("sqlite:")
    }

    pub(crate) async fn open(&self) -> Store {
        Store::open(&self.url, Options::default()).await.expect("a database that opens")
    }

    /// Runs statements behind the store's back.
    pub(crate) async fn tamper(&self, sql: &'static str) {
        use sqlx::Connection as _;
        if let Some(path) = self.url.strip_prefix("sqlite:") {
            let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path);
            let mut connection = sqlx::SqliteConnection::connect_with(&options).await.expect("a file");
            sqlx::raw_sql(sql).execute(&mut connection).await.expect("a statement");
        } else {
            let mut connection = sqlx::PgConnection::connect(&self.url).await.expect("a database");
            sqlx::raw_sql(sql).execute(&mut connection).await.expect("a statement");
        }
    }
}

impl Place {
    /// One number, asked behind the store's back.
    pub(crate) async fn count(&self, sql: &'static str) -> i64 {
        use sqlx::Connection as _;
        if let Some(path) = self.url.strip_prefix("sqlite:") {
            let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path);
            let mut connection = sqlx::SqliteConnection::connect_with(&options).await.expect("a file");
            sqlx::query_scalar(sql).fetch_one(&mut connection).await.expect("a number")
        } else {
            let mut connection = sqlx::PgConnection::connect(&self.url).await.expect("a database");
            sqlx::query_scalar(sql).fetch_one(&mut connection).await.expect("a number")
        }
    }
}

/// Runs one test to its end.
pub(crate) fn run(test: impl AsyncFnOnce()) {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime")
        .block_on(test());
}

/// The instant at which all begins.
pub(crate) fn start() -> Timestamp {
    "2026-03-01T12:00:00Z".parse().expect("an instant")
}

pub(crate) fn later(period: &str) -> Timestamp {
    start().plus(&period.parse::<Period>().expect("a period"))
}

pub(crate) fn name(text: &str) -> Name {
    Name::new(text).expect("a name")
}

pub(crate) fn slug(text: &str) -> Slug {
    Slug::new(text).expect("a slug")
}

static NEXT: AtomicU64 = AtomicU64::new(1);

pub(crate) fn number() -> u64 {
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// A fresh id; later ones sort after earlier ones.
pub(crate) fn id<K: Kind>() -> Id<K> {
    id_at(start())
}

pub(crate) fn id_at<K: Kind>(at: Timestamp) -> Id<K> {
    let mut entropy = [0; 10];
    entropy[2..].copy_from_slice(&number().to_be_bytes());
    Id::fresh(at, entropy)
}

pub(crate) fn event(at: Timestamp, place: Where, body: EventBody) -> NewEvent {
    NewEvent {
        id: id_at(at),
        at,
        actor: ActorRef::system("test"),
        source: Some("127.0.0.1".to_owned()),
        reason: None,
        place,
        counterpart: None,
        body,
        private: None,
    }
}

pub(crate) fn policy() -> Policy {
    Policy {
        expires_after: Some("P1Y".parse().expect("a period")),
        rotates_every: Some("P30D".parse().expect("a period")),
        rotation_lead: "P7D".parse().expect("a period"),
        overlap: "P3D".parse().expect("a period"),
        manual_regeneration: true,
        retrievable: false,
        approval: Approval::None,
        notify_before: Vec::new(),
        rate_limit: None,
        quota: None,
    }
}

/// A policy under which nothing is due before the expiration.
pub(crate) fn plain_policy(expires_after: &str) -> Policy {
    Policy { expires_after: Some(expires_after.parse().expect("a period")), rotates_every: None, ..policy() }
}

/// A fresh Key, and the digests by which it is known.
pub(crate) fn fresh_key(at: Timestamp) -> (FreshKey, Private) {
    let mut seed = number();
    let generated = generate(CredentialKind::Key, |buffer| {
        for byte in buffer {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            *byte = (seed >> 56) as u8;
        }
    });
    // Spread as real digests are: the index places keys by the first bytes.
    let mut digest = [0; 32];
    digest[..8].copy_from_slice(&number().wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    let private = Private { digest_key: DigestKeyId(1), key: Digest::from_bytes(digest), secret: None };
    (FreshKey { id: id_at(at), masked: generated.masked }, private)
}

/// Appends the events in one transaction.
pub(crate) async fn append(
    store: &Store,
    events: impl IntoIterator<Item = NewEvent>,
) -> Result<Position, StoreError> {
    let events: Vec<NewEvent> = events.into_iter().collect();
    let events = &events;
    let work = store.commit("test", |tx| {
        Box::pin(async move {
            for event in events {
                tx.append(event.clone()).await?;
            }
            Ok::<_, StoreError>(())
        })
    });
    work.await.map(|((), position)| position)
}

/// One Organization with a Group, an Environment, a template, an API and an Application.
#[derive(Debug, Clone)]
pub(crate) struct World {
    pub(crate) organization_id: OrganizationId,
    pub(crate) group_id: GroupId,
    pub(crate) environment_id: EnvironmentId,
    pub(crate) policy_template_id: PolicyTemplateId,
    pub(crate) api_id: ApiId,
    pub(crate) application_id: ApplicationId,
    pub(crate) policy: Policy,
}

impl World {
    /// Makes it, at [`start`].
    pub(crate) async fn make(store: &Store) -> Self {
        Self::with_policy(store, policy()).await
    }

    pub(crate) async fn with_policy(store: &Store, policy: Policy) -> Self {
        let world = Self {
            organization_id: id(),
            group_id: id(),
            environment_id: id(),
            policy_template_id: id(),
            api_id: id(),
            application_id: id(),
            policy,
        };
        append(store, world.beginning()).await.expect("a world");
        world
    }

    pub(crate) fn place(&self) -> Where {
        Where::group(self.organization_id, self.group_id)
    }

    fn beginning(&self) -> Vec<NewEvent> {
        let number = number();
        let bodies = [
            EventBody::OrganizationCreated {
                organization_id: self.organization_id,
                name: name("Acme"),
                organization_kind: OrganizationKind::Internal,
            },
            EventBody::GroupCreated {
                group_id: self.group_id,
                organization_id: self.organization_id,
                name: name("default"),
            },
            EventBody::EnvironmentCreated {
                environment_id: self.environment_id,
                slug: slug(&format!("sandbox-{number}")),
                name: name("Sandbox"),
            },
            EventBody::PolicyTemplateCreated {
                policy_template_id: self.policy_template_id,
                organization_id: self.organization_id,
                name: name("Default"),
                policy: self.policy.clone(),
            },
            EventBody::ApiCreated {
                api_id: self.api_id,
                organization_id: self.organization_id,
                group_id: self.group_id,
                slug: slug(&format!("orders-{number}")),
                settings: self.settings("Orders"),
                exposed: true,
            },
            EventBody::ApplicationCreated {
                application_id: self.application_id,
                organization_id: self.organization_id,
                group_id: self.group_id,
                name: name("Shop"),
            },
        ];
        bodies.into_iter().map(|body| event(start(), self.place(), body)).collect()
    }

    pub(crate) fn settings(&self, api_name: &str) -> ApiSettings {
        ApiSettings {
            name: name(api_name),
            version: None,
            description: None,
            upstreams: vec![Upstream::new("http://127.0.0.1:9000").expect("an upstream")],
            environment_upstreams: Default::default(),
            environment_ids: [self.environment_id].into(),
            auth_types: [AuthType::ApiKey, AuthType::Basic].into(),
            requires: Requires::Key,
            credential_headers: CredentialHeaders::Preset(HeaderPreset::Standard),
            permissions: Vec::new(),
            policy_template_id: self.policy_template_id,
            rate_limit: None,
            quota: None,
            cors: None,
            ip_allow_list: None,
            visibility: Visibility::Organization,
        }
    }

    pub(crate) fn terms(&self, set_name: &str, auth_type: AuthType) -> KeySetTerms {
        KeySetTerms {
            name: name(set_name),
            organization_id: self.organization_id,
            group_id: self.group_id,
            application_id: self.application_id,
            environment_id: self.environment_id,
            auth_type,
            policy: self.policy.clone(),
            template: TemplateVersion { template_id: self.policy_template_id, template_version: 1 },
        }
    }

    /// The events of a new Key Set, opened at `at`.
    pub(crate) fn opened(
        &self,
        terms: KeySetTerms,
        pending: bool,
        at: Timestamp,
    ) -> (KeySetId, Vec<NewEvent>) {
        let key_set_id: KeySetId = id_at(at);
        let (fresh, private) = fresh_key(at);
        let place = self.place().in_environment(terms.environment_id);
        let opening = Opening { pending, application_suspended: false };
        let bodies = KeySet::open(key_set_id, terms, opening, fresh, at);
        (key_set_id, with_private(bodies, at, place, [private]))
    }

    /// Opens a Key Set.
    pub(crate) async fn open_set(&self, store: &Store, set_name: &str, at: Timestamp) -> KeySetId {
        let (key_set_id, events) = self.opened(self.terms(set_name, AuthType::ApiKey), false, at);
        append(store, events).await.expect("a Key Set");
        key_set_id
    }

    /// Subscribes the Application to the API, with these Key Sets.
    pub(crate) async fn subscribe(&self, store: &Store, key_set_ids: &[KeySetId]) -> SubscriptionId {
        let subscription_id = id();
        append(store, [self.subscription(subscription_id, self.api_id, key_set_ids)]).await.expect("one");
        subscription_id
    }

    pub(crate) fn subscription(
        &self,
        subscription_id: SubscriptionId,
        api_id: ApiId,
        key_set_ids: &[KeySetId],
    ) -> NewEvent {
        let terms = SubscriptionTerms {
            application_id: self.application_id,
            organization_id: self.organization_id,
            group_id: self.group_id,
            api_id,
            api_organization_id: self.organization_id,
            api_group_id: self.group_id,
            environment_id: self.environment_id,
            pending: false,
            lapses_at: None,
            permissions: None,
            note: None,
            key_set_ids: key_set_ids.to_vec(),
        };
        let place = self.place().in_environment(self.environment_id);
        let body = EventBody::SubscriptionCreated { subscription_id, terms: Box::new(terms) };
        NewEvent { counterpart: Some(place), ..event(start(), place, body) }
    }
}

/// The bodies as events, each `key.issued` with the next private part.
pub(crate) fn with_private(
    bodies: Vec<EventBody>,
    at: Timestamp,
    place: Where,
    private: impl IntoIterator<Item = Private>,
) -> Vec<NewEvent> {
    let mut private = private.into_iter();
    bodies
        .into_iter()
        .map(|body| {
            let issues = matches!(body, EventBody::KeyIssued { .. });
            let private = if issues { private.next() } else { None };
            NewEvent { private, ..event(at, place, body) }
        })
        .collect()
}
