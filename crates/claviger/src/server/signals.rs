//! When the program is told to end: the first signal asks it to finish what it began, the second ends it.

use anyhow::Context as _;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Cancels `stop` at the first SIGINT or SIGTERM; at the second the process ends at once.
pub(crate) fn watch(stop: CancellationToken) -> anyhow::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt()).context("watch for SIGINT")?;
    let mut terminate = signal(SignalKind::terminate()).context("watch for SIGTERM")?;
    tokio::spawn(async move {
        let mut signalled = async || {
            tokio::select! {
                _ = interrupt.recv() => "SIGINT",
                _ = terminate.recv() => "SIGTERM",
            }
        };
        let first = signalled().await;
        tracing::info!(signal = first, "finishing what was begun; a second signal ends at once");
        stop.cancel();
        let second = signalled().await;
        tracing::warn!(signal = second, "ending at once");
        std::process::exit(1);
    });
    Ok(())
}
