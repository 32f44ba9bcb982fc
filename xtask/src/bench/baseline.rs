//! The baseline (`crates/claviger/examples/baseline.rs`), running.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use claviger_testkit::{Port, free_port};

use super::http::{Connection, Exchange};
use super::rivals::Rival;

pub(super) const ECHO: &str = "axum JSON echo of the same size";
pub(super) const HELLO: &str = "hyper hello";
pub(super) const SERVED_HELLO: &str = "hyper hello in the doors' server";
/// How long it may take to listen.
const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Debug)]
pub(super) struct Baseline {
    process: Child,
    echo: Port,
    hello: Port,
    served: Port,
}

impl Drop for Baseline {
    fn drop(&mut self) {
        // It may have ended by itself: then there is nothing to end.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Baseline {
    /// `answer` is one of `POST /v1/verify`.
    pub(super) fn start(program: &Path, answer: &str) -> Result<Self> {
        let (echo, hello, served) = (free_port(), free_port(), free_port());
        let mut command = Command::new(program);
        command.args([&echo, &hello, &served].map(|port| port.address().to_string())).arg(answer);
        let process = command.stdin(Stdio::null()).spawn().context("start the baseline")?;
        let baseline = Self { process, echo, hello, served };
        let deadline = Instant::now() + PATIENCE;
        while Connection::open(baseline.echo.address()).is_err() {
            ensure!(Instant::now() < deadline, "the baseline does not listen");
            thread::sleep(Duration::from_millis(20));
        }
        Ok(baseline)
    }

    /// Reads what `POST /v1/verify` is asked.
    pub(super) fn echo(&self, asked: &[u8]) -> Rival {
        self.rival(ECHO, self.echo.address(), asked, "\"orders\"")
    }

    /// Reads what forward-auth is asked.
    pub(super) fn hello(&self, asked: &[u8]) -> Rival {
        self.rival(HELLO, self.hello.address(), asked, "x-claviger-code: valid")
    }

    /// The same, with what the doors' server does for every call.
    pub(super) fn served_hello(&self, asked: &[u8]) -> Rival {
        self.rival(SERVED_HELLO, self.served.address(), asked, "x-claviger-code: valid")
    }

    fn rival(&self, name: &'static str, address: SocketAddr, bytes: &[u8], expected: &str) -> Rival {
        let exchange =
            Exchange { address, bytes: bytes.to_vec(), status: 200, expected: expected.to_owned() };
        let processes = vec![self.process.id()];
        Rival { name, processes, exchange, refusal: None, passes_on: false, _program: None }
    }
}
