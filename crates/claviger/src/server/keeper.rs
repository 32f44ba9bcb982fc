//! Starts the keeper as a process of its own, and puts its comings and goings into the log.

use std::sync::Arc;

use claviger_keeper::client::{Notice, Observer, SpawnError, SpawnOptions};
use claviger_keeper::process::Options;
use claviger_keeper::{AllCeilings, Ceilings, Keeper};

use crate::configuration::{Configuration, KeeperLimits};

/// How the configuration wants the keeper.
pub(super) fn options(configuration: &Configuration) -> SpawnOptions {
    let mut options = SpawnOptions::new(Options {
        data_dir: configuration.data_dir.clone(),
        master_key_file: configuration.master_key_file.clone(),
        ceilings: ceilings(&configuration.keeper),
    });
    options.observer = Some(Observer::new(note));
    options
}

fn ceilings(limits: &KeeperLimits) -> AllCeilings {
    AllCeilings {
        reveals: Ceilings { per_actor: limits.opens_per_actor_per_hour, together: limits.opens_per_hour },
        git_signatures: Ceilings {
            per_actor: limits.git_signatures_per_actor_per_hour,
            together: limits.git_signatures_per_hour,
        },
        jwt_signatures: Ceilings {
            per_actor: limits.jwt_signatures_per_actor_per_hour,
            together: limits.jwt_signatures_per_hour,
        },
    }
}

/// Starts the keeper and waits until it stands. Blocks: it reads its journal first.
pub(super) fn start(options: SpawnOptions) -> Result<Arc<Keeper>, SpawnError> {
    Keeper::spawn(options).map(Arc::new)
}

/// One notice, one line; and a gauge for whoever watches.
fn note(notice: &Notice) {
    let up = metrics::gauge!("claviger_keeper_up");
    match notice {
        Notice::Started { process, again, warnings } => {
            up.set(1.0);
            tracing::info!(process, again, "the keeper stands");
            for warning in warnings {
                tracing::warn!(warning, "the keeper");
            }
        }
        Notice::Lost { process, reason } => {
            up.set(0.0);
            metrics::counter!("claviger_keeper_losses_total").increment(1);
            tracing::error!(process, reason, "the keeper is gone; deciding goes on, it is started again");
        }
        Notice::NotStarted { explanation, retry_in } => {
            up.set(0.0);
            let seconds = retry_in.as_secs_f64();
            tracing::error!(explanation, retry_in_seconds = seconds, "the keeper can't be started again");
        }
        other => tracing::info!(notice = ?other, "the keeper"),
    }
}
