//! The tables, and their place in docs/performance.md.

use std::fs;

use anyhow::{Context as _, Result};

use super::load::Load;
use super::rivals::Turn;
use crate::shell::{self, say};

const PAGE: &str = "docs/performance.md";
const BEGIN: &str = "<!-- xtask bench -->";
const END: &str = "<!-- /xtask bench -->";

/// What a rival's turns came to, in their order.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) turns: Vec<Turn>,
}

/// What is promised: of the processor time that `theirs` takes, `ours` takes so much less, or hardly more.
#[derive(Debug, Clone, Copy)]
pub(super) struct Target {
    pub(super) ours: &'static str,
    pub(super) theirs: &'static str,
    /// Their time by ours.
    pub(super) at_least: f64,
}

impl Row {
    fn render(&self) -> String {
        format!(
            "| {} | {:.2} | {:.0} | {:.0} | {:.0} |\n",
            self.name,
            self.median(|turn| turn.processor_micros),
            self.median(|turn| turn.requests_per_second),
            self.median(|turn| turn.median_latency_micros),
            self.median(|turn| turn.high_latency_micros)
        )
    }

    fn median(&self, figure: impl Fn(&Turn) -> f64) -> f64 {
        median(self.turns.iter().map(figure).collect())
    }
}

impl Target {
    /// Their time by ours, in the rounds that both were measured in.
    fn ratio(self, rows: &[Row]) -> Option<f64> {
        let turns = |name| rows.iter().find(|row| row.name == name).map(|row| &row.turns);
        let rounds = turns(self.theirs)?.iter().zip(turns(self.ours)?);
        Some(median(rounds.map(|(theirs, ours)| theirs.processor_micros / ours.processor_micros).collect()))
    }

    fn render(self, rows: &[Row]) -> String {
        let Self { ours, theirs, at_least } = self;
        let measured = match self.ratio(rows) {
            None => "not measured".to_owned(),
            Some(ratio) if ratio < at_least => format!("{ratio:.2}: missed"),
            Some(ratio) => format!("{ratio:.2}"),
        };
        format!("| {ours} | {theirs} | {measured} | ≥ {at_least} |\n")
    }
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or_default()
}

pub(super) fn render(rows: &[Row], targets: &[Target], rounds: u8, load: Load) -> Result<String> {
    let mut text = String::from(
        "| server | processor µs per request | requests per second | p50, µs | p99, µs |\n\
         | --- | ---: | ---: | ---: | ---: |\n",
    );
    rows.iter().for_each(|row| text.push_str(&row.render()));
    text.push_str(
        "\n| ours | beside | its processor time by ours | target |\n\
         | --- | --- | ---: | --- |\n",
    );
    targets.iter().for_each(|target| text.push_str(&target.render(rows)));
    text.push_str(&format!(
        "\nMedians of {rounds} rounds of {} requests on {} connections, taking turns. {}.\n",
        load.total(),
        load.connections,
        machine()?
    ));
    Ok(text)
}

/// The machine in a sentence, for figures mean nothing without it.
pub(crate) fn machine() -> Result<String> {
    let processors = fs::read_to_string("/proc/cpuinfo").context("the processors")?;
    let of = |name: &str| {
        let line = processors.lines().find_map(|line| line.strip_prefix(name))?;
        Some(line.trim_start_matches([' ', '\t', ':']).to_owned())
    };
    let count = processors.lines().filter(|line| line.starts_with("processor")).count();
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").context("the kernel")?;
    let load = fs::read_to_string("/proc/loadavg").context("the load")?;
    Ok(format!(
        "Machine: {count} × {}, Linux {}, load average at the end {}",
        of("model name").unwrap_or_else(|| "an unnamed processor".to_owned()),
        // What follows the version names a build, not a kernel.
        kernel.trim().split('-').next().unwrap_or_default(),
        load.split(' ').next().unwrap_or_default()
    ))
}

/// Puts the tables in the place of the last ones.
pub(super) fn keep(tables: &str) -> Result<()> {
    let path = shell::root().join(PAGE);
    let page = fs::read_to_string(&path).context(PAGE)?;
    let begin = page.find(BEGIN).context("the page has no place for the tables")? + BEGIN.len();
    let end = page.find(END).context("the page has no end of the tables")?;
    fs::write(&path, format!("{}\n\n{tables}\n{}", &page[..begin], &page[end..]))?;
    say(&format!("kept in {PAGE}"));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &'static str, micros: [f64; 3]) -> Row {
        let turns = micros.map(|processor_micros| Turn {
            processor_micros,
            requests_per_second: 1.0,
            median_latency_micros: 1.0,
            high_latency_micros: 1.0,
        });
        Row { name, turns: turns.to_vec() }
    }

    #[test]
    fn a_target_is_judged_round_by_round() {
        // The second round was slow for both; the third for one alone.
        let rows = [row("limit", [9.0, 90.0, 9.0]), row("door", [10.0, 100.0, 30.0])];
        let target = |at_least| Target { ours: "door", theirs: "limit", at_least };
        let ratio = target(0.9).ratio(&rows).unwrap();
        assert!((ratio - 0.9).abs() < 1e-9, "{ratio}");
        assert!(!target(0.85).render(&rows).contains("missed"));
        assert!(target(0.95).render(&rows).contains("0.90: missed"));
    }

    #[test]
    fn what_was_left_out_is_said() {
        let target = Target { ours: "door", theirs: "limit", at_least: 0.9 };
        assert!(target.render(&[row("door", [1.0; 3])]).contains("not measured"));
    }

    #[test]
    fn the_page_has_a_place_for_the_tables() {
        let page = fs::read_to_string(shell::root().join(PAGE)).unwrap();
        assert!(page.find(BEGIN).unwrap() < page.find(END).unwrap());
    }
}
