//! A data node: its enrolment, what its role may do, the clock, and the snapshot that it would start from.

use std::fs;
use std::time::Duration;

use claviger_domain::time::Timestamp;
use claviger_node::Enrolment;
use claviger_service::ambient::{Clock as _, SystemClock};
use claviger_store::Options;
use claviger_store::data_node::{DataNodeReader, DataNodeStore};

use super::Examination;
use super::database::CLOCK_SECONDS;
use crate::configuration::{Configuration, Finding};

/// A person waits.
const OPTIONS: Options = Options { connections: 1, acquire_timeout: Duration::from_secs(5) };

/// Looks at all of it. Without its database a node goes on; what can be seen only there is left out then.
pub(super) async fn examine(
    configuration: &Configuration,
    enrolment: &Enrolment,
    now: Timestamp,
    seen: &mut Examination,
) {
    seen.note(
        format!("this data node is enrolled as {} ({})", enrolment.name, enrolment.node_id),
        Vec::new(),
    );
    examine_snapshot(configuration, now, seen);
    if let Err(error) = examine_database(configuration, enrolment, seen).await {
        let detail = format!(
            "{} can't be read as a data node does: {error:#}. Deciding goes on from the snapshot until \
             doors.max_staleness",
            configuration.database_url.masked()
        );
        seen.findings.push(Finding::error("database", detail));
    }
}

/// When the snapshot was written, by the marker beside it, which is written at each contact with the log. It may be older than
/// that: a copy of it is as young as its copying.
fn examine_snapshot(configuration: &Configuration, now: Timestamp, seen: &mut Examination) {
    let written =
        fs::metadata(configuration.data_dir.join("node/marker")).and_then(|marker| marker.modified());
    let age = written.ok().and_then(|at| {
        let since = at.duration_since(std::time::UNIX_EPOCH).ok()?;
        Some(now.seconds_since(Timestamp::from_micros(i64::try_from(since.as_micros()).ok()?)).max(0))
    });
    let limit = configuration.doors.max_staleness.shortest_seconds();
    match age {
        None => {
            let detail = "there is none yet: without its database the node could not start";
            seen.findings.push(Finding::warning("snapshot", detail));
        }
        Some(age) if age > limit => {
            let detail = format!(
                "it was last written {age} s ago, and doors.max_staleness is {limit} s: a node that starts waits for its database"
            );
            seen.findings.push(Finding::warning("snapshot", detail));
        }
        Some(age) => seen.note(format!("the snapshot was last written {age} s ago"), Vec::new()),
    }
}

async fn examine_database(
    configuration: &Configuration,
    enrolment: &Enrolment,
    seen: &mut Examination,
) -> anyhow::Result<()> {
    let store = DataNodeStore::open(configuration.database_url.expose(), OPTIONS).await?;
    let mut reader = store.read().await?;
    let looked = async {
        examine_rights(&mut reader, seen).await?;
        examine_enrolment(&mut reader, enrolment, seen).await?;
        examine_clock(&mut reader, seen).await
    };
    let looked = looked.await;
    drop(reader);
    store.close().await;
    looked
}

async fn examine_rights(reader: &mut DataNodeReader, seen: &mut Examination) -> anyhow::Result<()> {
    let rights = reader.rights().await?;
    let mut findings = Vec::new();
    if !rights.lacking.is_empty() {
        let detail = format!(
            "its role may not {}: as the owner of the tables, `SELECT claviger_grant_data_node('ROLE')`",
            rights.lacking.join(", ")
        );
        findings.push(Finding::error("role", detail));
    }
    if !rights.surplus.is_empty() {
        let detail = format!(
            "its role may do more than a data node needs, and whoever takes the node with it: {}. Give it a role \
             of its own, or `REVOKE` these",
            rights.surplus.join(", ")
        );
        findings.push(Finding::error("role", detail));
    }
    seen.note(
        "of this schema's tables, views and sequences, its role reads three, adds to two, and may do nothing else",
        findings,
    );
    Ok(())
}

async fn examine_enrolment(
    reader: &mut DataNodeReader,
    enrolment: &Enrolment,
    seen: &mut Examination,
) -> anyhow::Result<()> {
    let head = reader.head().await?;
    let is_enrolled = reader.is_enrolled(enrolment.node_id).await?;
    let findings = if head.instance_id != enrolment.instance_id {
        let detail = "the database is another installation's than the one that the node was enrolled with";
        vec![Finding::error("enrolment", detail)]
    } else if is_enrolled {
        Vec::new()
    } else {
        let detail = "it was ended: enrol the node anew, with an empty data folder, or do without it";
        vec![Finding::error("enrolment", detail)]
    };
    seen.note(format!("its enrolment stands, and the log is at position {}", head.position.0), findings);
    Ok(())
}

async fn examine_clock(reader: &mut DataNodeReader, seen: &mut Examination) -> anyhow::Result<()> {
    let before = SystemClock.now();
    let told = reader.clock().await?;
    let ahead = seconds_ahead(before, told, SystemClock.now());
    let findings = (ahead.abs() > CLOCK_SECONDS).then(|| {
        let word = if ahead > 0 { "ahead of" } else { "behind" };
        let detail = format!("this machine's clock is {} s {word} the database's: set it right", ahead.abs());
        Finding::error("clock", detail)
    });
    seen.note("the clock agrees with the database's", findings.into_iter().collect());
    Ok(())
}

/// How far a clock that said this before and that after another one told its time is ahead of that at the least: an answer
/// that takes its time says nothing against either.
fn seconds_ahead(before: Timestamp, told: Timestamp, after: Timestamp) -> i64 {
    before.seconds_since(told).max(0) + after.seconds_since(told).min(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_is_slow_is_no_clock_that_is_wrong() {
        let at = Timestamp::from_micros(1_000_000_000_000_000);
        let ahead = |before, after| seconds_ahead(at.plus_seconds(before), at, at.plus_seconds(after));
        assert_eq!(ahead(-20, 20), 0, "it was told at some time between");
        assert_eq!(ahead(-20, 0), 0);
        assert_eq!(ahead(7, 30), 7);
        assert_eq!(ahead(-30, -7), -7);
    }
}
