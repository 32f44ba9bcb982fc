//! Folders for what a job needs while it lasts. Each process has one of its own under a common one, held by a lock,
//! so that the next process to start can tell what is left over from one that was killed, and remove it.

use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::left_over;

/// Held while somebody looks for a folder that is free.
const LOOKING: &str = "lock";
/// Of the file beside each folder that is locked while its process lives.
const CLAIM: &str = "claim";

/// This process's folder of folders.
#[derive(Debug)]
pub(crate) struct Folders {
    common: PathBuf,
    folder: PathBuf,
    claim: PathBuf,
    next: AtomicU64,
    _held: File,
}

impl Folders {
    pub(crate) fn open(common: PathBuf) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(&common)?;
        demand_private(&common)?;
        let _looking = look(&common)?;
        remove_left_over(&common)?;
        for number in 1_u64.. {
            let claim = common.join(number.to_string()).with_extension(CLAIM);
            let held = lock_file(&claim)?;
            if held.try_lock().is_ok() {
                let folder = common.join(number.to_string());
                match DirBuilder::new().mode(0o700).create(&folder) {
                    // Left over, and not to be removed: the operator was warned of it.
                    Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                    made => made?,
                }
                return Ok(Self { common, folder, claim, next: AtomicU64::new(1), _held: held });
            }
        }
        Err(io::ErrorKind::StorageFull.into())
    }

    /// An empty folder that nobody else may enter. It is removed with all that is in it when it is dropped.
    pub(crate) fn fresh(&self) -> io::Result<JobFolder> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let path = self.folder.join(number.to_string());
        DirBuilder::new().mode(0o700).create(&path)?;
        Ok(JobFolder(path))
    }
}

impl Drop for Folders {
    fn drop(&mut self) {
        // Somebody who starts meanwhile would claim the number between these two.
        let _looking = look(&self.common);
        if remove(&self.folder) {
            // Whoever claims the number next makes the file anew.
            let _ = fs::remove_file(&self.claim);
        }
    }
}

/// The folder of one job.
#[derive(Debug)]
pub(crate) struct JobFolder(PathBuf);

impl JobFolder {
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// A socket of this name, however long the folder's own path is: an address of a socket has 107 bytes.
    pub(crate) fn listen(&self, name: &str) -> io::Result<UnixListener> {
        let folder = File::open(&self.0)?;
        UnixListener::bind(format!("/proc/self/fd/{}/{name}", folder.as_raw_fd()))
    }
}

impl Drop for JobFolder {
    fn drop(&mut self) {
        remove(&self.0);
    }
}

/// Whether it is gone.
fn remove(folder: &Path) -> bool {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!(folder = %folder.display(), %error, "the folder of a Git job could not be removed");
            false
        }
        _ => true,
    }
}

/// While it is held, nobody else claims a folder or gives one up.
fn look(common: &Path) -> io::Result<File> {
    let looking = lock_file(&common.join(LOOKING))?;
    looking.lock()?;
    Ok(looking)
}

/// What others may write to, or read, is no place for an agent's socket.
fn demand_private(folder: &Path) -> io::Result<()> {
    let found = fs::symlink_metadata(folder)?;
    let ours = found.uid() == rustix::process::geteuid().as_raw();
    if found.is_dir() && ours && found.mode() & 0o077 == 0 {
        return Ok(());
    }
    let what = format!("{} must be a folder of this user, with mode 0700", folder.display());
    Err(io::Error::new(io::ErrorKind::PermissionDenied, what))
}

/// The folders whose process is gone.
fn remove_left_over(common: &Path) -> io::Result<()> {
    for entry in fs::read_dir(common)? {
        let path = entry?.path();
        if path.extension() == Some(OsStr::new(CLAIM)) && lock_file(&path)?.try_lock().is_ok() {
            let folder = path.with_extension("");
            left_over::end_all_below(&folder)?;
            if remove(&folder) {
                match fs::remove_file(&path) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                    _ => {}
                }
            }
        }
    }
    Ok(())
}

fn lock_file(path: &Path) -> io::Result<File> {
    File::options().create(true).write(true).truncate(false).open(path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).expect("a folder");
        let mut names: Vec<String> = entries
            .map(|entry| entry.expect("an entry").file_name().into_string().expect("a name"))
            .collect();
        names.sort();
        names
    }

    #[test]
    fn what_a_killed_process_left_is_removed_and_what_a_living_one_uses_is_not() {
        let base = tempfile::tempdir().expect("a folder");
        let common = base.path().join("git/jobs");
        let living = Folders::open(common.clone()).expect("folders");
        let job = living.fresh().expect("a folder");
        fs::write(job.join("pack"), "…").expect("a file");
        // A process that was killed: its claim and its folder stand, and nobody holds the lock.
        fs::write(common.join("7.claim"), "").expect("a file");
        fs::create_dir_all(common.join("7/1/repository")).expect("a folder");
        let second = Folders::open(common.clone()).expect("folders");
        assert_eq!(names(&common), ["1", "1.claim", "2", "2.claim", "lock"]);
        assert!(job.join("pack").is_file());
        drop((job, living, second));
        assert_eq!(names(&common), ["lock"]);
    }

    #[test]
    fn what_can_not_be_removed_keeps_its_number_and_stops_nobody() {
        let base = tempfile::tempdir().expect("a folder");
        let common = base.path().join("jobs");
        DirBuilder::new().mode(0o700).create(&common).expect("a folder");
        // A file stands for it, which no folder can replace, whoever runs this.
        fs::write(common.join("1"), "").expect("a file");
        fs::write(common.join("1.claim"), "").expect("a file");
        for _ in 0..2 {
            let folders = Folders::open(common.clone()).expect("folders");
            folders.fresh().expect("a folder");
            assert_eq!(names(&common), ["1", "1.claim", "2", "2.claim", "lock"]);
        }
        assert_eq!(names(&common), ["1", "1.claim", "lock"]);
    }

    #[test]
    fn a_folder_is_not_given_up_while_another_process_looks_for_one() {
        let base = tempfile::tempdir().expect("a folder");
        let common = base.path().join("jobs");
        let folders = Folders::open(common.clone()).expect("folders");
        let looking = look(&common).expect("the lock");
        let giving_up = std::thread::spawn(move || drop(folders));
        // It waits in the kernel for the lock that is held here.
        let waits = || {
            let locks = fs::read_to_string("/proc/locks").expect("the kernel's locks");
            let file = format!(":{} ", looking.metadata().expect("the file").ino());
            locks.lines().any(|line| line.contains("-> FLOCK") && line.contains(&file))
        };
        while !waits() {
            assert!(!giving_up.is_finished(), "it waits for nobody");
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        assert_eq!(names(&common), ["1", "1.claim", "lock"]);
        drop(looking);
        giving_up.join().expect("it ends");
        assert_eq!(names(&common), ["lock"]);
    }

    #[test]
    fn a_folder_that_others_may_enter_is_refused() {
        let base = tempfile::tempdir().expect("a folder");
        let common = base.path().join("jobs");
        fs::create_dir(&common).expect("a folder");
        fs::set_permissions(&common, fs::Permissions::from_mode(0o750)).expect("its mode");
        let refused = Folders::open(common).expect_err("it is refused");
        assert_eq!(refused.kind(), io::ErrorKind::PermissionDenied);
    }

    #[test]
    fn a_socket_has_room_in_the_deepest_folder() {
        let base = tempfile::tempdir().expect("a folder");
        let folders = Folders::open(base.path().join("x".repeat(200))).expect("folders");
        let job = folders.fresh().expect("a folder");
        job.listen("agent-1").expect("a socket");
        assert!(fs::symlink_metadata(job.join("agent-1")).is_ok());
    }

    #[test]
    fn the_folder_of_a_job_is_private_and_goes_with_it() {
        let base = tempfile::tempdir().expect("a folder");
        let folders = Folders::open(base.path().join("jobs")).expect("folders");
        let (one, two) = (folders.fresh().expect("a folder"), folders.fresh().expect("a folder"));
        assert_ne!(one.path(), two.path());
        assert_eq!(fs::metadata(one.path()).expect("it is there").mode() & 0o777, 0o700);
        fs::write(one.join("file"), "").expect("a file");
        let path = one.path().to_owned();
        drop(one);
        assert!(!path.exists() && two.path().exists());
    }
}
