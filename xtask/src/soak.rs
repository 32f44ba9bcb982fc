//! `cargo xtask soak`: the crash tests with hundreds of kills in place of ten. What they say is kept in
//! docs/soak.md.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::Stdio;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use claviger_testkit::KILLS_VARIABLE;

use crate::bench::machine;
use crate::shell::{self, cargo, say, step};

const PAGE: &str = "docs/soak.md";
/// What the lines of the tests' own tally have in them.
const TALLY: &str = " kills, ";

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
        if line.contains(TALLY) {
            tallies.push(line);
        }
    }
    if !child.wait().context("wait for cargo")?.success() {
        bail!("a crash left something behind: see above");
    }
    tallies.sort();
    let seconds = began.elapsed().as_secs();
    fs::write(shell::root().join(PAGE), page(arguments.kills, &tallies, seconds)?).context(PAGE)?;
    say(&format!("kept in {PAGE}"));
    Ok(())
}

fn page(kills: u32, tallies: &[String], seconds: u64) -> Result<String> {
    let tallies: Vec<String> = tallies.iter().map(|tally| format!("- {tally}\n")).collect();
    Ok(format!(
        "# Soak\n\nWhat `cargo xtask soak --kills {kills}` said last: the real server, or PostgreSQL itself, ended \
         at random instants\nwhile eight clients write. After each end it is demanded that every answered write \
         is there, that no unanswered\none is half there and that each is done once when it is sent again under \
         its `Idempotency-Key`, that the chain of\nhashes and the tables fit the log (`verify-log --state`), and \
         that an index which only ever followed the log equals\none that is loaded from the tables.\n\n{}\n\
         {seconds} seconds. {}.\n",
        tallies.concat(),
        machine()?
    ))
}
