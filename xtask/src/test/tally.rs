//! Counts what `cargo test` says ran, while passing on every line of it.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use crate::shell::{say, shown};

/// What ran so far.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    kinds: Vec<(String, Count, Duration)>,
    /// Of kinds that passed as a whole, and of the one that runs.
    named: BTreeSet<String>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Count {
    passed: u32,
    failed: u32,
    ignored: u32,
}

impl Tally {
    /// Runs the tests of one kind in sight of the caller. A failure is an error; so is a test passed over, and
    /// a kind of which nothing ran.
    pub(super) fn run(&mut self, kind: &str, command: &mut Command) -> Result<()> {
        say(&format!("   $ {}", shown(command)));
        let began = Instant::now();
        let mut child = command.stdout(Stdio::piped()).spawn().context("start cargo")?;
        let output = child.stdout.take().context("the output of cargo")?;
        let mut count = Count::default();
        for line in BufReader::new(output).lines() {
            let line = line.context("the output of cargo")?;
            say(&line);
            count.add(&line);
            self.named.extend(named_test(&line).map(str::to_owned));
        }
        let status = child.wait().context("wait for cargo")?;
        if !status.success() || count.failed > 0 {
            bail!("tests of the kind \"{kind}\" failed");
        }
        if count.ignored > 0 {
            bail!("{} tests of the kind \"{kind}\" were passed over: none may be", count.ignored);
        }
        self.kinds.push((kind.to_owned(), count, began.elapsed()));
        Ok(())
    }

    /// The names of all tests that ran.
    pub(super) const fn named(&self) -> &BTreeSet<String> {
        &self.named
    }

    /// The last thing that the test command shows.
    pub(super) fn print(&self) {
        let width = self.kinds.iter().map(|(kind, ..)| kind.len()).max().unwrap_or(0);
        say(&format!("\n{:width$}   tests   seconds", "kind"));
        for (kind, count, took) in &self.kinds {
            say(&format!("{kind:width$}   {:5}   {:7}", count.passed, took.as_secs()));
        }
        let all: u32 = self.kinds.iter().map(|(_, count, _)| count.passed).sum();
        say(&format!("{:width$}   {all:5}", "all"));
    }
}

impl Count {
    /// Reads `test result: ok. 12 passed; 0 failed; 0 ignored; …`.
    fn add(&mut self, line: &str) {
        let Some((_, counts)) = line.strip_prefix("test result: ").and_then(|rest| rest.split_once(". "))
        else {
            return;
        };
        for part in counts.split("; ") {
            let Some((number, word)) = part.split_once(' ') else { continue };
            let number: u32 = number.parse().unwrap_or(0);
            match word {
                "passed" => self.passed += number,
                "failed" => self.failed += number,
                "ignored" => self.ignored += number,
                _ => {}
            }
        }
    }
}

/// Reads `test a::b ... ok`, also with ` - should panic` after the name. Whether it passed is for cargo to say:
/// what a test's own processes print may stand before the `ok`.
fn named_test(line: &str) -> Option<&str> {
    let (name, _) = line.strip_prefix("test ")?.split_once(" ... ")?;
    Some(name.strip_suffix(" - should panic").unwrap_or(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_added_up() {
        let mut count = Count::default();
        count.add(
            "test result: ok. 12 passed; 0 failed; 0 ignored; 0 measured; 3 filtered out; finished in 0.02s",
        );
        count.add("test result: FAILED. 1 passed; 2 failed; 4 ignored; 0 measured; 0 filtered out; finished in 0.02s");
        count.add("test a ... ok");
        assert_eq!(count, Count { passed: 13, failed: 2, ignored: 4 });
    }

    #[test]
    fn tests_are_named() {
        assert_eq!(named_test("test a::b ... ok"), Some("a::b"));
        assert_eq!(named_test("test a::b - should panic ... ok"), Some("a::b"));
        assert_eq!(named_test("test result: ok. 1 passed; 0 failed"), None);
        assert_eq!(named_test("running 3 tests"), None);
    }

    #[test]
    fn a_failing_kind_is_an_error() {
        let mut tally = Tally::default();
        let said = "test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured";
        assert!(tally.run("good", Command::new("echo").arg(said)).is_ok());
        assert!(tally.run("bad", &mut Command::new("false")).is_err());
        let ignored = "test result: ok. 1 passed; 0 failed; 1 ignored; 0 measured";
        assert!(tally.run("ignored", Command::new("echo").arg(ignored)).is_err());
        assert_eq!(tally.kinds.len(), 1);
    }
}
