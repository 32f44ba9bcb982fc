//! What went wrong, from what ssh, the host and Git say. ssh's words are a program's of this machine, in English;
//! a host's are anybody's, and can at most choose among the failures of a repository.

use claviger_domain::git::{Failure, GitFailure, GitUser, HostKey, HostWords};

use super::log::Log;
use super::session::Ended;
use crate::wire::{Broken, Report, Service};

/// How ssh's lines begin when there is nobody to speak with.
const UNREACHABLE: [&str; 4] = [
    "Connection timed out during banner exchange",
    "Unable to negotiate with ",
    "banner exchange: ",
    "ssh: connect to host ",
];
/// How they begin when a connection ended that there was.
const LOST: [&str; 10] = [
    "Connection closed by ",
    "Connection reset by ",
    "Connection to ",
    "Read from remote host ",
    "Timeout, server ",
    "Write failed: ",
    "client_loop: ",
    "kex_exchange_identification: Connection closed by remote host",
    "kex_exchange_identification: read: ",
    "ssh_dispatch_run_fatal: ",
];

/// What ssh found, if it is ssh that failed.
pub(crate) fn of_ssh(log: &Log, user: &GitUser, pinned: Option<&HostKey>) -> Option<Failure> {
    let failure = |code, detail: &str| Some(Failure::new(code, detail));
    let no_such_kind = log.has(&["Unable to negotiate with "])
        && log.last().as_str().ends_with(": no matching host key type found.");
    let other_key = no_such_kind || log.has(&["Host key verification failed."]);
    if let Some(pinned) = pinned.filter(|_| other_key) {
        return Some(host_key_changed(log, pinned));
    }
    if log.denied(user.as_str()) {
        let detail = "The host does not let this key in: add the public key of the key pair there.";
        return failure(GitFailure::AuthFailed, detail);
    }
    if log.has(&UNREACHABLE) {
        let failure = Failure::new(GitFailure::Unreachable, sentence(log.last().as_str()));
        return Some(failure.with_words(&log.hosts_words()));
    }
    if log.disconnected() || log.has(&LOST) {
        let failure = Failure::new(GitFailure::ConnectionLost, "The host ended the connection, or it broke.");
        return Some(failure.with_words(&log.hosts_words()));
    }
    let last = log.last();
    let said = || {
        let detail = format!("ssh says: {}", last.as_str());
        Failure::new(GitFailure::Unreachable, detail).with_words(&log.hosts_words())
    };
    (!last.as_str().is_empty()).then(said)
}

fn sentence(text: &str) -> String {
    format!("{}.", text.trim_end_matches('.'))
}

fn host_key_changed(log: &Log, pinned: &HostKey) -> Failure {
    let shown = log.fingerprint().unwrap_or("another key");
    let detail = format!(
        "The host shows {shown}, and {} is pinned. Somebody may stand in between, so nothing was sent. Ask \
         the host's operators; if they changed the key, remove the pinned one and test again.",
        pinned.fingerprint()
    );
    Failure::new(GitFailure::HostKeyChanged, detail)
}

/// Why a conversation broke off, when ssh itself did well.
pub(crate) fn of_conversation(service: Service, advertised: bool, broken: &Broken, ended: &Ended) -> Failure {
    let words = match broken {
        Broken::Told(words) => HostWords::new(words),
        _ => HostWords::last_of(&ended.words),
    };
    if let Broken::TooMuch(what) = broken {
        return Failure::new(GitFailure::TooLarge, *what);
    }
    if let Some(failure) = of_words(service, words.as_str()) {
        return failure.with_words(&words);
    }
    let failure = match (broken, service) {
        (Broken::Nonsense(what), _) => {
            let detail = format!("The host does not speak Git as Claviger does: {what}.");
            Failure::new(GitFailure::ConnectionLost, detail)
        }
        _ if advertised || ended.well || ended.by_ssh => {
            Failure::new(GitFailure::ConnectionLost, "The host broke off its answer.")
        }
        (_, Service::Fetch) => not_found(),
        // The same key has just read from the same repository.
        (_, Service::Push) => read_only(),
    };
    failure.with_words(&words)
}

/// Why a host did not move the branch.
pub(crate) fn of_push(report: &Report) -> Option<Failure> {
    let refused = String::from_utf8_lossy(report.refused.as_ref()?).into_owned();
    let words = HostWords::new(&[refused.as_bytes(), b"\n", &report.words].concat());
    let said = |texts: &[&str]| texts.iter().any(|text| refused.contains(text));
    let lost_the_race = [
        "cannot lock ref",
        "failed to lock",
        "failed to update ref",
        "fetch first",
        "incorrect old value",
        "non-fast-forward",
        "reference already exists",
        "remote ref changed",
        "stale info",
    ];
    let failure = if let Some(failure) = of_words(Service::Push, words.as_str()) {
        failure
    } else if said(&lost_the_race) {
        out_of_sync()
    } else if refused.starts_with("unpack ") {
        Failure::new(GitFailure::ConnectionLost, "The host could not store what was pushed.")
    } else {
        protected()
    };
    Some(failure.with_words(&words))
}

/// What hosts are known to say.
fn of_words(service: Service, words: &str) -> Option<Failure> {
    let words = words.to_ascii_lowercase();
    let said = |texts: &[&str]| texts.iter().any(|text| words.contains(text));
    if said(&["maximum allowed size", "too large", "exceeds", "quota", "no space left"]) {
        return Some(Failure::new(GitFailure::TooLarge, "The host does not take that much."));
    }
    if said(&["protected branch", "protected ref", "branch is protected", "denied to update branch"]) {
        return Some(protected());
    }
    let denied = [
        "access denied",
        "denied to",
        "insufficient permission",
        "marked as read only",
        "not authorized",
        "permission denied",
        "read only",
        "read-only",
        "unable to create temporary object directory",
        "write access",
    ];
    if said(&denied) {
        return Some(match service {
            Service::Fetch => not_found(),
            Service::Push => read_only(),
        });
    }
    let missing = [
        "could not be found",
        "does not appear to be a git repository",
        "does not exist",
        "no such repository",
        "not a git repository",
        "not found",
    ];
    said(&missing).then(not_found)
}

pub(crate) fn out_of_sync() -> Failure {
    Failure::new(GitFailure::OutOfSync, "The branch was moved meanwhile. Pull first, or overwrite.")
}

fn read_only() -> Failure {
    let detail = "The key may read this repository, and not write to it: give it write access at the host.";
    Failure::new(GitFailure::ReadOnly, detail)
}

fn protected() -> Failure {
    let detail =
        "The host does not take this push to the branch: choose another, or let this key push to it.";
    Failure::new(GitFailure::ProtectedBranch, detail)
}

fn not_found() -> Failure {
    let detail = "The host has no such repository, or does not show it to this key.";
    Failure::new(GitFailure::RepositoryNotFound, detail)
}

#[cfg(test)]
mod tests {
    use GitFailure::{
        AuthFailed, ConnectionLost, HostKeyChanged, OutOfSync, ProtectedBranch, ReadOnly, RepositoryNotFound,
        TooLarge, Unreachable,
    };

    use super::*;

    fn pinned() -> HostKey {
        let blob = [&[0, 0, 0, 11][..], b"ssh-ed25519", &[7; 36]].concat();
        HostKey::from_blob(blob).expect("a key")
    }

    fn found(log: &str) -> Option<Failure> {
        of_ssh(&Log::new(log), &"git".parse().expect("a user"), Some(&pinned()))
    }

    #[test]
    fn sshs_own_words_are_understood() {
        let changed = "@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\nThe fingerprint for the ED25519 key sent by \
                       the remote host is\nSHA256:UbHr3yXvdERuruVMBBwXa7DxI7EEyLUT2QBeKD/hvrs.\nHost key verification failed.";
        for (log, expected) in [
            (changed, HostKeyChanged),
            (
                "Unable to negotiate with 192.0.2.7 port 22: no matching host key type found. Their offer: ssh-rsa",
                HostKeyChanged,
            ),
            (
                "Unable to negotiate with 192.0.2.7 port 22: no matching key exchange method found. Their offer: x",
                Unreachable,
            ),
            ("git@192.0.2.7: Permission denied (publickey).", AuthFailed),
            (
                "Received disconnect from 192.0.2.7 port 22:2: Too many authentication failures",
                ConnectionLost,
            ),
            (
                "Received disconnect from 192.0.2.7 port 22:2: x\nHost key verification failed.",
                ConnectionLost,
            ),
            ("ssh: connect to host 192.0.2.7 port 22: Connection refused", Unreachable),
            ("ssh: connect to host 192.0.2.7 port 22: No route to host", Unreachable),
            ("Connection timed out during banner exchange", Unreachable),
            (
                "kex_exchange_identification: Connection closed by remote host\nConnection closed by 192.0.2.7 port 22",
                ConnectionLost,
            ),
            ("kex_exchange_identification: read: Connection reset by peer", ConnectionLost),
            ("client_loop: send disconnect: Broken pipe", ConnectionLost),
            ("Timeout, server 192.0.2.7 not responding.", ConnectionLost),
            ("Bad packet length 1349676916.", Unreachable),
        ] {
            let failure = found(log).expect("a failure");
            assert_eq!(failure.code, expected, "{log}: {failure}");
        }
        let failure = found(changed).expect("a failure");
        assert!(
            failure
                .detail
                .starts_with("The host shows SHA256:UbHr3yXvdERuruVMBBwXa7DxI7EEyLUT2QBeKD/hvrs, and")
        );
        assert!(failure.detail.contains(&pinned().fingerprint()));
        assert_eq!(found("\n"), None);
    }

    fn refused(why: &str, words: &str) -> Failure {
        let report = Report { refused: Some(why.into()), words: words.into() };
        of_push(&report).expect("a failure")
    }

    /// As the hosts write them.
    #[test]
    fn refusals_of_known_hosts_are_understood() {
        for (why, words, expected) in [
            (
                "protected branch hook declined",
                "error: GH006: Protected branch update failed for refs/heads/main.",
                ProtectedBranch,
            ),
            (
                "push declined due to repository rule violations",
                "error: GH013: Repository rule violations found",
                ProtectedBranch,
            ),
            (
                "pre-receive hook declined",
                "error: File x is 123.00 MB; this exceeds GitHub's file size limit",
                TooLarge,
            ),
            (
                "pre-receive hook declined",
                "GitLab: You are not allowed to push code to protected branches on this project.",
                ProtectedBranch,
            ),
            ("pre-receive hook declined", "Permission denied to update branch main.", ProtectedBranch),
            (
                "pre-receive hook declined",
                "Gitea: Not allowed to push to protected branch main",
                ProtectedBranch,
            ),
            (
                "TF402455: Pushes to this branch are not permitted; you must use a pull request.",
                "",
                ProtectedBranch,
            ),
            ("prohibited by Gerrit: not permitted: update", "", ProtectedBranch),
            ("hook declined", "", ProtectedBranch),
            ("unpack unable to create temporary object directory", "", ReadOnly),
            (
                "unpack index-pack abnormal exit",
                "fatal: pack exceeds maximum allowed size (10.00 KiB)",
                TooLarge,
            ),
            ("unpack index-pack abnormal exit", "", ConnectionLost),
            ("failed to update ref", "", OutOfSync),
            ("incorrect old value provided", "", OutOfSync),
            ("cannot lock ref 'refs/heads/main': is at 1 but expected 2", "", OutOfSync),
            ("fetch first", "", OutOfSync),
        ] {
            assert_eq!(refused(why, words).code, expected, "{why} {words}");
        }
        assert_eq!(of_push(&Report::default()), None);
    }

    #[test]
    fn answers_of_known_hosts_are_understood() {
        for (service, words, expected) in [
            (Service::Fetch, "ERROR: Repository not found.", RepositoryNotFound),
            (
                Service::Fetch,
                "remote: ERROR: The project you were looking for could not be found or you don't have permission to view it.",
                RepositoryNotFound,
            ),
            (Service::Fetch, "conq: repository does not exist.", RepositoryNotFound),
            (Service::Fetch, "repository access denied.", RepositoryNotFound),
            (Service::Fetch, "fatal: 'x.git' does not appear to be a git repository", RepositoryNotFound),
            (
                Service::Push,
                "ERROR: The key you are authenticating with has been marked as read only.",
                ReadOnly,
            ),
            (Service::Push, "ERROR: Permission to acme/orders.git denied to deploy key", ReadOnly),
            (Service::Push, "ERROR: This deploy key does not have write access to this project.", ReadOnly),
            (Service::Push, "Gitea: Deploy Key: 7:x is not authorized to write to acme/orders.", ReadOnly),
            (Service::Push, "", ReadOnly),
            (Service::Fetch, "", RepositoryNotFound),
        ] {
            let ended = Ended { words: words.into(), ..Ended::unknown() };
            let failure = of_conversation(service, false, &Broken::Ended, &ended);
            assert_eq!(failure.code, expected, "{words}");
            assert!(failure.detail.contains(words), "{failure}");
        }
        let broken_off = of_conversation(Service::Fetch, true, &Broken::Ended, &Ended::unknown());
        assert_eq!(broken_off.code, ConnectionLost);
    }
}
