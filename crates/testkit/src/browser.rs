//! A real browser, Debian's Chromium without a screen, driven by WebDriver on loopback.

use std::path::PathBuf;
use std::process::Command;

use rustix::process::Signal;
use tempfile::TempDir;

use crate::ports::{Port, free_port};
use crate::probe;
use crate::process::Process;
use crate::programs;

/// A running driver. It starts a browser for each session, and takes them all along when dropped.
#[derive(Debug)]
pub struct Browser {
    // Before the folder: the browsers end first.
    _process: Process,
    _folder: TempDir,
    program: PathBuf,
    port: Port,
}

impl Browser {
    /// Starts the driver and waits until it answers.
    #[track_caller]
    pub fn start() -> Self {
        let program = programs::find("chromium", "chromium");
        let driver = programs::find("chromedriver", "chromium-driver");
        let folder = tempfile::Builder::new().prefix("claviger-browser-").tempdir().expect("a folder");
        let port = free_port();
        let mut command = Command::new(driver);
        command.arg(format!("--port={port}"));
        // Profiles, caches and settings: all of it goes with the folder.
        for variable in ["HOME", "TMPDIR", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME"] {
            command.env(variable, folder.path());
        }
        let log = folder.path().join("log");
        let mut process =
            Process::start_group("chromedriver", &mut command, &log, Signal::KILL, folder.path());
        process.wait_until("answering", || probe::status(port.address(), "/status") == Some(200));
        Self { _process: process, _folder: folder, program, port }
    }

    /// Where WebDriver is spoken, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}", self.port.address())
    }

    /// What a session needs to be told, as `goog:chromeOptions`: the program and its arguments.
    pub fn options(&self) -> serde_json::Value {
        let arguments = [
            "--headless=new",
            // Containers and root have no room for its own sandbox; it opens pages of ours alone.
            "--no-sandbox",
            "--disable-dev-shm-usage",
            "--disable-gpu",
            "--no-first-run",
            "--disable-background-networking",
            // No name leads anywhere: a page that calls elsewhere fails, and says so.
            "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
        ];
        serde_json::json!({ "binary": self.program, "args": arguments })
    }
}
