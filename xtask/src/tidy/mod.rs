//! `cargo xtask tidy`: what a compiler can't check. Each check reads the house and returns what it found;
//! nothing is mended here.

mod connectors;
mod dependencies;
mod edges;
mod markdown;
mod names;
mod programs;
mod promises;
mod secrets;
mod sizes;
mod statements;
mod words;

use std::fmt;

use anyhow::{Result, bail};

use crate::house::House;
use crate::shell::{complain, say, step};

pub(crate) use promises::Promises;

/// One thing that is not as it should be.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    file: String,
    /// Zero: the file as a whole.
    line: usize,
    what: String,
}

impl Finding {
    fn new(file: impl Into<String>, line: usize, what: impl Into<String>) -> Self {
        Self { file: file.into(), line, what: what.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.file, self.what),
            line => write!(f, "{}:{line}: {}", self.file, self.what),
        }
    }
}

type Check = fn(&House) -> Result<Vec<Finding>>;

/// A row for each check.
const CHECKS: &[(&str, Check)] = &[
    ("forbidden edges", edges::check),
    ("house numbers", sizes::check),
    ("registered statements", statements::check),
    ("names in the documents", names::check),
    ("promises and their tests", promises::check),
    ("banned words and attributes", words::check),
    ("dependencies and manifests", dependencies::check),
    ("types of secrets", secrets::check),
    ("one way out", connectors::check),
    ("who starts programs", programs::check),
];

/// Runs every check and shows all that they found.
pub(crate) fn run() -> Result<()> {
    step("tidy");
    let house = House::read()?;
    let mut found = 0;
    for (name, check) in CHECKS {
        let mut findings = check(&house)?;
        findings.sort();
        say(&format!("   {name}: {}", if findings.is_empty() { "good" } else { "NOT GOOD" }));
        for finding in &findings {
            complain(&format!("     {finding}"));
        }
        found += findings.len();
    }
    sizes::report(&house);
    if found > 0 {
        bail!("tidy found {found} things to mend");
    }
    Ok(())
}
