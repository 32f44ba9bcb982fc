//! Each way to fail, with a code of its own.

use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use claviger_domain::git::{GitFailure, GitUser, HostKey};
use claviger_egress::{Egress, Rules};
use claviger_git::{Agent, AgentError, AgentLease, Error, Expected, Limits, Remote};
use claviger_testkit::{GitHost, free_port};

use crate::support::*;

#[tokio::test]
async fn what_is_not_there_is_named() {
    let (bench, host, signer) = (Bench::new(), GitHost::start(), Signer::new());
    host.authorize(&signer.public_key);
    let repository = host.repository("orders.git", &[(PATH, DOCUMENT)]);
    let empty = host.empty_repository("empty.git");
    let right = remote(&host, &repository);
    let push = writing(b"x", Expected::Anything);
    let gone = right.address.to_string().replace("orders.git", "gone.git");
    for (remote, expected) in [
        (Remote { branch: "mian".parse().expect("a branch"), ..right.clone() }, GitFailure::BranchNotFound),
        (remote(&host, &empty), GitFailure::RepositoryEmpty),
        (at(&gone), GitFailure::RepositoryNotFound),
        (
            Remote { path: "api/missing.yaml".parse().expect("a path"), ..right.clone() },
            GitFailure::FileNotFound,
        ),
        (Remote { path: "no/such/folder.yaml".parse().expect("a path"), ..right }, GitFailure::FileNotFound),
    ] {
        let (code, detail) = bench.failed(bench.engine.test(&remote, signer.clone()).await);
        assert_eq!(code, expected, "{detail}");
        assert_eq!(bench.failed(bench.engine.fetch(&remote, signer.clone()).await).0, expected);
        if expected != GitFailure::FileNotFound {
            assert_eq!(bench.failed(bench.engine.push(&remote, signer.clone(), &push).await).0, expected);
        }
    }
}

#[tokio::test]
async fn a_key_that_the_host_does_not_know_is_not_let_in() {
    let (bench, host, signer) = (Bench::new(), GitHost::start(), Signer::new());
    let repository = host.repository("orders.git", &[(PATH, DOCUMENT)]);
    let outcome = bench.engine.fetch(&remote(&host, &repository), signer).await;
    assert_eq!(outcome.host_key.as_ref().expect("it is shown").to_string(), host.host_key());
    assert_eq!(bench.failed(outcome).0, GitFailure::AuthFailed);
}

#[tokio::test]
async fn a_changed_host_key_is_a_hard_stop() {
    let (bench, mut host, signer) = (Bench::new(), GitHost::start(), Signer::new());
    host.authorize(&signer.public_key);
    let repository = host.repository("orders.git", &[(PATH, DOCUMENT)]);
    let mut remote = remote(&host, &repository);
    remote.pinned = bench.engine.test(&remote, signer.clone()).await.host_key;
    let pinned = remote.pinned.clone().expect("a key");
    // Another key of the same kind, and then a host that has none of that kind.
    for kind in ["ed25519", "rsa"] {
        host.start_again_with(kind);
        let outcome = bench.engine.fetch(&remote, signer.clone()).await;
        assert_eq!(outcome.host_key.as_ref(), Some(&pinned), "the pinned one stays");
        let (code, detail) = bench.failed(outcome);
        assert_eq!(code, GitFailure::HostKeyChanged, "{kind}: {detail}");
        assert!(detail.contains(&pinned.fingerprint()), "{detail}");
        if kind == "ed25519" {
            let shown: HostKey = host.host_key().parse().expect("a key");
            assert!(detail.contains(&shown.fingerprint()), "{detail}");
        }
        assert_eq!(host.sign_ins(), 1, "nobody signed in since");
    }
    remote.pinned = None;
    assert_eq!(bench.fetched(bench.engine.fetch(&remote, signer).await), DOCUMENT);
}

#[tokio::test]
async fn hosts_that_can_not_be_reached_are_unreachable() {
    let limits = Limits { connect: Duration::from_secs(1), ..Limits::default() };
    let (bench, signer) = (Bench::with(limits), Signer::new());
    let nothing = free_port();
    let (code, detail) =
        bench.failed(bench.engine.test(&at(&format!("ssh://git@{NAME}:{nothing}/x")), signer.clone()).await);
    assert_eq!(code, GitFailure::Unreachable, "{detail}");
    assert!(detail.contains("Connection refused"), "{detail}");
    // Somebody who listens, and says nothing.
    let mute = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = mute.local_addr().expect("an address").port();
    let (code, detail) =
        bench.failed(bench.engine.test(&at(&format!("ssh://git@{NAME}:{port}/x")), signer.clone()).await);
    assert_eq!(code, GitFailure::Unreachable, "{detail}");
    assert_eq!(signer.asked.load(Ordering::Relaxed), 0, "nobody was asked to sign");
    let bench = Bench::with_egress(limits, Egress::new(Rules::default()));
    let (code, detail) = bench.failed(bench.engine.test(&at("git@no-such-host.invalid:x"), signer).await);
    assert_eq!(code, GitFailure::Unreachable, "{detail}");
}

#[tokio::test]
async fn a_host_key_that_no_agent_could_check_is_not_pinned() {
    let (bench, signer, host) = (Bench::new(), Signer::new(), GitHost::start_with("rsa-1024"));
    host.authorize(&signer.public_key);
    let repository = host.repository("orders.git", &[(PATH, DOCUMENT)]);
    let outcome = bench.engine.test(&remote(&host, &repository), signer.clone()).await;
    assert_eq!(outcome.host_key, None);
    let (code, detail) = bench.failed(outcome);
    assert_eq!(code, GitFailure::Unreachable, "{detail}");
    assert!(detail.contains("2,048 to 8,192 bits"), "{detail}");
    assert_eq!(signer.asked.load(Ordering::Relaxed), 0, "nobody was asked to sign");
}

#[tokio::test]
async fn a_connection_that_drops_is_lost_wherever_it_drops() {
    let (bench, host, signer) = (Bench::new(), GitHost::start(), Signer::new());
    host.authorize(&signer.public_key);
    let repository = host.repository("orders.git", &[(PATH, DOCUMENT), ("noise", &noise(1_000_000))]);
    let key = bench.engine.test(&remote(&host, &repository), signer.clone()).await.host_key;
    // Before the host has said its name, in the exchange of keys, in the list, and in the pack.
    for bytes in [0, 10, 1_000, 3_000, 100_000, 900_000] {
        let relay = Relay::cutting(&host, bytes);
        let remote = Remote { pinned: key.clone(), ..relay.remote(&host, &repository) };
        let (code, detail) = bench.failed(bench.engine.fetch(&remote, signer.clone()).await);
        assert_eq!(code, GitFailure::ConnectionLost, "{bytes}: {detail}");
    }
}

#[tokio::test]
async fn a_host_that_stops_answering_runs_out_of_time() {
    let limits = Limits { time: Duration::from_secs(4), ..Limits::default() };
    let (bench, host, signer) = (Bench::with(limits), GitHost::start(), Signer::new());
    host.authorize(&signer.public_key);
    let repository = host.repository("orders.git", &[(PATH, DOCUMENT), ("noise", &noise(1_000_000))]);
    let relay = Relay::stalling(&host, 100_000);
    let began = Instant::now();
    let (code, detail) = bench.failed(bench.engine.fetch(&relay.remote(&host, &repository), signer).await);
    assert_eq!(code, GitFailure::TimedOut, "{detail}");
    assert!(!detail.contains("push"), "{detail}");
    assert!(began.elapsed() < Duration::from_secs(60), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_job_that_nobody_waits_for_any_longer_leaves_nothing() {
    let (bench, host, signer) = (Bench::new(), GitHost::start(), Signer::new());
    host.authorize(&signer.public_key);
    let repository = host.repository("orders.git", &[(PATH, DOCUMENT), ("noise", &noise(1_000_000))]);
    let remote = Relay::stalling(&host, 100_000).remote(&host, &repository);
    let engine = bench.engine.clone();
    let job = tokio::spawn(async move { engine.fetch(&remote, signer).await });
    while !bench.running().iter().any(|process| process.name == "git") {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    job.abort();
    assert!(job.await.expect_err("it was ended").is_cancelled());
    bench.demand_nothing_left();
}

#[tokio::test]
async fn more_jobs_than_there_are_places_for_wait() {
    let bench = Bench::with(Limits { jobs: 1, ..Limits::default() });
    let (host, signer) = (GitHost::start(), Signer::new());
    host.authorize(&signer.public_key);
    let repository = host.repository("orders.git", &[(PATH, DOCUMENT), ("noise", &noise(1_000_000))]);
    let stalled = Relay::stalling(&host, 300_000).remote(&host, &repository);
    let (engine, agent) = (bench.engine.clone(), signer.clone());
    let first = tokio::spawn(async move { engine.fetch(&stalled, agent).await });
    while !bench.is_taking_a_pack(100_000) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let remote = remote(&host, &repository);
    let (engine, agent) = (bench.engine.clone(), signer.clone());
    let second = tokio::spawn(async move { engine.fetch(&remote, agent).await });
    while bench.engine.waiting() == 0 {
        assert!(!second.is_finished(), "it waits");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(signer.asked.load(Ordering::Relaxed), 1, "and asks nobody meanwhile");
    first.abort();
    let second = second.await.expect("it ends");
    assert_eq!(second.result.expect("its turn").document, DOCUMENT);
    assert_eq!(bench.engine.waiting(), 0);
}

#[tokio::test]
async fn a_job_for_which_there_is_no_place_in_time_is_told_so() {
    let bench = Bench::with(Limits { jobs: 0, wait: Duration::from_secs(1), ..Limits::default() });
    let (host, signer) = (GitHost::start(), Signer::new());
    let repository = host.repository("orders.git", &[(PATH, DOCUMENT)]);
    let (code, detail) = bench.failed(bench.engine.fetch(&remote(&host, &repository), signer.clone()).await);
    assert_eq!(code, GitFailure::TimedOut);
    assert_eq!(detail, "Other Git jobs took all places for 1 seconds: try again later.");
    assert_eq!(signer.asked.load(Ordering::Relaxed), 0, "nobody was asked to sign");
    assert_eq!(bench.engine.waiting(), 0);
}

/// Nobody who could sign.
struct Unavailable;

impl Agent for Unavailable {
    fn open(&self, _: UnixListener, _: &GitUser, _: &HostKey) -> Result<AgentLease, AgentError> {
        Err("the keeper is not there".into())
    }
}

#[tokio::test]
async fn without_an_agent_the_host_is_not_asked() {
    let (bench, host) = (Bench::new(), GitHost::start());
    let repository = host.repository("orders.git", &[(PATH, DOCUMENT)]);
    let outcome = bench.engine.fetch(&remote(&host, &repository), Arc::new(Unavailable)).await;
    let error = outcome.result.expect_err("nobody can sign in");
    assert!(matches!(&error, Error::Agent(why) if why.to_string() == "the keeper is not there"), "{error}");
    assert_eq!(host.sign_ins(), 0);
    bench.demand_nothing_left();
}

#[tokio::test]
async fn files_that_are_too_long_are_not_read() {
    let (bench, host, signer) = (Bench::new(), GitHost::start(), Signer::new());
    host.authorize(&signer.public_key);
    let longest = vec![b' '; 5 * 1024 * 1024];
    let files = [
        ("longest.yaml", longest.clone()),
        ("longer.yaml", vec![b' '; longest.len() + 1]),
        ("huge.yaml", vec![0; 100 * 1024 * 1024]),
    ];
    let files = files.iter().map(|(path, content)| (*path, content.as_slice())).collect::<Vec<_>>();
    let repository = host.repository("orders.git", &files);
    let at_path = |path: &str| Remote { path: path.parse().expect("a path"), ..remote(&host, &repository) };
    for filters in ["false", "true"] {
        repository.git(&["config", "uploadpack.allowFilter", filters]);
        for path in ["longer.yaml", "huge.yaml"] {
            let (code, detail) = bench.failed(bench.engine.test(&at_path(path), signer.clone()).await);
            assert_eq!(code, GitFailure::TooLarge, "{path}: {detail}");
        }
        let outcome = bench.engine.fetch(&at_path("longest.yaml"), signer.clone()).await;
        assert_eq!(bench.fetched(outcome).len(), longest.len());
    }
}
