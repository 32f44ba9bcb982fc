//! The keeper's process: `claviger keeper run`, started by the server with a socket in place of its input: its
//! options, and its way from there to the desk.

use std::ffi::{OsStr, OsString};
use std::io::{self, IsTerminal as _, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::ExitCode;

use rustix::fs::{FileType, fstat};

use crate::ambient::Machine;
use crate::desk::Desk;
use crate::ledgers::AllCeilings;
use crate::sandbox;
use crate::serve::{say, serve};
use crate::start::{self, Layout};
pub use crate::start::{Prospect, StartError, StartReason, examine};
use crate::wire::message;

const DATA_DIR: &str = "--data-dir";
const MASTER_KEY_FILE: &str = "--master-key-file";
/// The ceilings: by one actor, and by all together.
const REVEALS: [&str; 2] = ["--reveals-per-actor", "--reveals-together"];
const GIT_SIGNATURES: [&str; 2] = ["--git-signatures-per-actor", "--git-signatures-together"];
const JWT_SIGNATURES: [&str; 2] = ["--jwt-signatures-per-actor", "--jwt-signatures-together"];

/// What the process is told at its start. Paths and numbers: nothing here is secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The folder that holds `master.key`, and `keeper/` with the sealed root and the journal.
    pub data_dir: PathBuf,
    /// The operator's own file with the master key (`CLAVIGER_MASTER_KEY_FILE`), in place of `master.key`.
    pub master_key_file: Option<PathBuf>,
    /// How many openings and signatures an hour allows.
    pub ceilings: AllCeilings,
}

impl Options {
    /// The options of a keeper in that folder, with nothing else configured.
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        Self { data_dir: data_dir.into(), master_key_file: None, ceilings: AllCeilings::default() }
    }

    /// The arguments that say these options, for [`Options::from_arguments`].
    pub fn to_arguments(&self) -> Vec<OsString> {
        let mut arguments = vec![DATA_DIR.into(), self.data_dir.clone().into()];
        if let Some(path) = &self.master_key_file {
            arguments.extend([MASTER_KEY_FILE.into(), path.clone().into()]);
        }
        let mut ceilings = self.ceilings;
        for (name, number) in named(&mut ceilings) {
            arguments.extend([name.into(), number.to_string().into()]);
        }
        arguments
    }

    /// Reads what [`Options::to_arguments`] wrote: pairs of a name and a value.
    pub fn from_arguments(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, StartError> {
        let mut arguments = arguments.into_iter();
        let (mut data_dir, mut master_key_file, mut ceilings) = (None, None, AllCeilings::default());
        while let Some(name) = arguments.next() {
            let value = arguments
                .next()
                .ok_or_else(|| StartError::Arguments(format!("{} has no value", name.display())))?;
            match name.to_str() {
                Some(DATA_DIR) => data_dir = Some(PathBuf::from(value)),
                Some(MASTER_KEY_FILE) => master_key_file = Some(PathBuf::from(value)),
                text => {
                    let ceiling = named(&mut ceilings).into_iter().find(|(known, _)| Some(*known) == text);
                    let unknown = || StartError::Arguments(format!("{} is unknown", name.display()));
                    *ceiling.ok_or_else(unknown)?.1 = number(&name, &value)?;
                }
            }
        }
        let data_dir = data_dir.ok_or_else(|| StartError::Arguments(format!("{DATA_DIR} is missing")))?;
        Ok(Self { data_dir, master_key_file, ceilings })
    }
}

/// Every ceiling with its argument's name.
fn named(ceilings: &mut AllCeilings) -> [(&'static str, &mut u32); 6] {
    let AllCeilings { reveals, git_signatures, jwt_signatures } = ceilings;
    [
        (REVEALS[0], &mut reveals.per_actor),
        (REVEALS[1], &mut reveals.together),
        (GIT_SIGNATURES[0], &mut git_signatures.per_actor),
        (GIT_SIGNATURES[1], &mut git_signatures.together),
        (JWT_SIGNATURES[0], &mut jwt_signatures.per_actor),
        (JWT_SIGNATURES[1], &mut jwt_signatures.together),
    ]
}

fn number(name: &OsStr, value: &OsStr) -> Result<u32, StartError> {
    value
        .to_str()
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| StartError::Arguments(format!("{} takes a number", name.display())))
}

/// The whole program from its arguments to its exit code. A failed start is told to the parent over the
/// socket; only where there is none is it said on the terminal.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    match Options::from_arguments(arguments).and_then(run) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            if matches!(error, StartError::NotStartedByServer | StartError::Arguments(_))
                || io::stdin().is_terminal()
            {
                let _ = writeln!(io::stderr(), "{error}");
            }
            ExitCode::FAILURE
        }
    }
}

/// Runs the keeper until its socket closes. An error of the start is told to the parent, and returned.
pub fn run(options: Options) -> Result<(), StartError> {
    // First of all, and so before the socket is taken over: what was inherited is closed by number.
    let confined = sandbox::confine();
    let socket = socket()?;
    match confined.and_then(|locked| stand(&options, locked)) {
        Ok(desk) => {
            serve(socket, desk, &Machine);
            Ok(())
        }
        Err(error) => {
            let notice = message::failed_notice(error.reason().code(), &error.to_string());
            say(&socket, 0, notice);
            Err(error)
        }
    }
}

fn stand(options: &Options, locked: Result<(), String>) -> Result<Desk, StartError> {
    let layout = Layout::new(&options.data_dir, options.master_key_file.as_deref());
    let mut started = start::start(&layout, options.ceilings, &Machine)?;
    let memory_locked = locked.is_ok();
    started.warnings.extend(locked.err());
    Machine.draw_once()?;
    // From here on all that it needs is open.
    let enclosure = sandbox::enclose(&mut started.warnings);
    Ok(Desk::new(started, memory_locked, enclosure))
}

/// The input, if it is the socket that the server puts there.
fn socket() -> Result<UnixStream, StartError> {
    let refused = |source| StartError::NotConfined { doing: "take over its socket", source };
    let input = io::stdin();
    let stat = fstat(input.as_fd()).map_err(io::Error::from).map_err(refused)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::Socket {
        return Err(StartError::NotStartedByServer);
    }
    let owned: OwnedFd = input.as_fd().try_clone_to_owned().map_err(refused)?;
    Ok(UnixStream::from(owned))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::Ceilings;

    #[test]
    fn options_read_back_from_their_arguments() {
        let mut options = Options::new("/var/lib/claviger");
        assert_eq!(Options::from_arguments(options.to_arguments()).expect("options"), options);
        options.master_key_file = Some("/run/secrets/master key".into());
        options.ceilings.reveals = Ceilings { per_actor: 0, together: u32::MAX };
        options.ceilings.git_signatures = Ceilings { per_actor: 1, together: 2 };
        options.ceilings.jwt_signatures = Ceilings { per_actor: 3, together: 4 };
        assert_eq!(Options::from_arguments(options.to_arguments()).expect("options"), options);
    }

    #[test]
    fn wrong_arguments_are_named() {
        for (arguments, names) in [
            (vec![], "--data-dir is missing"),
            (vec!["--data-dir"], "--data-dir has no value"),
            (vec!["--data-dir", "/x", "--listen", "1"], "--listen is unknown"),
            (vec!["--data-dir", "/x", "--reveals-per-actor", "-1"], "--reveals-per-actor takes a number"),
        ] {
            let error = Options::from_arguments(arguments.into_iter().map(OsString::from)).expect_err(names);
            assert!(error.to_string().contains(names), "{error}");
        }
    }
}
