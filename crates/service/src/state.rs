//! The service as one value: what every use case works with. The binary makes it, the faces share it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use claviger_domain::credential::{self, CredentialKind, Generated};
use claviger_domain::event::Position;
use claviger_domain::id::{Id, Kind, NodeId};
use claviger_domain::time::Timestamp;
use claviger_keeper::{Keeper, Keys};
use claviger_limits::Limiter;
use claviger_store::Store;
use claviger_verify::Failures;
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

use crate::allowance::Allowance;
use crate::ambient::{Clock, Entropy, fresh_id};
use crate::api_documents;
use crate::cursor::CursorKey;
use crate::error::{Error, Unavailable};
use crate::follow::Follower;
use crate::git_integrations::Git;
use crate::instance::{self, StartError};
use crate::jobs::Jobs;
use crate::key_pairs::Published;
use crate::usage::{UsageReporter, UsageRetention};

/// All use cases of Claviger. Cheap to clone.
#[derive(Clone)]
pub struct Service {
    pub(crate) state: Arc<State>,
}

/// What the service is made of.
pub(crate) struct State {
    pub(crate) store: Store,
    pub(crate) keeper: Arc<Keeper>,
    pub(crate) keys: Keys,
    pub(crate) cursors: CursorKey,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) follower: Follower,
    pub(crate) identifying: Allowance,
    /// Failed calls by source, at the doors and where verify was told it.
    pub(crate) failures: Arc<Failures>,
    /// Failed sign-ins by source, counted apart from the doors'.
    pub(crate) sign_in_failures: Failures,
    /// What anybody may read to check tokens.
    pub(crate) published: Published,
    /// Retrievals that go on when their caller has hung up.
    pub(crate) retrievals: TaskTracker,
    /// Pulls and pushes, which go on after their requests.
    pub(crate) jobs: Jobs,
    /// How many OpenAPI documents are read at once: each takes the room of many times its size.
    pub(crate) documents: Arc<Semaphore>,
    /// Hands in what the meters counted.
    pub(crate) reporter: UsageReporter,
    pub(crate) options: Options,
    /// The id of the database: a part of every sealed value's place.
    pub(crate) instance_id: String,
}

/// What the operator's configuration says to the use cases.
#[derive(Debug, Clone)]
pub struct Options {
    /// This process among the nodes of the database.
    pub node_id: NodeId,
    pub node_name: String,
    /// The addresses that Claviger itself listens on: no upstream may be one of them.
    pub own_listeners: Vec<std::net::SocketAddr>,
    /// For how long deciding goes on without contact to the log, in seconds.
    pub max_staleness_seconds: i64,
    /// From how many failed sign-ins a minute on a source is slowed.
    pub failures_per_minute: u32,
    /// How many shared keys a section of an API may have.
    pub shared_keys_per_section: u32,
    /// What limits how often calls may be made; the doors share it.
    pub limiter: Limiter,
    /// How people reach the console and the portal: links are built from it.
    pub public_url: String,
    /// For how long what is counted about calls is kept.
    pub usage_retention: UsageRetention,
    /// What pulls and pushes OpenAPI documents.
    pub git: Git,
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service").field("node", &self.state.options.node_name).finish_non_exhaustive()
    }
}

impl Service {
    /// Puts the service together on an open database. Its verifier's index is empty until
    /// [`Service::load`] has run.
    ///
    /// # Errors
    /// [`StartError::OtherKeeper`] if the database belongs to another keeper's root secret.
    pub async fn start(
        store: Store,
        keeper: Arc<Keeper>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        options: Options,
    ) -> Result<Self, StartError> {
        let instance = instance::of(&store, &keeper, clock.now(), entropy.as_ref()).await?;
        let keys = keeper.keys().clone();
        let state = State {
            cursors: CursorKey::new(keys.cursor.clone()),
            follower: Follower::new(&keys, options.max_staleness_seconds),
            identifying: Allowance::default(),
            failures: Arc::new(Failures::new(options.failures_per_minute)),
            sign_in_failures: Failures::new(options.failures_per_minute),
            published: Published::default(),
            retrievals: TaskTracker::new(),
            jobs: Jobs::default(),
            documents: Arc::new(Semaphore::new(api_documents::AT_ONCE)),
            reporter: UsageReporter::new(format!("{} {}", options.node_id, clock.now().as_micros())),
            instance_id: instance.instance_id,
            store,
            keeper,
            keys,
            clock,
            entropy,
            options,
        };
        Ok(Self { state: Arc::new(state) })
    }

    /// The one clock of the process.
    pub fn now(&self) -> Timestamp {
        self.state.clock.now()
    }

    pub fn store(&self) -> &Store {
        &self.state.store
    }

    pub fn options(&self) -> &Options {
        &self.state.options
    }

    /// Who failed how often: the doors share it.
    pub fn failures(&self) -> &Arc<Failures> {
        &self.state.failures
    }

    /// What limits how often calls may be made.
    pub fn limiter(&self) -> &Limiter {
        &self.state.options.limiter
    }

    pub fn keeper(&self) -> &Keeper {
        &self.state.keeper
    }

    pub(crate) fn fresh_id<K: Kind>(&self, now: Timestamp) -> Id<K> {
        fresh_id(now, self.state.entropy.as_ref())
    }

    pub(crate) fn fresh_credential(&self, kind: CredentialKind) -> Generated {
        credential::generate(kind, |buffer| self.state.entropy.fill(buffer))
    }

    /// Whether the database was initialised.
    pub async fn is_initialised(&self) -> Result<bool, Error> {
        let instance = self.state.store.read().await?.instance().await?;
        Ok(instance.is_some_and(|instance| instance.initialised_at.is_some()))
    }

    /// Waits until this node has applied the log up to `position`, 5 s at most (surface.md, `wait_for`).
    pub async fn wait_for(&self, position: Position) -> Result<(), Error> {
        let reached = async {
            let mut changes = self.state.store.changes();
            while self.follow().await? < position {
                tokio::select! {
                    () = changes.changed() => {}
                    () = tokio::time::sleep(Duration::from_millis(100)) => {}
                }
            }
            Ok(())
        };
        match tokio::time::timeout(Duration::from_secs(5), reached).await {
            Ok(result) => result,
            Err(_) => Err(Error::Unavailable(Unavailable::Behind)),
        }
    }
}
