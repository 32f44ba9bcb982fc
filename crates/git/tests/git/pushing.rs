//! Writing a file: one commit on top of the branch, or none.

use std::time::Duration;

use claviger_domain::git::GitFailure;
use claviger_domain::key_pairs::Algorithm;
use claviger_git::{Expected, Limits, Remote};
use claviger_testkit::GitHost;

use crate::support::*;

const NEWER: &[u8] = b"openapi: 3.1.1\n";

fn at_path(remote: &Remote, path: &str) -> Remote {
    Remote { path: path.parse().expect("a path"), ..remote.clone() }
}

#[tokio::test]
async fn a_push_is_one_commit_that_changes_one_file() {
    let (bench, host, signer) = (Bench::new(), GitHost::start(), Signer::new());
    host.authorize(&signer.public_key);
    let files: [(&str, &[u8]); 3] = [(PATH, DOCUMENT), ("api/other.yaml", b"other"), ("README", b"hello")];
    let repository = host.repository("orders.git", &files);
    let base = repository.tip("main").expect("a commit");
    let remote = remote(&host, &repository);
    let push = writing(NEWER, Expected::Blob(Some(id(&repository.keep(DOCUMENT)))));
    let pushed = bench.engine.push(&remote, signer.clone(), &push).await.result.expect("pushed");
    assert!(pushed.changed);
    assert_eq!(pushed.commit, id(&repository.tip("main").expect("a commit")));
    assert_eq!(pushed.blob, id(&repository.keep(NEWER)));
    assert_eq!(repository.read("main", PATH).expect("the file"), NEWER);
    assert_eq!(repository.git(&["diff", "--name-status", &base, "main"]), format!("M\t{PATH}"));
    let said = repository.git(&["log", "-1", "--format=%P|%an|%ae|%cn|%ad|%B", "--date=iso", "main"]);
    let expected = format!(
        "{base}|Ada Lovelace|ada@example.org|Ada Lovelace|2026-01-01 00:00:00 +0000|\
         Change the document\n\nBy Ada Lovelace with Claviger."
    );
    assert_eq!(said, expected);
    repository.git(&["fsck", "--strict", "--no-dangling"]);
    // What stands there already is no second commit.
    let again = bench.engine.push(&remote, signer, &push).await.result.expect("it is there");
    assert_eq!((again.changed, again.commit), (false, pushed.commit));
    bench.demand_nothing_left();
}

#[tokio::test]
async fn each_algorithm_of_the_keepers_pulls_and_pushes() {
    let (bench, host) = (Bench::new(), GitHost::start());
    let repository = host.repository("orders.git", &[(PATH, DOCUMENT)]);
    let remote = remote(&host, &repository);
    for algorithm in Algorithm::ALL {
        let signer = Signer::of(*algorithm);
        host.forget_everybody();
        host.authorize(&signer.public_key);
        let document = format!("x: {algorithm}\n").into_bytes();
        let push = writing(&document, Expected::Anything);
        let pushed = bench.engine.push(&remote, signer.clone(), &push).await;
        assert!(pushed.result.unwrap_or_else(|error| panic!("{algorithm}: {error}")).changed);
        assert_eq!(bench.fetched(bench.engine.fetch(&remote, signer).await), document, "{algorithm}");
    }
}

#[tokio::test]
async fn a_missing_file_is_made_with_its_folders() {
    let (bench, host, signer) = (Bench::new(), GitHost::start(), Signer::new());
    host.authorize(&signer.public_key);
    let repository = host.repository("orders.git", &[("README", b"hello")]);
    let push = writing(NEWER, Expected::Blob(None));
    for path in ["openapi.yaml", "a/b/c/openapi.yaml", "a/b/\u{fc}ber uns*.yaml", ":(glob)x", "x--"] {
        let remote = at_path(&remote(&host, &repository), path);
        bench.engine.push(&remote, signer.clone(), &push).await.result.expect("pushed");
        assert_eq!(repository.read("main", path).as_deref(), Some(NEWER), "{path}");
        assert_eq!(bench.fetched(bench.engine.fetch(&remote, signer.clone()).await), NEWER, "{path}");
    }
    assert_eq!(repository.read("main", "README").expect("untouched"), b"hello");
}

#[tokio::test]
async fn who_expects_another_file_is_out_of_sync_unless_it_may_be_overwritten() {
    let (bench, host, signer) = (Bench::new(), GitHost::start(), Signer::new());
    host.authorize(&signer.public_key);
    let repository = host.repository("orders.git", &[(PATH, DOCUMENT)]);
    let base = repository.tip("main");
    let remote = remote(&host, &repository);
    let other = id(&repository.keep(b"other"));
    for expected in [Expected::Blob(None), Expected::Blob(Some(other))] {
        let push = writing(NEWER, expected);
        let (code, _) = bench.failed(bench.engine.push(&remote, signer.clone(), &push).await);
        assert_eq!(code, GitFailure::OutOfSync);
    }
    assert_eq!(repository.tip("main"), base, "nothing was changed");
    let missing = at_path(&remote, "missing.yaml");
    let push = writing(NEWER, Expected::Blob(Some(id(&repository.keep(DOCUMENT)))));
    let (code, _) = bench.failed(bench.engine.push(&missing, signer.clone(), &push).await);
    assert_eq!(code, GitFailure::OutOfSync, "the file was removed there");
    let push = writing(NEWER, Expected::Anything);
    bench.engine.push(&remote, signer, &push).await.result.expect("overwritten");
    assert_eq!(repository.read("main", PATH).expect("the file"), NEWER);
}

#[tokio::test]
async fn of_two_pushes_at_once_one_wins_and_the_other_is_told() {
    let (bench, host, signer) = (Bench::new(), GitHost::start(), Signer::new());
    host.authorize(&signer.public_key);
    let repository = host.repository("orders.git", &[(PATH, DOCUMENT)]);
    let remote = remote(&host, &repository);
    let expected = Expected::Blob(Some(id(&repository.keep(DOCUMENT))));
    let (one, two) = (writing(b"one", expected.clone()), writing(b"two", expected));
    let (one, two) = tokio::join!(
        bench.engine.push(&remote, signer.clone(), &one),
        bench.engine.push(&remote, signer.clone(), &two),
    );
    let (won, lost) = if one.result.is_ok() { (one, two) } else { (two, one) };
    let won = won.result.expect("one wins");
    assert_eq!(bench.failed(lost).0, GitFailure::OutOfSync);
    assert_eq!(won.commit, id(&repository.tip("main").expect("a commit")));
    assert_eq!(repository.git(&["rev-list", "--count", "main"]), "2");
}

#[tokio::test]
async fn a_branch_that_moves_during_a_push_is_not_moved_back() {
    let (bench, host, signer) = (Bench::new(), GitHost::start(), Signer::new());
    let repository = host.repository("orders.git", &[(PATH, DOCUMENT)]);
    repository.commit("other", &[("README", b"somebody was faster")]);
    let other = repository.tip("other").expect("a commit");
    let (remote, push) = (remote(&host, &repository), writing(NEWER, Expected::Anything));
    // Between the reading and the writing: before the host says where the branch stands.
    let moving = format!(
        "restrict,command=\"case \\\"$SSH_ORIGINAL_COMMAND\\\" in git-receive*) \
         git -C {} update-ref refs/heads/main {other};; esac; eval \\\"$SSH_ORIGINAL_COMMAND\\\"\"",
        repository.path().display()
    );
    host.authorize_with(&moving, &signer.public_key);
    assert_eq!(
        bench.failed(bench.engine.push(&remote, signer.clone(), &push).await).0,
        GitFailure::OutOfSync
    );
    assert_eq!(repository.tip("main"), Some(other.clone()));
    // And after it has said so, at the last moment.
    host.forget_everybody();
    host.authorize(&signer.public_key);
    repository.commit("third", &[("README", b"somebody else")]);
    let third = repository.tip("third").expect("a commit");
    repository.hook("update", &format!("git update-ref refs/heads/main {third}"));
    let (code, detail) = bench.failed(bench.engine.push(&remote, signer, &push).await);
    assert_eq!(code, GitFailure::OutOfSync, "{detail}");
    assert_eq!(repository.tip("main"), Some(third));
}

#[tokio::test]
async fn a_key_that_may_only_read_is_told_so() {
    let (bench, host, signer) = (Bench::new(), GitHost::start(), Signer::new());
    host.authorize_to_read(&signer.public_key);
    let repository = host.repository("orders.git", &[(PATH, DOCUMENT)]);
    let remote = remote(&host, &repository);
    assert_eq!(bench.fetched(bench.engine.fetch(&remote, signer.clone()).await), DOCUMENT);
    let push = writing(NEWER, Expected::Anything);
    let (code, detail) = bench.failed(bench.engine.push(&remote, signer, &push).await);
    assert_eq!(code, GitFailure::ReadOnly);
    assert!(
        detail.ends_with(
            "The host says: ERROR: The key you are authenticating with has been marked as read only."
        ),
        "{detail}"
    );
    assert_eq!(repository.read("main", PATH).expect("the file"), DOCUMENT);
}

#[tokio::test]
async fn a_refusal_without_a_word_means_that_the_key_may_only_read() {
    let (bench, host, signer) = (Bench::new(), GitHost::start(), Signer::new());
    let silent = "restrict,command=\"case \\\"$SSH_ORIGINAL_COMMAND\\\" in git-receive*) exit 1;; esac; \
                  eval \\\"$SSH_ORIGINAL_COMMAND\\\"\"";
    host.authorize_with(silent, &signer.public_key);
    let repository = host.repository("orders.git", &[(PATH, DOCUMENT)]);
    let push = writing(NEWER, Expected::Anything);
    let outcome = bench.engine.push(&remote(&host, &repository), signer, &push).await;
    assert_eq!(bench.failed(outcome).0, GitFailure::ReadOnly);
}

#[tokio::test]
async fn a_protected_branch_stays_as_it_is_and_its_hosts_words_are_plain() {
    let (bench, host, signer) = (Bench::new(), GitHost::start(), Signer::new());
    host.authorize(&signer.public_key);
    let repository = host.repository("orders.git", &[(PATH, DOCUMENT)]);
    let (remote, push) = (remote(&host, &repository), writing(NEWER, Expected::Anything));
    for hook in ["pre-receive", "update"] {
        repository.hook(hook, "printf 'no \\033[2J\\033]0;x\\007entry %0900d' 7 >&2; exit 1");
        let (code, detail) = bench.failed(bench.engine.push(&remote, signer.clone(), &push).await);
        assert_eq!(code, GitFailure::ProtectedBranch, "{hook}: {detail}");
        assert!(detail.contains("no [2J ]0;x entry 000") && detail.len() < 700, "{detail}");
        assert!(!detail.contains(char::is_control), "{detail:?}");
        assert_eq!(repository.read("main", PATH).expect("the file"), DOCUMENT);
        std::fs::remove_file(repository.path().join("hooks").join(hook)).expect("gone");
    }
    repository.hook("post-receive", "echo welcome >&2");
    assert!(bench.engine.push(&remote, signer, &push).await.result.expect("pushed").changed);
}

#[tokio::test]
async fn a_host_that_takes_less_than_that_says_so() {
    let (bench, host, signer) = (Bench::new(), GitHost::start(), Signer::new());
    host.authorize(&signer.public_key);
    let repository = host.repository("orders.git", &[(PATH, DOCUMENT)]);
    repository.git(&["config", "receive.maxInputSize", "10k"]);
    let push = writing(&noise(100_000), Expected::Anything);
    let (code, detail) = bench.failed(bench.engine.push(&remote(&host, &repository), signer, &push).await);
    assert_eq!(code, GitFailure::TooLarge, "{detail}");
}

#[tokio::test]
async fn nothing_is_written_over_or_through_what_is_no_plain_file() {
    let (bench, host, signer) = (Bench::new(), GitHost::start(), Signer::new());
    host.authorize(&signer.public_key);
    let repository = host.repository("orders.git", &[("file", b"x"), ("folder/file", b"x")]);
    let target = repository.keep(b"/etc/passwd");
    let commit = repository.tip("main").expect("a commit");
    let entries =
        [("120000", "link", target.clone()), ("160000", "module", commit), ("100755", "program", target)];
    repository.commit_entries("main", &entries);
    let tip = repository.tip("main");
    let push = writing(NEWER, Expected::Anything);
    for (path, what) in [
        ("link", "a symbolic link"),
        ("link/file", "a symbolic link"),
        ("link/folder/file", "a symbolic link"),
        ("module", "a submodule"),
        ("module/file", "a submodule"),
        ("folder", "a folder"),
        ("file/file", "a file"),
        ("program", "marked as a program"),
    ] {
        let remote = at_path(&remote(&host, &repository), path);
        let (code, detail) = bench.failed(bench.engine.push(&remote, signer.clone(), &push).await);
        assert_eq!(code, GitFailure::NotAFile, "{path}: {detail}");
        assert!(detail.contains(what), "{path}: {detail}");
        let (code, detail) = bench.failed(bench.engine.fetch(&remote, signer.clone()).await);
        assert_eq!(code, GitFailure::NotAFile, "{path}: {detail}");
    }
    assert_eq!(repository.tip("main"), tip);
}

#[tokio::test]
async fn a_push_that_runs_out_of_time_behind_the_sending_is_left_open() {
    let bench = Bench::with(Limits { time: Duration::from_secs(10), ..Limits::default() });
    let (host, signer) = (GitHost::start(), Signer::new());
    host.authorize(&signer.public_key);
    let repository = host.repository("orders.git", &[(PATH, DOCUMENT)]);
    repository.hook("post-receive", "exec sleep 30 >/dev/null 2>&1");
    let push = writing(NEWER, Expected::Anything);
    let outcome = bench.engine.push(&remote(&host, &repository), signer, &push).await;
    let (code, detail) = bench.failed(outcome);
    assert_eq!(code, GitFailure::TimedOut, "{detail}");
    assert!(detail.ends_with("Whether it took the push is not known."), "{detail}");
    assert_eq!(repository.read("main", PATH).expect("the file"), NEWER, "it was taken");
}

#[tokio::test]
async fn a_host_that_dies_before_it_has_answered_leaves_it_open_and_one_that_dies_after_does_not() {
    let (bench, host, signer) = (Bench::new(), GitHost::start(), Signer::new());
    host.authorize(&signer.public_key);
    let repository = host.repository("orders.git", &[(PATH, DOCUMENT)]);
    let (remote, push) = (remote(&host, &repository), writing(NEWER, Expected::Anything));
    repository.hook("pre-receive", "kill -KILL $PPID");
    let (code, detail) = bench.failed(bench.engine.push(&remote, signer.clone(), &push).await);
    assert_eq!(code, GitFailure::ConnectionLost);
    assert!(detail.ends_with("Whether it took the push is not known."), "{detail}");
    assert_eq!(repository.read("main", PATH).expect("the file"), DOCUMENT);
    std::fs::remove_file(repository.path().join("hooks/pre-receive")).expect("gone");
    repository.hook("post-receive", "kill -KILL $PPID");
    let pushed = bench.engine.push(&remote, signer, &push).await.result.expect("pushed");
    assert_eq!(pushed.commit, id(&repository.tip("main").expect("a commit")));
}
