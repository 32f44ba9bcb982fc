//! What a data node keeps on its disk: a base of all rows at one position, a journal of the lines since, and a
//! marker that says how far both must reach and when the log was last heard of.
//!
//! All three are sealed under a key of the node's own keeper, together with the database's id and the node's. An older
//! base or journal put back does not reach the marker; who puts back all three is past what a node can see.

mod base;
mod format;
mod journal;
mod marker;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use claviger_domain::event::Position;
use claviger_domain::id::NodeId;
use claviger_domain::secret::DigestKey;
use claviger_domain::time::Timestamp;
use claviger_store::data_node::{DecidingRow, LogLine};

pub(crate) use base::{BaseWriter, Written};
pub(crate) use journal::Journal;
pub(crate) use marker::Marker;

use crate::error::Refused;
use crate::files;
use base::{Alone, SealedFile};

/// Whose snapshots are believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The id of the database.
    pub instance_id: String,
    pub node_id: NodeId,
}

/// A position of the log, with the hash that the row there has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) epoch: u32,
    pub(crate) position: Position,
    pub(crate) hash: [u8; 32],
}

impl Place {
    /// The place after this line.
    pub(crate) const fn after(self, line: &LogLine) -> Self {
        Self { epoch: self.epoch, position: line.position, hash: line.hash }
    }
}

/// The folder of what is kept, and the key that seals it.
#[derive(Debug, Clone)]
pub struct Snapshots {
    data: PathBuf,
    key: DigestKey,
    identity: Identity,
    /// Whether a base is being written: there is one file aside.
    writing: Arc<AtomicBool>,
}

/// A snapshot that fits together. Nothing of it was shown to a reader yet.
#[derive(Debug)]
pub(crate) struct Kept {
    /// Where the base stands, which `rows` were handed out of.
    pub(crate) base: Place,
    /// The lines since, in their order.
    pub(crate) lines: Vec<LogLine>,
    pub(crate) contact: Timestamp,
    /// To go on with.
    pub(crate) journal: Journal,
}

/// A base that only has to take its place.
pub(crate) struct Ready {
    base: SealedFile,
    journal: Journal,
}

/// Who takes the rows of a base.
pub(crate) trait Rows {
    /// About so many Keys follow.
    fn begin(&mut self, keys: usize);
    fn row(&mut self, row: &DecidingRow) -> Result<(), Refused>;
}

/// How old a snapshot may be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Allowed {
    pub(crate) now: Timestamp,
    pub(crate) max_staleness_seconds: i64,
}

impl Snapshots {
    /// What stands in the folder `node` of the data folder, sealed under `key`.
    pub fn new(data: PathBuf, key: DigestKey, identity: Identity) -> Self {
        Self { data, key, identity, writing: Arc::default() }
    }

    pub(crate) fn data(&self) -> &Path {
        &self.data
    }

    fn file(&self, name: &str) -> PathBuf {
        self.data.join("node").join(name)
    }

    /// How far this node once was, if it says so itself.
    pub(crate) fn marker(&self) -> Result<Marker, Refused> {
        Marker::read(&self.file("marker"), &self.key, &self.identity)
    }

    /// Reads what is kept, from end to end. Of the rows that `rows` is handed nothing may be shown before this returns.
    pub(crate) fn read(&self, allowed: Allowed, rows: &mut impl Rows) -> Result<Kept, Refused> {
        let marker = self.marker()?;
        allowed.demand(marker.contact)?;
        let base = base::read(&self.file("snapshot"), &self.key, &self.identity, rows)?;
        let (lines, journal) = Journal::open(&self.journal_file(base.place.position), &self.key, &base)?;
        let reaches = lines.last().map_or(base.place, |line| base.place.after(line));
        if reaches.position < marker.place.position || base.place.epoch != marker.place.epoch {
            return Err(Refused::Behind { reaches: reaches.position, marked: marker.place.position });
        }
        Ok(Kept { base: base.place, lines, contact: marker.contact, journal })
    }

    /// Begins a new base, aside; refused while another one is written.
    pub(crate) fn begin_base(&self, place: Place, keys: usize) -> io::Result<BaseWriter> {
        files::make_folder(&self.data.join("node"))?;
        let alone = Alone::claim(&self.writing)?;
        BaseWriter::begin(&self.file("snapshot"), alone, &self.identity, place, keys)
    }

    /// Makes a base ready to be put in place, with the journal that it begins; `lines` came after it. What is in place
    /// is as it was.
    pub(crate) fn ready(&self, base: Written, lines: &[LogLine]) -> io::Result<Ready> {
        let position = base.place().position;
        let base = base.seal(&self.key)?;
        let mut journal = Journal::begin(&self.journal_file(position), &self.key, &base)?;
        journal.append(lines)?;
        Ok(Ready { base, journal })
    }

    /// Puts a base in place of the one that is there. Its journal is there before it is, so that a crash leaves one or
    /// the other whole; so does an error, which does not tell which.
    pub(crate) fn replace(&self, Ready { base, journal }: Ready) -> io::Result<Journal> {
        let position = base.place.position;
        base.take_place(&self.file("snapshot"))?;
        // The new base stands, whatever is left of the old one.
        if let Err(error) = self.remove_journals_but(position) {
            tracing::warn!(%error, "the journal of an older snapshot can't be removed");
        }
        Ok(journal)
    }

    pub(crate) fn mark(&self, marker: &Marker) -> io::Result<()> {
        marker.write(&self.file("marker"), &self.key, &self.identity)
    }

    /// Forgets all that is kept.
    pub(crate) fn remove(&self) -> io::Result<()> {
        files::remove(&self.file("snapshot"))?;
        files::remove(&self.file("marker"))?;
        self.remove_journals_but(Position(-1))
    }

    fn journal_file(&self, base: Position) -> PathBuf {
        self.file(&format!("journal-{}", base.0))
    }

    fn remove_journals_but(&self, kept: Position) -> io::Result<()> {
        let kept = self.journal_file(kept);
        for entry in fs::read_dir(self.data.join("node"))? {
            let path = entry?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if name.starts_with("journal-") && path != kept {
                files::remove(&path)?;
            }
        }
        Ok(())
    }
}

impl Allowed {
    /// A clock that was set back can't make a snapshot young again.
    fn demand(self, contact: Timestamp) -> Result<(), Refused> {
        const SKEW_SECONDS: i64 = 60;
        let age = self.now.seconds_since(contact);
        if age < -SKEW_SECONDS {
            return Err(Refused::FromTheFuture { seconds: -age });
        }
        if age > self.max_staleness_seconds {
            return Err(Refused::TooOld { age, allowed: self.max_staleness_seconds });
        }
        Ok(())
    }
}

/// What an error of reading means.
fn unreadable(file: &'static str) -> impl Fn(io::Error) -> Refused {
    move |error| match error.kind() {
        io::ErrorKind::NotFound => Refused::Missing,
        io::ErrorKind::UnexpectedEof => Refused::Truncated { file },
        io::ErrorKind::InvalidData => Refused::Forged { file },
        _ => Refused::Unreadable { file, error },
    }
}

#[cfg(test)]
pub(crate) mod tests;
