//! What a start would find, for `doctor`: read as a start reads it, and nothing made, written or held.

use std::fs::File;
use std::io::{self, BufReader};
use std::path::Path;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::{Layout, Past, StartError, is_there, secrets};
use crate::journal;
use crate::ledgers::{AllCeilings, Ledgers};
use crate::sandbox;
use crate::tree::{RootFingerprint, RootTree};

/// A data folder as the next keeper finds it.
#[derive(Debug, Default)]
pub struct Prospect {
    /// All that a keeper would not start on.
    pub hindrances: Vec<StartError>,
    /// The root secret that is there and can be opened.
    pub root: Option<RootFingerprint>,
    /// Whether a keeper works in the folder at this moment.
    pub taken: bool,
}

/// Looks at the files of a keeper. Nothing is found wrong in a folder in which none has been.
pub fn examine(data_dir: &Path, master_key_file: Option<&Path>) -> Result<Prospect, StartError> {
    sandbox::forbid_dumps()
        .map_err(|source| StartError::NotConfined { doing: "forbid dumps of its memory", source })?;
    let layout = Layout::new(data_dir, master_key_file);
    let mut prospect = Prospect { taken: is_taken(&layout)?, ..Prospect::default() };
    let root_is_there = is_there(&layout.root)?;
    let named = read_journal(&layout, root_is_there).unwrap_or_else(|hindrance| {
        prospect.hindrances.push(hindrance);
        None
    });
    if !root_is_there {
        if named.is_some() {
            prospect.hindrances.push(StartError::RootLost { path: layout.root.clone() });
        }
        if layout.master_is_named && !is_there(&layout.master)? {
            prospect.hindrances.push(StartError::MasterKeyNotFound { path: layout.master.clone() });
        }
        return Ok(prospect);
    }
    match secrets::present(&layout) {
        Ok(root) => {
            let fingerprint = RootTree::new(&root).fingerprint();
            if named.is_some_and(|named| named != fingerprint.to_string()) {
                prospect.hindrances.push(StartError::JournalForeign { path: layout.journal.clone() });
            }
            prospect.root = Some(fingerprint);
        }
        Err(hindrance) => prospect.hindrances.push(hindrance),
    }
    Ok(prospect)
}

/// The root secret that the journal names.
fn read_journal(layout: &Layout, root_is_there: bool) -> Result<Option<String>, StartError> {
    let file = match File::open(&layout.journal) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound && !root_is_there => return Ok(None),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(StartError::JournalLost { path: layout.journal.clone() });
        }
        Err(source) => return Err(StartError::storage("read", &layout.journal, source)),
    };
    let mut past = Past { root: None, ledgers: Ledgers::new(AllCeilings::default()), warnings: Vec::new() };
    journal::scan(&mut BufReader::new(file), &mut |entry| past.learn(entry))
        .map_err(|cause| StartError::journal(&layout.journal, cause))?;
    Ok(past.root)
}

fn is_taken(layout: &Layout) -> Result<bool, StartError> {
    let path = layout.folder.join("lock");
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(source) => return Err(StartError::storage("open", &path, source)),
    };
    match flock(&file, FlockOperation::NonBlockingLockShared) {
        Ok(()) => Ok(false),
        Err(Errno::WOULDBLOCK) => Ok(true),
        Err(error) => Err(StartError::storage("look at", &path, error.into())),
    }
}
