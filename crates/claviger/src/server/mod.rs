//! `claviger serve`: the root where all floors of the house are put together, and taken apart again in
//! order.
//!
//! The addresses are taken first. Until the database is initialised only health answers; then the keeper is
//! started, the index loaded, and the faces are connected. At the end requests finish, the tasks end, what
//! was collected is written, and the keeper goes last.

mod assembly;
mod data;
mod data_node;
mod deciding;
mod ext_authz;
mod faces;
mod gateway;
mod keeper;
mod listeners;
mod signals;
mod switchboard;
mod tasks;
mod trials;
mod trouble;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use claviger_service::Service;
use claviger_store::{Options, Store};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub(crate) use assembly::{assemble, demand_root, is_initialised};
pub(crate) use data::make_folder;
pub(crate) use data_node::{Join, join, run as serve_data_node};
pub(crate) use signals::watch as watch_signals;

use crate::configuration::Configuration;
use crate::telemetry::{self, Metrics};
use deciding::Deciding;
use ext_authz::ExtAuthzDoor;
use gateway::GatewayDoor;
use listeners::Listeners;
use switchboard::Switchboard;
use tasks::Tasks;

/// How often an uninitialised database is looked at.
const LOOK: Duration = Duration::from_millis(250);
/// How long a request waits for a connection before the database counts as away.
const CONNECTION_PATIENCE: Duration = Duration::from_secs(3);

/// Takes addresses, data and database, and serves until it is told to end.
pub(crate) async fn serve(configuration: Configuration) -> anyhow::Result<()> {
    let opened = Opened::new(Arc::new(configuration)).await?;
    signals::watch(opened.stop.clone())?;
    let Some(running) = opened.run().await? else { return Ok(()) };
    running.until_the_end().await
}

/// A server that listens, and knows nothing yet.
pub(crate) struct Opened {
    configuration: Arc<Configuration>,
    store: Store,
    switchboard: Switchboard,
    listening: Vec<JoinHandle<()>>,
    gateway: GatewayDoor,
    ext_authz: ExtAuthzDoor,
    stop: CancellationToken,
}

/// A server that serves.
pub(crate) struct Running {
    pub(crate) service: Service,
    opened: Opened,
    tasks: Tasks,
}

impl Opened {
    /// Takes the addresses and opens the database.
    pub(crate) async fn new(configuration: Arc<Configuration>) -> anyhow::Result<Self> {
        let metrics = Metrics::begin()?;
        telemetry::silence_panics();
        make_folder(&configuration.data_dir)?;
        let listeners = Listeners::bind(&configuration).await?;
        let url = &configuration.database_url;
        let options = Options { acquire_timeout: CONNECTION_PATIENCE, ..Options::default() };
        let store = Store::open(url.expose(), options)
            .await
            .with_context(|| format!("open the database {}", url.masked()))?;
        let switchboard = Switchboard::default();
        let stop = CancellationToken::new();
        let own = listeners.own(&configuration);
        let gateway = GatewayDoor::open(listeners.gateway, &configuration, own, &stop)?;
        let ext_authz = ExtAuthzDoor::open(listeners.ext_authz, &stop);
        let listening = vec![
            tokio::spawn(switchboard.clone().serve(
                listeners.main,
                listeners::limits(),
                stop.clone().cancelled_owned(),
            )),
            tokio::spawn(claviger_edge::serve(
                listeners.metrics,
                listeners::FOR_MONITORING,
                claviger_api::answering(metrics.router()),
                stop.clone().cancelled_owned(),
            )),
            tokio::spawn(tasks::upkeep(metrics)),
        ];
        tracing::info!(listen = %configuration.listen, gateway = %configuration.gateway_listen, ext_authz = %configuration.ext_authz_listen, metrics = %configuration.metrics_listen, "listening");
        Ok(Self { configuration, store, switchboard, listening, gateway, ext_authz, stop })
    }

    /// Waits until the database is initialised, then puts everything together. None: told to end first.
    pub(crate) async fn run(self) -> anyhow::Result<Option<Running>> {
        if !self.wait_until_initialised().await? {
            self.close(None).await;
            return Ok(None);
        }
        self.switchboard.begin();
        let service = assemble(&self.configuration, self.store.clone()).await?;
        self.run_with(service).await.map(Some)
    }

    /// Connects the faces of a service that is already put together.
    pub(crate) async fn run_with(mut self, service: Service) -> anyhow::Result<Running> {
        service.load().await.context("load the index")?;
        service.report_node().await.context("report the node")?;
        service.interrupt_jobs().await.context("end the jobs that were cut off")?;
        let deciding = Deciding::of(&service);
        deciding.begin().await;
        self.gateway.connect(&self.configuration, &deciding)?;
        self.ext_authz.connect(&self.configuration, &deciding);
        self.switchboard.connect(faces::of(&service, &self.configuration, &deciding, self.gateway.trials()));
        let tasks = Tasks::start(&service, &self.stop);
        tracing::info!(public_url = self.configuration.public_url, "ready");
        Ok(Running { service, opened: self, tasks })
    }

    /// The database, for whoever puts the service together.
    pub(crate) fn store(&self) -> Store {
        self.store.clone()
    }

    /// Ends the server when cancelled.
    pub(crate) fn stop(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// False if the server was told to end.
    async fn wait_until_initialised(&self) -> anyhow::Result<bool> {
        let mut said = false;
        while !is_initialised(&self.store).await.context("read the database")? {
            if !said {
                said = true;
                tracing::warn!(
                    "the database was not initialised: run `claviger init --owner EMAIL` with the same \
                     --data-dir and --database-url; this server goes on by itself then"
                );
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {}
                () = self.stop.cancelled() => return Ok(false),
            }
        }
        Ok(true)
    }

    async fn close(self, service: Option<&Service>) {
        self.stop.cancel();
        let [main, metrics, upkeep] =
            <[_; 3]>::try_from(self.listening).unwrap_or_else(|_| unreachable!("three"));
        upkeep.abort();
        let _ = tokio::join!(main, metrics, self.gateway.close(), self.ext_authz.close());
        if let Some(service) = service {
            service.end_jobs().await;
            service.end_retrievals().await;
            // Now nobody calls any more.
            if let Err(error) = service.flush_usage().await {
                tracing::warn!(%error, "what was counted last about calls is lost");
            }
        }
        self.store.close().await;
    }
}

impl Running {
    /// Serves until the server is told to end, then ends in order.
    pub(crate) async fn until_the_end(mut self) -> anyhow::Result<()> {
        let ended = tokio::select! {
            () = self.opened.stop.cancelled() => None,
            name = self.tasks.any_ends() => name,
        };
        // A task may also have ended because it was told to.
        let failed = ended.filter(|_| !self.opened.stop.is_cancelled());
        self.end().await;
        match failed {
            Some(name) => bail!("the task that should {name} ended by itself: the server ends too"),
            None => Ok(()),
        }
    }

    /// Ends in order: tasks, requests, what was counted, the keeper.
    pub(crate) async fn end(self) {
        self.opened.stop.cancel();
        self.tasks.end().await;
        let service = self.service;
        self.opened.close(Some(&service)).await;
        // It waits for what the keeper is at.
        let _ = tokio::task::spawn_blocking(move || service.keeper().shutdown()).await;
        tracing::info!("ended");
    }
}
