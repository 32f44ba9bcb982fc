//! A shell with `CLAVIGER_URL` and `CLAVIGER_KEY` set, as a person has it beside a running server.

use std::future::Future;
use std::process::Command;
use std::time::{Duration, Instant};

use claviger_client::Client;
use claviger_testkit::{Claviger, Output, Server};
use serde_json::Value;
use tokio::runtime::Runtime;

const PATIENCE: Duration = Duration::from_secs(30);

/// Runs commands against one server with one service key.
pub(super) struct Shell<'a> {
    claviger: &'a Claviger,
    url: String,
    key: String,
    runtime: Runtime,
}

impl<'a> Shell<'a> {
    pub(super) fn new(claviger: &'a Claviger, server: &Server, key: &str) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        Self { claviger, url: server.url(), key: key.to_owned(), runtime }
    }

    /// Runs a command to its end, with `input` on its standard input.
    pub(super) fn run_with(&self, arguments: &[&str], input: &str) -> Output {
        Output::of(&mut self.command(arguments), input)
    }

    /// A command about to be run.
    pub(super) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.claviger.command(arguments);
        command.env("CLAVIGER_URL", &self.url).env("CLAVIGER_KEY", &self.key);
        command
    }

    pub(super) fn run(&self, arguments: &[&str]) -> Output {
        self.run_with(arguments, "")
    }

    /// What a command that succeeds prints with `--json`.
    #[track_caller]
    pub(super) fn json(&self, arguments: &[&str]) -> Value {
        let arguments: Vec<&str> = arguments.iter().copied().chain(["--json"]).collect();
        let output = self.run(&arguments);
        output.demand_success(&arguments.join(" "));
        serde_json::from_str(&output.stdout)
            .unwrap_or_else(|e| panic!("{arguments:?}: {e}: {}", output.stdout))
    }

    /// The problem that a refused command prints with `--json`.
    #[track_caller]
    pub(super) fn refused(&self, arguments: &[&str]) -> Value {
        let arguments: Vec<&str> = arguments.iter().copied().chain(["--json"]).collect();
        let output = self.run(&arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {}{}", output.stdout, output.stderr);
        serde_json::from_str(&output.stderr)
            .unwrap_or_else(|e| panic!("{arguments:?}: {e}: {}", output.stderr))
    }

    /// The same server, without a shell.
    pub(super) fn client(&self) -> Client {
        Client::new(&self.url).unwrap().with_key(&self.key).unwrap()
    }

    pub(super) fn block_on<F: Future>(&self, work: F) -> F::Output {
        self.runtime.block_on(work)
    }

    /// Waits until it is so; a test fails if that takes too long.
    #[track_caller]
    pub(super) fn wait_until(&self, what: &str, is_so: impl Fn() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !is_so() {
            assert!(Instant::now() < deadline, "not {what} within {PATIENCE:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}
