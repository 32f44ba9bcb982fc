//! `cargo xtask bench`: what a call at each door costs the real server, beside a baseline on the same stack that
//! decides nothing, and beside what a site would wire up instead of the gateway: nginx, HAProxy, Caddy and Envoy
//! doing the same job. The primary figure is the processor time of the servers' processes for one request, over a
//! counted load of keep-alive connections, the servers on one core and the load on another; rivals take turns,
//! medians count. The tables go into docs/performance.md with the machine they ran on.

mod accounting;
mod baseline;
mod http;
mod keys;
mod load;
mod poll;
mod proxies;
mod rivals;
mod stage;
mod table;
mod upstream;

use anyhow::Result;

use crate::shell::{say, step};
use load::Load;
use proxies::{CADDY_ASKS, ENVOY_ASKS, HAPROXY_MAP, NGINX_ASKS, NGINX_MAP};
use stage::{FORWARD_AUTH, GATEWAY, OPEN_GATEWAY, Stage, VERIFY};
pub(crate) use table::machine;
use table::{Row, Target};

/// What is promised of processor time.
const TARGETS: &[Target] = &[
    Target { ours: VERIFY, theirs: baseline::ECHO, at_least: 0.93 },
    Target { ours: FORWARD_AUTH, theirs: baseline::HELLO, at_least: 0.95 },
    Target { ours: FORWARD_AUTH, theirs: baseline::SERVED_HELLO, at_least: 0.95 },
    Target { ours: GATEWAY, theirs: NGINX_MAP, at_least: 0.85 },
    Target { ours: GATEWAY, theirs: HAPROXY_MAP, at_least: 0.85 },
    Target { ours: GATEWAY, theirs: OPEN_GATEWAY, at_least: 0.95 },
    Target { ours: GATEWAY, theirs: NGINX_ASKS, at_least: 1.7 },
    Target { ours: GATEWAY, theirs: ENVOY_ASKS, at_least: 3.5 },
    Target { ours: GATEWAY, theirs: CADDY_ASKS, at_least: 4.0 },
];

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
    /// Measures only those whose names have this in them.
    #[arg(long)]
    only: Option<String>,
    /// Prints the tables and leaves docs/performance.md as it is.
    #[arg(long)]
    dry: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    step("build server and baseline");
    let built = stage::build()?;
    step("start them and their rivals, and make a thousand keys");
    let mut stage = Stage::set(&built)?;
    if let Some(only) = &arguments.only {
        stage.rivals.retain(|rival| rival.name.contains(only.as_str()));
    }
    step("look whether each does its job");
    for rival in &stage.rivals {
        rival.check(&stage.upstream, &stage.keys)?;
        say(&format!("   {}", rival.name));
    }
    step("measure");
    let load = Load { requests: arguments.requests, connections: arguments.connections };
    let rows = compete(&stage, load, arguments.rounds)?;
    let tables = table::render(&rows, TARGETS, arguments.rounds, load)?;
    say(&format!("\n{tables}"));
    if arguments.dry || arguments.only.is_some() { Ok(()) } else { table::keep(&tables) }
}

/// Lets all rivals take turns.
fn compete(stage: &Stage, load: Load, rounds: u8) -> Result<Vec<Row>> {
    let mut rows: Vec<Row> =
        stage.rivals.iter().map(|rival| Row { name: rival.name, turns: Vec::new() }).collect();
    for round in 0..=rounds {
        say(&if round == 0 { "   to warm up".to_owned() } else { format!("   round {round}") });
        for (rival, row) in stage.rivals.iter().zip(&mut rows) {
            let turn = rival.turn(load, &stage.upstream)?;
            say(&format!("   {:>9.2} µs  {}", turn.processor_micros, rival.name));
            if round > 0 {
                row.turns.push(turn);
            }
        }
    }
    Ok(rows)
}
