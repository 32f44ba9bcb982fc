//! What ssh wrote to its log, and what a host wrote there through it: some of ssh's lines end with words of the
//! host's, which may hold lines of their own and are there before the host has proved anything.

use claviger_domain::git::HostWords;

/// With what ssh tells that the host has ended the connection, and why.
const DISCONNECT: &str = "Received disconnect from ";
/// Which ways to sign in there are is the host's to say.
const DENIED: &str = ": Permission denied (";
/// What else is. The first of all that there is counts: whatever stands behind it is the host's.
const ANSWERS: [&str; 4] = [DISCONNECT, DENIED, " Their offer: ", ": open failed: "];

#[derive(Debug, Default)]
pub(crate) struct Log {
    own: String,
    hosts: String,
}

impl Log {
    pub(crate) fn new(text: &str) -> Self {
        let ends = ANSWERS.iter().filter_map(|answer| text.find(answer).map(|at| at + answer.len()));
        let (own, hosts) = text.split_at(ends.min().unwrap_or(text.len()));
        Self { own: own.to_owned(), hosts: hosts.to_owned() }
    }

    /// ssh's own lines; the last ends where the host's words begin.
    pub(crate) fn lines(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.own.lines().map(str::trim_end).filter(|line| !line.is_empty())
    }

    pub(crate) fn has(&self, beginnings: &[&str]) -> bool {
        self.lines().any(|line| beginnings.iter().any(|beginning| line.starts_with(beginning)))
    }

    /// Whether ssh ended because the host let `user` in by no way that was tried.
    pub(crate) fn denied(&self, user: &str) -> bool {
        let end = DENIED.trim_end();
        let is_denial = |line: &str| {
            line.strip_prefix(user).is_some_and(|line| line.starts_with('@') && line.ends_with(end))
        };
        self.lines().next_back().is_some_and(is_denial)
    }

    pub(crate) fn disconnected(&self) -> bool {
        self.lines().next_back() == Some(DISCONNECT.trim_end())
    }

    /// What ssh said last, for people.
    pub(crate) fn last(&self) -> HostWords {
        let line = self.lines().next_back().unwrap_or_default();
        HostWords::new(line.strip_suffix(" Their offer:").unwrap_or(line).as_bytes())
    }

    /// What the host said last, for people.
    pub(crate) fn hosts_words(&self) -> HostWords {
        // ssh names the address and a number first: `192.0.2.7 port 22:2: why`.
        let said = if self.disconnected() { self.hosts.split_once(": ") } else { None };
        HostWords::new(said.map_or(&*self.hosts, |(_, said)| said).as_bytes())
    }

    /// The fingerprint of the key that the host showed.
    pub(crate) fn fingerprint(&self) -> Option<&str> {
        let words = self.lines().flat_map(str::split_whitespace);
        words.map(|word| word.trim_end_matches('.')).find(|word| {
            let digest = word.strip_prefix("SHA256:").unwrap_or_default();
            let in_base64 = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
            digest.len() == 43 && digest.bytes().all(in_base64)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_host_writes_is_no_word_of_sshs() {
        for answer in [
            "Received disconnect from 192.0.2.7 port 22:2: ",
            "git@192.0.2.7: Permission denied (",
            "Unable to negotiate with 192.0.2.7 port 22: no matching host key type found. Their offer: ",
            "channel 0: open failed: connect failed: ",
        ] {
            let digest = "A".repeat(43);
            let said =
                format!("\nSHA256:{digest}\r\nada@x: Permission denied (\nHost key verification failed.");
            let log = Log::new(&format!("Warning: x\r\n{answer}{said}"));
            assert_eq!(log.lines().count(), 2, "{log:?}");
            assert!(!log.has(&["Host key verification failed."]) && !log.denied("ada"), "{log:?}");
            assert_eq!(log.fingerprint(), None, "{log:?}");
            assert!(log.hosts_words().as_str().ends_with("Host key verification failed."), "{log:?}");
        }
        let log = Log::new("Received disconnect from ::1 port 22:2: no\x07\x08w\n");
        assert!(log.disconnected());
        assert_eq!(log.hosts_words().as_str(), "no w");
        assert!(Log::new("git@192.0.2.7: Permission denied (publickey).").denied("git"));
    }

    #[test]
    fn a_fingerprint_is_one_altogether() {
        let whole = format!("SHA256:{}", "a/+9".repeat(11)[..43].to_owned());
        assert_eq!(Log::new(&format!("remote host is\n{whole}.\n")).fingerprint(), Some(&*whole));
        for other in ["SHA256:abc.", "SHA256:", &format!("{whole}a"), &whole.replace('+', "=")] {
            assert_eq!(Log::new(other).fingerprint(), None, "{other}");
        }
    }
}
