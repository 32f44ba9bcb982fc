//! What goes on beside answering: following the log, the schedule, writing what was counted, the node's reports.
//! Each goes on whatever happened to it once; what it could not do is in the log, once per trouble.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use claviger_domain::time::Timestamp;
use claviger_service::{SchedulerPace, Service};
use claviger_verify::{Freshness, Meters, Standing};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::trouble::Trouble;
use crate::telemetry::{Metrics, UPKEEP};

/// How long the log is not looked at when nobody rang: a wake-up only says "look now".
pub(super) const POLL: Duration = Duration::from_millis(200);
/// How often other nodes hear how far this one has come.
pub(super) const REPORT: Duration = Duration::from_millis(250);
/// A node that has nothing new to say says so now and then.
pub(super) const REPORT_ANYWAY: Duration = Duration::from_secs(5);
/// How often counted decisions are shown.
pub(super) const COUNT: Duration = Duration::from_secs(1);
/// How often what was counted is taken out of the way of calls.
pub(super) const COLLECT: Duration = Duration::from_secs(1);
/// How often it is written.
pub(super) const FLUSH: Duration = Duration::from_secs(5);
/// How often records past their time are removed.
const SWEEP: Duration = Duration::from_secs(600);

/// How often counters of limits are looked through.
pub(super) const SWEEP_LIMITS: Duration = Duration::from_secs(60);

/// The tasks of a running server.
#[derive(Debug)]
pub(super) struct Tasks(JoinSet<&'static str>);

impl Tasks {
    /// Starts them all; they end when `stop` is cancelled.
    pub(super) fn start(service: &Service, stop: &CancellationToken) -> Self {
        let mut tasks = Self(JoinSet::new());
        tasks.run("follow the log", follow(service.clone()), stop);
        tasks.run("report the node", report(service.clone()), stop);
        tasks.run("hear data nodes", hear(service.clone()), stop);
        tasks.run("count decisions", count(service.clone()), stop);
        tasks.run("collect what was counted", collect(service.clone()), stop);
        tasks.run("write what was counted", flush(service.clone()), stop);
        tasks.run("remove what is past its time", sweep(service.clone()), stop);
        tasks.run("forget what limits nobody any more", sweep_limits(service.clone()), stop);
        if let Some(shared) = service.limiter().shared().map(Arc::clone) {
            tasks.run("count limits with other nodes", async move { shared.keep().await }, stop);
        }
        tasks.0.spawn({
            let (service, stop) = (service.clone(), stop.clone());
            async move {
                service.scheduler_run(SchedulerPace::default(), stop.cancelled_owned()).await;
                "keep the schedule"
            }
        });
        tasks
    }

    fn run(
        &mut self,
        name: &'static str,
        work: impl Future<Output = ()> + Send + 'static,
        stop: &CancellationToken,
    ) {
        let stop = stop.clone();
        self.0.spawn(async move {
            tokio::select! {
                () = work => {}
                () = stop.cancelled() => {}
            }
            name
        });
    }

    /// Waits until one ends, which none does by itself: its name.
    pub(super) async fn any_ends(&mut self) -> Option<&'static str> {
        match self.0.join_next().await {
            Some(Ok(name)) => Some(name),
            Some(Err(_)) => Some("a task that panicked"),
            None => None,
        }
    }

    /// Waits until all have ended.
    pub(super) async fn end(mut self) {
        while self.0.join_next().await.is_some() {}
    }
}

/// Follows the log at each wake-up and at each poll.
async fn follow(service: Service) {
    let mut changes = service.store().changes();
    let mut trouble = Trouble::new("the log can't be followed; deciding goes on from memory");
    loop {
        let followed = service.follow().await;
        if let Ok(position) = &followed {
            // A position is far below 2^53.
            #[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
            metrics::gauge!("claviger_log_position").set(position.0 as f64);
        }
        trouble.note(followed.map(drop));
        tokio::select! {
            () = changes.changed() => {}
            () = tokio::time::sleep(POLL) => {}
        }
    }
}

/// Tells the others how far this node has come: soon when it moved, now and then in any case.
async fn report(service: Service) {
    let mut trouble = Trouble::new("the node's report can't be written");
    let mut last = None;
    loop {
        let position = service.index().as_of();
        let due = last.is_none_or(|(told, at): (_, tokio::time::Instant)| {
            told != position || at.elapsed() >= REPORT_ANYWAY
        });
        if due {
            let reported = service.report_node().await;
            if reported.is_ok() {
                last = Some((position, tokio::time::Instant::now()));
            }
            trouble.note(reported);
        }
        tokio::time::sleep(REPORT).await;
    }
}

/// Carries over what data nodes say of themselves.
async fn hear(service: Service) {
    let mut trouble = Trouble::new("the reports of data nodes can't be read");
    loop {
        tokio::time::sleep(REPORT).await;
        trouble.note(service.hear_nodes().await);
    }
}

/// Takes what was counted out of the way of calls, so that there is room to count more.
async fn collect(service: Service) {
    loop {
        tokio::time::sleep(COLLECT).await;
        service.collect_usage();
    }
}

/// Writes what was counted in batches, off every call's path.
async fn flush(service: Service) {
    let mut trouble = Trouble::new("what was counted about calls can't be written; it is kept");
    loop {
        tokio::time::sleep(FLUSH).await;
        trouble.note(service.flush_usage().await.map(drop));
    }
}

/// Removes idempotency records, jobs, and what was counted, past their time.
async fn sweep(service: Service) {
    let mut trouble = Trouble::new("records past their time can't be removed");
    loop {
        trouble.note(service.expire_idempotency().await.map(drop));
        trouble.note(service.forget_jobs().await.map(drop));
        trouble.note(service.forget_usage().await);
        tokio::time::sleep(SWEEP).await;
    }
}

/// Lets go of counters of rates and quotas that say nothing any more.
async fn sweep_limits(service: Service) {
    loop {
        tokio::time::sleep(SWEEP_LIMITS).await;
        service.limiter().own().sweep(service.now());
    }
}

/// Shows what was decided: counted in memory where it is decided, copied to the metrics now and then.
async fn count(service: Service) {
    loop {
        show(service.meters(), &service.index().standing(service.now()), service.now());
        tokio::time::sleep(COUNT).await;
    }
}

/// How many decisions there were of each code, and how old what they are made from is.
pub(super) fn show(meters: &Meters, standing: &Standing, now: Timestamp) {
    for (code, decided) in meters.decisions() {
        metrics::counter!("claviger_decisions_total", "code" => code.as_str()).absolute(decided);
    }
    metrics::counter!("claviger_usage_coarsened_total").absolute(meters.coarsened());
    metrics::counter!("claviger_usage_responses_left_out_total").absolute(meters.responses_left_out());
    metrics::gauge!("claviger_usage_waiting")
        .set(f64::from(u32::try_from(meters.waiting()).unwrap_or(u32::MAX)));
    if standing.freshness != Freshness::Empty {
        // An age in seconds is far below 2^53.
        #[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
        let age = (now.as_micros() - standing.last_contact.as_micros()).max(0) as f64 / 1e6;
        metrics::gauge!("claviger_staleness_seconds").set(age);
    }
    metrics::gauge!("claviger_deciding").set(if standing.deciding() { 1.0 } else { 0.0 });
}

/// Keeps histograms small.
pub(super) async fn upkeep(metrics: Metrics) {
    loop {
        tokio::time::sleep(UPKEEP).await;
        metrics.upkeep();
    }
}
