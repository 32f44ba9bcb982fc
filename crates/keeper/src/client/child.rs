//! The keeper's process as its parent sees it: started from the running image, with an empty environment
//! and one end of a socket pair as its input.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::error::SpawnError;
use super::link::Ends;
use super::options::{Program, SpawnOptions};
use crate::keys::Keys;
use crate::start::StartReason;
use crate::tree::RootFingerprint;
use crate::wire::frame::{self, FrameError};
use crate::wire::message::{self, Reply};

/// What it takes to start the keeper, the first time and again.
#[derive(Debug)]
pub(super) struct Starter {
    program: PathBuf,
    arguments: Vec<OsString>,
    /// Keeps the descriptor open that `program` names.
    _image: Option<File>,
    deadline: Duration,
    start_deadline: Duration,
}

impl Starter {
    pub(super) fn new(options: &SpawnOptions) -> Result<Self, SpawnError> {
        let mut process = options.process.clone();
        process.data_dir = std::path::absolute(&process.data_dir).map_err(SpawnError::Process)?;
        process.master_key_file =
            process.master_key_file.map(std::path::absolute).transpose().map_err(SpawnError::Process)?;
        let (program, image, mut arguments) = match &options.program {
            Program::RunningImage { arguments } => {
                let image = File::open("/proc/self/exe").map_err(SpawnError::Process)?;
                (format!("/proc/self/fd/{}", image.as_raw_fd()).into(), Some(image), arguments.clone())
            }
            Program::Path { path, arguments } => (path.clone(), None, arguments.clone()),
        };
        arguments.extend(process.to_arguments());
        Ok(Self {
            program,
            arguments,
            _image: image,
            deadline: options.deadline,
            start_deadline: options.start_deadline,
        })
    }

    /// Starts the process and waits for its first word.
    pub(super) fn start(&self) -> Result<Running, SpawnError> {
        let (ours, theirs) = UnixStream::pair().map_err(SpawnError::Process)?;
        let child = self.spawn(theirs).map_err(SpawnError::Process)?;
        let mut guarded = Guarded(child);
        ours.set_read_timeout(Some(self.start_deadline)).map_err(SpawnError::Process)?;
        ours.set_write_timeout(Some(self.deadline)).map_err(SpawnError::Process)?;
        let mut socket = ours;
        let reply = match frame::read(&mut socket) {
            Ok(Some(frame)) => Reply::decode(&frame).ok(),
            Ok(None) => return Err(SpawnError::NoKeeper(guarded.end())),
            Err(FrameError::Io(error)) if is_timeout(&error) => {
                return Err(SpawnError::TooSlow(self.start_deadline));
            }
            Err(error) => return Err(SpawnError::NoKeeper(error.to_string())),
        };
        match reply {
            Some(Reply::Ready { root, warnings }) => Ok(Running { child: guarded, socket, root, warnings }),
            Some(Reply::Failed { code, explanation }) => {
                Err(SpawnError::Refused { reason: StartReason::from_code(code), explanation })
            }
            _ => Err(SpawnError::NoKeeper("its first word was another".into())),
        }
    }

    /// The command is gone when this returns, and with it our hold of the child's end of the socket.
    fn spawn(&self, input: UnixStream) -> io::Result<Child> {
        Command::new(&self.program)
            .arg0("claviger")
            .args(&self.arguments)
            .env_clear()
            .current_dir("/")
            // A group of its own: an interrupt from the terminal is for the server, which then ends the
            // keeper when it no longer needs it.
            .process_group(0)
            .stdin(OwnedFd::from(input))
            .stdout(Stdio::null())
            .spawn()
    }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

/// A keeper that stands.
#[derive(Debug)]
pub(super) struct Running {
    child: Guarded,
    socket: UnixStream,
    pub(super) root: RootFingerprint,
    pub(super) warnings: Vec<String>,
}

impl Running {
    pub(super) fn process(&self) -> u32 {
        self.child.0.id()
    }

    /// Asks for the keys, once in the life of the parent.
    pub(super) fn ask_for_keys(&mut self) -> Result<Keys, SpawnError> {
        let trouble = |error: FrameError| SpawnError::NoKeeper(error.to_string());
        let (kind, body) = message::keys_request();
        frame::write(&mut self.socket, kind, 0, &body.into_bytes()).map_err(trouble)?;
        let frame = frame::read(&mut self.socket).map_err(trouble)?;
        match frame.map(|frame| Reply::decode(&frame)) {
            Some(Ok(Reply::Keys(keys))) => Ok(*keys),
            _ => Err(SpawnError::NoKeeper("it did not give its keys".into())),
        }
    }

    /// The socket for those who ask; the supervisor listens on this one.
    pub(super) fn ends(&self) -> Result<Ends, SpawnError> {
        self.socket.set_read_timeout(None).map_err(SpawnError::Process)?;
        let copy = || self.socket.try_clone().map_err(SpawnError::Process);
        Ok(Ends { socket: copy()?, writer: copy()? })
    }

    pub(super) fn socket(&mut self) -> &mut UnixStream {
        &mut self.socket
    }

    /// Waits for the process to end, kills it if it takes too long, and tells how it ended.
    pub(super) fn end(mut self, grace: Duration) -> String {
        let patience = Instant::now() + grace;
        while Instant::now() < patience {
            match self.child.0.try_wait() {
                Ok(Some(status)) => return status.to_string(),
                Ok(None) => std::thread::sleep(Duration::from_millis(5)),
                Err(_) => break,
            }
        }
        self.child.end()
    }
}

/// A process that does not outlive its owner's interest.
#[derive(Debug)]
struct Guarded(Child);

impl Guarded {
    fn end(&mut self) -> String {
        // Killing one that has ended already does nothing.
        let _ = self.0.kill();
        self.0.wait().map_or_else(|error| error.to_string(), |status| status.to_string())
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        self.end();
    }
}
