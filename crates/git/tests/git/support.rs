//! An engine that may go to this machine, keys that sign in, and what surrounds a job.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use claviger_domain::git::{GitFailure, GitUser, HostKey, ObjectId};
use claviger_domain::key_pairs::{Algorithm, PublicKey};
use claviger_domain::time::Timestamp;
use claviger_egress::{Addresses, Egress, Resolve, Rules};
use claviger_git::{
    Agent, AgentError, AgentLease, Author, Engine, Error, Expected, Limits, Outcome, Programs, Push, Remote,
};
use claviger_keeper::client::{Program, SpawnOptions};
use claviger_keeper::{Keeper, MadePair, MakePair, OpenAgent, Place, process};
use claviger_testkit::{GitHost, Repository, keeper_arguments, locate};
use tempfile::TempDir;

/// The name under which tests reach this machine.
pub(crate) const NAME: &str = "git.test";
pub(crate) const PATH: &str = "api/openapi.yaml";
pub(crate) const DOCUMENT: &[u8] = b"openapi: 3.1.0\n";

/// A name server that answers with the next of its lists each time; the last one for ever.
#[derive(Debug)]
pub(crate) struct Addressed {
    answers: Vec<Vec<IpAddr>>,
    pub(crate) asked: AtomicUsize,
}

impl Addressed {
    pub(crate) fn new(answers: &[&[&str]]) -> Arc<Self> {
        let parse = |ip: &&str| ip.parse().expect("an address");
        let answers = answers.iter().map(|answer| answer.iter().map(parse).collect()).collect();
        Arc::new(Self { answers, asked: AtomicUsize::new(0) })
    }
}

impl Resolve for Addressed {
    fn resolve<'a>(&'a self, _: &'a str, port: u16) -> Addresses<'a> {
        let asked = self.asked.fetch_add(1, Ordering::Relaxed);
        let answer = &self.answers[asked.min(self.answers.len() - 1)];
        let answer = answer.iter().map(|ip| SocketAddr::new(*ip, port)).collect();
        Box::pin(async move { Ok(answer) })
    }
}

/// A process of a job.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Running {
    pub(crate) id: u32,
    pub(crate) name: String,
    pub(crate) environment: String,
}

/// An engine with a folder that is looked at after each job.
#[derive(Debug)]
pub(crate) struct Bench {
    pub(crate) engine: Engine,
    folder: TempDir,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self::with(Limits::default())
    }

    pub(crate) fn with(limits: Limits) -> Self {
        let rules = Rules { allow: vec!["127.0.0.0/8".parse().expect("a network")], ..Rules::default() };
        Self::with_egress(limits, Egress::with_resolver(rules, Addressed::new(&[&["127.0.0.1"]])))
    }

    pub(crate) fn with_egress(limits: Limits, egress: Egress) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let engine = Engine::new(folder.path().join("jobs"), programs(), egress, limits).expect("an engine");
        Self { engine, folder }
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What runs in the folders of its jobs.
    pub(crate) fn running(&self) -> Vec<Running> {
        let processes = fs::read_dir("/proc").expect("processes").flatten().map(|process| process.path());
        processes
            .filter_map(|process| {
                let place = fs::read_link(process.join("cwd")).ok()?;
                place.starts_with(self.folder()).then_some(())?;
                let program = fs::read_link(process.join("exe")).ok()?;
                let name = program.file_name()?.to_string_lossy().into_owned();
                let environment =
                    String::from_utf8_lossy(&fs::read(process.join("environ")).ok()?).into_owned();
                let id = process.file_name()?.to_str()?.parse().ok()?;
                Some(Running { id, name, environment })
            })
            .collect()
    }

    /// Whether a job has so much of a pack, and waits for more.
    pub(crate) fn is_taking_a_pack(&self, bytes: u64) -> bool {
        let Ok(jobs) = fs::read_dir(self.folder().join("jobs/1")) else { return false };
        let packs = jobs.flatten().map(|job| job.path().join("repository/objects/pack"));
        let files = packs.filter_map(|pack| fs::read_dir(pack).ok()).flatten().flatten();
        files.filter_map(|file| file.metadata().ok()).any(|pack| pack.len() >= bytes)
    }

    /// The document, and nothing left of the job.
    #[track_caller]
    pub(crate) fn fetched(&self, outcome: Outcome<claviger_git::Fetched>) -> Vec<u8> {
        self.demand_nothing_left();
        outcome.result.unwrap_or_else(|error| panic!("{error}")).document
    }

    /// The failure, and nothing left of the job.
    #[track_caller]
    pub(crate) fn failed<T: std::fmt::Debug>(&self, outcome: Outcome<T>) -> (GitFailure, String) {
        self.demand_nothing_left();
        match outcome.result {
            Err(Error::Failed(failure)) => (failure.code, failure.detail),
            other => panic!("no failure of the host's: {other:?}"),
        }
    }

    /// No file of a job, and no process that was started in its folder.
    #[track_caller]
    pub(crate) fn demand_nothing_left(&self) {
        let jobs = self.folder.path().join("jobs/1");
        let left: Vec<_> = fs::read_dir(&jobs).expect("the engine's folder").flatten().collect();
        assert!(left.is_empty(), "left over: {left:?}");
        assert_eq!(self.running(), [], "left running");
    }
}

pub(crate) fn programs() -> Programs {
    let folders = ["git", "ssh"].map(|name| {
        let program = locate(name).unwrap_or_else(|| panic!("install `{name}`: `cargo xtask test` does"));
        program.parent().expect("a folder").to_owned()
    });
    let search_path = std::env::join_paths(folders).expect("a search path");
    Programs::on(&search_path).unwrap_or_else(|unfit| panic!("{unfit}"))
}

/// The file of [`PATH`] on `main` of a repository.
pub(crate) fn remote(host: &GitHost, repository: &Repository) -> Remote {
    at(&host.address(NAME, repository))
}

pub(crate) fn at(address: &str) -> Remote {
    Remote {
        address: address.parse().expect("an address"),
        branch: "main".parse().expect("a branch"),
        path: PATH.parse().expect("a path"),
        pinned: None,
    }
}

pub(crate) fn writing(document: &[u8], expected: Expected) -> Push {
    Push {
        document: document.to_vec(),
        message: "Change the document\n\nBy Ada Lovelace with Claviger.\n".to_owned(),
        author: Author { name: "Ada Lovelace".to_owned(), email: "ada@example.org".to_owned() },
        at: Timestamp::from_micros(1_767_225_600_000_000),
        expected,
    }
}

pub(crate) fn id(text: &str) -> ObjectId {
    text.parse().expect("an id")
}

/// A pair that a keeper of its own has made, and its agent: the real ones.
#[derive(Debug)]
pub(crate) struct Signer {
    keeper: Keeper,
    algorithm: Algorithm,
    made: MadePair,
    /// As `authorized_keys` has it.
    pub(crate) public_key: String,
    pub(crate) asked: AtomicUsize,
    folder: TempDir,
}

pub(crate) const PAIR: Place<'_> =
    Place { database: "01k0db", table: "key_pairs", row: "kp_1", column: "private_key" };

impl Signer {
    pub(crate) fn new() -> Arc<Self> {
        Self::of(Algorithm::Ed25519)
    }

    pub(crate) fn of(algorithm: Algorithm) -> Arc<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        let mut options = SpawnOptions::new(process::Options::new(folder.path()));
        options.program = Program::RunningImage { arguments: keeper_arguments() };
        let keeper = Keeper::spawn(options).expect("a keeper");
        let made = keeper.make_pair(MakePair { place: PAIR, algorithm }).expect("a pair");
        let public = PublicKey::from_spki(made.public.clone()).expect("a public key");
        let public_key = public.openssh("claviger");
        Arc::new(Self { keeper, algorithm, made, public_key, asked: AtomicUsize::new(0), folder })
    }
}

impl Signer {
    /// What an operator would back up.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn sealed(&self) -> &[u8] {
        self.made.sealed.as_bytes()
    }
}

impl Agent for Signer {
    fn open(
        &self,
        listener: UnixListener,
        user: &GitUser,
        host_key: &HostKey,
    ) -> Result<AgentLease, AgentError> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let open = OpenAgent {
            place: PAIR,
            sealed: &self.made.sealed,
            algorithm: self.algorithm,
            actor: "mbr_1",
            attachment: "api_1",
            user: user.as_str(),
            host_keys: &[host_key.blob().to_vec()],
            listener,
            lifetime: Duration::from_secs(60),
        };
        Ok(Box::new(self.keeper.agent(open)?))
    }
}

/// Between a client and a host: passes on so many bytes of the host's, and no more.
#[derive(Debug)]
pub(crate) struct Relay {
    pub(crate) port: u16,
}

impl Relay {
    /// Cuts both connections.
    pub(crate) fn cutting(host: &GitHost, bytes: usize) -> Self {
        Self::start(host.port().address(), bytes, Duration::ZERO)
    }

    /// Keeps both, and passes on nothing more.
    pub(crate) fn stalling(host: &GitHost, bytes: usize) -> Self {
        Self::start(host.port().address(), bytes, Duration::from_secs(120))
    }

    fn start(to: SocketAddr, bytes: usize, stall: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                thread::spawn(move || relay(client, to, bytes, stall));
            }
        });
        Self { port }
    }

    pub(crate) fn remote(&self, host: &GitHost, repository: &Repository) -> Remote {
        let through =
            host.address(NAME, repository).replace(&host.port().to_string(), &self.port.to_string());
        at(&through)
    }
}

fn relay(mut client: TcpStream, to: SocketAddr, bytes: usize, stall: Duration) -> io::Result<()> {
    let mut host = TcpStream::connect(to)?;
    let (mut a, mut b) = (client.try_clone()?, host.try_clone()?);
    thread::spawn(move || io::copy(&mut a, &mut b));
    let mut left = bytes;
    let mut part = [0; 4_096];
    while left > 0 {
        let most = left.min(part.len());
        let length = host.read(&mut part[..most])?;
        if length == 0 {
            break;
        }
        client.write_all(&part[..length])?;
        left -= length;
    }
    thread::sleep(stall);
    client.shutdown(Shutdown::Both)?;
    host.shutdown(Shutdown::Both)
}

/// Bytes that nothing makes shorter.
pub(crate) fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    (0..length.div_ceil(8)).flat_map(|_| next()).take(length).collect()
}
