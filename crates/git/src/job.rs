//! One job, from the name of a host to the file or the commit. All that it starts and writes ends with it.

use std::fs;
use std::net::SocketAddr;
use std::sync::Arc;

use claviger_domain::git::{Failure, GitFailure, HostKey, InvalidHostKey, ObjectId};
use claviger_egress::Purpose;
use tokio::process::ChildStdin;
use tokio::time::timeout;

use crate::error::Error;
use crate::folders::JobFolder;
use crate::local::Repository;
use crate::remote::{
    Ended, KNOWN_HOSTS, Session, SignIn, configuration, known_hosts, of_conversation, of_push, of_ssh,
    out_of_sync,
};
use crate::wire::{self, Advertisement, Broken, Service};
use crate::{Agent, AgentLease, Expected, Fetched, Push, Pushed, Remote, Shared};

/// A push needs no file of the repository's, but Git's check of a pack wants to see `.gitattributes` and `.gitmodules`:
/// whatever is named so and does not come is an error to it.
const LONGEST_OF_GITS_OWN: u64 = 64 * 1024;

pub(crate) struct Job<'a> {
    shared: &'a Shared,
    remote: &'a Remote,
    agent: Arc<dyn Agent>,
    /// Pinned, or shown and proved by the host.
    host_key: Option<HostKey>,
    /// Of the host's addresses the one that answered. All of the job goes there.
    address: Option<SocketAddr>,
    connections: u32,
    /// A push was sent, and the host has not said what came of it.
    sent: bool,
    folder: JobFolder,
}

/// The file that the host has.
struct Seen {
    repository: Repository,
    commit: ObjectId,
    blob: ObjectId,
}

impl<'a> Job<'a> {
    pub(crate) fn new(shared: &'a Shared, remote: &'a Remote, agent: Arc<dyn Agent>) -> Result<Self, Error> {
        let folder = shared.folders.fresh().map_err(Error::local("making a job's folder"))?;
        let host_key = remote.pinned.clone();
        Ok(Self { shared, remote, agent, host_key, address: None, connections: 0, sent: false, folder })
    }

    pub(crate) fn into_host_key(self) -> Option<HostKey> {
        self.host_key
    }

    /// A failure, with what it leaves open.
    pub(crate) fn explain(&self, error: Error) -> Error {
        match error {
            Error::Failed(Failure { code, detail }) if self.sent => {
                Error::failed(code, format!("{detail} Whether it took the push is not known."))
            }
            other => other,
        }
    }

    /// Is the file there, and not too long?
    pub(crate) async fn test(&mut self) -> Result<(), Error> {
        self.see().await.map(|_| ())
    }

    pub(crate) async fn fetch(&mut self) -> Result<Fetched, Error> {
        let Seen { repository, commit, blob } = self.see().await?;
        let document = repository.content(&blob).await?;
        Ok(Fetched { commit, blob, document })
    }

    pub(crate) async fn push(&mut self, push: &Push) -> Result<Pushed, Error> {
        let path = &self.remote.path;
        let (repository, base) = self.take(LONGEST_OF_GITS_OWN).await?;
        let standing = repository.file(&base, path).await?;
        let blob = repository.keep(&push.document).await?;
        if standing.as_ref() == Some(&blob) {
            return Ok(Pushed { commit: base, blob, changed: false });
        }
        if let Expected::Blob(expected) = &push.expected
            && *expected != standing
        {
            let detail = "The file was changed at the host since it was last pulled or pushed.";
            return Err(Error::failed(GitFailure::OutOfSync, detail));
        }
        let commit = repository.commit(&base, path, &blob, push).await?;
        let pack = repository.pack(&commit, path, &blob).await?;
        self.send(&base, &commit, &pack).await?;
        Ok(Pushed { commit, blob, changed: true })
    }

    async fn see(&mut self) -> Result<Seen, Error> {
        let most = self.shared.limits.document_bytes;
        let (repository, commit) = self.take(most).await?;
        let path = &self.remote.path;
        let blob = repository.file(&commit, path).await?.ok_or_else(|| {
            let detail = format!("The branch {} has no file {path}.", self.remote.branch);
            Error::failed(GitFailure::FileNotFound, detail)
        })?;
        match repository.length(&blob).await? {
            Some(length) if length <= most => Ok(Seen { repository, commit, blob }),
            _ => {
                let detail = format!("The file {path} is longer than {most} bytes.");
                Err(Error::failed(GitFailure::TooLarge, detail))
            }
        }
    }

    /// The newest state of the branch, in a repository of the job's own; longer files may be left out.
    async fn take(&mut self, longest_file: u64) -> Result<(Repository, ObjectId), Error> {
        let (mut session, advertised) = self.open(Service::Fetch).await?;
        let tip = self.tip(&advertised)?;
        let format = advertised.object_format().map_err(|broken| nonsense(&broken))?;
        let limits = &self.shared.limits;
        let git = self.shared.programs.git.clone();
        let repository = Repository::new(git, self.folder.path().to_owned(), *limits, format).await?;
        let (taking, mut pack) = repository.taking()?;
        let fetched = {
            let pipes = (input(&mut session.to)?, &mut session.from);
            wire::fetch(pipes, &advertised, &tip, longest_file, limits.pack_bytes, &mut pack).await
        };
        drop(pack);
        match fetched {
            // A git that takes no more says why.
            Ok(()) | Err(Broken::Refused) => taking.end().await?,
            Err(broken) => return Err(self.why(session, Service::Fetch, true, broken).await),
        }
        Ok((repository, tip))
    }

    fn tip(&self, advertised: &Advertisement) -> Result<ObjectId, Error> {
        advertised.tip.clone().ok_or_else(|| {
            if advertised.is_empty {
                let detail = "The repository has no commit yet: make its first one there.";
                return Error::failed(GitFailure::RepositoryEmpty, detail);
            }
            let detail = format!("The repository has no branch {}.", self.remote.branch);
            Error::failed(GitFailure::BranchNotFound, detail)
        })
    }

    async fn send(&mut self, base: &ObjectId, commit: &ObjectId, pack: &[u8]) -> Result<(), Error> {
        let (mut session, advertised) = self.open(Service::Push).await?;
        if advertised.tip.as_ref() != Some(base) {
            return Err(out_of_sync().into());
        }
        let branch = self.remote.branch.full_name();
        self.sent = true;
        let pushed = {
            let pipes = (input(&mut session.to)?, &mut session.from);
            wire::push(pipes, &advertised, (base, commit), &branch, pack).await
        };
        match pushed {
            Ok(report) => {
                self.sent = false;
                of_push(&report).map_or(Ok(()), |failure| Err(failure.into()))
            }
            Err(broken) => Err(self.why(session, Service::Push, true, broken).await),
        }
    }

    /// Connects to the first of the host's addresses that answers, and reads what it says first.
    async fn open(&mut self, service: Service) -> Result<(Session, Advertisement), Error> {
        let mut failed = None;
        for address in self.addresses().await? {
            match self.open_at(address, service).await {
                Ok(opened) => {
                    self.address = Some(address);
                    return Ok(opened);
                }
                Err(Error::Failed(failure)) if failure.code == GitFailure::Unreachable => {
                    failed = Some(failure);
                }
                Err(other) => return Err(other),
            }
        }
        let nowhere = || Failure::new(GitFailure::Unreachable, "The host has no address.");
        Err(failed.unwrap_or_else(nowhere).into())
    }

    async fn addresses(&self) -> Result<Vec<SocketAddr>, Error> {
        if let Some(address) = self.address {
            return Ok(vec![address]);
        }
        let (host, port) = (self.remote.address.host().bare(), self.remote.address.port());
        let (egress, patience) = (&self.shared.egress, self.shared.limits.connect);
        egress.addresses(Purpose::Outside, &host, port, patience).await.map_err(|error| {
            let code = match &error {
                claviger_egress::Error::Refused { .. } => GitFailure::TargetRefused,
                _ => GitFailure::Unreachable,
            };
            Error::failed(code, format!("{error}."))
        })
    }

    async fn open_at(
        &mut self,
        address: SocketAddr,
        service: Service,
    ) -> Result<(Session, Advertisement), Error> {
        let host_key = match &self.host_key {
            Some(key) => key.clone(),
            None => self.meet(address).await?,
        };
        let known = known_hosts(&self.remote.address, &host_key);
        fs::write(self.folder.join(KNOWN_HOSTS), known).map_err(Error::local("writing the host's key"))?;
        self.host_key = Some(host_key.clone());
        let (socket, lease) = self.open_agent(&host_key).await?;
        let sign_in = SignIn::Agent { socket: &socket, host_key: &host_key };
        let mut session = self.start(address, sign_in, service)?;
        let branch = self.remote.branch.full_name();
        let most = self.shared.limits.listing_bytes;
        let read = Advertisement::read(&mut session.from, &branch, most).await;
        drop(lease);
        match read {
            Ok(advertised) => Ok((session, advertised)),
            Err(broken) => Err(self.why(session, service, false, broken).await),
        }
    }

    /// Asks the host for its key, without anything to sign in with. The host has proved that it has the key when it
    /// refuses us.
    async fn meet(&self, address: SocketAddr) -> Result<HostKey, Error> {
        let known = self.folder.join(KNOWN_HOSTS);
        fs::write(&known, "").map_err(Error::local("writing the file of known hosts"))?;
        let session = self.start(address, SignIn::Nobody, Service::Fetch)?;
        let ended = session.end().await.map_err(Error::local("waiting for ssh"))?;
        let user = self.remote.address.user();
        if ended.by_ssh && !ended.log.denied(user.as_str()) {
            return Err(of_ssh(&ended.log, user, None).unwrap_or_else(lost).into());
        }
        let line = fs::read_to_string(&known).map_err(Error::local("reading the host's key"))?;
        let key = line.trim_end().split_once(' ').map_or("", |(_, key)| key);
        key.parse().map_err(|unfit| {
            let detail = match unfit {
                InvalidHostKey::Unknown => "The host has no key of a kind that Claviger takes.".to_owned(),
                InvalidHostKey::RsaLength => format!("The host's key {unfit}: give it one of Ed25519."),
            };
            Error::failed(GitFailure::Unreachable, detail)
        })
    }

    /// A socket at which whoever signs in answers, for one connection.
    async fn open_agent(&mut self, host_key: &HostKey) -> Result<(String, AgentLease), Error> {
        self.connections += 1;
        let name = format!("agent-{}", self.connections);
        let listener = self.folder.listen(&name).map_err(Error::local("making a socket"))?;
        let (agent, user) = (Arc::clone(&self.agent), self.remote.address.user().clone());
        let host_key = host_key.clone();
        let opened = tokio::task::spawn_blocking(move || agent.open(listener, &user, &host_key)).await;
        match opened {
            Ok(opened) => opened.map(|lease| (name, lease)).map_err(Error::Agent),
            Err(panicked) => Err(Error::Agent(panicked.into())),
        }
    }

    fn start(&self, address: SocketAddr, sign_in: SignIn<'_>, service: Service) -> Result<Session, Error> {
        let (limits, remote) = (&self.shared.limits, &self.remote.address);
        let text = configuration(remote, address, limits.connect, sign_in);
        let command = service.command(remote.repository());
        Session::start(&self.shared.programs.ssh, self.folder.path(), &text, &command, limits)
            .map_err(Error::local("starting ssh"))
    }

    /// What it means that a conversation broke off.
    async fn why(&self, session: Session, service: Service, advertised: bool, broken: Broken) -> Error {
        // Who still speaks is not listened to any longer; who has ended, or is about to, may say why.
        let ended = match broken {
            Broken::Ended | Broken::Told(_) => timeout(self.shared.limits.connect, session.end()).await.ok(),
            _ => None,
        };
        let ended = ended.and_then(Result::ok).unwrap_or_else(Ended::unknown);
        let user = self.remote.address.user();
        let of_ssh =
            of_ssh(&ended.log, user, self.host_key.as_ref()).filter(|_| matches!(broken, Broken::Ended));
        of_ssh.unwrap_or_else(|| of_conversation(service, advertised, &broken, &ended)).into()
    }
}

fn input(to: &mut Option<ChildStdin>) -> Result<&mut ChildStdin, Error> {
    to.as_mut().ok_or_else(|| lost().into())
}

fn lost() -> Failure {
    Failure::new(GitFailure::ConnectionLost, "The host ended the connection.")
}

fn nonsense(broken: &Broken) -> Error {
    Error::failed(
        GitFailure::ConnectionLost,
        format!("The host does not speak Git as Claviger does: {broken}."),
    )
}
