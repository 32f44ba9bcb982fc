//! `claviger verify-log`: checks the hash chain, and with `--state` the tables too, without a server and
//! without the keeper.

use anyhow::Context as _;
use claviger_store::{ChainReport, StateReport};
use serde_json::{Value, json};

use super::{Outcome, data};
use crate::configuration::Configuration;
use crate::terminal;

/// Refused if something does not fit.
pub(super) async fn run(
    configuration: &Configuration,
    state: bool,
    as_json: bool,
) -> anyhow::Result<Outcome> {
    let store = data::open(configuration).await?;
    // Both on one state: what is committed meanwhile is seen by neither.
    let mut reader = store.read().await?;
    let chain = reader.verify_chain().await.context("read the log")?;
    let replayed = match (&chain.fault, state) {
        (None, true) => Some(reader.verify_state().await.context("replay the log")?),
        _ => None,
    };
    drop(reader);
    store.close().await;
    let fits = chain.fault.is_none() && replayed.as_ref().is_none_or(|state| state.fault.is_none());
    if as_json {
        let shown = shown(&chain, replayed.as_ref(), fits);
        terminal::print_line(&serde_json::to_string_pretty(&shown)?)?;
    } else {
        terminal::print_line(&terminal::plain(&chain_sentence(&chain)))?;
        if let Some(replayed) = &replayed {
            terminal::print_line(&terminal::plain(&state_sentence(replayed)))?;
        }
    }
    Ok(if fits { Outcome::Done } else { Outcome::Refused })
}

fn chain_sentence(report: &ChainReport) -> String {
    match &report.fault {
        None => format!("The chain of {} events fits, up to position {}.", report.checked, report.head.0),
        Some(fault) => format!(
            "Position {} does not fit: {}. The {} before it do. Put the database back from a backup, and look \
             into who could write to it.",
            fault.position.0, fault.why, report.checked
        ),
    }
}

fn state_sentence(report: &StateReport) -> String {
    match &report.fault {
        None => format!(
            "The tables are what the log says: {} rows, at position {}.",
            report.rows, report.position.0
        ),
        Some(fault) => {
            format!("Table {}, row {:?} is not what the log says: {}.", fault.table, fault.key, fault.why)
        }
    }
}

fn shown(chain: &ChainReport, state: Option<&StateReport>, fits: bool) -> Value {
    json!({
        "ok": fits,
        "head": chain.head,
        "checked": chain.checked,
        "first_misfit": chain.fault.as_ref().map(|fault| json!({ "position": fault.position, "why": fault.why })),
        "state": state.map(|report| json!({
            "position": report.position,
            "rows": report.rows,
            "first_difference": report.fault.as_ref()
                .map(|fault| json!({ "table": fault.table, "row": fault.key, "why": fault.why })),
        })),
    })
}
