//! The database: initialised, its log in order with the clock, and its nodes keeping up.

use claviger_domain::event::Position;
use claviger_domain::time::Timestamp;
use claviger_store::{Store, StoreError};

use super::Examination;
use crate::configuration::Finding;

/// A node that was silent for so long is gone, or hangs.
const SILENT_SECONDS: i64 = 30;
/// A node reports where it is every few seconds; what is younger than this is no lag.
const LATE_SECONDS: i64 = 10;
/// Clocks that differ by more make dates wrong that people can see.
pub(super) const CLOCK_SECONDS: i64 = 5;

/// A longer log takes more patience to check than a person at `doctor` has.
const LONGEST_CHAIN: i64 = 100_000;

/// Looks at the hash chain of a log that is not too long.
pub(super) async fn examine_chain(store: &Store, seen: &mut Examination) -> Result<(), StoreError> {
    let mut reader = store.read().await?;
    let head = reader.position().await?;
    if head.0 > LONGEST_CHAIN {
        let detail = format!("its {} events were not checked here: `claviger verify-log` does", head.0);
        seen.findings.push(Finding::warning("log", detail));
        return Ok(());
    }
    let fault = reader.verify_chain().await?.fault;
    let findings = fault.map(|fault| {
        let detail = format!(
            "position {} does not fit the hash chain: {}. Put the database back from a backup, and look into \
             who could write to it; `claviger verify-log` says more",
            fault.position.0, fault.why
        );
        Finding::error("log", detail)
    });
    seen.note("the log's hash chain fits", findings.into_iter().collect());
    Ok(())
}

/// Looks at the instance, the head of the log, the clock and the nodes.
pub(super) async fn examine(store: &Store, now: Timestamp, seen: &mut Examination) -> Result<(), StoreError> {
    let mut reader = store.read().await?;
    let initialised = reader.instance().await?.is_some_and(|instance| instance.initialised_at.is_some());
    if !initialised {
        let detail = "it was not initialised: run `claviger init --owner EMAIL`";
        seen.findings.push(Finding::warning("database", detail));
    }
    let head = reader.position().await?;
    let last = reader.events_after(Position((head.0 - 1).max(0)), 1).await?.pop();
    let mut ahead = Vec::new();
    if let Some(last) = last.filter(|last| last.event.at.seconds_since(now) > CLOCK_SECONDS) {
        let detail = format!(
            "the newest event is of {}, and this machine's clock says {now}: set the clock right, or keys live \
             longer than they should",
            last.event.at
        );
        ahead.push(Finding::error("clock", detail));
    }
    let mut lagging = Vec::new();
    for node in reader.all_nodes().await? {
        let (name, silent) = (&node.report.name, now.seconds_since(node.last_seen_at));
        if silent < -CLOCK_SECONDS {
            let detail = format!("the clock of node {name} is {} s ahead of this one", -silent);
            ahead.push(Finding::error("clock", detail));
        } else if silent <= SILENT_SECONDS && node.report.position < head {
            let missed = reader.events_after(node.report.position, 1).await?.pop();
            let late = missed.map_or(0, |missed| now.seconds_since(missed.event.at));
            // What was written a moment ago is on its way.
            if late > LATE_SECONDS {
                let detail = format!(
                    "{name} ({}) is at position {} of {}: it follows {late} s late",
                    node.report.id, node.report.position.0, head.0
                );
                lagging.push(Finding::warning("node", detail));
            }
        } else if silent > SILENT_SECONDS {
            let detail = format!(
                "{name} was last heard of {silent} s ago: start it, or remove it with `claviger nodes delete {}`",
                node.report.id
            );
            lagging.push(Finding::warning("node", detail));
        }
    }
    seen.note(format!("the database can be read, up to position {}", head.0), Vec::new());
    seen.note("the clock agrees with the log and the nodes", ahead);
    seen.note("every node keeps up", lagging);
    Ok(())
}
