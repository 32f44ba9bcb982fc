//! A server of one's own that decides by itself: axum behind the library's layer, fed as a data node is. Enrol its
//! data folder by `claviger gateway join`, then
//! `library DATA_FOLDER postgres://… 127.0.0.1:8000` (docs/library.md).

#![expect(clippy::print_stdout, reason = "an example says where it listens")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum::routing::get;
use axum::{Extension, Router};
use claviger_keeper::client::{Program, SpawnOptions};
use claviger_keeper::{Keeper, Recipient, process};
use claviger_node::{DataNode, Enrolment, FollowError, Identity, Setup, Snapshots, Started};
use claviger_service::ambient::{Clock as _, SystemClock};
use claviger_store::Options;
use claviger_store::data_node::DataNodeStore;
use claviger_verify::{DEFAULT_MAX_STALENESS_SECONDS, GuardLayer, Passed};

/// What this program is told when it is to be the keeper.
const KEEPER: &str = "keeper";

fn main() -> anyhow::Result<std::process::ExitCode> {
    let mut arguments = std::env::args_os().skip(1).peekable();
    // Before any thread is made: the keeper has a process of its own to close down.
    if arguments.next_if(|first| first == KEEPER).is_some() {
        return Ok(process::main(arguments));
    }
    let words: Vec<String> = arguments.map(|word| word.to_string_lossy().into_owned()).collect();
    let [data, url, listen] = words.as_slice() else {
        anyhow::bail!("library DATA_FOLDER DATABASE_URL ADDRESS")
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(serve(data.into(), url, listen.parse()?))?;
    Ok(std::process::ExitCode::SUCCESS)
}

async fn serve(data: std::path::PathBuf, url: &str, listen: SocketAddr) -> anyhow::Result<()> {
    let node = Arc::new(open(data, url).await?);
    let starting = Arc::clone(&node);
    if let Started::Waiting(refused) = tokio::task::spawn_blocking(move || starting.start()).await?? {
        println!("not started from a snapshot: {refused}");
    }
    let layer = GuardLayer::new(Arc::clone(node.index()), "orders", || SystemClock.now());
    let hello = async |Extension(passed): Extension<Passed>| {
        let who = passed.application.map(|(_, name)| name.to_string());
        format!("Hello, {}!\n", who.unwrap_or_else(|| "stranger".to_owned()))
    };
    let router = Router::new().route("/hello", get(hello)).layer(layer);
    let listener = tokio::net::TcpListener::bind(listen).await?;
    println!("listening on {listen}");
    tokio::select! {
        served = axum::serve(listener, router) => Ok(served?),
        error = follow(node) => Err(error.into()),
    }
}

/// Follows the log, and tells how far it is. Ends when the enrolment was ended.
async fn follow(node: Arc<DataNode>) -> FollowError {
    let mut changes = node.store().changes();
    loop {
        match node.follow().await {
            Err(FollowError::Removed) => return FollowError::Removed,
            Err(error) => println!("not following: {error}"),
            Ok(_) => _ = node.report().await,
        }
        tokio::select! {
            () = changes.changed() => {}
            () = tokio::time::sleep(Duration::from_secs(1)) => {}
        }
    }
}

async fn open(data: std::path::PathBuf, url: &str) -> anyhow::Result<DataNode> {
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
        store: DataNodeStore::open(url, Options::default()).await?,
        enrolment,
        keys,
        max_staleness_seconds: DEFAULT_MAX_STALENESS_SECONDS,
        clock: Arc::new(|| SystemClock.now()),
    }))
}
