//! What the process does to itself before it reads a secret: no dumps, no debugger, no swap, no files that
//! were left open by whoever started it; and what it gives up afterwards, in [`enclosure`]. The only file of the
//! workspace with `unsafe`.

mod enclosure;

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsRawFd as _, RawFd};

use rustix::fs::{Dir, Mode, OFlags, open};
use rustix::mm::{MlockAllFlags, mlockall};
use rustix::process::{
    DumpableBehavior, Resource, Rlimit, dumpable_behavior, getrlimit, set_dumpable_behavior, setrlimit, umask,
};
use rustix::thread::{CapabilitySet, capabilities, set_name, set_no_new_privs};

pub(crate) use enclosure::{Enclosure, enclose};

use crate::start::StartError;

/// The name that `ps` shows.
const NAME: &CStr = c"claviger-keeper";

/// Forbids dumps of this process's memory, and other processes of the same user to look into it. Both
/// sides of the socket pair call it before a secret is read.
pub fn forbid_dumps() -> io::Result<()> {
    Ok(set_dumpable_behavior(DumpableBehavior::NotDumpable)?)
}

/// Whether the memory of this process may be dumped. What cannot be asked is taken for a yes.
pub fn is_dumpable() -> bool {
    !matches!(dumpable_behavior(), Ok(DumpableBehavior::NotDumpable))
}

/// Everything of the keeper's process. Tells whether its memory is locked, and why not.
pub(crate) fn confine() -> Result<Result<(), String>, StartError> {
    let refused = |doing| move |source: io::Error| StartError::NotConfined { doing, source };
    forbid_dumps().map_err(refused("forbid dumps of its memory"))?;
    let no_core = Rlimit { current: Some(0), maximum: Some(0) };
    setrlimit(Resource::Core, no_core).map_err(io::Error::from).map_err(refused("forbid core files"))?;
    set_no_new_privs(true).map_err(io::Error::from).map_err(refused("give up new privileges"))?;
    umask(Mode::from_raw_mode(0o077));
    // A name is for people only.
    let _ = set_name(NAME);
    close_inherited().map_err(refused("close what it inherited"))?;
    Ok(lock_memory())
}

/// Keeps the memory out of swap. Pages are locked as they are touched, so that the whole program need not
/// be in memory for it.
fn lock_memory() -> Result<(), String> {
    let limit = getrlimit(Resource::Memlock);
    let privileged = capabilities(None).is_ok_and(|sets| sets.effective.contains(CapabilitySet::IPC_LOCK));
    // Under a limit, everything mapped later would fail once the limit is reached, and the keeper with it.
    if let (Some(bytes), false) = (limit.current, privileged) {
        return Err(format!(
            "the keeper's memory is not locked and may reach the swap: the limit is {bytes} bytes. Lift it \
             (LimitMEMLOCK=infinity, ulimit -l unlimited), or use encrypted swap or none"
        ));
    }
    mlockall(MlockAllFlags::CURRENT | MlockAllFlags::FUTURE | MlockAllFlags::ONFAULT)
        .map_err(|error| format!("the keeper's memory is not locked and may reach the swap: {error}"))
}

/// Closes every file but input, output and errors. Whoever started the server may have left some open for
/// all its children, listening sockets among them.
fn close_inherited() -> io::Result<()> {
    let list = Dir::new(open(
        "/proc/self/fd",
        OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
    )?)?;
    let own = list.fd()?.as_raw_fd();
    let mut inherited = Vec::new();
    for entry in list {
        let number = entry?.file_name().to_str().ok().and_then(|name| name.parse::<RawFd>().ok());
        inherited.extend(number.filter(|number| *number > 2 && *number != own));
    }
    for number in inherited {
        close(number);
    }
    Ok(())
}

#[expect(unsafe_code, reason = "a file that no value owns can be closed by its number alone")]
fn close(number: RawFd) {
    // SAFETY: this is the first thing that the process does. It runs one thread, nothing of it has opened a
    // file that is still open but the list of these numbers, which is not among them: no value owns any.
    unsafe { rustix::io::close(number) }
}
