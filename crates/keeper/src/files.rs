//! Files that hold secrets: made whole or not at all, never overwritten, read only if they are no one
//! else's.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;
use zeroize::Zeroizing;

/// What a secret's file may be at most, so that a wrong path never fills the memory.
const LONGEST: u64 = 4_096;
/// Anything but the owner's own rights.
const OTHERS: u32 = 0o077;

/// A secret's file as it was found.
pub(crate) enum Found {
    Missing,
    /// Others than its owner have rights on it: these.
    Exposed {
        mode: u32,
    },
    /// It is a folder or a device.
    NoFile,
    Bytes(Zeroizing<Vec<u8>>),
}

/// Reads a file whose content is a secret, or says why it is not to be trusted.
pub(crate) fn read_secret(path: &Path) -> io::Result<Found> {
    // Not blocking: a path to a pipe must not hold up the start.
    let no_waiting = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or_default();
    let file = match OpenOptions::new().read(true).custom_flags(no_waiting).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Missing),
        Err(error) => return Err(error),
    };
    // Asked of the open file, so that nothing can be put in its place in between.
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Ok(Found::NoFile);
    }
    if metadata.mode() & OTHERS != 0 {
        return Ok(Found::Exposed { mode: metadata.mode() & 0o7777 });
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(LONGEST as usize));
    file.take(LONGEST).read_to_end(&mut bytes)?;
    Ok(Found::Bytes(bytes))
}

/// Makes a file of mode 0600 that holds these bytes, or none: written aside, synced, renamed, and the
/// folder synced. A file that is already there is left alone, and is an error.
pub(crate) fn create(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let aside = aside(path);
    remove_stale(path)?;
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&aside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    rename_new(&aside, path)?;
    sync_folder_of(path)
}

/// Removes what a start that was killed left beside `path`.
fn remove_stale(path: &Path) -> io::Result<()> {
    match fs::remove_file(aside(path)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Makes what was just created or renamed in the folder of `path` last.
pub(crate) fn sync_folder_of(path: &Path) -> io::Result<()> {
    File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
}

/// Makes a folder that is its owner's alone, or makes it so.
pub(crate) fn own_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    if fs::metadata(path)?.mode() & OTHERS != 0 {
        fs::set_permissions(path, fs::Permissions::from_mode(0o700))?;
    }
    Ok(())
}

fn aside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    PathBuf::from(name)
}

fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // Not every file system can rename without replacing. A second name refuses to replace on all.
        Err(Errno::INVAL | Errno::NOSYS) => {
            fs::hard_link(from, to)?;
            fs::remove_file(from)
        }
        done => Ok(done?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_made_once_for_its_owner_alone_and_never_overwritten() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("secret");
        fs::write(aside(&path), b"left by a kill").expect("written");
        create(&path, b"first").expect("made");
        assert_eq!(fs::metadata(&path).expect("metadata").mode() & 0o7777, 0o600);
        let error = create(&path, b"second").expect_err("it is there");
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&path).expect("read"), b"first");
    }

    #[test]
    fn a_file_with_rights_for_others_is_not_read() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("secret");
        assert!(matches!(read_secret(&path), Ok(Found::Missing)));
        create(&path, b"text").expect("made");
        assert!(matches!(read_secret(&path), Ok(Found::Bytes(bytes)) if bytes.as_slice() == b"text"));
        for mode in [0o640, 0o604, 0o610, 0o666] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("set");
            assert!(matches!(read_secret(&path), Ok(Found::Exposed { mode: found }) if found == mode));
        }
        assert!(matches!(read_secret(folder.path()), Ok(Found::NoFile)));
    }

    #[test]
    fn a_folder_is_made_its_owner_s_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("data").join("keeper");
        own_folder(&path).expect("made");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("set");
        own_folder(&path).expect("tightened");
        assert_eq!(fs::metadata(&path).expect("metadata").mode() & 0o7777, 0o700);
    }
}
