//! `cargo xtask test`: the test command. Installs what is missing, checks everything, runs every test by its
//! kind, and ends by saying how many of each kind ran. It stops at the first failure, and leaves no server.

mod checks;
mod kinds;
mod programs;
mod tally;

use std::time::Instant;

use anyhow::{Result, bail};
use claviger_testkit::{POSTGRES_VARIABLE, Postgres};

use crate::house::House;
use crate::shell::{self, cargo, say, step};
use crate::tidy::{self, Promises};
use kinds::{KINDS, Kind};
use tally::Tally;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Runs one kind of tests alone, without the checks before: a word of its name, as in the last table.
    #[arg(long)]
    only: Option<String>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let began = Instant::now();
    let house = House::read()?;
    kinds::demand_all_covered(&house)?;
    programs::install_missing()?;
    if let Some(word) = &arguments.only {
        let chosen: Vec<&Kind> = KINDS.iter().filter(|kind| kind.name.contains(word.as_str())).collect();
        if chosen.is_empty() {
            bail!("no kind of tests is called `{word}`");
        }
        build()?;
        run_all(&chosen)?.print();
        return Ok(());
    }
    tidy::run()?;
    checks::check_all()?;
    build()?;
    let tally = run_all(&KINDS.iter().collect::<Vec<_>>())?;
    let unproved = Promises::read(&house)?.not_among(tally.named());
    if !unproved.is_empty() {
        bail!("docs/promises.md names tests that did not run: {}", unproved.join(", "));
    }
    tally.print();
    say(&format!("\neverything passed in {} s", began.elapsed().as_secs()));
    Ok(())
}

/// Builds all that runs, before anything runs.
fn build() -> Result<()> {
    step("build the tests");
    shell::run(&mut cargo(&["test", "--locked", "--workspace", "--no-run"]))
}

/// Runs these kinds in turn against one PostgreSQL, which ends with this call however it ends.
fn run_all(kinds: &[&Kind]) -> Result<Tally> {
    step("start PostgreSQL");
    let path = programs::with_envoy()?;
    let postgres = Postgres::start();
    say(&format!("   {POSTGRES_VARIABLE}={}", postgres.address()));
    let mut tally = Tally::default();
    for kind in kinds {
        step(&format!("test: {}", kind.name));
        let mut command = cargo(&["test", "--locked", "--workspace"]);
        command.args(kind.arguments).env(POSTGRES_VARIABLE, postgres.address()).env("PATH", &path);
        tally.run(kind.name, &mut command)?;
    }
    Ok(tally)
}
