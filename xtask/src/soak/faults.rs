//! Load, changes and faults all at once, for as long as it is told.

use std::time::Instant;

use anyhow::{Result, bail};
use claviger_testkit::{SOAK_SAYS, SOAK_VARIABLE};

use super::listen;
use crate::bench::machine;
use crate::shell::{cargo, step};

/// How many lines the tests say of themselves: enforcement at three loads, PostgreSQL away, keepers killed, and random
/// faults.
const LINES: usize = 6;

/// The page's part.
pub(super) fn run(seconds: u64) -> Result<String> {
    step(&format!("load, changes and faults for {seconds} seconds"));
    let began = Instant::now();
    let mut said = Vec::new();
    let mut command = cargo(&["test", "--locked", "-p", "claviger", "--test", "soak"]);
    listen(command.env(SOAK_VARIABLE, seconds.to_string()), |line| {
        said.extend(line.strip_prefix(SOAK_SAYS).map(ToOwned::to_owned));
        Ok(())
    })?;
    if said.len() != LINES {
        bail!("the tests said {} lines of themselves, not {LINES}", said.len());
    }
    Ok(format!(
        "`cargo xtask soak --seconds {seconds}`, on a debug build; {} seconds with all that was made for it. {}.\n\n{}",
        began.elapsed().as_secs(),
        machine()?,
        list(&said)
    ))
}

fn list(said: &[String]) -> String {
    said.iter().map(|line| format!("- {line}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_stands_for_itself() {
        assert_eq!(list(&["one: 1".to_owned(), "other: 2".to_owned()]), "- one: 1\n- other: 2\n");
    }
}
