//! What a host says first: its branches and tags with their tips, and what it is able to do.

use claviger_domain::git::ObjectId;
use tokio::io::AsyncRead;

use super::packets::{Broken, Packets};

/// Which of a repository's two ends is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Service {
    Fetch,
    Push,
}

impl Service {
    /// The command that the host runs. The path is quoted as Git quotes it: hosts that are no shell expect that.
    pub(crate) fn command(self, repository: &str) -> String {
        let program = match self {
            Self::Fetch => "git-upload-pack",
            Self::Push => "git-receive-pack",
        };
        format!("{program} '{}'", repository.replace('\'', r"'\''").replace('!', r"'\!'"))
    }
}

/// The part of it that matters here.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Advertisement {
    /// Whether the repository has any branch or tag.
    pub(crate) is_empty: bool,
    /// Where the branch that was asked about stands, if there is one.
    pub(crate) tip: Option<ObjectId>,
    abilities: String,
}

impl Advertisement {
    /// Reads it to its end, and looks for one name.
    pub(crate) async fn read<R: AsyncRead + Unpin>(
        packets: &mut Packets<R>,
        wanted: &str,
        most_bytes: u64,
    ) -> Result<Self, Broken> {
        let mut read = Self { is_empty: true, tip: None, abilities: String::new() };
        let (mut first, mut bytes) = (true, 0);
        while let Some(line) = packets.next().await? {
            bytes += line.len() as u64;
            if bytes > most_bytes {
                return Err(Broken::TooMuch("The host's list of branches and tags is too long."));
            }
            read.take(line, first, wanted)?;
            first = false;
        }
        Ok(read)
    }

    fn take(&mut self, line: &[u8], first: bool, wanted: &str) -> Result<(), Broken> {
        const NONSENSE: Broken = Broken::Nonsense("the list of branches and tags can't be read");
        let mut line = line.strip_suffix(b"\n").unwrap_or(line);
        if first && let Some(at) = line.iter().position(|byte| *byte == 0) {
            self.abilities = String::from_utf8_lossy(&line[at + 1..]).into_owned();
            line = &line[..at];
        }
        if line.starts_with(b"shallow ") || line.starts_with(b"version ") {
            return Ok(());
        }
        let blank = line.iter().position(|byte| *byte == b' ').ok_or(NONSENSE)?;
        let (id, name) = (&line[..blank], &line[blank + 1..]);
        let id: ObjectId = std::str::from_utf8(id).ok().and_then(|id| id.parse().ok()).ok_or(NONSENSE)?;
        // A host without a single name has no other place for its abilities.
        if name == b"capabilities^{}" || id.is_nothing() {
            return Ok(());
        }
        self.is_empty = false;
        if name == wanted.as_bytes() {
            self.tip = Some(id);
        }
        Ok(())
    }

    pub(crate) fn can(&self, ability: &str) -> bool {
        self.abilities.split(' ').any(|own| own == ability)
    }

    /// How the repository makes its ids: `sha1`, or `sha256`.
    pub(crate) fn object_format(&self) -> Result<&'static str, Broken> {
        let stated = self.abilities.split(' ').find_map(|own| own.strip_prefix("object-format="));
        match stated {
            None | Some("sha1") => Ok("sha1"),
            Some("sha256") => Ok("sha256"),
            Some(_) => Err(Broken::Nonsense("the repository has ids of an unknown kind")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::packets::packet;
    use super::*;

    const A: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    const B: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

    async fn read(lines: &[String], most_bytes: u64) -> Result<Advertisement, Broken> {
        let mut sent: Vec<u8> = lines.iter().flat_map(|line| packet(line.as_bytes())).collect();
        sent.extend_from_slice(b"0000");
        Advertisement::read(&mut Packets::new(&sent[..]), "refs/heads/main", most_bytes).await
    }

    #[tokio::test]
    async fn the_tip_of_the_branch_is_found_among_all() {
        let lines = [
            format!("{A} HEAD\0shallow side-band-64k object-format=sha1 agent=git/2\n"),
            format!("{A} refs/heads/main2\n"),
            format!("{B} refs/heads/main\n"),
            format!("{A} refs/tags/refs/heads/main\n"),
        ];
        let read = read(&lines, 1_000).await.expect("an advertisement");
        assert_eq!(read.tip, Some(B.parse().expect("an id")));
        assert!(!read.is_empty && read.can("shallow") && read.can("side-band-64k") && !read.can("side-band"));
        assert_eq!(read.object_format().expect("known"), "sha1");
    }

    #[tokio::test]
    async fn a_repository_may_be_empty_or_without_the_branch() {
        let nothing = "0".repeat(40);
        let none = read(&[format!("{nothing} capabilities^{{}}\0report-status")], 1_000).await.expect("one");
        assert!(none.is_empty && none.tip.is_none() && none.can("report-status"));
        assert!(read(&[], 1_000).await.expect("one").is_empty);
        let other = read(&[format!("{A} refs/heads/other\0x")], 1_000).await.expect("one");
        assert!(!other.is_empty && other.tip.is_none());
    }

    #[tokio::test]
    async fn what_is_no_list_is_refused_and_so_is_one_too_long() {
        for line in ["", A, "-x refs/heads/main", &format!("{} refs/heads/main", "A".repeat(40))] {
            assert!(matches!(read(&[line.to_owned()], 1_000).await, Err(Broken::Nonsense(_))), "{line}");
        }
        let lines = [format!("{A} refs/heads/a"), format!("{A} refs/heads/b")];
        assert!(matches!(read(&lines, 100).await, Err(Broken::TooMuch(_))));
        let strange = [format!("{A} refs/heads/main\0object-format=md5")];
        assert!(read(&strange, 1_000).await.expect("one").object_format().is_err());
    }

    #[test]
    fn a_path_stays_one_word_for_the_hosts_shell() {
        assert_eq!(Service::Fetch.command("a b"), "git-upload-pack 'a b'");
        assert_eq!(Service::Push.command("a'; id; !'b"), r"git-receive-pack 'a'\''; id; '\!''\''b'");
    }
}
