//! The counters that nodes share, in Redis or Valkey. A connection is kept, made anew with growing pauses when it is
//! lost, and asked now and then whether it still works; nobody waits for it longer than a moment.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use claviger_domain::id::KeySetId;
use claviger_domain::policy_templates::{CallLimits, RateLimit, RatePeriod};
use claviger_verify::{Allotment, Exceeded, Rules, Subject};
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, RedisError, Script, Value};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout};

use crate::{answer, script};

/// How long a call waits for what is shared; then its node goes on alone.
const PATIENCE: Duration = Duration::from_millis(50);
/// How long a new connection may take. No call waits for it.
const TO_CONNECT: Duration = Duration::from_secs(2);
/// How often a connection is asked whether it still works.
const LOOK: Duration = Duration::from_secs(1);
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// The counters that nodes share. Share it by `Arc`.
pub struct Shared {
    client: Client,
    script: Script,
    connection: ArcSwapOption<MultiplexedConnection>,
    lost: Notify,
}

/// The address can't be read. It is not repeated: it may hold a password.
#[derive(Debug, thiserror::Error)]
#[error("must be redis://[user:password@]host[:port][/number], rediss:// for TLS, or unix:///path")]
pub struct BadAddress;

/// Why what is shared was of no use.
#[derive(Debug, thiserror::Error)]
enum Absent {
    #[error("it did not answer within {} ms", PATIENCE.as_millis())]
    Silent,
    #[error("its answer makes no sense")]
    Nonsense,
    #[error(transparent)]
    Failed(#[from] RedisError),
}

type Said = Result<Allotment, Exceeded>;

impl Shared {
    /// Nothing is connected to yet.
    ///
    /// # Errors
    /// [`BadAddress`] if `url` is no address of such a server.
    pub fn new(url: &str) -> Result<Self, BadAddress> {
        let client = Client::open(url).map_err(|_| BadAddress)?;
        Ok(Self { client, script: script::script(), connection: ArcSwapOption::empty(), lost: Notify::new() })
    }

    /// Whether calls are counted together with those of other nodes.
    pub fn is_connected(&self) -> bool {
        self.connection.load().is_some()
    }

    /// Connects once, so that a node begins with what is shared. What fails is told, and tried again by
    /// [`Shared::keep`].
    pub async fn begin(&self) {
        match self.connect().await {
            Ok(connection) => self.gain(connection),
            Err(absent) => tell_alone(&absent),
        }
    }

    /// Whether it can be reached and answers what makes sense; if not, why.
    pub async fn examine(&self) -> Result<(), impl std::error::Error + use<>> {
        self.connect().await.map(drop)
    }

    /// Keeps a connection, for ever.
    pub async fn keep(&self) {
        let mut pause = FIRST_PAUSE;
        loop {
            if self.is_connected() {
                let since = Instant::now();
                self.until_lost().await;
                // One that broke at once is not tried again at once.
                pause = if since.elapsed() < LONGEST_PAUSE { grown(pause) } else { FIRST_PAUSE };
            }
            sleep(pause).await;
            match self.connect().await {
                Ok(connection) => self.gain(connection),
                Err(absent) => {
                    tracing::debug!(error = %absent, "what nodes share of limits is still away");
                    pause = grown(pause);
                }
            }
        }
    }

    /// Takes `cost` from each of the rules, or from none. `None`: this node is alone.
    pub(crate) async fn take(&self, rules: &Rules, cost: u32) -> Option<Said> {
        let Some(connection) = self.connection.load_full() else {
            count_alone();
            return None;
        };
        match self.ask(&connection, rules, cost).await {
            Ok(said) => Some(said),
            Err(absent) => {
                self.lose(&connection, &absent);
                count_alone();
                None
            }
        }
    }

    async fn ask(
        &self,
        connection: &Arc<MultiplexedConnection>,
        rules: &Rules,
        cost: u32,
    ) -> Result<Said, Absent> {
        let invocation = script::invocation(&self.script, rules, cost);
        let mut connection = MultiplexedConnection::clone(connection);
        let asked = timeout(PATIENCE, invocation.invoke_async::<Value>(&mut connection));
        let answer = asked.await.map_err(|_| Absent::Silent)??;
        answer::read(&answer, rules, cost).ok_or(Absent::Nonsense)
    }

    /// A connection that was tried: what answers there is able to run our script.
    async fn connect(&self) -> Result<Arc<MultiplexedConnection>, Absent> {
        let patience = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(TO_CONNECT))
            .set_response_timeout(Some(PATIENCE));
        let connection = self.client.get_multiplexed_async_connection_with_config(&patience).await?;
        let connection = Arc::new(connection);
        self.try_out(&connection).await?;
        Ok(connection)
    }

    /// Takes from a rule that binds nobody.
    async fn try_out(&self, connection: &Arc<MultiplexedConnection>) -> Result<(), Absent> {
        let rate = RateLimit { limit: 1_000_000_000, per: RatePeriod::Second, burst: 1_000_000_000 };
        let limits = CallLimits { rate_limit: Some(rate), quota: None };
        let nobody = Subject::KeySet(KeySetId::from_bytes([0; 16]));
        self.ask(connection, &Rules::new(nobody, None, limits), 1).await.map(drop)
    }

    /// Until the connection is lost, be it that nobody uses it.
    async fn until_lost(&self) {
        while let Some(connection) = self.connection.load_full() {
            if timeout(LOOK, self.lost.notified()).await.is_err()
                && let Err(absent) = self.try_out(&connection).await
            {
                self.lose(&connection, &absent);
            }
        }
    }

    fn gain(&self, connection: Arc<MultiplexedConnection>) {
        self.connection.store(Some(connection));
        metrics::gauge!("claviger_limits_shared").set(1);
        tracing::info!("limits are counted together with the other nodes");
    }

    /// Lets go of a connection, once: many calls may find out at a time.
    fn lose(&self, connection: &Arc<MultiplexedConnection>, absent: &Absent) {
        let before = self.connection.compare_and_swap(connection, None);
        if before.as_ref().is_some_and(|before| Arc::ptr_eq(before, connection)) {
            tell_alone(absent);
            self.lost.notify_one();
        }
    }
}

fn tell_alone(absent: &Absent) {
    metrics::gauge!("claviger_limits_shared").set(0);
    tracing::warn!(
        error = %absent,
        "this node counts limits alone until limits.redis_url answers again: together, the nodes may let more pass"
    );
}

pub(crate) fn count_alone() {
    metrics::counter!("claviger_limits_alone_total").increment(1);
}

fn grown(pause: Duration) -> Duration {
    (pause * 2).min(LONGEST_PAUSE)
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("connected", &self.is_connected()).finish_non_exhaustive()
    }
}
