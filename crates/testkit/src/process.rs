//! A server as a child process: its output kept in a file, its end certain.
//!
//! A value is dropped when its test ends well or badly, but not when the test process is killed, and never
//! when it sits in a static. So beside each server sits a guardian, a shell that waits on a pipe from this
//! process: when the pipe closes, however this process ended, it ends the server and removes its folder.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};

/// How long a server may take to answer or to end: far beyond what it needs on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(20);
/// How much of a log a failure shows.
const SHOWN_LOG: usize = 16_000;

/// A running server.
#[derive(Debug)]
pub(crate) struct Process {
    name: &'static str,
    child: Child,
    log: PathBuf,
    ending: Signal,
    /// Whether what it started ends with it.
    group: bool,
    guardian: Guardian,
}

impl Process {
    /// Starts the command with its output appended to `log`. `ending` is the signal on which it gives up
    /// at once; `folder` is removed if this process dies first.
    #[track_caller]
    pub(crate) fn start(
        name: &'static str,
        command: &mut Command,
        log: &Path,
        ending: Signal,
        folder: &Path,
    ) -> Self {
        Self::start_as(false, name, command, log, ending, folder)
    }

    /// The same for a server that leaves what it started behind: the signal goes to all of them.
    #[track_caller]
    pub(crate) fn start_group(
        name: &'static str,
        command: &mut Command,
        log: &Path,
        ending: Signal,
        folder: &Path,
    ) -> Self {
        Self::start_as(true, name, command, log, ending, folder)
    }

    #[track_caller]
    fn start_as(
        group: bool,
        name: &'static str,
        command: &mut Command,
        log: &Path,
        ending: Signal,
        folder: &Path,
    ) -> Self {
        let output = File::options()
            .create(true)
            .append(true)
            .open(log)
            .and_then(|file| Ok((file.try_clone()?, file)))
            .unwrap_or_else(|e| panic!("open {}: {e}", log.display()));
        let child = command
            .stdin(Stdio::null())
            .stdout(output.0)
            .stderr(output.1)
            .process_group(0)
            .spawn()
            .unwrap_or_else(|e| panic!("start {name} ({}): {e}", command.get_program().display()));
        let whom = if group { format!("-{}", child.id()) } else { child.id().to_string() };
        let guardian = Guardian::over(&whom, ending, folder);
        Self { name, child, log: log.to_owned(), ending, group, guardian }
    }

    /// Waits until `ready` says so; panics with the log if the server ends first or takes too long.
    #[track_caller]
    pub(crate) fn wait_until(&mut self, what: &str, mut ready: impl FnMut() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !ready() {
            if let Some(status) = self.exited() {
                panic!("{} ended ({status}) before it was {what}. Its log:\n{}", self.name, self.log_end());
            }
            assert!(
                Instant::now() < deadline,
                "{} was not {what} within {PATIENCE:?}. Its log:\n{}",
                self.name,
                self.log_end()
            );
            thread::sleep(PAUSE);
        }
    }

    /// Waits until it has said this: a server answers first and logs after.
    #[track_caller]
    pub(crate) fn wait_for_log(&mut self, text: &str) {
        let log = self.log.clone();
        self.wait_until(&format!("saying {text:?}"), || read(&log).contains(text));
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// The processes that it started, and theirs.
    pub(crate) fn descendants(&self) -> Vec<u32> {
        let mut found = Vec::new();
        let mut parents = vec![self.id()];
        while let Some(parent) = parents.pop() {
            let children = children_of(parent);
            parents.extend(&children);
            found.extend(children);
        }
        found
    }

    /// The signal to it, and then to all that it started.
    pub(crate) fn signal_all(&self, signal: Signal) {
        rustix::process::kill_process(self.pid(), signal)
            .unwrap_or_else(|e| panic!("signal {}: {e}", self.name));
        for id in self.descendants() {
            if let Some(pid) = Pid::from_raw(id.cast_signed()) {
                // It may have ended meanwhile.
                let _ = rustix::process::kill_process(pid, signal);
            }
        }
    }

    /// How it ended, if it did.
    pub(crate) fn exited(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap_or_else(|e| panic!("wait for {}: {e}", self.name))
    }

    /// Sends a signal and waits for the end; past all patience, the end is forced.
    pub(crate) fn end_with(&mut self, signal: Signal) -> ExitStatus {
        if let Some(status) = self.exited() {
            self.guardian.dismiss();
            return status;
        }
        // It may end by itself at this very moment: then there is nobody to signal.
        let _ = match self.group {
            true => rustix::process::kill_process_group(self.pid(), signal),
            false => rustix::process::kill_process(self.pid(), signal),
        };
        let deadline = Instant::now() + PATIENCE;
        let status = loop {
            match self.exited() {
                Some(status) => break status,
                None if Instant::now() > deadline => break self.force(),
                None => thread::sleep(Duration::from_millis(5)),
            }
        };
        self.guardian.dismiss();
        status
    }

    fn force(&mut self) -> ExitStatus {
        let _ = self.child.kill();
        self.child.wait().unwrap_or_else(|e| panic!("wait for {}: {e}", self.name))
    }

    /// All that it has said so far.
    pub(crate) fn log(&self) -> String {
        read(&self.log)
    }

    /// The end of what it has said, for a failure's message.
    pub(crate) fn log_end(&self) -> String {
        let log = self.log();
        let from = log.ceil_char_boundary(log.len().saturating_sub(SHOWN_LOG));
        log[from..].to_owned()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let failing = thread::panicking();
        if failing {
            show(&format!("---- log of {} ----\n{}\n----", self.name, self.log_end()));
        }
        self.end_with(self.ending);
    }
}

fn children_of(parent: u32) -> Vec<u32> {
    let Ok(processes) = fs::read_dir("/proc") else { return Vec::new() };
    processes
        .filter_map(|entry| {
            let id: u32 = entry.ok()?.file_name().to_str()?.parse().ok()?;
            let status = fs::read_to_string(format!("/proc/{id}/status")).ok()?;
            let line = status.lines().find_map(|line| line.strip_prefix("PPid:"))?;
            (line.trim().parse() == Ok(parent)).then_some(id)
        })
        .collect()
}

fn read(log: &Path) -> String {
    fs::read(log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}

#[expect(clippy::print_stderr, reason = "beside a failed test's message, its servers' logs are shown")]
fn show(text: &str) {
    eprintln!("{text}");
}

/// Waits on a pipe; when it closes without a word, ends the server and removes its folder.
const GUARDIAN: &str = r#"
if read -r word; then exit 0; fi
kill -s "$2" -- "$1" 2>/dev/null
for _ in $(seq 100); do kill -s 0 -- "$1" 2>/dev/null || break; sleep 0.1; done
rm -rf -- "$3"
"#;

#[derive(Debug)]
struct Guardian(Child);

impl Guardian {
    #[track_caller]
    fn over(whom: &str, ending: Signal, folder: &Path) -> Self {
        let guardian = Command::new("/bin/sh")
            .args(["-c", GUARDIAN, "guardian"])
            .arg(whom)
            .arg(ending.as_raw().to_string())
            .arg(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .unwrap_or_else(|e| panic!("start a shell: {e}"));
        Self(guardian)
    }

    /// The server is gone: nothing to watch over.
    fn dismiss(&mut self) {
        if let Some(mut pipe) = self.0.stdin.take() {
            let told: io::Result<()> = pipe.write_all(b"done\n");
            drop(pipe);
            if told.is_ok() {
                let _ = self.0.wait();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_ends_when_its_test_process_dies() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("inner");
        fs::create_dir(&inner).unwrap();
        let log = folder.path().join("log");
        let mut process =
            Process::start("sleep", Command::new("sleep").arg("600"), &log, Signal::TERM, &inner);
        // What the kernel does to the pipe of a process that was killed.
        drop(process.guardian.0.stdin.take());
        assert!(process.child.wait().unwrap().code().is_none(), "it was ended by a signal");
        assert!(process.guardian.0.wait().unwrap().success());
        assert!(!inner.exists());
    }

    #[test]
    fn what_a_server_started_ends_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let mut command = Command::new("sh");
        command.args(["-c", "sleep 600 & echo started; wait"]);
        let mut process = Process::start_group("sh", &mut command, &log, Signal::KILL, folder.path());
        process.wait_for_log("started");
        let group = process.pid();
        drop(process);
        let gone = || rustix::process::test_kill_process_group(group).is_err();
        assert!(
            (0..500).any(|_| gone() || {
                thread::sleep(PAUSE);
                false
            }),
            "something is left of the group"
        );
    }

    #[test]
    #[should_panic(expected = "the last word")]
    fn a_server_that_ends_early_shows_its_log() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let mut command = Command::new("sh");
        command.args(["-c", "echo the last word >&2; exit 3"]);
        let mut process = Process::start("sh", &mut command, &log, Signal::TERM, folder.path());
        process.wait_until("ready", || false);
    }
}
