//! `claviger quickstart`: the tour as one command. It does through the REST API what a reader of
//! docs/getting-started.md does with curl, then makes a good call and a bad one.

mod access;
mod calls;
mod tour;
mod upstream;

use std::sync::Arc;

use anyhow::Context as _;
use claviger_client::Client;

use super::Outcome;
use crate::configuration::{Configuration, Explained};
use crate::server::{self, Opened, Running};
use crate::telemetry;
use crate::terminal;
use access::Access;
use calls::{Calls, Servers};
use tour::Tour;

/// Serves, gives the tour, and stays up unless told to end.
pub(super) async fn run(mut settings: Explained, exit: bool) -> anyhow::Result<Outcome> {
    // The tour is what people read here: log lines only if they matter, unless asked for.
    if settings.lines.iter().any(|line| line.setting == "log.filter" && line.from == "default") {
        "warn".clone_into(&mut settings.configuration.log.filter);
    }
    telemetry::begin_logs(&settings.configuration.log);
    let configuration = Arc::new(settings.configuration);
    let (running, access) = start(&configuration).await?;
    let given = give(&configuration, &access).await;
    let outcome = match &given {
        Ok(calls) if calls.are_as_they_should() => Outcome::Done,
        _ => Outcome::Refused,
    };
    if exit || given.is_err() {
        running.end().await;
        return given.map(|_| outcome);
    }
    let stays = "The server stays up: Ctrl-C ends it. A second `quickstart` goes on with the same data.";
    if let Err(error) = terminal::print_line(stays) {
        running.end().await;
        return Err(error.into());
    }
    running.until_the_end().await?;
    Ok(outcome)
}

/// Starts the server, initialises the database if nobody has, and gains a service key.
async fn start(configuration: &Arc<Configuration>) -> anyhow::Result<(Running, Access)> {
    let opened = Opened::new(Arc::clone(configuration)).await?;
    server::watch_signals(opened.stop())?;
    let service = server::assemble(configuration, opened.store()).await?;
    let access = Access::gain(&service).await?;
    Ok((opened.run_with(service).await?, access))
}

/// Where the gateway is called on this machine.
fn gateway_url(configuration: &Configuration) -> String {
    let scheme = if configuration.gateway.certificate_file.is_some() { "https" } else { "http" };
    format!("{scheme}://{}", configuration.gateway_listen)
}

/// The tour, and its two calls.
async fn give(configuration: &Configuration, access: &Access) -> anyhow::Result<Calls> {
    let upstream = upstream::start().await.context("start the sample upstream")?;
    let url = format!("http://{}", configuration.listen);
    let client = Client::new(&url)?.with_key(access.key.expose())?;
    let tour = Tour::make(&client, &upstream.url()).await?;
    let gateway = gateway_url(configuration);
    let calls = Calls::make(&gateway, &tour).await?;
    let servers = Servers { url: &url, gateway: &gateway, upstream: &upstream.url() };
    let printed = terminal::print(&calls.told(servers, &tour, access));
    printed.map_err(|error| error.losing(super::OWNER_KEY_LOST))?;
    // The upstream goes on for the curl lines, as long as the server does.
    upstream.go_on();
    Ok(calls)
}
