//! `claviger gateway`: a data node. It decides and does nothing else: forward-auth and health on the main address,
//! the gateway and metrics on theirs. It starts without its database if it has a snapshot, and fails closed when
//! that is too old.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use claviger_domain::id::NodeId;
use claviger_keeper::{Keeper, Recipient};
use claviger_limits::Limiter;
use claviger_node::{DataNode, Enrolment, EnrolmentError, FollowError, Identity, Setup, Snapshots, Started};
use claviger_service::UsageReporter;
use claviger_service::ambient::{Clock as _, SystemClock, SystemEntropy, fresh_id};
use claviger_store::data_node::DataNodeStore;
use claviger_store::{Options, StoreError};
use claviger_verify::{Failures, Meters};
use claviger_wire::nodes::{Joined, PostJoin};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::deciding::Deciding;
use super::ext_authz::ExtAuthzDoor;
use super::gateway::GatewayDoor;
use super::listeners::{self, Listeners};
use super::trouble::Trouble;
use super::{CONNECTION_PATIENCE, assembly, keeper, make_folder, signals, tasks};
use crate::configuration::Configuration;
use crate::telemetry::{self, Metrics};

mod main_face;

/// How long a node that started from its snapshot waits for what the log said since, before it answers.
const CATCH_UP: Duration = Duration::from_secs(2);
/// How often it is looked whether the snapshot should be written anew.
const RENEW: Duration = Duration::from_secs(5);

const DECIDES_NOTHING: &str = "this data node decides nothing any more";

/// Serves until it is told to end, or its enrolment was ended.
pub(crate) async fn run(configuration: Configuration) -> anyhow::Result<()> {
    let metrics = Metrics::begin()?;
    telemetry::silence_panics();
    make_folder(&configuration.data_dir)?;
    let enrolment = Enrolment::read(&configuration.data_dir)?;
    let listeners = Listeners::bind(&configuration).await?;
    let stop = CancellationToken::new();
    signals::watch(stop.clone())?;
    let (node, keeper) = put_together(&configuration, enrolment).await?;
    let running = Running::begin(configuration, listeners, metrics, node, stop).await?;
    let ended = running.until_the_end().await;
    // It waits for what the keeper is at.
    let _ = tokio::task::spawn_blocking(move || keeper.shutdown()).await;
    ended
}

async fn put_together(
    configuration: &Configuration,
    enrolment: Enrolment,
) -> anyhow::Result<(Arc<DataNode>, Arc<Keeper>)> {
    let url = &configuration.database_url;
    let options = Options { acquire_timeout: CONNECTION_PATIENCE, ..Options::default() };
    let store = DataNodeStore::open(url.expose(), options).await?;
    let keeper = start_keeper(configuration).await?;
    let recipient = Recipient { database: &enrolment.instance_id, node: &enrolment.node_id.to_string() };
    let keys = keeper.unbundle(recipient, &enrolment.bundle).context(
        "the keys of this node's enrolment can't be opened by its keeper: were files of another node put here?",
    )?;
    let identity = Identity { instance_id: enrolment.instance_id.clone(), node_id: enrolment.node_id };
    let snapshots = Snapshots::new(configuration.data_dir.clone(), keeper.keys().snapshot.clone(), identity);
    let node = Arc::new(DataNode::new(Setup {
        enrolment,
        keys,
        store,
        snapshots,
        max_staleness_seconds: configuration.doors.max_staleness.shortest_seconds(),
        clock: Arc::new(|| SystemClock.now()),
    }));
    start(&node).await?;
    Ok((node, keeper))
}

/// Starts from the snapshot, if there is one, and hears what was missed, if anybody can tell.
async fn start(node: &Arc<DataNode>) -> anyhow::Result<()> {
    let (starting, began) = (Arc::clone(node), Instant::now());
    let started = tokio::task::spawn_blocking(move || starting.start()).await?;
    match started.context("begin the snapshot")? {
        Started::FromSnapshot { position, age_seconds } => {
            let seconds = began.elapsed().as_secs_f64();
            tracing::info!(position = position.0, age_seconds, seconds, "started from the snapshot");
        }
        Started::Waiting(refused) => {
            tracing::warn!("not started from a snapshot: {refused}; waiting for the database");
            return Ok(());
        }
    }
    match node.catch_up(CATCH_UP).await {
        Some(Ok(position)) => tracing::info!(position = position.0, "heard what the log said since"),
        Some(Err(removed @ FollowError::Removed)) => bail!("{removed}: {DECIDES_NOTHING}"),
        Some(Err(error)) => tracing::warn!(%error, "deciding from the snapshot: the log can't be followed"),
        None => tracing::warn!("deciding from the snapshot: the database does not answer"),
    }
    Ok(())
}

async fn start_keeper(configuration: &Configuration) -> anyhow::Result<Arc<Keeper>> {
    let process = keeper::options(configuration);
    let started = tokio::task::spawn_blocking(move || keeper::start(process)).await;
    started.context("start the keeper")?.context("the keeper did not start")
}

/// A data node that answers.
struct Running {
    node: Arc<DataNode>,
    gateway: GatewayDoor,
    ext_authz: ExtAuthzDoor,
    usage: Arc<Usage>,
    listening: Vec<JoinHandle<()>>,
    /// Ends only when the enrolment was ended.
    following: JoinHandle<FollowError>,
    beside: Vec<JoinHandle<()>>,
    stop: CancellationToken,
}

impl Running {
    async fn begin(
        configuration: Configuration,
        listeners: Listeners,
        metrics: Metrics,
        node: Arc<DataNode>,
        stop: CancellationToken,
    ) -> anyhow::Result<Self> {
        let (own, meters) = (listeners.own(&configuration), Arc::new(Meters::default()));
        let usage = Arc::new(Usage::new(&node, &meters));
        let clock = Arc::clone(&node);
        let (limiter, clock) = (assembly::limiter(&configuration)?, Arc::new(move || clock.now()));
        let failures = Arc::new(Failures::new(configuration.doors.failures_per_minute));
        let deciding = Deciding::new(node.index(), &meters, &failures, limiter, clock);
        deciding.begin().await;
        let mut gateway = GatewayDoor::open(listeners.gateway, &configuration, own, &stop)?;
        gateway.connect(&configuration, &deciding)?;
        let ext_authz = ExtAuthzDoor::open(listeners.ext_authz, &stop);
        ext_authz.connect(&configuration, &deciding);
        let listening = vec![
            tokio::spawn(main_face::serve(listeners.main, &configuration, &deciding, &node, &stop)),
            monitoring(listeners.metrics, &metrics, &stop),
        ];
        let following = tokio::spawn(follow(Arc::clone(&node)));
        let beside = vec![
            tokio::spawn(report(Arc::clone(&node))),
            tokio::spawn(renew(Arc::clone(&node))),
            tokio::spawn(count(Arc::clone(&node), meters)),
            tokio::spawn(collect(Arc::clone(&usage))),
            tokio::spawn(hand_in(Arc::clone(&usage))),
            tokio::spawn(sweep_limits(Arc::clone(&node), deciding.limiter.clone())),
            tokio::spawn(share_limits(deciding.limiter)),
            tokio::spawn(tasks::upkeep(metrics)),
        ];
        tracing::info!(
            listen = %configuration.listen, gateway = %configuration.gateway_listen,
            ext_authz = %configuration.ext_authz_listen, metrics = %configuration.metrics_listen, node = %node.enrolment().node_id, "listening"
        );
        Ok(Self { node, gateway, ext_authz, usage, listening, following, beside, stop })
    }

    async fn until_the_end(mut self) -> anyhow::Result<()> {
        let failed = tokio::select! {
            () = self.stop.cancelled() => None,
            ended = &mut self.following => Some(ended),
        };
        self.stop.cancel();
        self.following.abort();
        self.beside.iter().for_each(JoinHandle::abort);
        let listening = async {
            for door in self.listening {
                let _ = door.await;
            }
        };
        tokio::join!(listening, self.gateway.close(), self.ext_authz.close());
        if let Err(error) = self.usage.hand_in().await {
            tracing::warn!(%error, "what was counted last about calls is lost");
        }
        let node = Arc::clone(&self.node);
        // It may wait for the disk.
        let _ = tokio::task::spawn_blocking(move || node.end()).await;
        self.node.store().close().await;
        tracing::info!("ended");
        match failed {
            Some(error) => bail!("{}: {DECIDES_NOTHING}", error?),
            None => Ok(()),
        }
    }
}

fn monitoring(listener: TcpListener, metrics: &Metrics, stop: &CancellationToken) -> JoinHandle<()> {
    tokio::spawn(claviger_edge::serve(
        listener,
        listeners::FOR_MONITORING,
        claviger_api::answering(metrics.router()),
        stop.clone().cancelled_owned(),
    ))
}

/// Follows the log at each wake-up and at each poll, until the enrolment is ended.
async fn follow(node: Arc<DataNode>) -> FollowError {
    let mut changes = node.store().changes();
    let mut trouble = Trouble::new("the log can't be followed; deciding goes on from memory");
    loop {
        match node.follow().await {
            Err(FollowError::Removed) => return FollowError::Removed,
            followed => trouble.note(followed.map(|position| {
                // A position is far below 2^53.
                #[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
                metrics::gauge!("claviger_log_position").set(position.0 as f64);
            })),
        }
        tokio::select! {
            () = changes.changed() => {}
            () = tokio::time::sleep(tasks::POLL) => {}
        }
    }
}

/// Tells the control nodes how far this one is: soon when it moved, now and then in any case.
async fn report(node: Arc<DataNode>) {
    let mut trouble = Trouble::new("the node's report can't be written");
    let mut last = None;
    loop {
        let position = node.reported();
        let due = last.is_none_or(|(told, at): (_, tokio::time::Instant)| {
            told != position || at.elapsed() >= tasks::REPORT_ANYWAY
        });
        if due && node.index().follows() {
            let reported = node.report().await;
            if reported.is_ok() {
                last = Some((position, tokio::time::Instant::now()));
            }
            trouble.note(reported);
        }
        tokio::time::sleep(tasks::REPORT).await;
    }
}

/// Writes the snapshot anew when its journal has become long.
async fn renew(node: Arc<DataNode>) {
    let mut trouble = Trouble::new("the snapshot can't be written anew");
    loop {
        tokio::time::sleep(RENEW).await;
        trouble.note(node.renew_base().await);
    }
}

/// Shows what was decided, and how old what it was decided from is.
async fn count(node: Arc<DataNode>, meters: Arc<Meters>) {
    loop {
        tasks::show(&meters, &node.standing(), node.now());
        tokio::time::sleep(tasks::COUNT).await;
    }
}

/// What this node counts about calls, on its way to the control nodes.
struct Usage {
    node: Arc<DataNode>,
    meters: Arc<Meters>,
    reporter: UsageReporter,
}

impl Usage {
    fn new(node: &Arc<DataNode>, meters: &Arc<Meters>) -> Self {
        let counter: NodeId = fresh_id(node.now(), &SystemEntropy);
        Self {
            node: Arc::clone(node),
            meters: Arc::clone(meters),
            reporter: UsageReporter::new(counter.to_string()),
        }
    }

    async fn hand_in(&self) -> Result<(), StoreError> {
        self.reporter.report(self.node.store(), &self.meters, self.node.now()).await
    }
}

/// Takes what was counted out of the way of calls, so that there is room to count more.
async fn collect(usage: Arc<Usage>) {
    loop {
        tokio::time::sleep(tasks::COLLECT).await;
        usage.meters.collect(usage.node.now());
    }
}

/// Hands in what was counted, in batches, off every call's path.
async fn hand_in(usage: Arc<Usage>) {
    let mut trouble = Trouble::new("what was counted about calls can't be handed in; it is kept");
    loop {
        tokio::time::sleep(tasks::FLUSH).await;
        trouble.note(usage.hand_in().await);
    }
}

/// Lets go of counters of rates and quotas that say nothing any more.
async fn sweep_limits(node: Arc<DataNode>, limiter: Limiter) {
    loop {
        tokio::time::sleep(tasks::SWEEP_LIMITS).await;
        limiter.own().sweep(node.now());
    }
}

/// Counts limits with other nodes, where that is configured.
async fn share_limits(limiter: Limiter) {
    if let Some(shared) = limiter.shared() {
        Arc::clone(shared).keep().await;
    }
}

/// What `claviger gateway join` came to.
pub(crate) enum Join {
    /// The node was enrolled before, under this name.
    Already(Enrolment),
    Done(Enrolment),
}

/// Trades the token for the keys to decide with, and keeps them in the data folder.
pub(crate) async fn join(
    configuration: &Configuration,
    client: &claviger_client::Client,
    token: &str,
) -> anyhow::Result<Join> {
    let data: PathBuf = configuration.data_dir.clone();
    make_folder(&data)?;
    match Enrolment::read(&data) {
        Ok(enrolment) => return Ok(Join::Already(enrolment)),
        Err(EnrolmentError::Missing) => {}
        Err(error) => return Err(error.into()),
    }
    let keeper = start_keeper(configuration).await?;
    let body = PostJoin { token: token.to_owned(), public_key: hex(&keeper.node_key()?) };
    let joined = client.post("/v1/nodes/join").body(&body).send::<Joined>().await?.body;
    let bundle = unhex(&joined.bundle).context("the server answered a bundle that can't be read")?;
    let recipient = Recipient { database: &joined.instance_id, node: &joined.id };
    keeper.unbundle(recipient, &bundle).context("the server answered keys that are not for this node")?;
    let node_id = joined.id.parse().context("the server answered no node's id")?;
    let enrolment = Enrolment::new(node_id, joined.name, joined.instance_id, bundle);
    enrolment.write(&data).with_context(|| format!("write into {}", data.display()))?;
    let _ = tokio::task::spawn_blocking(move || keeper.shutdown()).await;
    Ok(Join::Done(enrolment))
}

fn hex(bytes: &[u8]) -> String {
    claviger_wire::events::hex(bytes)
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> =
        text.chars().map(|digit| digit.to_digit(16)?.try_into().ok()).collect::<Option<_>>()?;
    let pairs = digits.chunks_exact(2);
    pairs.remainder().is_empty().then(|| pairs.map(|pair| pair[0] << 4 | pair[1]).collect())
}
