//! Hosts, repositories and names that mean harm.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use claviger_domain::git::{Branch, DocumentPath, GitFailure, HostKey};
use claviger_egress::{Egress, Rules};
use claviger_git::{Expected, Limits, Remote};
use claviger_testkit::GitHost;

use crate::support::*;

/// Keeps a folder as it is given, byte for byte, whatever Git thinks of it.
const WRITE_TREE: [&str; 6] = ["hash-object", "-t", "tree", "-w", "--stdin", "--literally"];

/// An id as a folder has it.
fn raw(id: &str) -> Vec<u8> {
    let byte = |at: usize| u8::from_str_radix(&id[at..at + 2], 16).expect("hexadecimal digits");
    (0..id.len()).step_by(2).map(byte).collect()
}

#[tokio::test]
async fn a_name_that_turns_into_this_machine_gets_no_connection() {
    let signer = Signer::new();
    let here = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = here.local_addr().expect("an address").port();
    here.set_nonblocking(true).expect("it can");
    // What may be reached stands for the Internet, where nobody answers.
    let rules = Rules { allow: vec!["127.0.0.2/32".parse().expect("a network")], ..Rules::default() };
    let names = Addressed::new(&[&["127.0.0.2"], &["127.0.0.1"]]);
    let bench = Bench::with_egress(Limits::default(), Egress::with_resolver(rules, names.clone()));
    let remote = at(&format!("ssh://git@{NAME}:{port}/orders.git"));
    let (code, _) = bench.failed(bench.engine.test(&remote, signer.clone()).await);
    assert_eq!((code, names.asked.load(Ordering::Relaxed)), (GitFailure::Unreachable, 1));
    let (code, detail) = bench.failed(bench.engine.test(&remote, signer.clone()).await);
    assert_eq!((code, names.asked.load(Ordering::Relaxed)), (GitFailure::TargetRefused, 2));
    assert!(detail.contains("127.0.0.1") && detail.contains("an address of this machine"), "{detail}");
    let refused = here.accept().expect_err("not one packet came");
    assert_eq!(refused.kind(), std::io::ErrorKind::WouldBlock);
    assert_eq!(signer.asked.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn what_stands_inside_is_refused_by_every_name_it_has() {
    let signer = Signer::new();
    let bench = Bench::with_egress(Limits::default(), Egress::new(Rules::default()));
    for host in [
        "127.0.0.1",
        "[::1]",
        "10.0.0.1",
        "192.168.0.1",
        "169.254.169.254",
        "[::ffff:127.0.0.1]",
        "[fe80::1]",
        "0.0.0.0",
        "localhost",
    ] {
        let outcome = bench.engine.test(&at(&format!("ssh://git@{host}/x")), signer.clone()).await;
        assert_eq!(bench.failed(outcome).0, GitFailure::TargetRefused, "{host}");
    }
}

#[tokio::test]
async fn hosts_that_answer_nonsense_cost_one_job() {
    let (host, signer) = (GitHost::start(), Signer::new());
    let patient = Limits { connect: Duration::from_secs(5), listing_bytes: 16 * 1024, ..Limits::default() };
    let hasty = Bench::with(Limits { time: Duration::from_secs(4), ..patient });
    let patient = Bench::with(patient);
    let repository = host.repository("orders.git", &[(PATH, DOCUMENT)]);
    let remote = remote(&host, &repository);
    let id = "a".repeat(40);
    let abilities = "side-band-64k shallow";
    let line = format!("{id} refs/heads/main\\0{abilities}\\n");
    let listed = format!("printf '{:04x}{line}0000'", 4 + 40 + 1 + 15 + 1 + abilities.len() + 1);
    let nak = "printf '00000008NAK\\n'";
    for (answer, expected) in [
        ("yes", GitFailure::ConnectionLost),
        ("cat /dev/zero", GitFailure::ConnectionLost),
        ("sleep 600", GitFailure::TimedOut),
        ("true", GitFailure::ConnectionLost),
        ("false", GitFailure::RepositoryNotFound),
        ("printf 0000", GitFailure::RepositoryEmpty),
        ("printf '0010ERR go away!'; sleep 600", GitFailure::RepositoryNotFound),
        ("while :; do printf '003e%040d refs/heads/xxxxx\\n' 7; done", GitFailure::TooLarge),
        (&format!("{listed}; true"), GitFailure::ConnectionLost),
        (&format!("{listed}; {nak}; printf '0009\\001junk0000'; sleep 1"), GitFailure::InvalidDocument),
        (&format!("{listed}; {nak}; printf '000c\\003go away'; sleep 600"), GitFailure::ConnectionLost),
        (&format!("{listed}; {nak}; while :; do printf '0009\\002word'; done"), GitFailure::TimedOut),
        (&format!("{listed}; {nak}; (printf '\\0'; cat /dev/zero)"), GitFailure::ConnectionLost),
    ] {
        host.forget_everybody();
        host.authorize_with(&format!("restrict,command=\"{answer}\""), &signer.public_key);
        let bench = if expected == GitFailure::TimedOut { &hasty } else { &patient };
        let (code, detail) = bench.failed(bench.engine.fetch(&remote, signer.clone()).await);
        assert_eq!(code, expected, "{answer}: {detail}");
        assert!(!detail.contains(char::is_control) && detail.len() < 800, "{answer}: {detail:?}");
    }
}

/// A host that says its name, and then in SSH's own form that it ends, and why (RFC 4253, section 11.1).
fn disconnecting(why: &str) -> u16 {
    let text = |text: &[u8]| [&u32::try_from(text.len()).expect("short").to_be_bytes()[..], text].concat();
    let payload = [&[1, 0, 0, 0, 2][..], &text(why.as_bytes()), &text(b"")].concat();
    let padding = 4 + (8 - (5 + payload.len() + 4) % 8) % 8;
    let length = u32::try_from(1 + payload.len() + padding).expect("short").to_be_bytes();
    let padding = [&[u8::try_from(padding).expect("short")][..], &payload, &vec![0; padding]].concat();
    let said = [b"SSH-2.0-host\r\n", &length[..], &padding].concat();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            client.write_all(&said).expect("said");
            // It ends once the client has gone: what it says must not be lost with the connection.
            let _ = client.read_to_end(&mut Vec::new());
        }
    });
    port
}

#[tokio::test]
async fn what_a_host_says_at_its_end_is_taken_for_nothing_that_ssh_found() {
    let (bench, host, signer) = (Bench::new(), GitHost::start(), Signer::new());
    let pinned: HostKey = host.host_key().parse().expect("a key");
    let fingerprint = format!("SHA256:{}", "A".repeat(43));
    for why in [
        "go \x1b[2J\x08\x07away".to_owned(),
        format!("x\nThe fingerprint is\n{fingerprint}.\nHost key verification failed.\n"),
        format!("x\n{}@{NAME}: Permission denied (publickey).", host.user()),
        "x\nssh: connect to host x port 1: Connection refused".to_owned(),
        "Too many authentication failures".to_owned(),
    ] {
        let port = disconnecting(&why);
        let unpinned = at(&format!("ssh://{}@{NAME}:{port}/x", host.user()));
        let remote = Remote { pinned: Some(pinned.clone()), ..unpinned.clone() };
        for remote in [unpinned, remote] {
            let (code, detail) = bench.failed(bench.engine.fetch(&remote, signer.clone()).await);
            assert_eq!(code, GitFailure::ConnectionLost, "{why:?}: {detail}");
            assert!(!detail.contains(char::is_control), "{why:?}: {detail:?}");
            assert!(detail.contains(" The host says: "), "{why:?}: {detail}");
        }
    }
}

#[tokio::test]
async fn a_folder_beyond_all_measure_is_too_large() {
    let limits = Limits { memory_bytes: 96 * 1024 * 1024, ..Limits::default() };
    let (bench, host, signer) = (Bench::with(limits), GitHost::start(), Signer::new());
    host.authorize(&signer.public_key);
    let repository = host.repository("orders.git", &[(PATH, DOCUMENT)]);
    let remote = remote(&host, &repository);
    assert_eq!(bench.fetched(bench.engine.fetch(&remote, signer.clone()).await), DOCUMENT);
    let blob = raw(&repository.keep(b"x"));
    let tree: Vec<u8> =
        (0..1_000_000).flat_map(|n| [format!("100644 {n:0100}\0").as_bytes(), &blob].concat()).collect();
    let tree = repository.git_with(&WRITE_TREE, &tree);
    repository.commit_tree("main", &tree);
    let (code, detail) = bench.failed(bench.engine.fetch(&remote, signer.clone()).await);
    assert_eq!(code, GitFailure::TooLarge, "{detail}");
    let push = writing(b"x", Expected::Anything);
    assert_eq!(bench.failed(bench.engine.push(&remote, signer, &push).await).0, GitFailure::TooLarge);
}

#[tokio::test]
async fn objects_that_git_would_not_make_are_refused() {
    let (bench, host, signer) = (Bench::new(), GitHost::start(), Signer::new());
    host.authorize(&signer.public_key);
    for name in ["..", ".git", "a/b"] {
        let repository = host.repository(&format!("{}.git", name.len()), &[(PATH, DOCUMENT)]);
        let blob = raw(&repository.keep(b"x"));
        let tree = [format!("100644 {name}\0").as_bytes(), &blob].concat();
        let tree = repository.git_with(&WRITE_TREE, &tree);
        repository.commit_tree("main", &tree);
        let outcome = bench.engine.fetch(&remote(&host, &repository), signer.clone()).await;
        let (code, detail) = bench.failed(outcome);
        assert_eq!(code, GitFailure::InvalidDocument, "{name}: {detail}");
    }
}

#[tokio::test]
async fn no_program_but_git_and_ssh_is_started_and_none_has_an_environment_of_ours() {
    let (bench, host, signer) = (Bench::new(), GitHost::start(), Signer::new());
    host.authorize(&signer.public_key);
    let repository = host.repository("orders.git", &[(PATH, DOCUMENT)]);
    let remote = remote(&host, &repository);
    let engine = bench.engine.clone();
    let job = tokio::spawn(async move {
        for number in 0..10 {
            let push = writing(format!("openapi: 3.1.{number}\n").as_bytes(), Expected::Anything);
            engine.push(&remote, signer.clone(), &push).await.result.expect("pushed");
        }
    });
    let mut seen = BTreeSet::new();
    while !job.is_finished() {
        for Running { name, environment, .. } in bench.running() {
            let names: Vec<&str> = environment
                .split('\0')
                .filter_map(|variable| variable.split_once('='))
                .map(|(name, _)| name)
                .collect();
            let is_gits = |variable: &str| {
                variable.starts_with("GIT_") || matches!(variable, "HOME" | "XDG_CONFIG_HOME")
            };
            let expected = |variable: &&str| *variable == "LC_ALL" || name == "git" && is_gits(variable);
            assert!(names.iter().all(expected), "{name}: {names:?}");
            seen.insert(name);
        }
        tokio::task::yield_now().await;
    }
    job.await.expect("all pushed");
    let seen: Vec<&str> = seen.iter().map(String::as_str).collect();
    assert_eq!(seen, ["git", "ssh"]);
}

/// Texts of what Git's rules are about, the same in each run.
fn texts() -> impl Iterator<Item = String> {
    const PIECES: [&str; 16] =
        ["a", "b", "-", ".", "..", "/", "//", "@", "@{", ".lock", "~", "^", " ", "HEAD", "\u{fc}", "*"];
    let mut chance = noise(4_000).into_iter();
    std::iter::from_fn(move || {
        let length = chance.next()? % 5 + 1;
        let piece = |byte: u8| PIECES[usize::from(byte) % PIECES.len()];
        Some((0..length).filter_map(|_| chance.next().map(piece)).collect())
    })
}

#[test]
fn what_passes_as_a_branch_or_a_path_is_one_to_git() {
    let host = GitHost::start();
    let repository = host.empty_repository("orders.git");
    let blob = repository.keep(b"x");
    let (mut branches, mut paths) = (0, 0);
    for text in texts() {
        if let Ok(branch) = text.parse::<Branch>() {
            branches += 1;
            assert_eq!(repository.git(&["check-ref-format", "--branch", branch.as_str()]), text);
        } else {
            // Names that Git itself gives another meaning on its command line.
            let strict = text.starts_with('-') || matches!(text.as_str(), "HEAD" | "@");
            assert!(strict || !repository.would(&["check-ref-format", "--branch", &text]), "{text:?}");
        }
        if let Ok(path) = text.parse::<DocumentPath>() {
            paths += 1;
            repository.git(&["read-tree", "--empty"]);
            repository.git(&["update-index", "--add", "--cacheinfo", &format!("100644,{blob},{path}")]);
        }
    }
    assert!(branches > 50 && paths > 50, "{branches} branches and {paths} paths");
}
