//! The agent with the system's own `ssh` and a real `sshd`: each algorithm signs in, to a pinned host only, and
//! while it does the private half is in no memory and no file.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use claviger_domain::key_pairs::Algorithm;
use claviger_keeper::{AgentLease, Keeper, MadePair, MakePair, OpenAgent, Place};
use claviger_testkit::{Cell, GitHost, Memory, open_sealed, secrets_of};

use crate::support::*;

const PAIR: Place<'_> = Place { database: "01k0db", table: "key_pairs", row: "kp_1", column: "private_key" };
/// What is to be found: said through ssh, and the actor whom the keeper counts.
const PLANTED: &str = "planted-for-the-search-of-memory";
const ACTOR: &str = "mbr_planted_for_the_search";

/// A keeper with one pair, at a host that knows it.
struct SignIn<'a> {
    folder: tempfile::TempDir,
    keeper: Keeper,
    made: MadePair,
    algorithm: Algorithm,
    host: &'a GitHost,
}

impl<'a> SignIn<'a> {
    fn new(algorithm: Algorithm, host: &'a GitHost) -> Self {
        let folder = folder();
        let keeper = spawn(options(folder.path()));
        let made = keeper.make_pair(MakePair { place: PAIR, algorithm }).expect("a pair");
        let sign_in = Self { folder, keeper, made, algorithm, host };
        let (path, _lease) = sign_in.agent(&[blob(&host.host_key())]);
        host.authorize(&listed(&path));
        sign_in
    }

    fn agent(&self, host_keys: &[Vec<u8>]) -> (PathBuf, AgentLease) {
        let path = self.folder.path().join("agent");
        let _ = std::fs::remove_file(&path);
        let lease = self.keeper.agent(OpenAgent {
            place: PAIR,
            sealed: &self.made.sealed,
            algorithm: self.algorithm,
            actor: ACTOR,
            attachment: "api_1",
            user: &self.host.user(),
            host_keys,
            listener: UnixListener::bind(&path).expect("bound"),
            lifetime: Duration::from_secs(60),
        });
        (path, lease.expect("an agent"))
    }

    /// `ssh` that believes every host, so that nobody but the agent looks at its key.
    fn ssh(&self, agent: &Path, command: &str) -> Command {
        let mut ssh = Command::new("ssh");
        ssh.args(["-F", "none", "-o", "BatchMode=yes", "-o", "IdentityFile=none"]);
        ssh.args(["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"]);
        ssh.args(["-o", "PreferredAuthentications=publickey", "-o", "LogLevel=ERROR"]);
        ssh.arg("-o").arg(format!("IdentityAgent={}", agent.display()));
        ssh.args(["-p", &self.host.port().to_string(), "-l", &self.host.user(), "127.0.0.1", command]);
        ssh.env_clear().stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        ssh
    }

    fn said(&self, agent: &Path) -> (bool, String) {
        let output = self.ssh(agent, "echo let in").output().expect("ssh runs");
        let said = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&said).into_owned())
    }
}

/// The bytes of a public key as the host's file has it.
fn blob(line: &str) -> Vec<u8> {
    let text = line.split(' ').nth(1).expect("kind and bytes");
    STANDARD.decode(text).expect("base64")
}

/// The agent's one key, as `authorized_keys` has it.
fn listed(agent: &Path) -> String {
    let output =
        Command::new("ssh-add").arg("-L").env("SSH_AUTH_SOCK", agent).output().expect("ssh-add runs");
    let text = String::from_utf8(output.stdout).expect("text");
    assert_eq!(text.lines().count(), 1, "{text}");
    text.trim().to_owned()
}

#[test]
fn every_algorithm_signs_in_to_hosts_of_every_kind() {
    for kind in ["ed25519", "ecdsa", "rsa"] {
        let host = GitHost::start_with(kind);
        for algorithm in Algorithm::ALL {
            let sign_in = SignIn::new(*algorithm, &host);
            let (agent, _lease) = sign_in.agent(&[blob(&host.host_key())]);
            let (done, said) = sign_in.said(&agent);
            assert!(done && said.contains("let in"), "{algorithm} at a host with {kind}: {said}");
        }
    }
}

#[test]
fn a_host_that_is_not_pinned_is_not_signed_in_to_though_ssh_would() {
    let (host, other) = (GitHost::start(), GitHost::start());
    let sign_in = SignIn::new(Algorithm::Ed25519, &host);
    let (agent, lease) = sign_in.agent(&[blob(&other.host_key())]);
    let (done, said) = sign_in.said(&agent);
    assert!(!done && said.contains("Permission denied"), "{said}");
    drop(lease);
    let (agent, _lease) = sign_in.agent(&[blob(&host.host_key())]);
    assert!(sign_in.said(&agent).0, "pinned, it is");
}

#[test]
fn while_and_after_a_sign_in_the_private_half_is_in_no_memory_and_no_file() {
    let host = GitHost::start();
    for algorithm in Algorithm::ALL {
        let sign_in = SignIn::new(*algorithm, &host);
        let (agent, lease) = sign_in.agent(&[blob(&host.host_key())]);
        let mut ssh = Talking::start(sign_in.ssh(&agent, "cat"));
        ssh.hear(PLANTED);
        // All is kept before this process knows what it is to look for.
        let child = Memory::of(ssh.child.id());
        let own = Memory::of(std::process::id());
        let keeper = Memory::of(sign_in.keeper.status().process.expect("a process"));
        drop(lease);
        let disk = files(sign_in.folder.path());
        let cell = Cell {
            database: PAIR.database,
            table: PAIR.table,
            row: PAIR.row,
            column: PAIR.column,
            purpose: "key_pair",
        };
        let private = open_sealed(sign_in.folder.path(), cell, sign_in.made.sealed.as_bytes());
        let secrets = secrets_of(&private);
        assert!(child.contains(PLANTED.as_bytes()), "what was planted is found");
        assert!(own.contains(PLANTED.as_bytes()) && keeper.contains(ACTOR.as_bytes()));
        for secret in &secrets {
            for (who, memory) in [("ssh", &child), ("the server", &own), ("the keeper", &keeper)] {
                assert!(!memory.contains(secret), "{algorithm} in the memory of {who}");
            }
            for (path, bytes) in &disk {
                let found = bytes.windows(secret.len()).any(|part| part == &secret[..]);
                assert!(!found, "{algorithm} in {}", path.display());
            }
        }
        // And the search finds it where it is: here, by now.
        let now = Memory::of(std::process::id());
        for secret in &secrets {
            assert!(now.contains(secret), "{algorithm}");
        }
    }
}

/// An `ssh` whose other side says back what it is told.
struct Talking {
    child: Child,
}

impl Talking {
    fn start(mut ssh: Command) -> Self {
        Self { child: ssh.spawn().expect("ssh runs") }
    }

    fn hear(&mut self, line: &str) {
        let input = self.child.stdin.as_mut().expect("its input");
        writeln!(input, "{line}").expect("told");
        let mut heard = String::new();
        let output = self.child.stdout.as_mut().expect("its output");
        BufReader::new(output).read_line(&mut heard).expect("heard");
        assert_eq!(heard.trim(), line);
    }
}

impl Drop for Talking {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Every file below the folder.
fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let entries = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry"));
    entries
        .flat_map(|entry| match entry.file_type().expect("its kind") {
            kind if kind.is_dir() => files(&entry.path()),
            kind if kind.is_file() => {
                vec![(entry.path(), std::fs::read(entry.path()).expect("read"))]
            }
            _ => Vec::new(),
        })
        .collect()
}
