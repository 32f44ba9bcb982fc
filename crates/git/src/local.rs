//! The repository of one job, which is bare, and `git` on it: one built-in command at a time, that starts no other.

mod reading;
mod writing;

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::ExitStatus;

use claviger_domain::git::{GitFailure, HostWords};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::ChildStdin;

use crate::error::Error;
use crate::limits::Limits;
use crate::process::{Pipes, Process};

const REPOSITORY: &str = "repository";
const INDEX: &str = "index";
/// Of what git complains about, how much is kept.
const KEPT_ERRORS: u64 = 4_096;
/// Ids and single lines.
const SHORT: u64 = 64 * 1024;

/// What holds for every git: nothing of the system's or the user's, no network, no replacement of objects, no hook, no
/// filter, and no program beside it.
const ENVIRONMENT: [(&str, &str); 15] = [
    ("GIT_ALLOW_PROTOCOL", ""),
    ("GIT_ATTR_NOSYSTEM", "1"),
    ("GIT_CONFIG_GLOBAL", "/dev/null"),
    ("GIT_CONFIG_NOSYSTEM", "1"),
    ("GIT_CONFIG_SYSTEM", "/dev/null"),
    ("GIT_DIR", REPOSITORY),
    ("GIT_INDEX_FILE", INDEX),
    ("GIT_LITERAL_PATHSPECS", "1"),
    ("GIT_NO_LAZY_FETCH", "1"),
    ("GIT_NO_REPLACE_OBJECTS", "1"),
    ("GIT_OPTIONAL_LOCKS", "0"),
    ("GIT_TERMINAL_PROMPT", "0"),
    ("GIT_TEMPLATE_DIR", ""),
    ("HOME", "."),
    ("XDG_CONFIG_HOME", "."),
];
const SETTINGS: [&str; 13] = [
    "core.attributesFile=/dev/null",
    "core.bigFileThreshold=8m",
    "core.excludesFile=/dev/null",
    "core.fsmonitor=false",
    "core.hooksPath=/dev/null",
    "core.packedGitLimit=64m",
    "core.packedGitWindowSize=16m",
    "commit.gpgSign=false",
    "gc.auto=0",
    "maintenance.auto=false",
    "pack.threads=1",
    "transfer.bundleURI=false",
    "transfer.fsckObjects=true",
];

/// A bare repository in a job's folder.
#[derive(Debug)]
pub(crate) struct Repository {
    git: PathBuf,
    folder: PathBuf,
    limits: Limits,
}

/// What is given to a git beside its arguments.
#[derive(Debug, Clone, Copy, Default)]
struct Given<'a> {
    input: &'a [u8],
    environment: &'a [(&'a str, &'a str)],
}

impl Repository {
    /// An empty one, whose ids are made like the host's.
    pub(crate) async fn new(
        git: PathBuf,
        folder: PathBuf,
        limits: Limits,
        object_format: &str,
    ) -> Result<Self, Error> {
        let repository = Self { git, folder, limits };
        let format = format!("--object-format={object_format}");
        let arguments = ["--quiet", "--bare", "--initial-branch=claviger", &format, REPOSITORY];
        repository.run("init", &arguments, Given::default(), SHORT).await?;
        Ok(repository)
    }

    /// Takes in a pack, which is sent to the pipe. Each object is checked as Git checks what it does not trust.
    pub(crate) fn taking(&self) -> Result<(Taking, ChildStdin), Error> {
        let most = format!("--max-input-size={}", self.limits.pack_bytes);
        let (process, pipes) = self.start("index-pack", &["--stdin", "--fsck-objects", &most], &[])?;
        let Pipes { input, output, errors } = pipes;
        let said =
            tokio::spawn(
                async move { tokio::join!(start_of(errors, KEPT_ERRORS), start_of(output, SHORT)).0 },
            );
        Ok((Taking { process, said }, input))
    }

    /// Runs a git to its end; what it says is at most `most` bytes long.
    async fn run(
        &self,
        command: &'static str,
        arguments: &[&str],
        given: Given<'_>,
        most: u64,
    ) -> Result<Vec<u8>, Error> {
        let (mut process, pipes) = self.start(command, arguments, given.environment)?;
        let Pipes { mut input, output, errors } = pipes;
        let told = async move {
            // One that ends before it has read all says why.
            let _ = input.write_all(given.input).await;
            let _ = input.shutdown().await;
        };
        let ((), output, errors) =
            tokio::join!(told, start_of(output, most.saturating_add(1)), start_of(errors, KEPT_ERRORS));
        let status = process.ended().await.map_err(Error::local("waiting for git"))?;
        if output.len() as u64 > most {
            return Err(Error::failed(GitFailure::TooLarge, "What Git has to say is too long."));
        }
        if status.success() { Ok(output) } else { Err(failed(command, status, &errors)) }
    }

    fn start(
        &self,
        command: &'static str,
        arguments: &[&str],
        environment: &[(&str, &str)],
    ) -> Result<(Process, Pipes), Error> {
        let settings = SETTINGS.iter().flat_map(|setting| ["-c", setting]);
        let arguments = settings.chain([command]).chain(arguments.iter().copied()).map(OsStr::new);
        let environment =
            ENVIRONMENT.iter().chain(environment).map(|(name, value)| (*name, OsStr::new(*value)));
        // A pack's index is at most about as long as the pack.
        let file_bytes = self.limits.pack_bytes.saturating_mul(2).saturating_add(SHORT);
        Process::start(&self.git, arguments, environment, &self.folder, &self.limits, file_bytes)
            .map_err(Error::local("starting git"))
    }
}

/// A git that takes in a pack.
pub(crate) struct Taking {
    process: Process,
    said: tokio::task::JoinHandle<Vec<u8>>,
}

impl Taking {
    /// How it went, once the pipe to it is closed.
    pub(crate) async fn end(mut self) -> Result<(), Error> {
        let errors = (&mut self.said).await.unwrap_or_default();
        let status = self.process.ended().await.map_err(Error::local("waiting for git"))?;
        if status.success() {
            return Ok(());
        }
        match failed("index-pack", status, &errors) {
            Error::Git { said, .. } => {
                let detail = format!("Git refuses what the host sent: {said}");
                Err(Error::failed(GitFailure::InvalidDocument, detail))
            }
            other => Err(other),
        }
    }
}

/// The beginning of what comes; all of it is read, so that nobody waits to be heard.
async fn start_of(mut from: impl AsyncRead + Unpin, most: u64) -> Vec<u8> {
    let mut kept = Vec::new();
    // What a pipe has broken off with is of no interest: how its process ended is.
    let _ = (&mut from).take(most).read_to_end(&mut kept).await;
    let _ = tokio::io::copy(&mut from, &mut tokio::io::sink()).await;
    kept
}

/// Whoever met a limit was given too much by the host; anything else is for the operator.
fn failed(command: &'static str, status: ExitStatus, errors: &[u8]) -> Error {
    let said = HostWords::new(errors).as_str().to_owned();
    let limits = ["ut of memory", "mmap failed", "maximum allowed size", "File too large"];
    let killed = std::os::unix::process::ExitStatusExt::signal(&status).is_some();
    if killed || limits.iter().any(|limit| said.contains(limit)) {
        let detail = "The newest state of the repository is more than Git may take for it.";
        return Error::failed(GitFailure::TooLarge, detail);
    }
    Error::Git { command, status: status.to_string(), said }
}
