//! Carries out what was meant, and turns how it ended into an exit code: 0 done, 1 refused or failed, 2
//! misused.

mod completions;
mod config_check;
mod data;
mod doctor;
mod gateway;
mod init;
mod owner_key;
mod quickstart;
mod verify_log;

use std::future::Future;
use std::process::ExitCode;

use anyhow::Context as _;
use tokio::runtime::Builder;

use crate::arguments::{Invocation, Misuse};
use crate::configuration::Explained;
use crate::documentation;
use crate::rest;
use crate::server;
use crate::telemetry;
use crate::terminal::{self, Unwritten};

/// How a command ended that did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Done,
    Refused,
}

const REFUSED: u8 = 1;
const MISUSED: u8 = 2;

/// What to do when the key of an owner could not be shown.
const OWNER_KEY_LOST: &str =
    "the service key was made, and its value is lost: `claviger owner-key` makes another";

/// The program from its command line to its exit code.
pub(crate) fn main() -> ExitCode {
    match Invocation::from_command_line() {
        Ok(invocation) => run(invocation),
        Err(Misuse::Grammar(error)) => {
            // Help and version are answers too: then the code is 0, if they were written.
            if error.print().is_err() && !error.use_stderr() {
                return ExitCode::from(REFUSED);
            }
            ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(MISUSED))
        }
        Err(error) => misused(&error.to_string()),
    }
}

fn misused(why: &str) -> ExitCode {
    terminal::print_error(why);
    ExitCode::from(MISUSED)
}

async fn serve(settings: Explained) -> anyhow::Result<Outcome> {
    telemetry::begin_logs(&settings.configuration.log);
    for finding in &settings.findings {
        tracing::warn!(setting = finding.about, "{}", finding.detail);
    }
    server::serve(settings.configuration).await?;
    Ok(Outcome::Done)
}

fn run(invocation: Invocation) -> ExitCode {
    let result = match invocation {
        // Before any thread is made: it has a process of its own to close down.
        Invocation::Keeper { arguments } => return claviger_keeper::process::main(arguments),
        Invocation::ConfigCheck { settings, json } => config_check::run(&settings, json),
        Invocation::Completions(shell) => completions::print(shell),
        Invocation::Docs(page) => {
            terminal::print(&documentation::page(page)).map(|()| Outcome::Done).map_err(Into::into)
        }
        Invocation::Login { url, json } => on_one_thread(rest::login(url, json)),
        Invocation::Rest(request) => on_one_thread(rest::run(*request)),
        Invocation::VerifyLog { settings, state, json } => {
            on_one_thread(verify_log::run(&settings.configuration, state, json))
        }
        Invocation::Doctor { settings, json } => on_one_thread(doctor::run(&settings, json)),
        Invocation::Serve { settings }
        | Invocation::Quickstart { settings, .. }
        | Invocation::Gateway { settings }
            if !settings.errors().is_empty() =>
        {
            return misconfigured(&settings);
        }
        Invocation::Serve { settings } => on_all_threads(serve(*settings)),
        Invocation::Gateway { settings } => on_all_threads(gateway::serve(*settings)),
        Invocation::GatewayJoin { settings, control_url, json } => {
            on_one_thread(gateway::join(&settings.configuration, &control_url, json))
        }
        Invocation::GatewayEnroll { name, url, json } => on_one_thread(rest::enroll(&name, url, json)),
        Invocation::Quickstart { settings, exit } => on_all_threads(quickstart::run(*settings, exit)),
        Invocation::OwnerKey { settings, json } => {
            on_one_thread(owner_key::run(&settings.configuration, json))
        }
        Invocation::Init { settings, owner, organization, json } => {
            match init::beginning(&owner, &organization) {
                Ok(beginning) => on_one_thread(init::run(&settings.configuration, &beginning, json)),
                Err(error) => return misused(&error),
            }
        }
    };
    match result {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::Refused) => ExitCode::from(REFUSED),
        Err(error) => {
            let silent = error.downcast_ref::<Unwritten>().is_some_and(Unwritten::is_nobodys_loss);
            if !silent {
                terminal::print_error(&format!("{error:#}"));
            }
            ExitCode::from(REFUSED)
        }
    }
}

/// Runs a server.
fn on_all_threads<F: Future<Output = anyhow::Result<Outcome>>>(work: F) -> anyhow::Result<Outcome> {
    let runtime = Builder::new_multi_thread().enable_all().build().context("start the runtime")?;
    runtime.block_on(work)
}

/// Says what forbids to start.
fn misconfigured(settings: &Explained) -> ExitCode {
    for finding in settings.errors() {
        terminal::print_error(&format!("{}: {}", finding.about, finding.detail));
    }
    ExitCode::from(MISUSED)
}

/// Runs a command that waits for one thing at a time.
fn on_one_thread<F: Future<Output = anyhow::Result<Outcome>>>(work: F) -> anyhow::Result<Outcome> {
    let runtime = Builder::new_current_thread().enable_all().build().context("start the runtime")?;
    runtime.block_on(work)
}
