//! `claviger doctor`: looks at the configuration, the files, the keeper and both its books, the database,
//! the log's chain, the nodes, the clock, the ports and Redis, and says what to mend. It changes nothing, and may run beside a server.

mod books;
mod database;
mod files;
mod keeper;
mod limits;
mod ports;

use claviger_service::ambient::{Clock as _, SystemClock};
use serde_json::json;

use super::config_check::print_findings;
use super::{Outcome, data};
use crate::configuration::{Explained, Finding, Weight};
use crate::terminal;

/// What was looked at, and what was found there.
#[derive(Debug, Default)]
struct Examination {
    /// Each a short sentence about something that is well.
    well: Vec<String>,
    findings: Vec<Finding>,
}

impl Examination {
    /// Notes that something is well, or what is not.
    fn note(&mut self, well: impl Into<String>, findings: Vec<Finding>) {
        if findings.is_empty() {
            self.well.push(well.into());
        }
        self.findings.extend(findings);
    }
}

/// Refused if something must be mended.
pub(super) async fn run(settings: &Explained, as_json: bool) -> anyhow::Result<Outcome> {
    let configuration = &settings.configuration;
    let mut seen = Examination::default();
    seen.note("the configuration agrees with itself", settings.findings.clone());
    files::examine(configuration, &mut seen);
    let runs = ports::examine(configuration, &mut seen).await;
    limits::examine(configuration, &mut seen).await;
    let root = keeper::examine(configuration, runs, &mut seen);
    match data::open(configuration).await {
        Ok(store) => {
            let now = SystemClock.now();
            if let Err(error) = database::examine(&store, now, &mut seen).await {
                seen.findings.push(Finding::error("database", error.to_string()));
            }
            if let Err(error) = database::examine_chain(&store, &mut seen).await {
                seen.findings.push(Finding::error("log", error.to_string()));
            }
            if let Err(error) = keeper::compare(configuration, &store, root, &mut seen).await {
                seen.findings.push(Finding::error("keeper", format!("{error:#}")));
            }
            if let Err(error) = books::examine(configuration, &store, &mut seen).await {
                seen.findings.push(Finding::error("keeper", format!("{error:#}")));
            }
            store.close().await;
        }
        Err(error) => seen.findings.push(Finding::error("database", format!("{error:#}"))),
    }
    let sick = seen.findings.iter().any(|finding| finding.weight == Weight::Error);
    if as_json {
        let shown = json!({ "ok": !sick, "well": seen.well, "findings": seen.findings });
        terminal::print_line(&serde_json::to_string_pretty(&shown)?)?;
    } else {
        for sentence in &seen.well {
            terminal::print_line(&format!("well: {}", terminal::plain(sentence)))?;
        }
        print_findings(&seen.findings)?;
    }
    Ok(if sick { Outcome::Refused } else { Outcome::Done })
}
