//! `claviger config check`: every value, where it came from, and what contradicts or is unwise.

use serde_json::json;

use super::Outcome;
use crate::configuration::{Explained, Finding, Weight};
use crate::terminal::{self, Table};

/// Prints the explanation; refused if something forbids to start.
pub(super) fn run(settings: &Explained, as_json: bool) -> anyhow::Result<Outcome> {
    let lines = &settings.lines;
    let refused = !settings.errors().is_empty();
    if as_json {
        let whole = json!({ "file": settings.file, "settings": lines, "findings": settings.findings, "ok": !refused });
        terminal::print_line(&serde_json::to_string_pretty(&whole)?)?;
    } else {
        let mut table = Table::new(&["setting", "value", "from"]);
        for line in lines {
            table.row([&line.setting, &line.value, &line.from]);
        }
        terminal::print(&table.render())?;
        print_findings(&settings.findings)?;
    }
    Ok(if refused { Outcome::Refused } else { Outcome::Done })
}

/// Prints findings for people, the worst first.
pub(super) fn print_findings(findings: &[Finding]) -> anyhow::Result<()> {
    terminal::print_line("")?;
    if findings.is_empty() {
        terminal::print_line("Nothing to mend.")?;
    }
    for (weight, word) in [(Weight::Error, "error"), (Weight::Warning, "warning")] {
        for finding in findings.iter().filter(|finding| finding.weight == weight) {
            let line = format!("{word}: {}: {}", finding.about, finding.detail);
            terminal::print_line(&terminal::plain(&line))?;
        }
    }
    Ok(())
}
