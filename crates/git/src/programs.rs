//! The two programs that are ever started.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The oldest `git` that has all that is asked of it here: repositories by the kind of their ids.
const GIT: Version = Version(2, 29);
/// The oldest `ssh` that tells an agent which host it signs in to.
const SSH: Version = Version(8, 9);

/// Where `git` and `ssh` are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Programs {
    pub(crate) git: PathBuf,
    pub(crate) ssh: PathBuf,
}

/// Why Git integrations can't work on this machine.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnfitProgram {
    #[error(
        "there is no `{0}` on the search path: Git integrations need git {GIT} and OpenSSH {SSH}, or newer"
    )]
    Missing(&'static str),
    #[error("{} says it is {said:?}: Git integrations need git {GIT} and OpenSSH {SSH}, or newer", path.display())]
    TooOld { path: PathBuf, said: String },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Version(u32, u32);

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

impl Programs {
    /// Those on a search path, such as the variable `PATH` has, if they are new enough.
    pub fn on(search_path: &OsStr) -> Result<Self, UnfitProgram> {
        let find = |name: &'static str| {
            let candidates = std::env::split_paths(search_path).map(|folder| folder.join(name));
            let mut there = candidates.filter(|candidate| candidate.is_absolute() && candidate.is_file());
            there.next().ok_or(UnfitProgram::Missing(name))
        };
        let programs = Self { git: find("git")?, ssh: find("ssh")? };
        demand(&programs.git, "--version", "git version ", GIT)?;
        demand(&programs.ssh, "-V", "OpenSSH_", SSH)?;
        Ok(programs)
    }
}

fn demand(path: &Path, question: &str, beginning: &str, oldest: Version) -> Result<(), UnfitProgram> {
    let answer = Command::new(path).arg(question).env_clear().stdin(Stdio::null()).output();
    let said = match answer {
        Ok(output) => String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).trim().to_owned(),
        Err(error) => error.to_string(),
    };
    match version(&said, beginning) {
        Some(found) if found >= oldest => Ok(()),
        _ => Err(UnfitProgram::TooOld { path: path.to_owned(), said }),
    }
}

/// The first two numbers behind the beginning.
fn version(said: &str, beginning: &str) -> Option<Version> {
    let mut numbers = said.strip_prefix(beginning)?.split(|c: char| !c.is_ascii_digit());
    Some(Version(numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn write(folder: &Path, name: &str, says: &str) {
        let path = folder.join(name);
        fs::write(&path, format!("#!/bin/sh\necho '{says}'\n")).expect("a file");
        fs::set_permissions(path, fs::Permissions::from_mode(0o700)).expect("a program");
    }

    #[test]
    fn programs_are_found_on_the_search_path_and_nowhere_else() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = std::env::join_paths([Path::new("relative"), folder.path()]).expect("a path");
        assert_eq!(Programs::on(&path), Err(UnfitProgram::Missing("git")));
        write(folder.path(), "git", "git version 2.29.0");
        assert_eq!(Programs::on(&path), Err(UnfitProgram::Missing("ssh")));
        write(folder.path(), "ssh", "OpenSSH_8.9p1 Debian-1, OpenSSL 3.0");
        let programs = Programs::on(&path).expect("both");
        assert_eq!(programs.git, folder.path().join("git"));
    }

    #[test]
    fn programs_that_are_too_old_are_named_with_what_they_say() {
        let folder = tempfile::tempdir().expect("a folder");
        for (git, ssh, unfit) in [
            ("git version 2.28.9", "OpenSSH_9.0p1", "git"),
            ("hello", "OpenSSH_9.0p1", "git"),
            ("git version 2.39.5 (Apple Git-154)", "OpenSSH_8.7p1, OpenSSL 3.0", "ssh"),
            ("git version 3.0", "Dropbear v2024.85", "ssh"),
        ] {
            write(folder.path(), "git", git);
            write(folder.path(), "ssh", ssh);
            let said = if unfit == "git" { git } else { ssh }.to_owned();
            let expected = UnfitProgram::TooOld { path: folder.path().join(unfit), said };
            assert_eq!(Programs::on(folder.path().as_os_str()), Err(expected));
        }
    }
}
