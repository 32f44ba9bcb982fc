//! The keeper's own book: one line for each opening and each signature, chained by hash, synced before the
//! plaintext or the signature leaves.
//!
//! A line is `<hash> <entry>`: the entry is JSON, the hash SHA-256 over the hash of the line before and the
//! entry's bytes. The keeper alone writes it; anybody who may read the file can check it. A last line that
//! a crash cut short was never answered, and is dropped at the next start; a line that does not fit the
//! chain anywhere else is an edit, and the keeper does not start on it.

mod books;
mod chain;
mod signatures;
mod writer;

use std::fs::File;
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};

use claviger_domain::key_pairs::KeyUse;
use claviger_domain::time::Timestamp;
use serde::{Deserialize, Serialize};

pub use books::{Differences, Reveal, compare};
pub use chain::ChainError;
pub(crate) use chain::{Scan, scan};
pub use signatures::{KnownPair, Oddity, odd_signatures};
pub(crate) use writer::Journal;
#[cfg(test)]
pub(crate) use writer::full_disk;

/// The version of the journal's lines, named in its first.
pub(crate) const VERSION: u8 = 1;

/// Where the journal of a data folder's keeper is.
pub fn path_in(data_dir: &Path) -> PathBuf {
    data_dir.join("keeper").join("journal")
}

/// One line of the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    pub(crate) at: Timestamp,
    #[serde(flatten)]
    pub(crate) fact: Fact,
}

/// What a line says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum Fact {
    /// The first line.
    Begun { version: u8 },
    /// The root secret that all that follows was opened under.
    Root { fingerprint: String },
    /// A value was opened, and was about to be handed out.
    Opened(Opening),
    /// A private half was opened inside, and its signature was about to be handed out.
    Signed(Signing),
}

/// One value opened: by whom, where from, and the position of the log's event that says so too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opening {
    pub purpose: String,
    pub actor: String,
    pub position: u64,
    pub database: String,
    pub table: String,
    pub row: String,
    pub column: String,
}

/// One signature: by whom, with which pair, for what, and of what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signing {
    #[serde(rename = "use")]
    pub key_use: KeyUse,
    pub actor: String,
    pub database: String,
    pub table: String,
    pub row: String,
    pub column: String,
    /// What it was for: the token's key id, or the attachment whose Git host was signed in to.
    pub subject: String,
    /// SHA-256 of what was signed, in hexadecimal digits: by it a token that turns up is found in the journal.
    pub digest: String,
    /// Where it signed in, if it was a sign-in. Lines of older keepers do not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<SignedInTo>,
}

/// The Git host that a signature signed in to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedInTo {
    /// As whom.
    pub user: String,
    /// The fingerprint of the key by which the host proved itself: `SHA256:…`, as ssh shows it to people.
    pub key: String,
}

/// A whole journal, read and checked from its first line to its last.
#[derive(Debug, Clone)]
pub struct Book {
    /// Every opening with its instant, the oldest first.
    pub openings: Vec<(Timestamp, Opening)>,
    /// Every signature with its instant, the oldest first.
    pub signings: Vec<(Timestamp, Signing)>,
    /// When it began, unless it is empty.
    pub begun: Option<Timestamp>,
    /// How many lines there are.
    pub lines: u64,
    /// The hash of the last line, in hexadecimal digits.
    pub head: String,
    /// Bytes of a last line that is not whole: a crash, or one that is being written at this moment.
    pub torn_bytes: u64,
}

/// Why the journal can't be read.
#[derive(Debug, thiserror::Error)]
#[error("the keeper's journal {}: {cause}", path.display())]
pub struct ReadError {
    pub path: PathBuf,
    #[source]
    pub cause: ChainError,
}

/// Reads and checks the journal of a data folder's keeper, running or not. Writes nothing.
pub fn read(data_dir: &Path) -> Result<Book, ReadError> {
    let path = path_in(data_dir);
    read_file(&path).map_err(|cause| ReadError { path, cause })
}

fn read_file(path: &Path) -> Result<Book, ChainError> {
    let file = File::open(path)?;
    let length = file.metadata()?.len();
    let (mut begun, mut openings, mut signings) = (None, Vec::new(), Vec::new());
    let scanned = scan(&mut BufReader::new(file), &mut |entry| {
        begun = begun.or(Some(entry.at));
        match entry.fact {
            Fact::Opened(opening) => openings.push((entry.at, opening)),
            Fact::Signed(signing) => signings.push((entry.at, signing)),
            Fact::Begun { .. } | Fact::Root { .. } => {}
        }
    })?;
    Ok(Book {
        openings,
        signings,
        begun,
        lines: scanned.lines,
        head: hex::encode(scanned.head),
        torn_bytes: length.saturating_sub(scanned.length),
    })
}

impl From<io::Error> for ChainError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_of_an_older_journal_reads_and_is_written_as_it_was() {
        let line = r#"{"at":"2026-07-01T12:00:00Z","kind":"signed","use":"git","actor":"mbr_a","database":"db","table":"key_pairs","row":"kp_1","column":"private_key","subject":"api_1","digest":"00"}"#;
        let entry: Entry = serde_json::from_str(line).expect("an entry");
        assert!(matches!(&entry.fact, Fact::Signed(signing) if signing.host.is_none()));
        assert_eq!(serde_json::to_string(&entry).expect("written"), line);
    }
}
