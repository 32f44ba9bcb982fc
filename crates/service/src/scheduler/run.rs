//! The task that runs the scheduler: at the next due date, sooner when the log moved, and from time to time
//! in any case.

use std::future::Future;
use std::time::Duration;

use super::{SchedulerRun, until};
use crate::error::Error;
use crate::state::Service;

/// How the task paces itself.
#[derive(Debug, Clone, Copy)]
pub struct SchedulerPace {
    /// The shortest pause between two runs: what commits wake it for is done together.
    pub shortest: Duration,
    /// The longest: what no wake-up told of is found then.
    pub longest: Duration,
    /// Before trying again what waits for the keeper, for another node or for the database.
    pub retry: Duration,
}

impl Default for SchedulerPace {
    fn default() -> Self {
        Self {
            shortest: Duration::from_millis(100),
            longest: Duration::from_secs(30),
            retry: Duration::from_secs(2),
        }
    }
}

impl Service {
    /// Runs the scheduler until `stop` is ready, then gives the lease back.
    pub async fn scheduler_run(&self, pace: SchedulerPace, stop: impl Future<Output = ()> + Send) {
        tokio::pin!(stop);
        let mut changes = self.store().changes();
        loop {
            let run = self.scheduler_run_once().await;
            let pause = self.pause_after(&run, &pace);
            tokio::select! {
                () = &mut stop => break,
                () = tokio::time::sleep(pause) => {}
                () = async { changes.changed().await; tokio::time::sleep(pace.shortest).await } => {}
            }
        }
        if let Err(error) = self.scheduler_give_back().await {
            tracing::warn!(%error, "the scheduler's lease was not given back; it runs out by itself");
        }
    }

    fn pause_after(&self, run: &Result<SchedulerRun, Error>, pace: &SchedulerPace) -> Duration {
        match run {
            Err(error) => {
                tracing::warn!(%error, "the scheduler could not run; it tries again");
                pace.retry
            }
            Ok(run) if run.elsewhere || run.waiting_for_keeper > 0 || run.failed > 0 => pace.retry,
            Ok(run) => {
                let next = run.next_at.map_or(pace.longest, |at| until(at, self.now()));
                next.clamp(pace.shortest, pace.longest)
            }
        }
    }
}
