//! The agent spoken to by hand: it signs the one request that it was opened for, and nothing else.

use std::io::{Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, ECDSA_P521_SHA512_FIXED_SIGNING,
    ED25519, EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey,
};
use claviger_domain::git::HostKey;
use claviger_domain::key_pairs::{Algorithm, KeyUse};
use claviger_keeper::{
    AgentLease, AgentOutcome, Ceilings, Keeper, KeeperError, MadePair, MakePair, OpenAgent, Place,
    journal::{self, SignedInTo},
};
use proptest::prelude::*;

use crate::support::*;

const PAIR: Place<'_> = Place { database: "01k0db", table: "key_pairs", row: "kp_1", column: "private_key" };
const SESSION: [u8; 32] = [0x53; 32];
const FAILURE: &[u8] = &[5];
const SUCCESS: &[u8] = &[6];

/// Fields as SSH writes them.
fn string(bytes: &[u8]) -> Vec<u8> {
    [&u32::try_from(bytes.len()).expect("short").to_be_bytes(), bytes].concat()
}

fn number(big_endian: &[u8]) -> Vec<u8> {
    let at = big_endian.iter().position(|byte| *byte != 0).unwrap_or(big_endian.len());
    let sign: &[u8] = if big_endian.get(at).is_some_and(|byte| *byte >= 0x80) { &[0] } else { &[] };
    string(&[sign, &big_endian[at..]].concat())
}

/// A host that proves itself.
trait Host {
    fn key(&self) -> Vec<u8>;
    fn proof(&self, session: &[u8]) -> Vec<u8>;
}

impl Host for Ed25519KeyPair {
    fn key(&self) -> Vec<u8> {
        [string(b"ssh-ed25519"), string(self.public_key().as_ref())].concat()
    }

    fn proof(&self, session: &[u8]) -> Vec<u8> {
        [string(b"ssh-ed25519"), string(self.sign(session).as_ref())].concat()
    }
}

struct Curve(EcdsaKeyPair, &'static str);

impl Host for Curve {
    fn key(&self) -> Vec<u8> {
        let name = format!("ecdsa-sha2-{}", self.1);
        [string(name.as_bytes()), string(self.1.as_bytes()), string(self.0.public_key().as_ref())].concat()
    }

    fn proof(&self, session: &[u8]) -> Vec<u8> {
        let signature = self.0.sign(&SystemRandom::new(), session).expect("signed");
        let (r, s) = signature.as_ref().split_at(signature.as_ref().len() / 2);
        let name = format!("ecdsa-sha2-{}", self.1);
        [string(name.as_bytes()), string(&[number(r), number(s)].concat())].concat()
    }
}

fn host() -> Ed25519KeyPair {
    Ed25519KeyPair::generate().expect("a host key")
}

fn curve(by: &'static EcdsaSigningAlgorithm, name: &'static str) -> Curve {
    Curve(EcdsaKeyPair::generate(by).expect("a host key"), name)
}

fn bind(host: &dyn Host, session: &[u8], forwarded: u8) -> Vec<u8> {
    bind_with(&host.key(), session, &host.proof(session), forwarded)
}

fn bind_with(key: &[u8], session: &[u8], proof: &[u8], forwarded: u8) -> Vec<u8> {
    let name = string(b"session-bind@openssh.com");
    [&[27], &*name, &string(key), &string(session), &string(proof), &[forwarded]].concat()
}

/// A request to be let in, in its parts, so that each can be another.
#[derive(Clone)]
struct SignIn {
    session: Vec<u8>,
    kind: u8,
    user: Vec<u8>,
    service: Vec<u8>,
    method: Vec<u8>,
    signed: u8,
    algorithm: Vec<u8>,
    key: Vec<u8>,
    /// Beside what is to be signed: the key to sign with, and the flags.
    with: Vec<u8>,
    flags: u32,
    rest: Vec<u8>,
}

impl SignIn {
    fn data(&self) -> Vec<u8> {
        [
            string(&self.session),
            vec![self.kind],
            string(&self.user),
            string(&self.service),
            string(&self.method),
            vec![self.signed],
            string(&self.algorithm),
            string(&self.key),
            self.rest.clone(),
        ]
        .concat()
    }

    fn message(&self) -> Vec<u8> {
        [vec![13], string(&self.with), string(&self.data()), self.flags.to_be_bytes().to_vec()].concat()
    }
}

/// A keeper with a pair of Ed25519, and a folder for sockets.
struct World {
    folder: tempfile::TempDir,
    keeper: Keeper,
    made: MadePair,
    /// How many agents were opened.
    agents: std::cell::Cell<u32>,
}

impl World {
    fn new() -> Self {
        Self::with(|_| ())
    }

    fn with(change: impl FnOnce(&mut claviger_keeper::client::SpawnOptions)) -> Self {
        let folder = folder();
        let mut options = options(folder.path());
        change(&mut options);
        let keeper = spawn(options);
        let made = keeper.make_pair(MakePair { place: PAIR, algorithm: Algorithm::Ed25519 }).expect("a pair");
        Self { folder, keeper, made, agents: std::cell::Cell::new(0) }
    }

    fn opened(&self, hosts: &[&dyn Host]) -> Agent {
        self.opened_for(hosts, Duration::from_secs(30))
    }

    fn opened_for(&self, hosts: &[&dyn Host], lifetime: Duration) -> Agent {
        self.agents.set(self.agents.get() + 1);
        let path = self.folder.path().join(format!("agent-{}", self.agents.get()));
        let host_keys: Vec<Vec<u8>> = hosts.iter().map(|host| host.key()).collect();
        let listener = UnixListener::bind(&path).expect("bound");
        let lease = self.keeper.agent(OpenAgent { lifetime, ..self.open(&host_keys, listener) });
        Agent { path, lease: lease.expect("an agent") }
    }

    fn open<'a>(&'a self, host_keys: &'a [Vec<u8>], listener: UnixListener) -> OpenAgent<'a> {
        OpenAgent {
            place: PAIR,
            sealed: &self.made.sealed,
            algorithm: Algorithm::Ed25519,
            actor: "mbr_a",
            attachment: "api_1",
            user: "git",
            host_keys,
            listener,
            lifetime: Duration::from_secs(30),
        }
    }

    /// The public half as SSH writes it.
    fn key(&self) -> Vec<u8> {
        [string(b"ssh-ed25519"), string(&self.made.public[12..])].concat()
    }

    fn sign_in(&self) -> SignIn {
        SignIn {
            session: SESSION.to_vec(),
            kind: 50,
            user: b"git".to_vec(),
            service: b"ssh-connection".to_vec(),
            method: b"publickey".to_vec(),
            signed: 1,
            algorithm: b"ssh-ed25519".to_vec(),
            key: self.key(),
            with: self.key(),
            flags: 0,
            rest: Vec::new(),
        }
    }

    /// The request by which a newer host is signed in to.
    fn host_bound(&self, host: &dyn Host) -> SignIn {
        let method = b"publickey-hostbound-v00@openssh.com".to_vec();
        SignIn { method, rest: string(&host.key()), ..self.sign_in() }
    }

    fn verifies(&self, request: &SignIn, answer: &[u8]) -> bool {
        let (kind, signature) = (string(b"ssh-ed25519"), 64_u32.to_be_bytes());
        let head = [&kind[..], &signature].concat();
        let prefix =
            [&[14][..], &u32::try_from(head.len() + 64).expect("short").to_be_bytes(), &head].concat();
        let public = UnparsedPublicKey::new(&ED25519, &self.made.public[12..]);
        answer.strip_prefix(&*prefix).is_some_and(|bytes| public.verify(&request.data(), bytes).is_ok())
    }

    fn signatures(&self) -> usize {
        journal::read(self.folder.path()).expect("a whole journal").signings.len()
    }
}

struct Agent {
    path: PathBuf,
    lease: AgentLease,
}

impl Agent {
    fn connect(&self) -> Connection {
        Connection::to(&self.path)
    }
}

struct Connection(UnixStream);

impl Connection {
    fn to(path: &Path) -> Self {
        let stream = UnixStream::connect(path).expect("connected");
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("set");
        Self(stream)
    }

    fn ask(&mut self, message: &[u8]) -> Vec<u8> {
        self.send(&string(message));
        self.answer().expect("an answer")
    }

    fn send(&mut self, bytes: &[u8]) {
        // An agent that has closed already takes nothing more.
        let _ = self.0.write_all(bytes);
    }

    fn answer(&mut self) -> Option<Vec<u8>> {
        let mut length = [0; 4];
        self.0.read_exact(&mut length).ok()?;
        let mut answer = vec![0; u32::from_be_bytes(length) as usize];
        self.0.read_exact(&mut answer).ok()?;
        Some(answer)
    }

    fn bound(mut self, host: &dyn Host) -> Self {
        assert_eq!(self.ask(&bind(host, &SESSION, 0)), SUCCESS);
        self
    }

    fn is_closed(&mut self) -> bool {
        matches!(self.0.read(&mut [0; 1]), Ok(0) | Err(_))
    }
}

#[test]
fn the_one_bound_request_is_signed_once() {
    let world = World::new();
    let host = host();
    for request in [world.sign_in(), world.host_bound(&host)] {
        let agent = world.opened(&[&host]);
        let mut connection = agent.connect().bound(&host);
        let answer = connection.ask(&request.message());
        assert!(world.verifies(&request, &answer), "{answer:?}");
        assert_eq!(connection.ask(&request.message()), FAILURE, "a second time");
    }
    assert_eq!(world.signatures(), 2);
    let book = journal::read(world.folder.path()).expect("a whole journal");
    let (_, signing) = &book.signings[0];
    assert_eq!((signing.key_use, signing.actor.as_str()), (KeyUse::Git, "mbr_a"));
    assert_eq!((signing.row.as_str(), signing.subject.as_str()), ("kp_1", "api_1"));
    let key = HostKey::from_blob(host.key()).expect("a host key").fingerprint();
    assert_eq!(signing.host, Some(SignedInTo { user: "git".into(), key }), "where, and as whom");
}

#[test]
fn hosts_of_every_kind_of_curve_prove_themselves() {
    let world = World::new();
    let (first, second, third) = (
        curve(&ECDSA_P256_SHA256_FIXED_SIGNING, "nistp256"),
        curve(&ECDSA_P384_SHA384_FIXED_SIGNING, "nistp384"),
        curve(&ECDSA_P521_SHA512_FIXED_SIGNING, "nistp521"),
    );
    let hosts: [&dyn Host; 3] = [&first, &second, &third];
    // Numbers of a signature are at times shorter than the curve, and at times begin with a high bit.
    for host in hosts.iter().cycle().take(12) {
        let agent = world.opened(&hosts);
        let mut connection = agent.connect().bound(*host);
        let request = world.host_bound(*host);
        assert!(world.verifies(&request, &connection.ask(&request.message())));
    }
}

#[test]
fn it_offers_exactly_one_key() {
    let world = World::new();
    let host = host();
    let agent = world.opened(&[&host]);
    let answer = agent.connect().ask(&[11]);
    let one = [&[12][..], &1_u32.to_be_bytes(), &string(&world.key()), &string(b"")].concat();
    assert_eq!(answer, one);
    let agent = world.opened(&[&host]);
    let listed = std::process::Command::new("ssh-add")
        .arg("-l")
        .env("SSH_AUTH_SOCK", &agent.path)
        .output()
        .expect("ssh-add runs");
    let said = String::from_utf8(listed.stdout).expect("text");
    assert!(said.starts_with("256 SHA256:") && said.trim_end().ends_with("(ED25519)"), "{said}");
    assert_eq!(said.lines().count(), 1);
}

#[test]
fn anything_but_the_one_bound_request_is_refused() {
    let world = World::new();
    let (host, other) = (host(), host());
    let good = world.sign_in();
    let bound = world.host_bound(&host);
    let of = |change: &dyn Fn(&mut SignIn)| {
        let mut request = good.clone();
        change(&mut request);
        request
    };
    let other_key = other.key();
    for (what, request) in [
        ("another session", of(&|r| r.session[0] ^= 1)),
        ("a longer session", of(&|r| r.session.push(0))),
        ("another message of SSH", of(&|r| r.kind = 51)),
        ("another user", of(&|r| r.user = b"root".to_vec())),
        ("no user", of(&|r| r.user.clear())),
        ("another service", of(&|r| r.service = b"ssh-userauth".to_vec())),
        ("another method", of(&|r| r.method = b"hostbased".to_vec())),
        ("without a signature", of(&|r| r.signed = 0)),
        ("a flag that is none", of(&|r| r.signed = 2)),
        ("another algorithm", of(&|r| r.algorithm = b"rsa-sha2-512".to_vec())),
        ("another key inside", of(&|r| r.key = other_key.clone())),
        ("another key to sign with", of(&|r| r.with = other_key.clone())),
        ("both keys another's", of(&|r| (r.key, r.with) = (other_key.clone(), other_key.clone()))),
        ("flags of RSA", of(&|r| r.flags = 2)),
        ("unknown flags", of(&|r| r.flags = 1 << 31)),
        ("bytes left over", of(&|r| r.rest = vec![0])),
        ("a host's key where none belongs", of(&|r| r.rest = string(&host.key()))),
        ("no host's key where one belongs", SignIn { rest: Vec::new(), ..bound.clone() }),
        ("another host's key", SignIn { rest: string(&other_key), ..bound.clone() }),
        ("two hosts' keys", SignIn { rest: [bound.rest.clone(), bound.rest.clone()].concat(), ..bound }),
    ] {
        let agent = world.opened(&[&host]);
        let mut connection = agent.connect().bound(&host);
        assert_eq!(connection.ask(&request.message()), FAILURE, "{what}");
    }
    assert_eq!(world.signatures(), 0);
}

#[test]
fn nothing_is_signed_before_a_pinned_host_has_proved_itself() {
    let world = World::new();
    let (host, stranger) = (host(), host());
    let request = world.sign_in().message();
    assert_eq!(world.opened(&[&host]).connect().ask(&request), FAILURE, "not bound at all");
    let forged = Ed25519KeyPair::generate().expect("a key").proof(&SESSION);
    for (what, binding) in [
        ("a host that is not pinned", bind(&stranger, &SESSION, 0)),
        ("a pinned key with another's proof", bind_with(&host.key(), &SESSION, &forged, 0)),
        ("a proof of another session", bind_with(&host.key(), &SESSION, &host.proof(&[1; 32]), 0)),
        ("a forwarded session", bind(&host, &SESSION, 1)),
        ("a session whose id is no hash", bind(&host, b"short", 0)),
        ("a session whose id is too long", bind(&host, &[7; 65], 0)),
        ("no proof", bind_with(&host.key(), &SESSION, b"", 0)),
        ("a proof with more behind it", {
            let longer = [host.proof(&SESSION), vec![0]].concat();
            bind_with(&host.key(), &SESSION, &longer, 0)
        }),
        ("bytes left over", [bind(&host, &SESSION, 0), vec![0]].concat()),
    ] {
        let agent = world.opened(&[&host]);
        let mut connection = agent.connect();
        assert_eq!(connection.ask(&binding), FAILURE, "{what}");
        assert_eq!(connection.ask(&request), FAILURE, "{what}");
    }
    let agent = world.opened(&[&host]);
    let mut connection = agent.connect().bound(&host);
    assert_eq!(connection.ask(&bind(&host, &[9; 32], 0)), FAILURE, "bound again");
    assert!(world.verifies(&world.sign_in(), &connection.ask(&request)), "and still bound as before");
}

#[test]
fn all_that_agents_can_do_otherwise_is_refused() {
    let world = World::new();
    let host = host();
    let agent = world.opened(&[&host]);
    let mut connection = agent.connect().bound(&host);
    // Adding, removing, locking, SSH 1, smart cards, extensions, nothing at all.
    for message in [
        vec![1],
        vec![9],
        [vec![17], string(b"ssh-ed25519"), string(&[1; 32]), string(&[2; 64]), string(b"")].concat(),
        [vec![18], string(&world.key())].concat(),
        vec![19],
        [vec![20], string(b"pkcs11.so"), string(b"1234")].concat(),
        [vec![22], string(b"lock")].concat(),
        [vec![23], string(b"lock")].concat(),
        [vec![27], string(b"query")].concat(),
        [vec![27], string(b"restrict-destination-v00@openssh.com")].concat(),
        vec![11, 0],
        vec![27],
        vec![13],
        vec![255],
        vec![],
    ] {
        assert_eq!(connection.ask(&message), FAILURE, "{message:?}");
    }
    assert!(world.verifies(&world.sign_in(), &connection.ask(&world.sign_in().message())));
}

#[test]
fn what_came_of_it_is_told_to_whoever_opened_it() {
    let world = World::with(|options| {
        options.process.ceilings.git_signatures = Ceilings { per_actor: 1, together: 10 };
    });
    let host = host();
    let (request, other) = (world.sign_in(), SignIn { user: b"root".to_vec(), ..world.sign_in() });
    let agents = [0; 6].map(|_| world.opened(&[&host]));
    let [unasked, left, unbound, mended, full, killed] = agents;
    assert_eq!(unasked.lease.release(), AgentOutcome::Unasked);
    drop(left.connect().bound(&host));
    assert_eq!(left.lease.release(), AgentOutcome::Unasked, "a host that does not want the key");
    assert_eq!(unbound.connect().ask(&request.message()), FAILURE);
    assert_eq!(unbound.lease.release(), AgentOutcome::Refused);
    let mut connection = mended.connect().bound(&host);
    assert_eq!(connection.ask(&other.message()), FAILURE);
    assert!(world.verifies(&request, &connection.ask(&request.message())));
    assert_eq!(mended.lease.release(), AgentOutcome::Signed);
    assert_eq!(full.connect().bound(&host).ask(&request.message()), FAILURE);
    assert_eq!(full.lease.release(), AgentOutcome::TooManySignatures);
    let mut connection = killed.connect().bound(&host);
    signal(&world.keeper, rustix::process::Signal::KILL);
    assert!(connection.is_closed());
    wait_for("its end", || UnixStream::connect(&killed.path).is_err());
    wait_for("a new keeper", || world.keeper.status().restarts == 1);
    assert_eq!(killed.lease.release(), AgentOutcome::Ended);
}

#[test]
fn exactly_one_is_let_in() {
    let world = World::new();
    let host = host();
    let agent = world.opened(&[&host]);
    let mut first = agent.connect().bound(&host);
    let second = UnixStream::connect(&agent.path).expect_err("while the first is served");
    assert_eq!(second.kind(), std::io::ErrorKind::ConnectionRefused);
    assert!(world.verifies(&world.sign_in(), &first.ask(&world.sign_in().message())));
    drop(first);
    assert!(UnixStream::connect(&agent.path).is_err(), "and after it");
    assert_eq!(world.signatures(), 1);
}

#[test]
fn who_waits_behind_the_first_is_cut_off() {
    let world = World::new();
    let host = host();
    let path = world.folder.path().join("crowded");
    let (keys, listener) = ([host.key()], UnixListener::bind(&path).expect("bound"));
    // Both wait before there is an agent at all.
    let (mut first, mut second) = (Connection::to(&path), Connection::to(&path));
    second.send(&string(&[11]));
    let _lease = world.keeper.agent(world.open(&keys, listener)).expect("an agent");
    assert_eq!(first.ask(&[11])[0], 12);
    assert!(second.is_closed());
    assert_eq!(first.ask(&[11])[0], 12, "and the first is served still");
}

#[test]
fn too_much_and_too_long_ends_a_connection() {
    let world = World::new();
    let host = host();
    let agent = world.opened(&[&host]);
    let mut connection = agent.connect();
    connection.send(&16_385_u32.to_be_bytes());
    assert!(connection.is_closed());
    let agent = world.opened(&[&host]);
    let mut connection = agent.connect();
    for _ in 0..32 {
        assert_eq!(connection.ask(&[11])[0], 12);
    }
    connection.send(&string(&[11]));
    assert_eq!(connection.answer(), None);
}

#[test]
fn it_ends_with_its_lease_its_time_and_its_keeper() {
    let world = World::new();
    let host = host();
    let gone = |path: &Path| wait_for("its end", || UnixStream::connect(path).is_err());
    let Agent { path, lease } = world.opened(&[&host]);
    let mut idle = Connection::to(&path).bound(&host);
    drop(lease);
    assert!(idle.is_closed(), "a connection too");
    gone(&path);
    let agent = world.opened_for(&[&host], Duration::from_secs(1));
    let mut idle = agent.connect().bound(&host);
    assert!(idle.is_closed(), "its second is over");
    gone(&agent.path);
    let agent = world.opened(&[&host]);
    let mut idle = agent.connect().bound(&host);
    signal(&world.keeper, rustix::process::Signal::KILL);
    assert!(idle.is_closed());
    gone(&agent.path);
}

#[test]
fn an_agent_for_what_does_not_open_is_not_opened() {
    let world = World::new();
    let keys = [host().key()];
    let listener = || UnixListener::bind(world.folder.path().join("refused"));
    let fresh = || {
        let _ = std::fs::remove_file(world.folder.path().join("refused"));
        world.open(&keys, listener().expect("bound"))
    };
    let long = "u".repeat(129);
    for (what, open) in [
        ("another row", OpenAgent { place: Place { row: "kp_2", ..PAIR }, ..fresh() }),
        ("another algorithm", OpenAgent { algorithm: Algorithm::EcdsaP256, ..fresh() }),
        ("nobody", OpenAgent { actor: "", ..fresh() }),
        ("no user", OpenAgent { user: "", ..fresh() }),
        ("a long user", OpenAgent { user: &long, ..fresh() }),
        ("no host", OpenAgent { host_keys: &[], ..fresh() }),
        ("no time", OpenAgent { lifetime: Duration::ZERO, ..fresh() }),
        ("more than an hour", OpenAgent { lifetime: Duration::from_secs(3_601), ..fresh() }),
    ] {
        assert_eq!(world.keeper.agent(open).err(), Some(KeeperError::Refused), "{what}");
    }
    assert!(world.keeper.agent(fresh()).is_ok());
}

#[test]
fn the_ceiling_of_sign_ins_holds_for_agents_that_are_open_already() {
    let world = World::with(|options| {
        options.process.ceilings.git_signatures = Ceilings { per_actor: 2, together: 10 };
    });
    let host = host();
    let agents = [0; 3].map(|_| world.opened(&[&host]));
    for agent in &agents[..2] {
        let mut connection = agent.connect().bound(&host);
        assert_eq!(connection.ask(&world.sign_in().message())[0], 14);
    }
    assert_eq!(agents[2].connect().bound(&host).ask(&world.sign_in().message()), FAILURE);
    let (keys, path) = ([host.key()], world.folder.path().join("later"));
    let listener = UnixListener::bind(path).expect("bound");
    let refused = world.keeper.agent(world.open(&keys, listener));
    assert!(matches!(refused, Err(KeeperError::TooManySignatures { .. })), "{refused:?}");
    assert_eq!(world.signatures(), 2);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, max_shrink_iters: 20, ..ProptestConfig::default() })]

    #[test]
    fn noise_at_an_agents_socket_is_never_signed_and_never_kills_the_keeper(
        noise in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..600), 1..12)
    ) {
        let world = World::new();
        let host = host();
        for (number, bytes) in noise.into_iter().enumerate() {
            let agent = world.opened(&[&host]);
            let mut connection = agent.connect();
            // Every second time as messages, and else as they are.
            if number % 2 == 0 {
                for message in bytes.chunks(40) {
                    prop_assert!(matches!(connection.ask(message)[0], 5 | 12));
                }
            } else {
                connection.send(&bytes);
            }
        }
        prop_assert_eq!(world.signatures(), 0);
        prop_assert!(world.keeper.health().is_ok() && world.keeper.status().restarts == 0);
    }
}
