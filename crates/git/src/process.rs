//! A program of the system as a child: an empty environment but what is named, a process group of its own, limits,
//! and an end that is certain.

use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::process::{ExitStatus, Stdio};

use rustix::process::{Pid, Resource, Rlimit, Signal, WaitId, WaitIdOptions};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};

use crate::limits::Limits;

/// A child that is killed when this is dropped, with all that it started.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
}

/// Its three streams.
pub(crate) struct Pipes {
    pub(crate) input: ChildStdin,
    pub(crate) output: ChildStdout,
    pub(crate) errors: ChildStderr,
}

impl Process {
    /// Starts the program in `folder`. Files that it writes are at most `file_bytes` long.
    pub(crate) fn start<'a>(
        program: &Path,
        arguments: impl IntoIterator<Item = &'a OsStr>,
        environment: impl IntoIterator<Item = (&'a str, &'a OsStr)>,
        folder: &Path,
        limits: &Limits,
        file_bytes: u64,
    ) -> io::Result<(Self, Pipes)> {
        let mut command = Command::new(program);
        command.args(arguments).env_clear().env("LC_ALL", "C").envs(environment).current_dir(folder);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.process_group(0).kill_on_drop(true).spawn()?;
        let pipes = child.stdin.take().zip(child.stdout.take()).zip(child.stderr.take());
        let process = Self { child };
        process.limit(limits, file_bytes)?;
        let ((input, output), errors) = pipes.ok_or(io::ErrorKind::BrokenPipe)?;
        Ok((process, Pipes { input, output, errors }))
    }

    /// They hold from just after its start. What it has taken by then counts too.
    fn limit(&self, limits: &Limits, file_bytes: u64) -> io::Result<()> {
        let Some(pid) = self.pid() else { return Ok(()) };
        for (resource, most) in [
            (Resource::As, limits.memory_bytes),
            (Resource::Cpu, limits.cpu_seconds),
            (Resource::Fsize, file_bytes),
            (Resource::Nofile, 64),
            // It can start no process and no thread. The kernel exempts root.
            (Resource::Nproc, 0),
            (Resource::Core, 0),
        ] {
            let limit = Rlimit { current: Some(most), maximum: Some(most) };
            match rustix::process::prlimit(Some(pid), resource, limit) {
                // It has ended already, and somebody asks it why.
                Ok(_) | Err(rustix::io::Errno::SRCH) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Waits for its end.
    pub(crate) async fn ended(&mut self) -> io::Result<ExitStatus> {
        self.child.wait().await
    }

    /// While it is not known to have ended, and its number can be nobody else's.
    fn pid(&self) -> Option<Pid> {
        self.child.id().and_then(|id| Pid::from_raw(id.cast_signed()))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(pid) = self.pid() {
            // Nobody is there to be killed if it ended by itself just now.
            let _ = rustix::process::kill_process_group(pid, Signal::KILL);
            // Its folder is removed next: it must not write to it any more. That it ended is left for the runtime
            // to take note of.
            let ended = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
            let _ = rustix::process::waitid(WaitId::Pid(pid), ended);
        }
    }
}
