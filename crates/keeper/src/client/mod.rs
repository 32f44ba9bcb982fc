//! The parent's side: starts the keeper, starts it again when it dies, and asks it.
//!
//! Threads and blocking calls only; the service wraps a call in its runtime's way of waiting. While the
//! keeper is away every call fails at once, and the keys that it gave at its first start go on working. A
//! request that the keeper died on is not sent again: whether it was done, the journal knows.

mod child;
mod error;
mod link;
mod options;
mod supervisor;

use std::io::{self, Read as _};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use claviger_domain::secret::{Plaintext, Sealed};

pub use error::{KeeperError, SpawnError};
pub use link::Status;
use link::{Shared, locked};
pub use options::{BackOff, Notice, Observer, Program, SpawnOptions};

use crate::agent::AgentOutcome;
use crate::bundle::{NodeKey, Recipient};
use crate::keys::{Keys, NodeKeys};
use crate::pairs::{MadePair, MakePair, OpenAgent, SignJwt};
use crate::place::{Open, Seal};
use crate::sandbox;
use crate::tree::RootFingerprint;
pub use crate::wire::message::Health;
use crate::wire::message::{self, Body, MOST_SEALS, Refusal, Reply};

/// How long a keeper that is told to end may take before it is killed.
const GRACE: Duration = Duration::from_secs(5);
/// How long a pair may take at the least: RSA's takes seconds, and others may be made before it.
const MAKING: Duration = Duration::from_secs(60);

/// A running keeper and the way to it. Ends the process when dropped.
#[derive(Debug)]
pub struct Keeper {
    shared: Arc<Shared>,
    keys: Keys,
    root: RootFingerprint,
    deadline: Duration,
    supervisor: Mutex<Option<JoinHandle<()>>>,
}

impl Keeper {
    /// Starts the keeper and waits until it stands. From here on this process can't be dumped either.
    pub fn spawn(options: SpawnOptions) -> Result<Self, SpawnError> {
        sandbox::forbid_dumps().map_err(SpawnError::NotConfined)?;
        let starter = child::Starter::new(&options)?;
        let mut first = starter.start()?;
        let keys = first.ask_for_keys()?;
        let shared = Arc::new(Shared::new(options.observer));
        let root = first.root;
        shared.connect(first.ends()?, first.process(), first.warnings.clone(), false);
        let supervisor = supervisor::Supervisor::new(Arc::clone(&shared), starter, options.back_off, root);
        let thread = std::thread::Builder::new()
            .name("keeper".into())
            .spawn(move || supervisor.run(first))
            .map_err(SpawnError::Process)?;
        Ok(Self { shared, keys, root, deadline: options.deadline, supervisor: Mutex::new(Some(thread)) })
    }

    /// The keys of digests, facts and cursors, as the keeper gave them once. They stay when it is away.
    pub const fn keys(&self) -> &Keys {
        &self.keys
    }

    /// Which root secret the keeper works with. Kept in the database, and compared at each start.
    pub const fn root_fingerprint(&self) -> RootFingerprint {
        self.root
    }

    /// Seals one value for its place.
    pub fn seal(&self, item: Seal<'_>) -> Result<Sealed, KeeperError> {
        let mut sealed = self.seal_batch(&[item])?;
        sealed.pop().ok_or(KeeperError::Incompatible)
    }

    /// Seals many values, each for its place, in their order. All or none.
    pub fn seal_batch(&self, items: &[Seal<'_>]) -> Result<Vec<Sealed>, KeeperError> {
        let mut all = Vec::with_capacity(items.len());
        for part in items.chunks(MOST_SEALS) {
            match self.ask(message::seal_request(part))? {
                Reply::Sealed(sealed) if sealed.len() == part.len() => all.extend(sealed),
                _ => return Err(KeeperError::Incompatible),
            }
        }
        Ok(all)
    }

    /// Opens one value. The event at `open.position` is committed before; the keeper's own journal has the
    /// opening before the value is here.
    pub fn open(&self, open: Open<'_>) -> Result<Plaintext, KeeperError> {
        match self.ask(message::open_request(&open))? {
            Reply::Opened(plaintext) => Ok(plaintext),
            _ => Err(KeeperError::Incompatible),
        }
    }

    /// Makes a pair inside the keeper. Its private half comes back sealed to its place.
    pub fn make_pair(&self, make: MakePair<'_>) -> Result<MadePair, KeeperError> {
        match self.ask_within(message::make_request(&make), self.deadline.max(MAKING))? {
            Reply::PairMade(made) => Ok(made),
            _ => Err(KeeperError::Incompatible),
        }
    }

    /// Signs claims as a compact JSON Web Token. It is in the keeper's journal before it is here.
    pub fn sign_jwt(&self, sign: SignJwt<'_>) -> Result<String, KeeperError> {
        match self.ask(message::sign_request(&sign))? {
            Reply::JwtSigned(token) => Ok(token),
            _ => Err(KeeperError::Incompatible),
        }
    }

    /// Opens an agent for one sign-in. It is there for as long as the answer is held, and no longer than its
    /// lifetime.
    pub fn agent(&self, open: OpenAgent<'_>) -> Result<AgentLease, KeeperError> {
        let (leash, its_end) = UnixStream::pair().map_err(|_| KeeperError::Unavailable)?;
        let request = message::agent_request(&open);
        let files = [open.listener.as_fd(), its_end.as_fd()];
        match self.exchange(request, &files, self.deadline)? {
            Reply::AgentOpened => Ok(AgentLease(leash)),
            _ => Err(KeeperError::Incompatible),
        }
    }

    /// The public half of this keeper's pair, to which a data node's bundle is encrypted.
    pub fn node_key(&self) -> Result<NodeKey, KeeperError> {
        match self.ask(message::node_key_request())? {
            Reply::NodeKey(key) => Ok(key),
            _ => Err(KeeperError::Incompatible),
        }
    }

    /// What a data node decides with, encrypted to its keeper's pair.
    pub fn bundle(&self, to: &NodeKey, recipient: Recipient<'_>) -> Result<Vec<u8>, KeeperError> {
        match self.ask(message::bundle_request(to, recipient))? {
            Reply::Bundled(bundle) => Ok(bundle),
            _ => Err(KeeperError::Incompatible),
        }
    }

    /// Opens the bundle that another keeper encrypted to this one's pair.
    pub fn unbundle(&self, recipient: Recipient<'_>, bundle: &[u8]) -> Result<NodeKeys, KeeperError> {
        match self.ask(message::unbundle_request(recipient, bundle))? {
            Reply::Unbundled(keys) => Ok(*keys),
            _ => Err(KeeperError::Incompatible),
        }
    }

    /// How the keeper is, asked of itself.
    pub fn health(&self) -> Result<Health, KeeperError> {
        match self.ask(message::health_request())? {
            Reply::Health(health) => Ok(health),
            _ => Err(KeeperError::Incompatible),
        }
    }

    /// How the keeper is, as far as this side knows. Asks nobody, never waits.
    pub fn status(&self) -> Status {
        self.shared.status()
    }

    /// Lets the keeper finish what it has been asked, and ends it. Later calls fail as if it were away.
    pub fn shutdown(&self) {
        self.shared.stop(GRACE);
        if let Some(thread) = locked(&self.supervisor).take() {
            // It ends by itself, or panicked: there is nothing to do about it either way.
            let _ = thread.join();
        }
    }

    fn ask(&self, request: Body) -> Result<Reply, KeeperError> {
        self.ask_within(request, self.deadline)
    }

    fn ask_within(&self, request: Body, patience: Duration) -> Result<Reply, KeeperError> {
        self.exchange(request, &[], patience)
    }

    fn exchange(
        &self,
        request: Body,
        files: &[BorrowedFd<'_>],
        patience: Duration,
    ) -> Result<Reply, KeeperError> {
        let frame = self.shared.exchange(request, files, Instant::now() + patience)?;
        match Reply::decode(&frame) {
            Ok(Reply::Refused(refusal)) => Err(refusal.into()),
            Ok(reply) => Ok(reply),
            Err(_) => Err(KeeperError::Incompatible),
        }
    }
}

/// An agent that is open. Dropping this closes it, as the end of this process does.
#[derive(Debug)]
#[must_use = "the agent closes when this is dropped"]
pub struct AgentLease(UnixStream);

impl AgentLease {
    /// Lets go of the agent, and tells what came of it so far. Never waits: what the child was answered is told
    /// before the child hears it.
    pub fn release(mut self) -> AgentOutcome {
        let (mut words, mut part) = (Vec::new(), [0; 64]);
        if self.0.set_nonblocking(true).is_err() {
            return AgentOutcome::Ended;
        }
        let silent = loop {
            match self.0.read(&mut part) {
                Ok(0) => break AgentOutcome::Ended,
                Ok(count) => words.extend_from_slice(&part[..count]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break AgentOutcome::Unasked,
                Err(_) => break AgentOutcome::Ended,
            }
        };
        AgentOutcome::of_words(&words).unwrap_or(silent)
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.shutdown();
    }
}

impl From<Refusal> for KeeperError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::NotOpened | Refusal::Malformed => Self::Refused,
            Refusal::TooManyReveals { retry_after_seconds } => Self::TooManyReveals { retry_after_seconds },
            Refusal::TooManySignatures { retry_after_seconds } => {
                Self::TooManySignatures { retry_after_seconds }
            }
            Refusal::Unavailable => Self::Unavailable,
            Refusal::UnknownMessage | Refusal::KeysAlreadyGiven => Self::Incompatible,
        }
    }
}
