//! What is asked of a repository: a branch, the path of a file, and the ids under which Git keeps things.

use std::fmt;
use std::str::FromStr;

use super::{is_unwritten, written};

/// Why a text is no branch. Its words are for the field's `detail`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidBranch {
    #[error("must be 1 to {max} bytes long", max = Branch::MAX)]
    Length,
    #[error("must not contain control, invisible or direction-override characters")]
    Control,
    #[error("must not begin with -")]
    Dash,
    #[error("must be a branch's own name, without refs/ before it")]
    FullName,
    #[error(
        "is no branch to Git, which forbids blanks, ~^:?*[\\, .., @{{, // and parts that begin with . or end in .lock"
    )]
    Rules,
}

/// A branch's name, by the rules of `git check-ref-format --branch`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Branch(String);

impl Branch {
    /// A file system keeps it as a file's name, with `.lock` behind it.
    pub const MAX: usize = 244;

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// `refs/heads/…`
    pub fn full_name(&self) -> String {
        format!("refs/heads/{}", self.0)
    }
}

impl FromStr for Branch {
    type Err = InvalidBranch;

    fn from_str(text: &str) -> Result<Self, InvalidBranch> {
        if !(1..=Self::MAX).contains(&text.len()) {
            return Err(InvalidBranch::Length);
        }
        if text.chars().any(is_unwritten) {
            return Err(InvalidBranch::Control);
        }
        if text.starts_with('-') {
            return Err(InvalidBranch::Dash);
        }
        if text.starts_with("refs/") {
            return Err(InvalidBranch::FullName);
        }
        let forbidden = text.contains([' ', '~', '^', ':', '?', '*', '[', '\\'])
            || text.contains("..")
            || text.contains("@{")
            || text.ends_with('.')
            || matches!(text, "@" | "HEAD");
        let fits = |part: &str| !part.is_empty() && !part.starts_with('.') && !part.ends_with(".lock");
        if forbidden || !text.split('/').all(fits) {
            return Err(InvalidBranch::Rules);
        }
        Ok(Self(text.to_owned()))
    }
}

/// Why a text is no path of a document. Its words are for the field's `detail`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPath {
    #[error("must be 1 to {max} bytes long", max = DocumentPath::MAX)]
    Length,
    #[error("must not contain control, invisible or direction-override characters, or blanks at its ends")]
    Control,
    #[error("must not begin with -")]
    Dash,
    #[error(
        "must be a path inside the repository, such as api/openapi.yaml: no / at its ends, no empty part, no . or .."
    )]
    Outside,
    #[error("must use / between folders, not \\")]
    Backslash,
    #[error("must not go through .git")]
    GitFolder,
    #[error("must be at most {max} folders deep", max = DocumentPath::DEPTH)]
    Depth,
}

/// The path of a file inside a repository.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct DocumentPath(String);

impl DocumentPath {
    pub const MAX: usize = 1_000;
    /// How many parts it has at most.
    pub const DEPTH: usize = 32;

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The folders that it stands in, from the outermost: `a` and `a/b` of `a/b/c`.
    pub fn folders(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.match_indices('/').map(|(at, _)| &self.0[..at])
    }
}

impl FromStr for DocumentPath {
    type Err = InvalidPath;

    fn from_str(text: &str) -> Result<Self, InvalidPath> {
        if !(1..=Self::MAX).contains(&text.len()) {
            return Err(InvalidPath::Length);
        }
        if text.chars().any(is_unwritten) || text.trim() != text {
            return Err(InvalidPath::Control);
        }
        if text.starts_with('-') {
            return Err(InvalidPath::Dash);
        }
        if text.contains('\\') {
            return Err(InvalidPath::Backslash);
        }
        if text.split('/').any(|part| matches!(part, "" | "." | "..")) {
            return Err(InvalidPath::Outside);
        }
        if text.split('/').any(is_git_folder) {
            return Err(InvalidPath::GitFolder);
        }
        if text.split('/').count() > Self::DEPTH {
            return Err(InvalidPath::Depth);
        }
        Ok(Self(text.to_owned()))
    }
}

/// Git's own folder, also as Windows and macOS would read the name.
fn is_git_folder(part: &str) -> bool {
    let seen = part.split(':').next().unwrap_or_default().trim_end_matches([' ', '.']);
    seen.eq_ignore_ascii_case(".git") || seen.eq_ignore_ascii_case("git~1")
}

/// The text is no id of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be 40 or 64 lower-case hexadecimal digits")]
pub struct InvalidObjectId;

/// The id under which Git keeps a commit, a folder or a file: SHA-1 or SHA-256, in hexadecimal digits.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ObjectId(String);

impl ObjectId {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The id that Git writes where there is nothing.
    pub fn is_nothing(&self) -> bool {
        self.0.bytes().all(|byte| byte == b'0')
    }
}

impl FromStr for ObjectId {
    type Err = InvalidObjectId;

    fn from_str(text: &str) -> Result<Self, InvalidObjectId> {
        let digits = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if digits && matches!(text.len(), 40 | 64) { Ok(Self(text.to_owned())) } else { Err(InvalidObjectId) }
    }
}

macro_rules! shown {
    ($($type:ty),*) => {$(
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}

shown!(Branch, DocumentPath, ObjectId);
written!(Branch, DocumentPath, ObjectId);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn branches_pass_gits_own_rules() {
        for right in
            ["main", "feature/orders-2", "v1.2", "a@b", "@a", "\u{fc}ber", "a.lock.b", "head", "x{y}"]
        {
            let branch: Branch = right.parse().unwrap_or_else(|e| panic!("{right}: {e}"));
            assert_eq!(branch.full_name(), format!("refs/heads/{right}"));
        }
        use InvalidBranch::{Control, Dash, FullName, Length, Rules};
        for (wrong, why) in [
            ("", Length),
            (&"x".repeat(245), Length),
            ("-d", Dash),
            ("--upload-pack=id", Dash),
            ("refs/heads/main", FullName),
            ("a b", Rules),
            ("a..b", Rules),
            ("a~1", Rules),
            ("a^", Rules),
            ("a:b", Rules),
            ("+a:b", Rules),
            ("a?", Rules),
            ("a*", Rules),
            ("a[", Rules),
            ("a\\b", Rules),
            ("/a", Rules),
            ("a/", Rules),
            ("a//b", Rules),
            (".a", Rules),
            ("a/.b", Rules),
            ("a.", Rules),
            ("a.lock", Rules),
            ("a.lock/b", Rules),
            ("a@{1}", Rules),
            ("@", Rules),
            ("HEAD", Rules),
            ("a\nb", Control),
            ("a\0", Control),
            ("a\u{7f}", Control),
            ("a\u{1b}[m", Control),
            ("a\u{202e}b", Control),
        ] {
            assert_eq!(wrong.parse::<Branch>(), Err(why), "{wrong:?}");
        }
    }

    #[test]
    fn paths_stay_inside_the_repository() {
        for right in [
            "openapi.yaml",
            "a/b/c.json",
            "a b/c",
            ".config/x",
            "a..b",
            "...",
            ".github/x",
            ".gitx",
            "a/-b",
            ":x",
        ] {
            assert!(right.parse::<DocumentPath>().is_ok(), "{right}");
        }
        use InvalidPath::{Backslash, Control, Dash, Depth, GitFolder, Length, Outside};
        for (wrong, why) in [
            ("", Length),
            (&"x".repeat(1_001), Length),
            ("/etc/passwd", Outside),
            ("a/", Outside),
            ("a//b", Outside),
            (".", Outside),
            ("..", Outside),
            ("../a", Outside),
            ("a/../b", Outside),
            ("a/./b", Outside),
            ("-a", Dash),
            ("--output=x", Dash),
            ("a\\..\\b", Backslash),
            (".git/config", GitFolder),
            ("a/.GIT/hooks/x", GitFolder),
            (".git./x", GitFolder),
            (".git :x/y", GitFolder),
            ("GIT~1/config", GitFolder),
            ("a\nb", Control),
            ("a\0b", Control),
            ("a\u{1b}b", Control),
            ("a\u{200b}b", Control),
            (" a", Control),
            (&["a"; 33].join("/"), Depth),
        ] {
            assert_eq!(wrong.parse::<DocumentPath>(), Err(why), "{wrong:?}");
        }
    }

    #[test]
    fn the_folders_of_a_path_are_named_from_outside() {
        let path: DocumentPath = "a/b/c".parse().expect("a path");
        assert_eq!(path.folders().collect::<Vec<_>>(), ["a", "a/b"]);
        let path: DocumentPath = "c".parse().expect("a path");
        assert_eq!(path.folders().count(), 0);
    }

    #[test]
    fn ids_are_whole_and_lower_case() {
        assert!("0".repeat(40).parse::<ObjectId>().expect("an id").is_nothing());
        assert!(!"a".repeat(64).parse::<ObjectId>().expect("an id").is_nothing());
        for wrong in ["", &"a".repeat(39), &"A".repeat(40), &"g".repeat(40), "--help"] {
            assert_eq!(wrong.parse::<ObjectId>(), Err(InvalidObjectId), "{wrong}");
        }
    }
}
