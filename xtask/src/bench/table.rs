//! The table, and its place in docs/performance.md.

use std::fs;

use anyhow::{Context as _, Result};

use super::load::Load;
use super::rivals::Turn;
use crate::shell::{self, say};

const PAGE: &str = "docs/performance.md";
const BEGIN: &str = "<!-- xtask bench -->";
const END: &str = "<!-- /xtask bench -->";

/// One rival's medians.
#[derive(Debug, Clone)]
pub(super) struct Row {
    name: &'static str,
    processor_micros: f64,
    requests_per_second: f64,
    median_latency_micros: f64,
    /// The limit's processor time over this one's: 1.00 is the limit.
    ratio: f64,
    target: String,
}

impl Row {
    pub(super) fn of(name: &'static str, turns: &[Turn], limit: Option<&Self>, target: &str) -> Self {
        let processor_micros = median(turns, |turn| turn.processor_micros);
        Self {
            name,
            processor_micros,
            requests_per_second: median(turns, |turn| turn.requests_per_second),
            median_latency_micros: median(turns, |turn| turn.median_latency_micros),
            ratio: limit.map_or(1.0, |limit| limit.processor_micros / processor_micros),
            target: target.to_owned(),
        }
    }
}

fn median(turns: &[Turn], figure: impl Fn(&Turn) -> f64) -> f64 {
    let mut figures: Vec<f64> = turns.iter().map(figure).collect();
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or_default()
}

pub(super) fn render(rows: &[Row], rounds: u8, load: Load) -> Result<String> {
    let mut text = String::from(
        "| server | processor µs per request | requests per second | p50, µs | of its limit | target |\n\
         | --- | ---: | ---: | ---: | ---: | --- |\n",
    );
    for row in rows {
        text.push_str(&format!(
            "| {} | {:.2} | {:.0} | {:.0} | {:.2} | {} |\n",
            row.name,
            row.processor_micros,
            row.requests_per_second,
            row.median_latency_micros,
            row.ratio,
            row.target
        ));
    }
    text.push_str(&format!(
        "\nMedians of {rounds} rounds of {} requests on {} connections, taking turns. {}.\n",
        load.requests,
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

/// Puts the table in the place of the last one.
pub(super) fn keep(table: &str) -> Result<()> {
    let path = shell::root().join(PAGE);
    let page = fs::read_to_string(&path).context(PAGE)?;
    let begin = page.find(BEGIN).context("the page has no place for the table")? + BEGIN.len();
    let end = page.find(END).context("the page has no end of the table")?;
    fs::write(&path, format!("{}\n\n{table}\n{}", &page[..begin], &page[end..]))?;
    say(&format!("kept in {PAGE}"));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_judged_by_its_limit() {
        let turn =
            |micros| Turn { processor_micros: micros, requests_per_second: 1.0, median_latency_micros: 1.0 };
        let limit = Row::of("limit", &[turn(9.0), turn(10.0), turn(50.0)], None, "");
        let row = Row::of("door", &[turn(12.5), turn(3.0), turn(99.0)], Some(&limit), "≥ 0.9");
        assert!((limit.processor_micros - 10.0).abs() < 1e-9 && (row.ratio - 0.8).abs() < 1e-9, "{row:?}");
    }

    #[test]
    fn the_page_has_a_place_for_the_table() {
        let page = fs::read_to_string(shell::root().join(PAGE)).unwrap();
        assert!(page.find(BEGIN).unwrap() < page.find(END).unwrap());
    }
}
