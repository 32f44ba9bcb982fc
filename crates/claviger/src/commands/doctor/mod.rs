//! `claviger doctor`: looks at the configuration, the files, the keeper and both its books, the database,
//! the log's chain, the nodes, the clock, the ports and Redis; of a data node, its enrolment, its role and its snapshot; and says what to mend. It changes nothing, and may run beside a server.

mod books;
mod data_node;
mod database;
mod files;
mod keeper;
mod limits;
mod ports;

use claviger_node::{Enrolment, EnrolmentError};
use claviger_service::ambient::{Clock as _, SystemClock};
use serde_json::json;

use super::config_check::print_findings;
use super::{Outcome, data};
use crate::configuration::{Configuration, Explained, Finding, Weight};
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
    match Enrolment::read(&configuration.data_dir) {
        Ok(enrolment) => data_node::examine(configuration, &enrolment, SystemClock.now(), &mut seen).await,
        Err(EnrolmentError::Missing) => examine_control(configuration, root, &mut seen).await,
        Err(error) => seen.findings.push(Finding::error("enrolment", error.to_string())),
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

/// Looks at the database as a server has it, and at what the keeper wrote beside it.
async fn examine_control(configuration: &Configuration, root: keeper::Root, seen: &mut Examination) {
    match data::open(configuration).await {
        Ok(store) => {
            let now = SystemClock.now();
            if let Err(error) = database::examine(&store, now, seen).await {
                seen.findings.push(Finding::error("database", error.to_string()));
            }
            if let Err(error) = database::examine_chain(&store, seen).await {
                seen.findings.push(Finding::error("log", error.to_string()));
            }
            if let Err(error) = keeper::compare(configuration, &store, root, seen).await {
                seen.findings.push(Finding::error("keeper", format!("{error:#}")));
            }
            if let Err(error) = books::examine(configuration, &store, seen).await {
                seen.findings.push(Finding::error("keeper", format!("{error:#}")));
            }
            store.close().await;
        }
        Err(error) => seen.findings.push(Finding::error("database", format!("{error:#}"))),
    }
}
