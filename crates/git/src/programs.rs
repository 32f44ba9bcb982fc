//! The two programs that are ever started.

use std::ffi::OsStr;
use std::path::PathBuf;

/// Where `git` and `ssh` are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Programs {
    pub git: PathBuf,
    pub ssh: PathBuf,
}

/// One of them is not installed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no `{0}` on the search path: Git integrations need git and OpenSSH's client, 8.9 or newer")]
pub struct MissingProgram(pub &'static str);

impl Programs {
    /// Those on a search path, such as the variable `PATH` has.
    pub fn on(search_path: &OsStr) -> Result<Self, MissingProgram> {
        let find = |name: &'static str| {
            let candidates = std::env::split_paths(search_path).map(|folder| folder.join(name));
            let mut there = candidates.filter(|candidate| candidate.is_absolute() && candidate.is_file());
            there.next().ok_or(MissingProgram(name))
        };
        Ok(Self { git: find("git")?, ssh: find("ssh")? })
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn programs_are_found_on_the_search_path_and_nowhere_else() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = std::env::join_paths([Path::new("relative"), folder.path()]).expect("a path");
        assert_eq!(Programs::on(&path), Err(MissingProgram("git")));
        std::fs::write(folder.path().join("git"), "").expect("a file");
        assert_eq!(Programs::on(&path), Err(MissingProgram("ssh")));
        std::fs::write(folder.path().join("ssh"), "").expect("a file");
        let programs = Programs::on(&path).expect("both");
        assert_eq!(programs.git, folder.path().join("git"));
    }
}
