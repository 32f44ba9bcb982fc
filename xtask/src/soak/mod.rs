//! `cargo xtask soak`: the long runs of tests that the test command runs for a minute. The crash tests with hundreds
//! of kills in place of ten; load, changes and faults for ten minutes in place of one. What they say of themselves
//! becomes docs/soak.md, each in its own part of the page, once all of them have passed.

mod crashes;
mod faults;

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use crate::shell::{self, say};

const PAGE: &str = "docs/soak.md";

/// How the soak is run.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// One part alone.
    #[arg(long)]
    part: Option<Part>,
    /// How often each of the three tests of crashes kills.
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    kills: u32,
    /// For how long calls and changes meet faults; PostgreSQL is away for a fifth of it, at most two minutes.
    #[arg(long, default_value_t = 600, value_parser = clap::value_parser!(u64).range(30..=604_800))]
    seconds: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    Crashes,
    Faults,
}

impl Part {
    /// Between which lines of the page it stands.
    const fn marks(self) -> (&'static str, &'static str) {
        match self {
            Self::Crashes => ("<!-- xtask soak: crashes -->", "<!-- /xtask soak: crashes -->"),
            Self::Faults => ("<!-- xtask soak: faults -->", "<!-- /xtask soak: faults -->"),
        }
    }
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let chosen = |part| arguments.part.is_none_or(|only| only == part);
    if chosen(Part::Faults) {
        keep(Part::Faults, &faults::run(arguments.seconds)?)?;
    }
    if chosen(Part::Crashes) {
        keep(Part::Crashes, &crashes::run(arguments.kills)?)?;
    }
    Ok(())
}

/// Runs tests in sight of the caller, and hands on each line that they write past their harness.
fn listen(command: &mut Command, mut hear: impl FnMut(&str) -> Result<()>) -> Result<()> {
    let mut child = command.stderr(Stdio::piped()).spawn().context("start cargo")?;
    let output = child.stderr.take().context("what the tests say")?;
    for line in BufReader::new(output).lines() {
        let line = line.context("what the tests say")?;
        say(&line);
        hear(&line)?;
    }
    if !child.wait().context("wait for cargo")?.success() {
        bail!("a test of the soak failed: see above");
    }
    Ok(())
}

/// Puts what a run said in the place of what the last one did.
fn keep(part: Part, said: &str) -> Result<()> {
    let path = shell::root().join(PAGE);
    let page = fs::read_to_string(&path).context(PAGE)?;
    fs::write(&path, replaced(&page, part, said)?).context(PAGE)?;
    say(&format!("kept in {PAGE}"));
    Ok(())
}

fn replaced(page: &str, part: Part, said: &str) -> Result<String> {
    let (begin, end) = part.marks();
    let from = page.find(begin).with_context(|| format!("{PAGE} has no {begin}"))? + begin.len();
    let to = page.find(end).with_context(|| format!("{PAGE} has no {end}"))?;
    Ok(format!("{}\n\n{}\n\n{}", &page[..from], said.trim(), &page[to..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_has_its_place_on_the_page() {
        let page = fs::read_to_string(shell::root().join(PAGE)).unwrap();
        let page = replaced(&page, Part::Faults, "all well").unwrap();
        let page = replaced(&page, Part::Crashes, "also well").unwrap();
        assert!(page.contains("faults -->\n\nall well\n\n<!--"), "{page}");
        assert!(page.contains("crashes -->\n\nalso well\n\n<!--"), "{page}");
        assert!(replaced("# Soak", Part::Faults, "").is_err());
    }
}
