//! The scheduler: records what the clock ended, performs the rotations that are due, and lets Pending
//! Subscriptions lapse (product.md D4, D11 to D13). A lease keeps it to one node at a time; should two run
//! all the same, each decides anew inside its transaction and finds nothing left to do.
//!
//! A run does what was due when it began, so that it ends; each of its transactions asks for the time anew, so
//! that the log tells when each step was done, however long the run takes.
//!
//! It enforces nothing: `expires_at` and `retires_at` bind at call time by the clock alone.

use std::collections::HashSet;
use std::time::Duration;

use claviger_domain::id::{KeySetId, SubscriptionId};
use claviger_domain::refusal::Refusal;
use claviger_domain::subscriptions::Subscription;
use claviger_domain::time::Timestamp;

use crate::error::Error;
use crate::issuing::{Purse, Wish, due_wishes};
use crate::state::Service;

mod run;
pub use run::SchedulerPace;

/// The lease's name, and for how long one run holds it without prolonging it.
const LEASE: &str = "scheduler";
const LEASE_SECONDS: i64 = 60;
/// So many Key Sets share one question to the keeper.
const BATCH: u32 = 50;
/// So many lapses are read at once.
const LAPSES: u32 = 100;

/// What one run did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SchedulerRun {
    /// Another node has the lease: what is left to do is done there.
    pub elsewhere: bool,
    /// Key Sets with something recorded or issued, once for each transaction.
    pub settled: u32,
    pub lapsed: u32,
    /// Key Sets whose rotation waits for the keeper.
    pub waiting_for_keeper: u32,
    /// Key Sets and Subscriptions that could not be settled; the log says why.
    pub failed: u32,
    /// When something is due next.
    pub next_at: Option<Timestamp>,
}

/// How one Key Set came out.
enum Progress {
    /// Something was appended; there may be more to do.
    Settled,
    /// Nothing is due, or nothing can be done now.
    Nothing,
    WaitsForKeeper,
}

/// This node's hold on the schedules, as long as it was last told.
struct Lease {
    until: Timestamp,
}

impl Service {
    /// Does all that is due now. A set that fails does not stop the others, and nothing is due twice.
    pub async fn scheduler_run_once(&self) -> Result<SchedulerRun, Error> {
        let mut run = SchedulerRun::default();
        let now = self.now();
        let mut lease = Lease { until: now };
        run.elsewhere = !self.keep_scheduler_lease(&mut lease).await?
            || !self.settle_due(now, &mut lease, &mut run).await?
            || !self.lapse_all_due(now, &mut lease, &mut run).await?;
        if run.settled + run.lapsed > 0 {
            // This node enforces by the clock already; its index follows so that new Keys are good here.
            self.follow().await?;
        }
        let mut reader = self.store().read().await?;
        let (due, lapse) = (reader.next_due_at().await?, reader.next_lapse().await?);
        run.next_at = [due, lapse].into_iter().flatten().min();
        Ok(run)
    }

    /// Settles the sets that were due at `now`; false: another node took the lease over.
    async fn settle_due(
        &self,
        now: Timestamp,
        lease: &mut Lease,
        run: &mut SchedulerRun,
    ) -> Result<bool, Error> {
        let mut done_with = HashSet::new();
        loop {
            let due = self.due(now, &done_with).await?;
            if due.is_empty() {
                return Ok(true);
            }
            let now = self.now();
            let purses = match self.purses(&self.wishes_of_due(&due, now).await?, now).await {
                Ok(purses) => purses,
                Err(error) => {
                    // The keeper refuses: ends are recorded, rotations are for the next run.
                    tracing::error!(%error, "the keeper did not seal fresh Keys");
                    due.iter().map(|_| Purse::without_keeper()).collect()
                }
            };
            for (id, purse) in due.iter().zip(&purses) {
                if !self.keep_scheduler_lease(lease).await? {
                    return Ok(false);
                }
                match self.settle_one(*id, purse).await {
                    Ok(Progress::Settled) => run.settled += 1,
                    Ok(Progress::Nothing) => drop(done_with.insert(*id)),
                    Ok(Progress::WaitsForKeeper) => {
                        done_with.insert(*id);
                        run.waiting_for_keeper += 1;
                    }
                    Err(error @ Error::Unavailable(_)) => return Err(error),
                    Err(error) => {
                        tracing::error!(key_set = %id, %error, "a Key Set's schedule could not be kept");
                        done_with.insert(*id);
                        run.failed += 1;
                    }
                }
            }
        }
    }

    /// The next sets that are due, but for those that this run is done with: one that fails stands in
    /// nobody's way.
    async fn due(&self, now: Timestamp, done_with: &HashSet<KeySetId>) -> Result<Vec<KeySetId>, Error> {
        let limit = BATCH.saturating_add(u32::try_from(done_with.len()).unwrap_or(u32::MAX));
        let mut due = self.store().read().await?.due_key_sets(now, limit).await?;
        due.retain(|id| !done_with.contains(id));
        due.truncate(BATCH as usize);
        Ok(due)
    }

    async fn wishes_of_due(&self, due: &[KeySetId], now: Timestamp) -> Result<Vec<Vec<Wish>>, Error> {
        let mut reader = self.store().read().await?;
        let mut wishes = Vec::with_capacity(due.len());
        for id in due {
            let set = reader.key_set(*id).await?;
            wishes.push(set.map_or_else(Vec::new, |set| due_wishes(&set, now)));
        }
        Ok(wishes)
    }

    /// Decides anew inside the transaction: somebody may have acted since the plan.
    async fn settle_one(&self, id: KeySetId, purse: &Purse) -> Result<Progress, Error> {
        let settled = self
            .store()
            .commit("scheduler_settle", |tx| {
                Box::pin(async move {
                    let now = self.now();
                    let Some(set) = tx.key_set(id).await? else { return Ok(Progress::Nothing) };
                    let settled = purse.hand().settle(set, now)?;
                    self.append_settled(tx, &settled, purse, now).await?;
                    let still_due = settled.set.next_due_at().is_some_and(|due| due <= now);
                    Ok(match (settled.events.is_empty(), still_due && purse.keeper_away()) {
                        (_, true) => Progress::WaitsForKeeper,
                        (true, false) => Progress::Nothing,
                        (false, false) => Progress::Settled,
                    })
                })
            })
            .await;
        match settled {
            Ok((progress, _)) => Ok(progress),
            // The set moved since the plan: the next run plans again.
            Err(Error::Refused(Refusal::Conflict)) => Ok(Progress::Nothing),
            Err(error) => Err(error),
        }
    }

    /// Lets lapse what was due at `now`; false: another node took the lease over.
    async fn lapse_all_due(
        &self,
        now: Timestamp,
        lease: &mut Lease,
        run: &mut SchedulerRun,
    ) -> Result<bool, Error> {
        let mut failed = HashSet::new();
        loop {
            let limit = LAPSES.saturating_add(u32::try_from(failed.len()).unwrap_or(u32::MAX));
            let mut due = self.store().read().await?.lapsed_subscriptions(now, limit).await?;
            due.retain(|subscription| !failed.contains(&subscription.id));
            if due.is_empty() {
                return Ok(true);
            }
            for Subscription { id, .. } in due {
                if !self.keep_scheduler_lease(lease).await? {
                    return Ok(false);
                }
                match self.lapse_one(id).await {
                    Ok(true) => run.lapsed += 1,
                    Ok(false) => drop(failed.insert(id)),
                    Err(error @ Error::Unavailable(_)) => return Err(error),
                    Err(error) => {
                        tracing::error!(subscription = %id, %error, "a Subscription could not lapse");
                        failed.insert(id);
                        run.failed += 1;
                    }
                }
            }
        }
    }

    async fn lapse_one(&self, id: SubscriptionId) -> Result<bool, Error> {
        let (lapsed, _) = self
            .store()
            .commit("scheduler_lapse", |tx| {
                Box::pin(async move {
                    let subscription = tx.subscription(id).await?.ok_or(Refusal::NotFound)?;
                    self.lapse(tx, &subscription, self.now()).await
                })
            })
            .await?;
        Ok(lapsed)
    }

    /// Takes the lease, or prolongs it once half of it is over; false: another node has it.
    async fn keep_scheduler_lease(&self, lease: &mut Lease) -> Result<bool, Error> {
        if lease.until.seconds_since(self.now()) > LEASE_SECONDS / 2 {
            return Ok(true);
        }
        let holder = self.options().node_id.to_string();
        let holder = holder.as_str();
        let (taken, _) = self
            .store()
            .commit("scheduler_lease", |tx| {
                Box::pin(async move {
                    let now = self.now();
                    let until = now.plus_seconds(LEASE_SECONDS);
                    let taken = tx.take_lease(LEASE, holder, now, until).await?;
                    Ok::<_, Error>(taken.then_some(until))
                })
            })
            .await?;
        lease.until = taken.unwrap_or(lease.until);
        Ok(taken.is_some())
    }

    /// Lets another node go on at once.
    pub async fn scheduler_give_back(&self) -> Result<(), Error> {
        let holder = self.options().node_id.to_string();
        let holder = holder.as_str();
        self.store()
            .commit("scheduler_lease", |tx| {
                Box::pin(async move { Ok::<_, Error>(tx.give_back_lease(LEASE, holder).await?) })
            })
            .await
            .map(drop)
    }
}

/// How long to wait for what is due at `at`.
fn until(at: Timestamp, now: Timestamp) -> Duration {
    Duration::from_micros((at.as_micros() - now.as_micros()).max(0).unsigned_abs())
}
