//! The keeper: whether the next one would start on its files, and on this database.

use claviger_keeper::RootFingerprint;
use claviger_keeper::process;
use claviger_store::Store;

use super::Examination;
use crate::configuration::{Configuration, Finding};
use crate::server;

/// What stands after the keeper's files were looked at.
pub(super) enum Root {
    /// The root secret can be opened.
    Opened(RootFingerprint),
    /// There is none, and the files don't miss it.
    Missing,
    /// Something is wrong, and was said.
    Hindered,
}

/// Reads the files as a start would.
pub(super) fn examine(configuration: &Configuration, runs: bool, seen: &mut Examination) -> Root {
    let found = process::examine(&configuration.data_dir, configuration.master_key_file.as_deref());
    let prospect = match found {
        Ok(prospect) => prospect,
        Err(error) => {
            seen.findings.push(Finding::error("keeper", error.to_string()));
            return Root::Hindered;
        }
    };
    let hindered = !prospect.hindrances.is_empty();
    let mut findings: Vec<Finding> =
        prospect.hindrances.iter().map(|hindrance| Finding::error("keeper", hindrance.to_string())).collect();
    if prospect.taken && !runs {
        let detail = format!(
            "one works in {}, and no server answers on {}: stop the server that it belongs to before you \
             start another, or name its address with --listen",
            configuration.data_dir.display(),
            configuration.listen
        );
        findings.push(Finding::warning("keeper", detail));
    }
    match (prospect.root, hindered) {
        (Some(root), false) => {
            seen.note("the keeper can open its root secret with the master key", findings);
            Root::Opened(root)
        }
        (None, false) => {
            seen.findings.extend(findings);
            Root::Missing
        }
        (_, true) => {
            seen.findings.extend(findings);
            Root::Hindered
        }
    }
}

/// Whether the database was made with the root secret that is there.
pub(super) async fn compare(
    configuration: &Configuration,
    store: &Store,
    root: Root,
    seen: &mut Examination,
) -> anyhow::Result<()> {
    match root {
        Root::Hindered => Ok(()),
        Root::Missing => server::demand_root(configuration, store).await,
        Root::Opened(root) => {
            let Some(instance) = store.read().await?.instance().await? else { return Ok(()) };
            let mut findings = Vec::new();
            if instance.root_fingerprint != root.as_bytes() {
                let detail = "the database was made with another root secret than the one in this data folder: \
                              name the right folder with --data-dir, or the right database";
                findings.push(Finding::error("keeper", detail));
            }
            seen.note("the database belongs to this keeper", findings);
            Ok(())
        }
    }
}
