//! The journal as the keeper writes it: opened once, its torn end cut off, each line synced.

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use claviger_domain::time::Timestamp;

use super::chain::ChainError;
use super::{Entry, Fact, Scan, scan};

/// An open journal. Only one at a time: the keeper holds the lock of its folder.
pub(crate) struct Journal {
    file: File,
    state: Scan,
    /// A line may be half there: nothing more may be written behind it.
    torn: bool,
}

impl Journal {
    /// Opens the journal, or makes an empty one, shows every entry to `each`, and cuts off a torn last
    /// line. Gives the journal and how many bytes were cut.
    pub(crate) fn open(path: &Path, each: &mut dyn FnMut(Entry)) -> Result<(Self, u64), ChainError> {
        let file = OpenOptions::new().create(true).read(true).append(true).mode(0o600).open(path)?;
        let length = file.metadata()?.len();
        let state = scan(&mut BufReader::new(&file), each)?;
        let cut = length.saturating_sub(state.length);
        if cut > 0 {
            file.set_len(state.length)?;
            file.sync_all()?;
        }
        Ok((Self { file, state, torn: false }, cut))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.state.lines == 0
    }

    /// Writes one line and waits until it is on the disk. After an error the journal takes no more: what
    /// is on the disk is known only to the next start.
    pub(crate) fn append(&mut self, at: Timestamp, fact: Fact) -> io::Result<()> {
        if self.torn {
            return Err(io::Error::other("an earlier line may be torn"));
        }
        let (line, next) = self.state.line(&Entry { at, fact })?;
        self.torn = true;
        self.file.write_all(&line)?;
        self.file.sync_data()?;
        self.torn = false;
        self.state = next;
        Ok(())
    }
}

/// A journal on a disk that takes no more.
#[cfg(test)]
pub(crate) fn full_disk() -> Journal {
    let file = OpenOptions::new().append(true).open("/dev/full").expect("opens");
    Journal { file, state: Scan::EMPTY, torn: false }
}

#[cfg(test)]
mod tests {
    use super::super::chain::tests::opened;
    use super::*;

    fn now() -> Timestamp {
        "2026-07-01T12:00:00Z".parse().expect("an instant")
    }

    fn entries(path: &Path) -> (Vec<Entry>, u64) {
        let mut entries = Vec::new();
        let (_, cut) = Journal::open(path, &mut |entry| entries.push(entry)).expect("opens");
        (entries, cut)
    }

    #[test]
    fn what_is_appended_is_there_at_the_next_start() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("journal");
        let (mut journal, _) = Journal::open(&path, &mut |_| ()).expect("opens");
        assert!(journal.is_empty());
        for position in 1..=3 {
            journal.append(now(), opened(position, "mbr_a")).expect("appended");
        }
        drop(journal);
        let (read, cut) = entries(&path);
        assert_eq!((read.len(), cut), (3, 0));
        assert_eq!(read[2], Entry { at: now(), fact: opened(3, "mbr_a") });
    }

    #[test]
    fn a_torn_line_is_cut_off_and_the_chain_goes_on_behind_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("journal");
        let (mut journal, _) = Journal::open(&path, &mut |_| ()).expect("opens");
        journal.append(now(), opened(1, "mbr_a")).expect("appended");
        journal.append(now(), opened(2, "mbr_a")).expect("appended");
        let length = std::fs::metadata(&path).expect("metadata").len();
        let file = OpenOptions::new().write(true).open(&path).expect("opens");
        file.set_len(length - 5).expect("cut");
        let (mut journal, cut) = Journal::open(&path, &mut |_| ()).expect("opens");
        assert!(cut > 100, "{cut}");
        journal.append(now(), opened(3, "mbr_a")).expect("appended");
        let (read, cut) = entries(&path);
        assert_eq!((read.len(), cut), (2, 0));
        assert_eq!(read[1].fact, opened(3, "mbr_a"));
    }

    #[test]
    fn a_disk_that_takes_no_more_stops_the_journal() {
        let mut journal = full_disk();
        assert!(journal.append(now(), opened(1, "mbr_a")).is_err());
        journal.file = tempfile::tempfile().expect("a file");
        assert!(journal.append(now(), opened(1, "mbr_a")).is_err(), "nothing is written behind a torn line");
    }
}
