//! The start: the folder, its lock, the master key, the root secret, the journal, in an order in which a
//! kill at any moment leaves either a start that can be finished or a loss that is noticed.
//!
//! The journal begins before the root secret is made, and names the root afterwards. So a journal that
//! names a root, without one, means that the root is lost; a root without a journal means that the
//! journal is.

mod error;
mod examine;
mod secrets;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

pub use error::{StartError, StartReason};
pub use examine::{Prospect, examine};

use crate::ambient::Ambient;
use crate::files;
use crate::journal::{self, Entry, Fact, Journal};
use crate::ledgers::{AllCeilings, Ledgers};
use crate::tree::RootTree;

/// How long a start waits for the keeper before it to be gone.
const LOCK_PATIENCE: Duration = Duration::from_secs(5);

/// Where everything is.
pub(crate) struct Layout {
    pub(crate) folder: PathBuf,
    pub(crate) master: PathBuf,
    /// The master key is the operator's own file, and never made here.
    pub(crate) master_is_named: bool,
    pub(crate) root: PathBuf,
    pub(crate) journal: PathBuf,
}

impl Layout {
    pub(crate) fn new(data_dir: &Path, master_key_file: Option<&Path>) -> Self {
        let folder = data_dir.join("keeper");
        Self {
            master: master_key_file.map_or_else(|| data_dir.join("master.key"), Path::to_owned),
            master_is_named: master_key_file.is_some(),
            root: folder.join("root.sealed"),
            journal: journal::path_in(data_dir),
            folder,
        }
    }
}

/// A keeper that stands.
pub(crate) struct Started {
    pub(crate) tree: RootTree,
    pub(crate) journal: Journal,
    pub(crate) ledgers: Ledgers,
    pub(crate) warnings: Vec<String>,
    /// Held as long as the keeper lives.
    pub(crate) _lock: File,
}

/// Brings the keeper up, from nothing at the first start.
pub(crate) fn start(
    layout: &Layout,
    ceilings: AllCeilings,
    ambient: &dyn Ambient,
) -> Result<Started, StartError> {
    files::own_folder(&layout.folder)
        .map_err(|source| StartError::storage("make the folder", &layout.folder, source))?;
    let lock = lock(&layout.folder)?;
    let root_is_there = is_there(&layout.root)?;
    let mut past = Past { root: None, ledgers: Ledgers::new(ceilings), warnings: Vec::new() };
    let mut journal = open_journal(layout, root_is_there, &mut past, ambient)?;
    if past.root.is_some() && !root_is_there {
        return Err(StartError::RootLost { path: layout.root.clone() });
    }
    let tree = RootTree::new(&secrets::root(layout, root_is_there, ambient)?);
    let fingerprint = tree.fingerprint().to_string();
    match past.root {
        None => write(&mut journal, layout, Fact::Root { fingerprint }, ambient)?,
        Some(named) if named == fingerprint => {}
        Some(_) => return Err(StartError::JournalForeign { path: layout.journal.clone() }),
    }
    Ok(Started { tree, journal, ledgers: past.ledgers, warnings: past.warnings, _lock: lock })
}

/// Opens the journal and learns from it; begins it if it is empty.
fn open_journal(
    layout: &Layout,
    root_is_there: bool,
    past: &mut Past,
    ambient: &dyn Ambient,
) -> Result<Journal, StartError> {
    if root_is_there && !is_there(&layout.journal)? {
        return Err(StartError::JournalLost { path: layout.journal.clone() });
    }
    let (mut journal, cut) = Journal::open(&layout.journal, &mut |entry| past.learn(entry))
        .map_err(|cause| StartError::journal(&layout.journal, cause))?;
    if cut > 0 {
        past.warnings.push(format!(
            "the keeper's journal ended in {cut} bytes of a line that a crash cut short; they were removed, \
             and what they were about was never answered"
        ));
    }
    if journal.is_empty() {
        if root_is_there {
            past.warnings.push(
                "the keeper's journal was empty and begins anew: what was opened before is no longer on \
                 its record, and the ceilings count from now"
                    .into(),
            );
        }
        write(&mut journal, layout, Fact::Begun { version: journal::VERSION }, ambient)?;
        files::sync_folder_of(&layout.journal)
            .map_err(|source| StartError::storage("sync the folder of", &layout.journal, source))?;
    }
    Ok(journal)
}

/// A file that can't be asked for is not a file that is missing: taking one for the other would begin a
/// second life beside the first.
fn is_there(path: &Path) -> Result<bool, StartError> {
    path.try_exists().map_err(|source| StartError::storage("look for", path, source))
}

/// What the journal tells a new start.
struct Past {
    root: Option<String>,
    ledgers: Ledgers,
    warnings: Vec<String>,
}

impl Past {
    fn learn(&mut self, entry: Entry) {
        self.ledgers.learn(&entry.fact, entry.at);
        if let Fact::Root { fingerprint } = entry.fact {
            self.root = Some(fingerprint);
        }
    }
}

fn write(
    journal: &mut Journal,
    layout: &Layout,
    fact: Fact,
    ambient: &dyn Ambient,
) -> Result<(), StartError> {
    journal
        .append(ambient.now(), fact)
        .map_err(|source| StartError::storage("write", &layout.journal, source))
}

/// Two keepers in one folder would tear each other's journal apart. The one of a server that was just
/// killed is gone within moments, so a new one waits for it.
fn lock(folder: &Path) -> Result<File, StartError> {
    let path = folder.join("lock");
    let file = File::create(&path).map_err(|source| StartError::storage("open", &path, source))?;
    let patience = Instant::now() + LOCK_PATIENCE;
    loop {
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(file),
            Err(Errno::WOULDBLOCK) if Instant::now() < patience => {
                std::thread::sleep(Duration::from_millis(20));
            }
            Err(Errno::WOULDBLOCK) => return Err(StartError::AlreadyRunning { folder: folder.to_owned() }),
            Err(Errno::INTR) => {}
            Err(error) => return Err(StartError::storage("lock", &path, error.into())),
        }
    }
}

#[cfg(test)]
mod tests;
