//! Finds the system's programs, and says which package has the one that is missing.

use std::path::{Path, PathBuf};

use crate::ambient;

/// Folders that Debian keeps out of an ordinary user's path, though servers live there.
const FURTHER_FOLDERS: [&str; 3] = ["/usr/sbin", "/usr/local/sbin", "/sbin"];

/// The program's path. Its absence fails the test.
#[track_caller]
pub(crate) fn find(program: &str, package: &str) -> PathBuf {
    let path = ambient::search_path();
    std::env::split_paths(&path)
        .chain(FURTHER_FOLDERS.iter().map(PathBuf::from))
        .map(|folder| folder.join(program))
        .find(|candidate| candidate.is_file())
        .unwrap_or_else(|| missing(program, package))
}

/// A program of PostgreSQL's server. Debian keeps each version's in a folder of its own, off the path; the
/// newest is taken.
#[track_caller]
pub(crate) fn find_postgres(program: &str) -> PathBuf {
    newest_debian_postgres()
        .map(|folder| folder.join(program))
        .filter(|candidate| candidate.is_file())
        .unwrap_or_else(|| find(program, "postgresql"))
}

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
