//! The crash tests, with as many kills as they are told. What a run that is ended early found stays beside the builds.

use std::fs;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use claviger_testkit::KILLS_VARIABLE;

use super::listen;
use crate::bench::machine;
use crate::shell::{self, cargo, step};

/// What a run said that has not ended, in the folder of the builds.
const UNFINISHED: &str = "soak.md";
/// What the lines of the tests' own tally have in them.
const TALLY: &str = " kills, ";
/// How many tests there are that kill.
const TESTS: usize = 3;
/// The numbers of a tally, in their order.
const COLUMNS: [&str; 7] = [
    "kills",
    "with writes unanswered",
    "answered writes, all there",
    "unanswered writes",
    "of them there wholly",
    "of them not there at all",
    "events, all fitting",
];

/// The page's part.
pub(super) fn run(kills: u32) -> Result<String> {
    step(&format!("{kills} kills in each test of crashes"));
    let began = Instant::now();
    let unfinished = shell::target_folder().join(UNFINISHED);
    let mut tallies = Vec::new();
    let mut command = cargo(&["test", "--locked", "-p", "claviger", "--test", "crash"]);
    listen(command.env(KILLS_VARIABLE, kills.to_string()), |line| {
        let Some(tally) = Tally::of(line) else { return Ok(()) };
        tallies.push(tally);
        tallies.sort();
        fs::write(&unfinished, part(kills, &tallies, began.elapsed().as_secs())?).context(UNFINISHED)
    })?;
    if tallies.len() != TESTS {
        bail!("{} of {TESTS} tests said what they found", tallies.len());
    }
    fs::remove_file(&unfinished).context(UNFINISHED)?;
    part(kills, &tallies, began.elapsed().as_secs())
}

/// One row of the table: what a test of crashes says of itself when it has passed.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Tally {
    what: String,
    numbers: Vec<u64>,
}

impl Tally {
    /// None: the line is about something else.
    fn of(line: &str) -> Option<Self> {
        let (what, said) = line.split_once(": ").filter(|(_, said)| said.contains(TALLY))?;
        let numbers = said.split(|letter: char| !letter.is_ascii_digit());
        let numbers: Vec<u64> = numbers.filter_map(|number| number.parse().ok()).collect();
        (numbers.len() == COLUMNS.len()).then(|| Self { what: what.to_owned(), numbers })
    }

    fn row(&self) -> String {
        let cells: Vec<String> = self.numbers.iter().map(u64::to_string).collect();
        format!("| {} | {} |\n", self.what, cells.join(" | "))
    }
}

fn part(kills: u32, tallies: &[Tally], seconds: u64) -> Result<String> {
    let rows: String = tallies.iter().map(Tally::row).collect();
    let rule = " ---: |".repeat(COLUMNS.len());
    Ok(format!(
        "`cargo xtask soak --kills {kills}`, on a debug build.\n\n| who is ended | {} |\n| --- |{rule}\n{rows}\n\
         {seconds} seconds. {}.\n",
        COLUMNS.join(" | "),
        machine()?
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tally_becomes_a_row() {
        let line = "SQLite, SIGKILL of the server: 10 kills, 9 of them with writes unanswered; 57 answered writes, all \
                    there; 8 unanswered ones, of which 3 were there wholly and 5 not at all; 99 events, their chain, the \
                    tables and the index equal";
        let tally = Tally::of(line).unwrap();
        assert_eq!(tally.row(), "| SQLite, SIGKILL of the server | 10 | 9 | 57 | 8 | 3 | 5 | 99 |\n");
        assert_eq!(Tally::of("running 3 tests"), None);
        assert!(part(10, &[tally], 1).unwrap().contains("| 10 | 9 | 57 |"));
    }
}
