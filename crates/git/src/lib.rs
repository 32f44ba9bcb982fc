//! The Git engine: pulls one file out of a repository and pushes it into one, with the system's `git` and `ssh`
//! and nothing else (security.md 6, `docs/adr/0009-git-never-meets-the-host.md`).
//!
//! `ssh` speaks to the host and knows no repository; `git` works on a bare repository that lives for one job and
//! never sees a network. What passes between them goes through this program, which counts it. There is no
//! working copy, no shell, no configuration but the job's own, and no key: whoever starts a job hands in an agent.

mod error;
mod folders;
mod job;
mod left_over;
mod limits;
mod local;
mod process;
mod programs;
mod remote;
mod wire;

use std::any::Any;
use std::fmt;
use std::io;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use claviger_domain::git::{
    Branch, DocumentPath, Failure, GitAddress, GitFailure, GitUser, HostKey, ObjectId,
};
use claviger_domain::time::Timestamp;
use claviger_egress::Egress;
use tokio::sync::{Semaphore, SemaphorePermit};

pub use error::{AgentError, Error};
pub use limits::Limits;
pub use programs::{Programs, UnfitProgram};

use folders::Folders;
use job::Job;

/// The file at a path of a branch of a repository.
#[derive(Debug, Clone)]
pub struct Remote {
    pub address: GitAddress,
    pub branch: Branch,
    pub path: DocumentPath,
    /// The key that its host must have. Without one, the key that it shows is taken, and told.
    pub pinned: Option<HostKey>,
}

/// What keeps an agent open. It is dropped as soon as the host has let us in, or has not.
pub type AgentLease = Box<dyn Any + Send>;

/// Signs in to hosts. It is asked once for each connection, and its listener is for that one alone.
pub trait Agent: Send + Sync {
    /// Lets an agent answer at the listener, to one process of this user, for `user` at the host with this key,
    /// until the lease is dropped. May block.
    fn open(
        &self,
        listener: UnixListener,
        user: &GitUser,
        host_key: &HostKey,
    ) -> Result<AgentLease, AgentError>;
}

/// What came of a job, and the key that the host showed or has pinned, if it came so far.
#[derive(Debug)]
pub struct Outcome<T> {
    pub host_key: Option<HostKey>,
    pub result: Result<T, Error>,
}

/// The file as the host has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// The tip of the branch.
    pub commit: ObjectId,
    pub blob: ObjectId,
    pub document: Vec<u8>,
}

/// A file to be written.
#[derive(Debug, Clone)]
pub struct Push {
    pub document: Vec<u8>,
    /// The commit's message.
    pub message: String,
    pub author: Author,
    pub at: Timestamp,
    pub expected: Expected,
}

/// Whom a commit names as its author and committer.
#[derive(Debug, Clone)]
pub struct Author {
    pub name: String,
    pub email: String,
}

/// What the host must have at the path before it is written anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expected {
    /// This file, or none: anything else is `out_of_sync`.
    Blob(Option<ObjectId>),
    /// Whatever it is, it is overwritten.
    Anything,
}

/// What the branch holds now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pushed {
    /// The tip of the branch.
    pub commit: ObjectId,
    pub blob: ObjectId,
    /// Whether there is a new commit: none is made for what stands there already.
    pub changed: bool,
}

/// All that jobs share. Cheap to clone.
#[derive(Clone)]
pub struct Engine {
    shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) programs: Programs,
    pub(crate) folders: Folders,
    pub(crate) egress: Egress,
    pub(crate) limits: Limits,
    places: Semaphore,
    waiting: AtomicUsize,
}

impl Engine {
    /// With a folder of its own for what jobs need while they last, made if it is missing; what earlier processes
    /// left in it is removed.
    pub fn new(folder: PathBuf, programs: Programs, egress: Egress, limits: Limits) -> io::Result<Self> {
        let folders = Folders::open(folder)?;
        if rustix::process::geteuid().is_root() {
            tracing::warn!(
                "as root, Git's and ssh's processes are not kept from starting others: use a user of its own"
            );
        }
        let (places, waiting) = (Semaphore::new(limits.jobs), AtomicUsize::new(0));
        Ok(Self { shared: Arc::new(Shared { programs, folders, egress, limits, places, waiting }) })
    }

    /// Is the file there, and does the host let us read it?
    pub async fn test(&self, remote: &Remote, agent: Arc<dyn Agent>) -> Outcome<()> {
        self.run(remote, agent, async |job| job.test().await).await
    }

    /// Reads the file.
    pub async fn fetch(&self, remote: &Remote, agent: Arc<dyn Agent>) -> Outcome<Fetched> {
        self.run(remote, agent, async |job| job.fetch().await).await
    }

    /// Writes the file as one commit on top of the branch, or not at all.
    pub async fn push(&self, remote: &Remote, agent: Arc<dyn Agent>, push: &Push) -> Outcome<Pushed> {
        self.run(remote, agent, async |job| job.push(push).await).await
    }

    /// How many jobs wait for others to end.
    pub fn waiting(&self) -> usize {
        self.shared.waiting.load(Ordering::Relaxed)
    }

    async fn place(&self) -> Result<SemaphorePermit<'_>, Failure> {
        if let Ok(place) = self.shared.places.try_acquire() {
            return Ok(place);
        }
        let _waits = Waits::new(&self.shared.waiting);
        let most = self.shared.limits.wait;
        // The places are never closed.
        let place = tokio::time::timeout(most, self.shared.places.acquire()).await.ok().and_then(Result::ok);
        place.ok_or_else(|| {
            let detail =
                format!("Other Git jobs took all places for {} seconds: try again later.", most.as_secs());
            Failure::new(GitFailure::TimedOut, detail)
        })
    }

    /// Waits for a place, and then takes its time. Whatever happens, and however long it would take, what the job
    /// started and wrote is gone at the end.
    async fn run<T>(
        &self,
        remote: &Remote,
        agent: Arc<dyn Agent>,
        work: impl AsyncFnOnce(&mut Job<'_>) -> Result<T, Error>,
    ) -> Outcome<T> {
        let _place = match self.place().await {
            Ok(place) => place,
            Err(failure) => return Outcome { host_key: None, result: Err(failure.into()) },
        };
        let mut job = match Job::new(&self.shared, remote, agent) {
            Ok(job) => job,
            Err(error) => return Outcome { host_key: None, result: Err(error) },
        };
        let time = self.shared.limits.time;
        let result = tokio::time::timeout(time, work(&mut job)).await.unwrap_or_else(|_| {
            let detail = format!("The host took longer than {} seconds for all of it.", time.as_secs());
            Err(Failure::new(GitFailure::TimedOut, detail).into())
        });
        let result = result.map_err(|error| job.explain(error));
        if let Err(error) = &result {
            tracing::info!(host = %remote.address.host(), %error, "a Git job failed");
        }
        Outcome { host_key: job.into_host_key(), result }
    }
}

/// One job that waits.
struct Waits<'a>(&'a AtomicUsize);

impl<'a> Waits<'a> {
    fn new(all: &'a AtomicUsize) -> Self {
        all.fetch_add(1, Ordering::Relaxed);
        Self(all)
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Engine").field(&self.shared.folders).finish()
    }
}
