//! The scheduler: records what the clock ended, performs the rotations that are due, and lets Pending
//! Subscriptions lapse (product.md D4, D11 to D13). A lease keeps it to one node at a time; should two run
//! all the same, each decides anew inside its transaction and finds nothing left to do.
//!
//! It enforces nothing: `expires_at` and `retires_at` bind at call time by the clock alone.

use std::collections::HashSet;
use std::time::Duration;

use claviger_domain::id::KeySetId;
use claviger_domain::refusal::Refusal;
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
    /// Another node has the lease: nothing was done here.
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

impl Service {
    /// Does all that is due at `now`. A set that fails does not stop the others, and nothing is due twice.
    pub async fn scheduler_run_once(&self, now: Timestamp) -> Result<SchedulerRun, Error> {
        let mut run = SchedulerRun::default();
        if !self.take_scheduler_lease(now).await? {
            run.elsewhere = true;
            return Ok(run);
        }
        self.settle_due(now, &mut run).await?;
        self.lapse_all_due(now, &mut run).await?;
        let mut reader = self.store().read().await?;
        let (due, lapse) = (reader.next_due_at().await?, reader.next_lapse().await?);
        run.next_at = [due, lapse].into_iter().flatten().min();
        drop(reader);
        if run.settled + run.lapsed > 0 {
            // This node enforces by the clock already; its index follows so that new Keys are good here.
            self.follow().await?;
        }
        Ok(run)
    }

    async fn settle_due(&self, now: Timestamp, run: &mut SchedulerRun) -> Result<(), Error> {
        let mut done_with = HashSet::new();
        loop {
            let due = self.due(now, &done_with).await?;
            if due.is_empty() {
                return Ok(());
            }
            let purses = match self.purses(&self.wishes_of_due(&due, now).await?, now).await {
                Ok(purses) => purses,
                Err(error) => {
                    // The keeper refuses: ends are recorded, rotations are for the next run.
                    tracing::error!(%error, "the keeper did not seal fresh Keys");
                    due.iter().map(|_| Purse::without_keeper()).collect()
                }
            };
            for (id, purse) in due.iter().zip(&purses) {
                match self.settle_one(*id, purse, now).await {
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
            if !self.take_scheduler_lease(now).await? {
                return Ok(());
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
    async fn settle_one(&self, id: KeySetId, purse: &Purse, now: Timestamp) -> Result<Progress, Error> {
        let settled = self
            .store()
            .commit("scheduler_settle", |tx| {
                Box::pin(async move {
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

    async fn lapse_all_due(&self, now: Timestamp, run: &mut SchedulerRun) -> Result<(), Error> {
        let mut failed = HashSet::new();
        loop {
            let limit = LAPSES.saturating_add(u32::try_from(failed.len()).unwrap_or(u32::MAX));
            let mut due = self.store().read().await?.lapsed_subscriptions(now, limit).await?;
            due.retain(|subscription| !failed.contains(&subscription.id));
            if due.is_empty() {
                return Ok(());
            }
            for subscription in due {
                let id = subscription.id;
                let lapsed = self
                    .store()
                    .commit("scheduler_lapse", |tx| {
                        Box::pin(async move {
                            let subscription = tx.subscription(id).await?.ok_or(Refusal::NotFound)?;
                            self.lapse(tx, &subscription, now).await
                        })
                    })
                    .await;
                match lapsed {
                    Ok((true, _)) => run.lapsed += 1,
                    Ok((false, _)) => drop(failed.insert(id)),
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

    async fn take_scheduler_lease(&self, now: Timestamp) -> Result<bool, Error> {
        let holder = self.options().node_id.to_string();
        let holder = holder.as_str();
        let until = now.plus_seconds(LEASE_SECONDS);
        let (taken, _) = self
            .store()
            .commit("scheduler_lease", |tx| {
                Box::pin(async move { Ok::<_, Error>(tx.take_lease(LEASE, holder, now, until).await?) })
            })
            .await?;
        Ok(taken)
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
