//! Who starts programs: the engine that runs `git` and `ssh`, whoever starts the keeper, and what only developers
//! run. Nothing else that is served by a request can.

use anyhow::Result;

use super::Finding;
use crate::house::House;

const MAY_START: [&str; 5] = [
    "crates/git/src/process.rs",
    "crates/git/src/programs.rs",
    "crates/keeper/src/client/child.rs",
    "crates/testkit/src/",
    "xtask/src/",
];

pub(super) fn check(house: &House) -> Result<Vec<Finding>> {
    let others =
        house.production().filter(|source| !MAY_START.iter().any(|place| source.path.starts_with(place)));
    let findings = others.flat_map(|source| {
        source.text.lines().enumerate().filter(|(_, line)| starts(line)).map(|(index, _)| {
            Finding::new(
                &source.path,
                index + 1,
                "starts a program: only claviger-git and the keeper's parent do",
            )
        })
    });
    Ok(findings.collect())
}

/// Whether a line names what starts programs, alone or in a list.
fn starts(line: &str) -> bool {
    let Some(behind) = line.split_once("process::").map(|(_, behind)| behind) else { return false };
    let names = behind.strip_prefix('{').unwrap_or(behind);
    names
        .split(|c: char| !c.is_alphanumeric() && c != '_')
        .any(|name| matches!(name, "Command" | "CommandExt"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_is_found_however_it_is_named() {
        for line in [
            "use std::process::Command;",
            "use tokio::process::{Child, Command};",
            "let child = std::process::Command::new(\"sh\").spawn()?;",
            "use std::os::unix::process::CommandExt as _;",
        ] {
            assert!(starts(line), "{line}");
        }
        for line in ["use clap::Command;", "use std::process::ExitCode;", "use crate::process::Process;"] {
            assert!(!starts(line), "{line}");
        }
    }
}
