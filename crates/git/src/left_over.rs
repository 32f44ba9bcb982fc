//! What a killed process has left running: nobody ended it, and it would go on in a folder that is being removed, and
//! with a connection to a host.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

/// How often, and how long each time, the end of a process is waited for. One that the kernel keeps is not waited for.
const TRIES: u32 = 200;
const PAUSE: Duration = Duration::from_millis(10);

/// Kills this user's processes whose folder is this one or below it, and waits until there is none.
pub(crate) fn end_all_below(folder: &Path) -> io::Result<()> {
    let Ok(folder) = fs::canonicalize(folder) else { return Ok(()) };
    for _ in 0..TRIES {
        let mut found = false;
        for process in fs::read_dir("/proc")? {
            found |= kill_if_below(&process?.path(), &folder);
        }
        if !found {
            return Ok(());
        }
        thread::sleep(PAUSE);
    }
    tracing::warn!(folder = %folder.display(), "a process of an earlier Git job could not be ended");
    Ok(())
}

/// Whether it runs there. Most are somebody else's, and may not be looked at, or end meanwhile.
fn kill_if_below(process: &Path, folder: &Path) -> bool {
    let number = process.file_name().and_then(|name| name.to_str()).and_then(|name| name.parse().ok());
    let Some(pid) = number.and_then(Pid::from_raw) else { return false };
    // From here on the number can't become another process's without our noticing.
    let Ok(held) = pidfd_open(pid, PidfdFlags::empty()) else { return false };
    let ours = pid != rustix::process::getpid()
        && fs::metadata(process).is_ok_and(|found| found.uid() == rustix::process::geteuid().as_raw());
    if !ours || !fs::read_link(process.join("cwd")).is_ok_and(|place| place.starts_with(folder)) {
        return false;
    }
    let _ = pidfd_send_signal(held, Signal::KILL);
    true
}
