//! Redis, through which nodes count rates and quotas together.

use claviger_limits::Shared;

use super::Examination;
use crate::configuration::{Configuration, Finding};

/// Asks it what a call asks. Without it nodes go on, each by its own count.
pub(super) async fn examine(configuration: &Configuration, seen: &mut Examination) {
    let Some(url) = &configuration.limits.redis_url else { return };
    // One that can't be read was found with the configuration.
    let Ok(shared) = Shared::new(url.expose()) else { return };
    let findings = match shared.examine().await {
        Ok(()) => Vec::new(),
        Err(error) => {
            let detail = format!(
                "{} can't be used ({error}): each node counts rates and quotas by itself until it can",
                url.masked()
            );
            vec![Finding::warning("limits.redis_url", detail)]
        }
    };
    seen.note("rates and quotas are counted together with other nodes", findings);
}
