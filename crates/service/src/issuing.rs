//! Issuing Keys inside a transaction: credentials are minted and sealed before it, taken up inside it, and
//! whatever the clock demands of a Key Set is settled first, by the same steps that the scheduler takes.

use claviger_domain::aggregate::Aggregate as _;
use claviger_domain::apis::AuthType;
use claviger_domain::event::{ActorRef, EventBody, NewEvent};
use claviger_domain::id::KeyId;
use claviger_domain::key_sets::{FreshKey, KeySet};
use claviger_domain::refusal::Refusal;
use claviger_domain::scope::Place;
use claviger_domain::time::Timestamp;
use claviger_store::Tx;

use crate::credentials::{Minted, issued};
use crate::error::{Error, Unavailable};
use crate::state::Service;
use crate::write::Write;

/// What the log calls the one who keeps the schedules.
const SCHEDULER: &str = "scheduler";
/// How often a write is planned anew when the state moved between its plan and its transaction.
const PLANS: u32 = 4;

/// A credential that a write may need.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wish {
    pub(crate) auth_type: AuthType,
    /// Whether its value may be had again, and so is sealed.
    pub(crate) sealed: bool,
}

/// Fresh credentials made for one write, before its transaction.
#[derive(Debug, Default)]
pub(crate) struct Purse {
    minted: Vec<Minted>,
    /// The keeper could not seal: the schedule waits, and an act that takes what is sealed is refused then.
    keeper_away: bool,
}

/// One run's hold of a purse: a transaction that is tried again begins with a full one.
#[derive(Debug)]
pub(crate) struct Hand<'p> {
    purse: &'p Purse,
    used: Vec<bool>,
}

/// A Key Set with all that the clock demanded done, and the events that did it, not appended yet.
#[derive(Debug)]
pub(crate) struct Settled {
    pub(crate) set: KeySet,
    pub(crate) events: Vec<EventBody>,
}

impl Purse {
    pub(crate) fn hand(&self) -> Hand<'_> {
        Hand { purse: self, used: vec![false; self.minted.len()] }
    }

    /// A purse that no Key can be issued from: what the clock ended can be recorded all the same.
    pub(crate) const fn without_keeper() -> Self {
        Self { minted: Vec::new(), keeper_away: true }
    }

    pub(crate) const fn keeper_away(&self) -> bool {
        self.keeper_away
    }

    pub(crate) fn minted(&self, id: KeyId) -> Option<&Minted> {
        self.minted.iter().find(|minted| minted.id == id)
    }
}

impl Hand<'_> {
    /// Takes a credential. None left: the keeper sealed none, or the state moved since the plan and the write
    /// is planned anew.
    pub(crate) fn take(&mut self, auth_type: AuthType, sealed: bool) -> Result<FreshKey, Error> {
        let fits = |minted: &Minted| minted.auth_type == auth_type && (!sealed || minted.sealed().is_some());
        let mut unused = self.purse.minted.iter().enumerate().filter(|(at, _)| !self.used[*at]);
        let found = unused.find(|(_, minted)| fits(minted));
        let (at, minted) = found.ok_or_else(|| match sealed && self.purse.keeper_away {
            true => Error::Unavailable(Unavailable::Keeper),
            false => Refusal::Conflict.into(),
        })?;
        self.used[at] = true;
        Ok(minted.fresh())
    }

    /// Does all that is due of the set at `now`, as far as the keeper's presence allows.
    pub(crate) fn settle(&mut self, set: KeySet, now: Timestamp) -> Result<Settled, Error> {
        if set.next_due_at().is_none_or(|due| due > now) {
            return Ok(Settled { set, events: Vec::new() });
        }
        let events = if self.purse.keeper_away {
            set.record_ends(now)
        } else {
            let needed = 0..set.keys_needed(now);
            let fresh: Result<Vec<_>, _> = needed.map(|_| self.take(set.auth_type, true)).collect();
            set.catch_up(now, fresh?)
        };
        let events = events.map_err(Error::internal)?;
        let set = after(set, now, &events)?;
        Ok(Settled { set, events })
    }
}

/// The set after events that are about to be appended.
fn after(set: KeySet, now: Timestamp, events: &[EventBody]) -> Result<KeySet, Error> {
    let last = events.iter().try_fold(Some(set), |set, body| KeySet::apply(set, now, body));
    last.map_err(Error::internal)?.ok_or_else(|| Error::internal("the schedule removed a Key Set"))
}

impl Service {
    /// Mints and seals what a write may need. While the keeper is away the purse has nothing that is sealed:
    /// a replay, a refusal and what needs no such credential are answered all the same.
    pub(crate) async fn purse(&self, wishes: &[Wish], now: Timestamp) -> Result<Purse, Error> {
        let purses = self.purses(&[wishes.to_vec()], now).await?;
        Ok(purses.into_iter().next().unwrap_or_default())
    }

    /// A purse for each of several writes, all sealed by one question to the keeper.
    pub(crate) async fn purses(&self, wishes: &[Vec<Wish>], now: Timestamp) -> Result<Vec<Purse>, Error> {
        let sealed = wishes.iter().flatten().filter(|wish| wish.sealed);
        let mut minted: Vec<_> = sealed.map(|wish| self.mint(wish.auth_type, now)).collect();
        let keeper_away = match self.seal(&mut minted).await {
            Ok(()) => false,
            Err(Error::Unavailable(Unavailable::Keeper)) => true,
            Err(error) => return Err(error),
        };
        let mut minted = minted.into_iter();
        let purse = |wishes: &Vec<Wish>| {
            let (to_seal, plain): (Vec<&Wish>, Vec<&Wish>) = wishes.iter().partition(|wish| wish.sealed);
            let mut purse = Purse { keeper_away: keeper_away && !to_seal.is_empty(), minted: Vec::new() };
            let sealed: Vec<_> = minted.by_ref().take(to_seal.len()).collect();
            if !purse.keeper_away {
                purse.minted = sealed;
            }
            purse.minted.extend(plain.iter().map(|wish| self.mint(wish.auth_type, now)));
            purse
        };
        Ok(wishes.iter().map(purse).collect())
    }

    /// What settling these sets may take.
    pub(crate) async fn purse_to_settle(&self, sets: &[KeySet], now: Timestamp) -> Result<Purse, Error> {
        self.purse(&sets.iter().flat_map(|set| due_wishes(set, now)).collect::<Vec<_>>(), now).await
    }

    /// An event that the schedule causes.
    pub(crate) fn scheduled(&self, now: Timestamp, place: Place, body: EventBody) -> NewEvent {
        NewEvent {
            id: self.fresh_id(now),
            at: now,
            actor: ActorRef::system(SCHEDULER),
            source: None,
            reason: None,
            place,
            counterpart: None,
            body,
            private: None,
        }
    }

    /// Appends what settling a set brought.
    pub(crate) async fn append_settled(
        &self,
        tx: &mut Tx<'_>,
        settled: &Settled,
        purse: &Purse,
        now: Timestamp,
    ) -> Result<(), Error> {
        for body in &settled.events {
            let event = self.scheduled(now, settled.set.place(), body.clone());
            append_with_credential(tx, event, purse).await?;
        }
        Ok(())
    }
}

/// The credentials that a set's schedule asks for at `now`.
pub(crate) fn due_wishes(set: &KeySet, now: Timestamp) -> Vec<Wish> {
    vec![Wish { auth_type: set.auth_type, sealed: true }; set.keys_needed(now)]
}

impl Write<'_, '_> {
    /// The set with all that the clock demanded done and recorded.
    pub(crate) async fn settle(
        &mut self,
        set: KeySet,
        hand: &mut Hand<'_>,
        purse: &Purse,
    ) -> Result<KeySet, Error> {
        let settled = hand.settle(set, self.now)?;
        self.service.append_settled(self.tx, &settled, purse, self.now).await?;
        Ok(settled.set)
    }
}

/// Appends an event; one that issues a Key takes its digests from the purse, and puts what is sealed
/// beside it in the same transaction.
pub(crate) async fn append_with_credential(
    tx: &mut Tx<'_>,
    mut event: NewEvent,
    purse: &Purse,
) -> Result<(), Error> {
    let Some((key_id, sealed)) = issued(&event.body) else {
        tx.append(event).await?;
        return Ok(());
    };
    let minted =
        purse.minted(key_id).ok_or_else(|| Error::internal("a Key was issued that nobody minted"))?;
    event.private = Some(minted.private());
    tx.append(event).await?;
    if sealed {
        let sealed = minted.sealed().ok_or(Refusal::Conflict)?;
        tx.put_sealed(key_id, sealed).await?;
    }
    Ok(())
}

/// Whether a write is to be planned anew: the state moved between its plan and its transaction.
pub(crate) fn replan<T>(attempt: &mut u32, result: &Result<T, Error>) -> bool {
    *attempt += 1;
    *attempt < PLANS && matches!(result, Err(Error::Refused(Refusal::Conflict)))
}
