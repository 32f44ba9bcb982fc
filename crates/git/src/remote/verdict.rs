//! What went wrong, from what ssh, the host and Git say. ssh's words are a program's of this machine, in English;
//! a host's are anybody's, and can at most choose among the failures of a repository.

use claviger_domain::git::{Failure, GitFailure, HostKey, HostWords};

use super::session::Ended;
use crate::wire::{Broken, Report, Service};

/// What ssh found, if it is ssh that failed.
pub(crate) fn of_ssh(log: &str, pinned: Option<&HostKey>) -> Option<Failure> {
    let said = |text: &str| log.contains(text);
    let last = HostWords::new(log.trim().lines().last().unwrap_or_default().as_bytes());
    let failure = |code, detail: &str| Some(Failure::new(code, detail));
    if said("Host key verification failed") || said("no matching host key type found") {
        return Some(host_key_changed(log, pinned));
    }
    if said("Permission denied") || said("Too many authentication failures") {
        let detail = "The host does not let this key in: add the public key of the key pair there.";
        return failure(GitFailure::AuthFailed, detail);
    }
    if said("ssh: connect to host") || said("during banner exchange") || said("Unable to negotiate") {
        return Some(Failure::new(GitFailure::Unreachable, format!("{}.", last.as_str())));
    }
    let lost = ["Connection closed by", "closed by remote host", "Connection reset", "Broken pipe"];
    if lost.into_iter().chain(["not responding", "Timeout"]).any(said) {
        return failure(GitFailure::ConnectionLost, "The host ended the connection, or it broke.");
    }
    (!last.as_str().is_empty())
        .then(|| Failure::new(GitFailure::Unreachable, format!("ssh says: {}", last.as_str())))
}

fn host_key_changed(log: &str, pinned: Option<&HostKey>) -> Failure {
    let shown = log.split_whitespace().find(|word| word.starts_with("SHA256:"));
    let shown = shown.map_or("another key", |word| word.trim_end_matches('.'));
    let pinned = pinned.map_or_else(|| "no key that Claviger takes".to_owned(), HostKey::fingerprint);
    let detail = format!(
        "The host shows {shown}, and {pinned} is pinned. Somebody may stand in between, so nothing was sent. Ask \
         the host's operators; if they changed the key, remove the pinned one and test again."
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
    if let Some(failure) = of_words(words.as_str()) {
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
    let failure = if let Some(failure) = of_words(words.as_str()) {
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
fn of_words(words: &str) -> Option<Failure> {
    let words = words.to_ascii_lowercase();
    let said = |texts: &[&str]| texts.iter().any(|text| words.contains(text));
    if said(&["maximum allowed size", "too large", "exceeds", "quota", "no space left"]) {
        return Some(Failure::new(GitFailure::TooLarge, "The host does not take that much."));
    }
    if said(&["protected branch", "protected ref", "branch is protected", "branch restriction"]) {
        return Some(protected());
    }
    let denied = [
        "access denied",
        "denied to",
        "insufficient permission",
        "marked as read only",
        "permission denied",
        "read only",
        "read-only",
        "unable to create temporary object directory",
        "write access",
    ];
    if said(&denied) {
        return Some(read_only());
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
