//! Finds the system's programs, and says which package has the one that is missing.

use std::path::{Path, PathBuf};

use crate::ambient;

/// Folders that Debian keeps out of an ordinary user's path, though servers live there.
const FURTHER_FOLDERS: [&str; 3] = ["/usr/sbin", "/usr/local/sbin", "/sbin"];

/// Where a program is, if it is there: on the search path, or where Debian keeps it off that path.
pub fn locate(program: &str) -> Option<PathBuf> {
    let path = ambient::search_path();
    let folders = std::env::split_paths(&path).chain(FURTHER_FOLDERS.iter().map(PathBuf::from));
    let debian = newest_debian_postgres();
    debian.into_iter().chain(folders).map(|folder| folder.join(program)).find(|candidate| candidate.is_file())
}

/// The program's path. Its absence fails the test.
#[track_caller]
pub(crate) fn find(program: &str, package: &str) -> PathBuf {
    locate(program).unwrap_or_else(|| missing(program, package))
}

/// A program of PostgreSQL's server.
#[track_caller]
pub(crate) fn find_postgres(program: &str) -> PathBuf {
    find(program, "postgresql")
}

/// Debian keeps each version's programs in a folder of its own; the newest is taken.
fn newest_debian_postgres() -> Option<PathBuf> {
    let versions = Path::new("/usr/lib/postgresql").read_dir().ok()?;
    versions
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let version: u32 = entry.file_name().to_str()?.parse().ok()?;
            Some((version, entry.path().join("bin")))
        })
        .filter(|(_, folder)| folder.join("postgres").is_file())
        .max_by_key(|(version, _)| *version)
        .map(|(_, folder)| folder)
}

#[track_caller]
fn missing(program: &str, package: &str) -> ! {
    panic!(
        "this test runs a real `{program}`, and there is none: install the package `{package}` \
         (`cargo xtask test` does)"
    )
}
