//! The two secrets at the top: the master key in its file, and the root secret that it seals.
//!
//! `root.sealed` is `version ‖ mark of the master key (16) ‖ envelope`. The mark tells a wrong master key
//! from damaged bytes.

use zeroize::Zeroizing;

use super::{Layout, StartError};
use crate::ambient::Ambient;
use crate::envelope;
use crate::files::{self, Found};
use crate::keys::{KEY_LENGTH, KeyBytes};
use crate::place::Place;
use crate::tree::{MasterTree, Secret};

const VERSION: u8 = 1;
const MARK_LENGTH: usize = 16;
const PURPOSE: &str = "root";
/// The root is of no database: the keeper's own folder is its place.
const PLACE: Place<'_> = Place { database: "keeper", table: "keeper", row: "root", column: "root.sealed" };

/// The root secret: opened if it is there, made if this is the first start.
pub(super) fn root(layout: &Layout, is_there: bool, ambient: &dyn Ambient) -> Result<Secret, StartError> {
    if is_there {
        return present(layout);
    }
    let master = match read_master(layout)? {
        Some(master) => master,
        None if layout.master_is_named => {
            return Err(StartError::MasterKeyNotFound { path: layout.master.clone() });
        }
        None => make_master(layout, ambient)?,
    };
    make_root(layout, &master, ambient)
}

/// The root secret that is there.
pub(super) fn present(layout: &Layout) -> Result<Secret, StartError> {
    let master = read_master(layout)?.ok_or_else(|| StartError::MasterKeyLost {
        path: layout.master.clone(),
        root: layout.root.clone(),
    })?;
    open_root(layout, &master)
}

fn read_master(layout: &Layout) -> Result<Option<Secret>, StartError> {
    let path = || layout.master.clone();
    let found = files::read_secret(&layout.master)
        .map_err(|source| StartError::storage("read the master key", &layout.master, source))?;
    match found {
        Found::Missing => Ok(None),
        Found::Exposed { mode } => Err(StartError::MasterKeyExposed { path: path(), mode }),
        Found::NoFile => Err(StartError::MasterKeyMalformed { path: path(), found: "not a file".into() }),
        Found::Bytes(bytes) => {
            let mut key: KeyBytes = Zeroizing::new([0; KEY_LENGTH]);
            if bytes.len() != KEY_LENGTH {
                let found = format!("{} bytes", bytes.len());
                return Err(StartError::MasterKeyMalformed { path: path(), found });
            }
            key.copy_from_slice(&bytes);
            Ok(Some(Secret::new(key)))
        }
    }
}

fn make_master(layout: &Layout, ambient: &dyn Ambient) -> Result<Secret, StartError> {
    let master = fresh(ambient)?;
    files::create(&layout.master, master.expose())
        .map_err(|source| StartError::storage("make the master key", &layout.master, source))?;
    Ok(master)
}

fn make_root(layout: &Layout, master: &Secret, ambient: &dyn Ambient) -> Result<Secret, StartError> {
    let (root, tree) = (fresh(ambient)?, MasterTree::new(master));
    let sealed = envelope::seal(&tree.sealing_key(), PURPOSE, PLACE, root.expose(), ambient)?;
    files::create(&layout.root, &[&[VERSION], tree.mark().as_slice(), &sealed].concat())
        .map_err(|source| StartError::storage("make the root secret", &layout.root, source))?;
    Ok(root)
}

fn open_root(layout: &Layout, master: &Secret) -> Result<Secret, StartError> {
    let damaged = || StartError::RootDamaged { path: layout.root.clone() };
    let bytes = match files::read_secret(&layout.root) {
        Ok(Found::Bytes(bytes)) => bytes,
        Ok(Found::Missing) => return Err(StartError::RootLost { path: layout.root.clone() }),
        Ok(Found::Exposed { mode }) => {
            return Err(StartError::RootExposed { path: layout.root.clone(), mode });
        }
        Ok(Found::NoFile) => return Err(damaged()),
        Err(source) => return Err(StartError::storage("read the root secret", &layout.root, source)),
    };
    let (version, rest) = bytes.split_first().ok_or_else(damaged)?;
    if *version != VERSION {
        return Err(StartError::RootUnknown { path: layout.root.clone(), version: *version });
    }
    let (mark, sealed) = rest.split_at_checked(MARK_LENGTH).ok_or_else(damaged)?;
    let tree = MasterTree::new(master);
    // The mark says nothing about the key, so it may be compared in any time.
    if mark != tree.mark() {
        return Err(StartError::MasterKeyWrong { path: layout.master.clone(), root: layout.root.clone() });
    }
    let opened = envelope::open(&tree.sealing_key(), PURPOSE, PLACE, sealed).map_err(|_| damaged())?;
    let mut root: KeyBytes = Zeroizing::new([0; KEY_LENGTH]);
    if opened.len() != KEY_LENGTH {
        return Err(damaged());
    }
    root.copy_from_slice(&opened);
    Ok(Secret::new(root))
}

fn fresh(ambient: &dyn Ambient) -> Result<Secret, StartError> {
    let mut bytes: KeyBytes = Zeroizing::new([0; KEY_LENGTH]);
    ambient.fill(bytes.as_mut())?;
    Ok(Secret::new(bytes))
}
