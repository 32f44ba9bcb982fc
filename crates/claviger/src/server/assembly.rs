//! Puts keeper, store and use cases together: for `serve` and `quickstart`, and for `init` without a server.

use std::sync::Arc;

use anyhow::{Context as _, bail};
use claviger_domain::time::Timestamp;
use claviger_egress::{Egress, Rules};
use claviger_git::{Engine, Limits, Programs};
use claviger_limits::{Limiter, Shared};
use claviger_service::ambient::{SystemClock, SystemEntropy};
use claviger_service::{Git, Options, Service, UsageRetention};
use claviger_store::Store;

use super::{data, keeper, listeners};
use crate::configuration::{Configuration, UsageSettings};
use crate::environment;

/// Whether somebody has run `init` on this database.
pub(crate) async fn is_initialised(store: &Store) -> anyhow::Result<bool> {
    let instance = store.read().await?.instance().await?;
    Ok(instance.is_some_and(|instance| instance.initialised_at.is_some()))
}

/// Starts the keeper and puts the use cases together on an open database.
pub(crate) async fn assemble(configuration: &Configuration, store: Store) -> anyhow::Result<Service> {
    demand_root(configuration, &store).await?;
    let options = Options {
        node_id: data::node_id(&configuration.data_dir)?,
        node_name: data::node_name(configuration),
        own_listeners: listeners::own(configuration),
        max_staleness_seconds: configuration.doors.max_staleness.shortest_seconds(),
        failures_per_minute: configuration.doors.failures_per_minute,
        shared_keys_per_section: configuration.sharing.keys_per_section,
        limiter: limiter(configuration)?,
        public_url: configuration.public_url.clone(),
        usage_retention: usage_retention(&configuration.usage),
        git: git(configuration)?,
    };
    let keeper = {
        let process = keeper::options(configuration);
        let started = tokio::task::spawn_blocking(move || keeper::start(process)).await;
        started.context("start the keeper")?.context("the keeper did not start")?
    };
    let service = Service::start(store, keeper, Arc::new(SystemClock), Arc::new(SystemEntropy), options);
    Ok(service.await?)
}

/// What limits calls: this node's own count, and where it is configured, what it shares with others.
pub(super) fn limiter(configuration: &Configuration) -> anyhow::Result<Limiter> {
    let Some(url) = &configuration.limits.redis_url else { return Ok(Limiter::alone()) };
    let shared = Shared::new(url.expose()).context("limits.redis_url")?;
    Ok(Limiter::sharing(Arc::new(shared)))
}

/// What pulls and pushes, if this machine has the programs for it. It goes where the operator allows, and never to
/// ourselves.
fn git(configuration: &Configuration) -> anyhow::Result<Git> {
    let programs = match Programs::on(&environment::search_path()) {
        Ok(programs) => programs,
        Err(missing) => return Ok(Git::Missing(missing.to_string())),
    };
    let egress = Egress::new(Rules {
        own_listeners: listeners::own(configuration),
        allow: configuration.egress.allow.clone(),
    });
    let engine = Engine::new(configuration.data_dir.join("git"), programs, egress, Limits::default());
    Ok(Git::Engine(engine.context("make the folder for Git's jobs")?))
}

fn usage_retention(settings: &UsageSettings) -> UsageRetention {
    UsageRetention {
        minutes: settings.keep_minutes,
        hours: settings.keep_hours,
        days: settings.keep_days,
        responses: settings.keep_responses,
    }
}

/// A database that was made with a root secret, and a data folder without one: another folder was meant, or
/// this is a new node. The keeper would make a new root secret, which opens nothing.
pub(crate) async fn demand_root(configuration: &Configuration, store: &Store) -> anyhow::Result<()> {
    let made: Option<Timestamp> = store.read().await?.instance().await?.map(|instance| instance.created_at);
    let folder = &configuration.data_dir;
    let root = folder.join("keeper/root.sealed");
    match made {
        Some(at) if !root.try_exists().unwrap_or(true) => bail!(
            "this database was made on {} with a root secret that is not in {}: without it no key in the \
             database can be recognised. Name the right folder with --data-dir, or put the files back from \
             your copies. For a further node, copy `master.key` and `keeper/root.sealed` from the first one and \
             make an empty `keeper/journal`, all of mode 0600",
            at.utc_day(),
            folder.display()
        ),
        _ => Ok(()),
    }
}
