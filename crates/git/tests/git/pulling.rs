//! Reading a file.

use std::sync::atomic::Ordering;

use claviger_domain::git::GitFailure;
use claviger_egress::{Egress, Rules};
use claviger_git::{Expected, Limits};
use claviger_testkit::GitHost;

use crate::support::*;

#[tokio::test]
async fn a_file_is_read_with_its_commit_and_the_hosts_key() {
    let (bench, host, signer) = (Bench::new(), GitHost::start(), Signer::new());
    host.authorize(&signer.public_key);
    let repository = host.repository("orders.git", &[(PATH, DOCUMENT), ("README", b"hello")]);
    let outcome = bench.engine.fetch(&remote(&host, &repository), signer.clone()).await;
    assert_eq!(outcome.host_key.as_ref().expect("its key").to_string(), host.host_key());
    let fetched = outcome.result.expect("the file");
    assert_eq!(fetched.document, DOCUMENT);
    assert_eq!(fetched.commit, id(&repository.tip("main").expect("a commit")));
    assert_eq!(fetched.blob, id(&repository.keep(DOCUMENT)));
    assert_eq!(signer.asked.load(Ordering::Relaxed), 1, "one connection signs in");
    bench.demand_nothing_left();
}

#[tokio::test]
async fn each_kind_of_host_key_is_taken_and_pinned() {
    let (bench, signer) = (Bench::new(), Signer::new());
    for kind in ["ed25519", "ecdsa", "rsa"] {
        let host = GitHost::start_with(kind);
        host.authorize(&signer.public_key);
        let repository = host.repository("orders.git", &[(PATH, DOCUMENT)]);
        let mut remote = remote(&host, &repository);
        let seen = bench.engine.test(&remote, signer.clone()).await;
        assert!(seen.result.is_ok(), "{kind}: {:?}", seen.result);
        assert_eq!(seen.host_key.as_ref().expect("a key").to_string(), host.host_key());
        remote.pinned = seen.host_key;
        assert_eq!(bench.fetched(bench.engine.fetch(&remote, signer.clone()).await), DOCUMENT, "{kind}");
    }
}

#[tokio::test]
async fn repositories_that_make_ids_by_sha256_are_read_and_written() {
    let (bench, host, signer) = (Bench::new(), GitHost::start(), Signer::new());
    host.authorize(&signer.public_key);
    let repository = host.empty_repository("orders.git");
    std::fs::remove_dir_all(repository.path()).expect("gone");
    std::fs::create_dir(repository.path()).expect("a folder");
    repository.git(&["init", "--quiet", "--bare", "--object-format=sha256"]);
    repository.commit("main", &[(PATH, DOCUMENT)]);
    let remote = remote(&host, &repository);
    let fetched = bench.engine.fetch(&remote, signer.clone()).await.result.expect("the file");
    assert_eq!((fetched.document.as_slice(), fetched.blob.as_str().len()), (DOCUMENT, 64));
    let push = writing(b"openapi: 3.1.1\n", Expected::Blob(Some(fetched.blob)));
    bench.engine.push(&remote, signer, &push).await.result.expect("pushed");
    assert_eq!(repository.read("main", PATH).expect("the file"), b"openapi: 3.1.1\n");
}

#[tokio::test]
async fn a_host_that_can_leave_out_large_files_is_asked_to() {
    let bench = Bench::with(Limits { pack_bytes: 1024 * 1024, ..Limits::default() });
    let (host, signer) = (GitHost::start(), Signer::new());
    host.authorize(&signer.public_key);
    let large = noise(6 * 1024 * 1024);
    let attributes = b"*.mp4 -text\n".repeat(3_000);
    let files = [(PATH, DOCUMENT), (".gitattributes", &attributes[..]), ("video.mp4", &large[..])];
    let repository = host.repository("orders.git", &files);
    let remote = remote(&host, &repository);
    let (code, detail) = bench.failed(bench.engine.fetch(&remote, signer.clone()).await);
    assert_eq!(code, GitFailure::TooLarge, "{detail}");
    repository.git(&["config", "uploadpack.allowFilter", "true"]);
    assert_eq!(bench.fetched(bench.engine.fetch(&remote, signer.clone()).await), DOCUMENT);
    let push = writing(b"openapi: 3.1.1\n", Expected::Anything);
    bench.engine.push(&remote, signer, &push).await.result.expect("pushed");
    assert_eq!(repository.read("main", PATH).expect("the file"), b"openapi: 3.1.1\n");
    assert_eq!(repository.read("main", "video.mp4").expect("untouched").len(), large.len());
    bench.demand_nothing_left();
}

#[tokio::test]
async fn attributes_change_nothing_in_what_is_read_or_written() {
    let (bench, host, signer) = (Bench::new(), GitHost::start(), Signer::new());
    host.authorize(&signer.public_key);
    let attributes = b"* text eol=crlf ident filter=evil working-tree-encoding=UTF-16\n";
    let document = b"# $Id$\r\nopenapi: 3.1.0\nx: \xff\xfe\n";
    let files: [(&str, &[u8]); 3] =
        [(PATH, document), (".gitattributes", attributes), ("api/.gitattributes", attributes)];
    let repository = host.repository("orders.git", &files);
    let remote = remote(&host, &repository);
    assert_eq!(bench.fetched(bench.engine.fetch(&remote, signer.clone()).await), document);
    let push = writing(b"$Id$\r\na\nb\r\n", Expected::Anything);
    bench.engine.push(&remote, signer, &push).await.result.expect("pushed");
    assert_eq!(repository.read("main", PATH).expect("the file"), push.document);
}

#[tokio::test]
async fn a_submodule_is_nothing_to_a_job_unless_its_address_is_an_option_in_disguise() {
    let (bench, host, signer) = (Bench::new(), GitHost::start(), Signer::new());
    host.authorize(&signer.public_key);
    let traps = tempfile::tempdir().expect("a folder");
    let trap = traps.path().join("sprung");
    for (name, address, refused) in [
        ("command.git", format!("ext::sh -c \"touch {}\"", trap.display()), false),
        ("option.git", format!("-u./touch {}", trap.display()), true),
    ] {
        let modules = format!("[submodule \"x\"]\n\tpath = x\n\turl = {address}\n");
        let repository = host.repository(name, &[(PATH, DOCUMENT), (".gitmodules", modules.as_bytes())]);
        let remote = remote(&host, &repository);
        let push = writing(b"openapi: 3.1.1\n", Expected::Anything);
        let fetched = bench.engine.fetch(&remote, signer.clone()).await;
        let pushed = bench.engine.push(&remote, signer.clone(), &push).await;
        if refused {
            for (code, detail) in [bench.failed(fetched), bench.failed(pushed)] {
                assert_eq!(code, GitFailure::InvalidDocument, "{detail}");
                assert!(detail.contains("disallowed submodule url"), "{detail}");
            }
            assert_eq!(repository.read("main", PATH).expect("untouched"), DOCUMENT);
        } else {
            assert_eq!(bench.fetched(fetched), DOCUMENT);
            assert!(pushed.result.expect("pushed").changed);
            assert_eq!(repository.read("main", PATH).expect("the file"), push.document);
            let kept = repository.read("main", ".gitmodules").expect("untouched");
            assert_eq!(kept, modules.as_bytes());
        }
        assert!(!trap.exists(), "{address}");
    }
}

#[tokio::test]
async fn a_repository_with_a_strange_name_is_one_word_to_the_host() {
    let (bench, host, signer) = (Bench::new(), GitHost::start(), Signer::new());
    host.authorize(&signer.public_key);
    let repository = host.repository("a b'; touch PWNED; '!$(id)`id`\".git", &[(PATH, DOCUMENT)]);
    assert_eq!(bench.fetched(bench.engine.fetch(&remote(&host, &repository), signer).await), DOCUMENT);
    let folder = repository.path().parent().expect("a folder");
    assert!(!folder.join("PWNED").exists() && !repository.path().join("PWNED").exists());
}

#[tokio::test]
async fn of_several_addresses_the_dead_are_passed_over() {
    let (host, signer) = (GitHost::start(), Signer::new());
    host.authorize(&signer.public_key);
    let repository = host.repository("orders.git", &[(PATH, DOCUMENT)]);
    let rules = Rules { allow: vec!["127.0.0.0/8".parse().expect("a network")], ..Rules::default() };
    let addresses = Addressed::new(&[&["127.0.0.3", "127.0.0.2", "127.0.0.1"]]);
    let egress = Egress::with_resolver(rules, addresses.clone());
    let bench = Bench::with_egress(Limits::default(), egress);
    let push = writing(b"openapi: 3.1.1\n", Expected::Anything);
    let outcome = bench.engine.push(&remote(&host, &repository), signer, &push).await;
    assert!(outcome.result.expect("pushed").changed);
    assert_eq!(addresses.asked.load(Ordering::Relaxed), 1, "both connections go to what was resolved once");
    bench.demand_nothing_left();
}
