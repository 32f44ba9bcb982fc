//! A server of one's own that decides by itself: axum behind the library's layer, fed as a data node is. Enrol its
//! data folder by `claviger gateway join`, then see `library --help` (docs/library.md).

#![expect(clippy::print_stdout, reason = "an example says what it does")]

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum::extract::ConnectInfo;
use axum::http::request::Parts;
use axum::routing::get;
use axum::{Extension, Router};
use clap::Parser as _;
use claviger_domain::id::NodeId;
use claviger_domain::peers::TrustedPeers;
use claviger_keeper::client::{Program, SpawnOptions};
use claviger_keeper::{Keeper, Recipient, process};
use claviger_limits::{Limiter, Shared};
use claviger_node::{DataNode, Enrolment, FollowError, Identity, Setup, Snapshots, Started};
use claviger_service::UsageReporter;
use claviger_service::ambient::{Clock as _, SystemClock, SystemEntropy, fresh_id};
use claviger_store::Options;
use claviger_store::data_node::DataNodeStore;
use claviger_verify::{
    DEFAULT_FAILURES_PER_MINUTE, DEFAULT_MAX_STALENESS_SECONDS, Failures, GuardLayer, Meters, Passed,
};

/// What this program is told when it is to be the keeper.
const KEEPER: &str = "keeper";
/// How long the database is waited for before the first answer, if there is a snapshot to go on from.
const CATCH_UP: Duration = Duration::from_secs(2);

/// A server whose routes are guarded by Claviger.
#[derive(clap::Parser)]
struct Arguments {
    /// The folder that `claviger gateway join` enrolled.
    #[arg(long)]
    data_dir: PathBuf,
    /// The database, as a data node's role signs in.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    database_url: String,
    #[arg(long, default_value = "127.0.0.1:8000")]
    listen: SocketAddr,
    /// Redis or Valkey, where nodes count limits together.
    #[arg(long, env = "REDIS_URL", hide_env_values = true)]
    redis_url: Option<String>,
    #[arg(long, default_value_t = DEFAULT_FAILURES_PER_MINUTE)]
    failures_per_minute: u32,
    #[arg(long, default_value_t = DEFAULT_MAX_STALENESS_SECONDS)]
    max_staleness_seconds: i64,
    /// What is guarded, each under a path that reads the same: `API`, `API/ENVIRONMENT` (`-`: any), or
    /// `API/ENVIRONMENT/PERMISSION,…`.
    #[arg(required = true)]
    guarded: Vec<String>,
}

fn main() -> anyhow::Result<ExitCode> {
    let mut arguments = std::env::args_os().skip(1).peekable();
    // Before any thread is made: the keeper has a process of its own to close down.
    if arguments.next_if(|first| first == KEEPER).is_some() {
        return Ok(process::main(arguments));
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(serve(Arguments::parse()))?;
    Ok(ExitCode::SUCCESS)
}

async fn serve(arguments: Arguments) -> anyhow::Result<()> {
    let node = Arc::new(open(&arguments).await?);
    start(&node).await?;
    let meters = Arc::new(Meters::default());
    let limiter = limiter(&arguments).await?;
    let own: NodeId = fresh_id(node.now(), &SystemEntropy);
    let layer = GuardLayer::new(Arc::clone(node.index()), "", || SystemClock.now())
        .with_peer(TrustedPeers::loopback(), peer)
        .counting(Arc::clone(&meters))
        .limiting(Arc::new(limiter.clone()))
        .slowing(Arc::new(Failures::new(arguments.failures_per_minute)))
        .naming_calls(format!("{own}-"));
    let router = arguments.guarded.iter().fold(Router::new(), |all, words| all.merge(route(&layer, words)));
    let listener = tokio::net::TcpListener::bind(arguments.listen).await?;
    println!("listening on {}", arguments.listen);
    let router = router.into_make_service_with_connect_info::<SocketAddr>();
    tokio::select! {
        served = axum::serve(listener, router).into_future() => Ok(served?),
        removed = follow(Arc::clone(&node)) => Err(removed.into()),
        () = renew(Arc::clone(&node)) => Ok(()),
        () = hand_in(node, meters, own) => Ok(()),
        () = share(limiter) => Ok(()),
    }
}

/// Starts from the snapshot, and hears what the log said while the server was down, before it answers anybody: what was
/// revoked meanwhile lets nobody in.
async fn start(node: &Arc<DataNode>) -> anyhow::Result<()> {
    let starting = Arc::clone(node);
    match tokio::task::spawn_blocking(move || starting.start()).await?? {
        Started::FromSnapshot { age_seconds, .. } => {
            println!("started from its snapshot, {age_seconds} s old")
        }
        Started::Waiting(refused) => println!("not started from a snapshot: {refused}"),
    }
    match node.catch_up(CATCH_UP).await {
        Some(Err(removed @ FollowError::Removed)) => return Err(removed.into()),
        Some(Err(error)) => println!("deciding from the snapshot: {error}"),
        None => println!("deciding from the snapshot: the database does not answer"),
        Some(Ok(position)) => println!("heard what the log said since, up to position {}", position.0),
    }
    Ok(())
}

/// Who opened the connection.
fn peer(parts: &Parts) -> Option<IpAddr> {
    parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| peer.ip())
}

/// A route of a program of one's own, guarded as these words say.
fn route(layer: &GuardLayer, words: &str) -> Router {
    let mut parts = words.splitn(3, '/');
    let mut layer = layer.clone().of_api(parts.next().unwrap_or_default());
    if let Some(environment) = parts.next().filter(|word| *word != "-") {
        layer = layer.in_environment(environment);
    }
    for permission in parts.next().into_iter().flat_map(|words| words.split(',')) {
        layer = layer.requiring(permission);
    }
    let hello = async |Extension(passed): Extension<Passed>| {
        let who = passed.application.map(|(_, name)| name.to_string());
        format!("Hello, {}!\n", who.unwrap_or_else(|| "stranger".to_owned()))
    };
    Router::new().route(&format!("/{words}"), get(hello)).layer(layer)
}

/// Follows the log, and tells how far it is. Ends when the enrolment was ended.
async fn follow(node: Arc<DataNode>) -> FollowError {
    let mut changes = node.store().changes();
    loop {
        match node.follow().await {
            Err(FollowError::Removed) => return FollowError::Removed,
            Err(error) => println!("not following: {error}"),
            Ok(_) => {
                _ = node.report().await;
            }
        }
        tokio::select! {
            () = changes.changed() => {}
            () = tokio::time::sleep(Duration::from_secs(1)) => {}
        }
    }
}

/// Writes the snapshot anew when its journal has become long, beside following: it reads all rows.
async fn renew(node: Arc<DataNode>) {
    loop {
        tokio::time::sleep(Duration::from_secs(5)).await;
        if let Err(error) = node.renew_base().await {
            println!("the snapshot can't be written anew: {error}");
        }
    }
}

/// Hands in what was counted about calls, for as long as the server runs.
async fn hand_in(node: Arc<DataNode>, meters: Arc<Meters>, own: NodeId) {
    let reporter = UsageReporter::new(own.to_string());
    loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        if let Err(error) = reporter.report(node.store(), &meters, node.now()).await {
            println!("not handed in, and kept: {error}");
        }
    }
}

/// What limits calls: this server's own count, and where there is a Redis, what it shares with nodes.
async fn limiter(arguments: &Arguments) -> anyhow::Result<Limiter> {
    let Some(url) = &arguments.redis_url else { return Ok(Limiter::alone()) };
    let shared = Arc::new(Shared::new(url)?);
    shared.begin().await;
    Ok(Limiter::sharing(shared))
}

/// Counts limits together with other nodes, and lets go of counters that say nothing any more.
async fn share(limiter: Limiter) {
    let sweep = async {
        loop {
            tokio::time::sleep(Duration::from_secs(60)).await;
            limiter.own().sweep(SystemClock.now());
        }
    };
    match limiter.shared() {
        Some(shared) => _ = tokio::join!(shared.keep(), sweep),
        None => sweep.await,
    }
}

async fn open(arguments: &Arguments) -> anyhow::Result<DataNode> {
    let data = arguments.data_dir.clone();
    let enrolment = Enrolment::read(&data)?;
    let mut options = SpawnOptions::new(process::Options::new(&data));
    options.program = Program::RunningImage { arguments: vec![KEEPER.into()] };
    let keeper = tokio::task::spawn_blocking(|| Keeper::spawn(options)).await??;
    let node = enrolment.node_id.to_string();
    let recipient = Recipient { database: &enrolment.instance_id, node: &node };
    let keys = keeper.unbundle(recipient, &enrolment.bundle).context("this folder is another node's")?;
    let identity = Identity { instance_id: enrolment.instance_id.clone(), node_id: enrolment.node_id };
    Ok(DataNode::new(Setup {
        snapshots: Snapshots::new(data, keeper.keys().snapshot.clone(), identity),
        store: DataNodeStore::open(&arguments.database_url, Options::default()).await?,
        enrolment,
        keys,
        max_staleness_seconds: arguments.max_staleness_seconds,
        clock: Arc::new(|| SystemClock.now()),
    }))
}
