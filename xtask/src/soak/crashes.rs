//! `cargo xtask soak`: the crash tests with hundreds of kills in place of ten. What they say becomes
//! docs/soak.md once all of them have said it; what a run that is ended early found stays beside the builds.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::Stdio;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use claviger_testkit::KILLS_VARIABLE;

use crate::bench::machine;
use crate::shell::{self, cargo, say, step};

const PAGE: &str = "docs/soak.md";
/// The page of a run that has not ended, in the folder of the builds.
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

/// How the soak is run.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// How often each of the three tests kills.
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    kills: u32,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    step(&format!("{} kills in each test of crashes", arguments.kills));
    let began = Instant::now();
    let mut command = cargo(&["test", "--locked", "-p", "claviger", "--test", "crash"]);
    command.env(KILLS_VARIABLE, arguments.kills.to_string()).stderr(Stdio::piped());
    let mut child = command.spawn().context("start cargo")?;
    let output = child.stderr.take().context("what the tests say")?;
    let mut tallies = Vec::new();
    for line in BufReader::new(output).lines() {
        let line = line.context("what the tests say")?;
        say(&line);
        if let Some(tally) = Tally::of(&line) {
            tallies.push(tally);
            tallies.sort();
            let seconds = began.elapsed().as_secs();
            let page = page(arguments.kills, &tallies, seconds)?;
            fs::write(shell::target_folder().join(UNFINISHED), page).context(UNFINISHED)?;
        }
    }
    if !child.wait().context("wait for cargo")?.success() {
        bail!("a crash left something behind: see above");
    }
    if tallies.len() != TESTS {
        bail!("{} of {TESTS} tests said what they found", tallies.len());
    }
    finish(&shell::target_folder().join(UNFINISHED), &shell::root().join(PAGE))?;
    say(&format!("kept in {PAGE}"));
    Ok(())
}

/// The last page in full is replaced by that of a run in which all have spoken, and by no other.
fn finish(unfinished: &Path, page: &Path) -> Result<()> {
    // Copied, not moved: the builds may lie on another file system.
    fs::copy(unfinished, page).context(PAGE)?;
    fs::remove_file(unfinished).context(UNFINISHED)
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

fn page(kills: u32, tallies: &[Tally], seconds: u64) -> Result<String> {
    let rows: String = tallies.iter().map(Tally::row).collect();
    let rule = " ---: |".repeat(COLUMNS.len());
    Ok(format!(
        "# Soak\n\nWhat `cargo xtask soak --kills {kills}` said last: the real server, or PostgreSQL itself, ended \
         at random instants\nwhile eight clients write. After each end it is demanded that every answered write \
         is there, that no unanswered\none is half there and that each is done once when it is sent again under \
         its `Idempotency-Key`, that the chain of\nhashes and the tables fit the log (`verify-log --state`), and \
         that an index which only ever followed the log equals\none that is loaded from the tables.\n\n| who is ended | {} |\n| --- |{rule}\n{rows}\n\
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
        assert!(page(10, &[tally], 1).unwrap().contains("| 10 | 9 | 57 |"));
    }
}
