//! `cargo xtask bench`: what a call at each door costs the real server, against a baseline on the same stack
//! that decides nothing. The primary figure is the processor time of the server's process for one request,
//! over a counted load of keep-alive connections, the server on one core and the load on another; rivals take
//! turns, medians count. The table goes into docs/performance.md with the machine it ran on.

mod accounting;
mod load;
mod rivals;
mod setup;
mod table;

use anyhow::Result;

use crate::shell::{say, step};
use load::Load;
use rivals::Rival;
use table::Row;
pub(crate) use table::machine;

/// How the bench is run.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// How often each rival has its turn.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u8).range(3..=50))]
    rounds: u8,
    /// How many requests a turn has.
    #[arg(long, default_value_t = 30_000, value_parser = clap::value_parser!(u32).range(1_000..=1_000_000))]
    requests: u32,
    /// How many connections send them, each one request at a time.
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u8).range(1..=128))]
    connections: u8,
    /// Prints the table and leaves docs/performance.md as it is.
    #[arg(long)]
    dry: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    step("build server and baseline");
    let built = setup::build()?;
    step("start them, and make one key");
    let stage = setup::Stage::set(&built)?;
    let load = Load { requests: arguments.requests, connections: arguments.connections };
    step("measure");
    let rows = [
        compete(&stage.verify(), &stage.echo(), "≥ 0.93", load, arguments.rounds)?,
        compete(&stage.forward_auth(), &stage.hello(), "≥ 0.95", load, arguments.rounds)?,
    ];
    let table = table::render(&rows.concat(), arguments.rounds, load)?;
    say(&format!("\n{table}"));
    if arguments.dry { Ok(()) } else { table::keep(&table) }
}

/// Lets the door and its limit take turns.
fn compete(door: &Rival, limit: &Rival, target: &str, load: Load, rounds: u8) -> Result<Vec<Row>> {
    let (mut of_door, mut of_limit) = (Vec::new(), Vec::new());
    for round in 0..=rounds {
        let (ours, theirs) = (door.turn(load)?, limit.turn(load)?);
        say(&format!(
            "   {}: {:.2} µs; {}: {:.2} µs{}",
            door.name,
            ours.processor_micros,
            limit.name,
            theirs.processor_micros,
            if round == 0 { " (to warm up)" } else { "" }
        ));
        if round > 0 {
            of_door.push(ours);
            of_limit.push(theirs);
        }
    }
    let limit = Row::of(limit.name, &of_limit, None, "");
    Ok(vec![limit.clone(), Row::of(door.name, &of_door, Some(&limit), target)])
}
