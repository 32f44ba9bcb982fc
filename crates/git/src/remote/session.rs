//! One `ssh` and its conversation with the host: the host's answers on one pipe, its words on another, and ssh's own
//! in a file. What a host can get into that file is told apart there.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use tokio::io::AsyncReadExt as _;
use tokio::process::{ChildStderr, ChildStdin, ChildStdout};
use tokio::task::JoinHandle;

use super::configuration::HOST;
use super::log::Log;
use crate::limits::Limits;
use crate::process::{Pipes, Process};
use crate::wire::Packets;

const CONFIGURATION: &str = "ssh_config";
const LOG: &str = "ssh.log";
/// What ssh may write to a file: its log, and a line about a host.
const FILE_BYTES: u64 = 256 * 1024;
/// With what ssh ends when it failed itself.
const SSH_FAILED: i32 = 255;
/// Of the host's words, how much of their end is kept.
const KEPT_WORDS: usize = 2_000;

/// A connection to a host.
pub(crate) struct Session {
    process: Process,
    /// Closed where there is nothing more to say.
    pub(crate) to: Option<ChildStdin>,
    pub(crate) from: Packets<ChildStdout>,
    words: JoinHandle<Vec<u8>>,
    log: PathBuf,
}

/// How a session ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// Whether the host's command did well.
    pub(crate) well: bool,
    /// Whether it is ssh that failed, and not the host's command: mostly, its log says why.
    pub(crate) by_ssh: bool,
    /// What ssh said.
    pub(crate) log: Log,
    /// What the host said.
    pub(crate) words: Vec<u8>,
}

impl Ended {
    /// When nobody waited for it.
    pub(crate) fn unknown() -> Self {
        Self { well: false, by_ssh: false, log: Log::default(), words: Vec::new() }
    }
}

impl Session {
    /// Lets ssh run the command at the host.
    pub(crate) fn start(
        ssh: &Path,
        folder: &Path,
        configuration: &str,
        command: &str,
        limits: &Limits,
    ) -> io::Result<Self> {
        let log = folder.join(LOG);
        fs::write(folder.join(CONFIGURATION), configuration)?;
        fs::write(&log, "")?;
        let arguments = ["-F", CONFIGURATION, "-E", LOG, "-T", "--", HOST, command].map(OsStr::new);
        let (process, pipes) = Process::start(ssh, arguments, [], folder, limits, FILE_BYTES)?;
        let Pipes { input, output, errors } = pipes;
        let words = tokio::spawn(end_of(errors));
        Ok(Self { process, to: Some(input), from: Packets::new(output), words, log })
    }

    /// Says nothing more, and waits until ssh has ended.
    pub(crate) async fn end(mut self) -> io::Result<Ended> {
        drop(self.to.take());
        // What is not read would keep ssh from ending.
        self.from.drain().await;
        let status = self.process.ended().await?;
        let words = (&mut self.words).await.unwrap_or_default();
        let log = Log::new(&String::from_utf8_lossy(&fs::read(&self.log)?));
        let by_ssh = status.code().is_none_or(|code| code == SSH_FAILED);
        Ok(Ended { well: status.success(), by_ssh, log, words })
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.words.abort();
    }
}

/// The last of what comes: a host greets first, and says last why it does not go on.
async fn end_of(mut errors: ChildStderr) -> Vec<u8> {
    let mut kept = Vec::new();
    let mut part = [0; 4_096];
    while let Ok(length @ 1..) = errors.read(&mut part).await {
        kept.extend_from_slice(&part[..length]);
        kept.drain(..kept.len().saturating_sub(KEPT_WORDS));
    }
    kept
}
