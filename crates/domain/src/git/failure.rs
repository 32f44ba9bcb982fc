//! What may come of asking a Git host for something (surface.md, "git-integration").

use std::fmt;
use std::str::FromStr;

use super::is_unwritten;

macro_rules! failures {
    ($($(#[$comment:meta])* $variant:ident = $code:literal,)*) => {
        /// Why nothing was pulled or pushed.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
        pub enum GitFailure {
            $($(#[$comment])* #[serde(rename = $code)] $variant,)*
        }

        impl GitFailure {
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The stable code.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $code,)*
                }
            }
        }
    };
}

failures! {
    /// No connection, or nothing there that speaks SSH.
    Unreachable = "unreachable",
    /// The host has another key than the one that is pinned.
    HostKeyChanged = "host_key_changed",
    /// The host takes the key pair's key for nobody.
    AuthFailed = "auth_failed",
    /// The host has no such repository, or does not show it to this key.
    RepositoryNotFound = "repository_not_found",
    /// The repository has no commit.
    RepositoryEmpty = "repository_empty",
    BranchNotFound = "branch_not_found",
    FileNotFound = "file_not_found",
    /// What stands at the path is a symbolic link, a submodule, a folder or a program.
    NotAFile = "not_a_file",
    /// The key may read, and not write.
    ReadOnly = "read_only",
    /// The host takes no push to this branch.
    ProtectedBranch = "protected_branch",
    /// The file, the repository or what Git needs for it is larger than the limits.
    TooLarge = "too_large",
    TimedOut = "timed_out",
    /// The connection ended before the answer did.
    ConnectionLost = "connection_lost",
    /// The address leads to where Claviger does not go.
    TargetRefused = "target_refused",
    /// The file is no OpenAPI document.
    InvalidDocument = "invalid_document",
    /// Both sides have changed, or somebody else was faster.
    OutOfSync = "out_of_sync",
}

impl fmt::Display for GitFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text names no failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no code of a Git integration")]
pub struct UnknownFailure;

impl FromStr for GitFailure {
    type Err = UnknownFailure;

    fn from_str(text: &str) -> Result<Self, UnknownFailure> {
        Self::ALL.iter().copied().find(|failure| failure.as_str() == text).ok_or(UnknownFailure)
    }
}

/// A failure with what happened and what to do, for people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {detail}")]
pub struct Failure {
    pub code: GitFailure,
    pub detail: String,
}

impl Failure {
    pub fn new(code: GitFailure, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into() }
    }

    /// With what the host said about it, if it said something.
    #[must_use]
    pub fn with_words(mut self, words: &HostWords) -> Self {
        if !words.as_str().is_empty() {
            self.detail.push_str(" The host says: ");
            self.detail.push_str(words.as_str());
        }
        self
    }
}

/// What a host said, fit to be shown: on one line, without control characters, and not much of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostWords(String);

impl HostWords {
    /// In bytes.
    pub const MAX: usize = 500;

    pub fn new(said: &[u8]) -> Self {
        let said = String::from_utf8_lossy(said);
        let blank = |c: char| if is_unwritten(c) { ' ' } else { c };
        let said: String = said.chars().map(blank).collect();
        let mut words = String::new();
        for word in said.split_whitespace() {
            let blank = usize::from(!words.is_empty());
            let room = Self::MAX - words.len();
            if blank > 0 && room > 0 {
                words.push(' ');
            }
            let room = room.saturating_sub(blank);
            words.push_str(&word[..word.floor_char_boundary(room)]);
            if word.len() > room {
                break;
            }
        }
        Self(words.trim_end().to_owned())
    }

    /// The same of the end: who greets first says last what is wrong.
    pub fn last_of(said: &[u8]) -> Self {
        let from = said.len().saturating_sub(Self::MAX);
        // A character may be cut there; what is left of it is no beginning.
        let whole = said[from..].iter().take(3).take_while(|byte| **byte & 0xc0 == 0x80).count();
        Self::new(&said[if from == 0 { 0 } else { from + whole }..])
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guide_explains_each_code() {
        let guide = include_str!("../../../../docs/git.md");
        for failure in GitFailure::ALL {
            assert!(guide.contains(&format!("\n| `{failure}` | ")), "{failure}");
        }
    }

    #[test]
    fn codes_are_found_again() {
        for failure in GitFailure::ALL {
            assert_eq!(failure.as_str().parse(), Ok(*failure));
            assert_eq!(serde_json::to_value(failure).expect("JSON"), failure.as_str());
        }
        assert_eq!("ok".parse::<GitFailure>(), Err(UnknownFailure));
    }

    #[test]
    fn what_a_host_says_can_do_nothing_to_a_screen() {
        for (said, shown) in [
            (&b""[..], ""),
            (b"remote: no\r\nremote: never\n", "remote: no remote: never"),
            (b"\x1b[2J\x1b]0;title\x07hi\0", "[2J ]0;title hi"),
            ("a\u{202e}b\u{85}c\u{200b}d".as_bytes(), "a b c d"),
            (b"\xff\xfe", "\u{fffd}\u{fffd}"),
        ] {
            assert_eq!(HostWords::new(said).as_str(), shown, "{said:?}");
        }
        for said in
            ["x".repeat(600), "\u{e9}".repeat(400), "x ".repeat(400), format!("{} yz", "x".repeat(499))]
        {
            let words = HostWords::new(said.as_bytes());
            assert!((498..=HostWords::MAX).contains(&words.as_str().len()), "{words:?}");
        }
        let end = HostWords::last_of(format!("{}at last", "\u{20ac} ".repeat(400)).as_bytes());
        assert!(end.as_str().starts_with('\u{20ac}') && end.as_str().ends_with("at last"), "{end:?}");
        assert_eq!(HostWords::last_of(b"short").as_str(), "short");
        let failure = Failure::new(GitFailure::ReadOnly, "The key may not write.");
        assert_eq!(failure.clone().with_words(&HostWords::default()), failure);
        let said = failure.with_words(&HostWords::new(b"no\n")).to_string();
        assert_eq!(said, "read_only: The key may not write. The host says: no");
    }
}
