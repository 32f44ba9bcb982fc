//! Files of mode 0600 that are there whole or not at all.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// Where a file is written before it takes its place.
pub(crate) fn aside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    PathBuf::from(name)
}

/// Begins a file aside; whatever was left there goes.
pub(crate) fn begin(path: &Path) -> io::Result<File> {
    File::options().create(true).truncate(true).read(true).write(true).mode(0o600).open(path)
}

/// Puts what was written aside in its place, for good.
pub(crate) fn finish(written: &File, path: &Path) -> io::Result<()> {
    written.sync_all()?;
    fs::rename(aside(path), path)?;
    sync_folder(path)
}

/// Writes a small file in one go.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = begin(&aside(path))?;
    file.write_all(bytes)?;
    finish(&file, path)
}

/// Removes a file; one that there is not is removed already.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Makes a folder for its owner alone.
pub(crate) fn make_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
}
