//! The one way in which a use case writes: authority read in the transaction, the answer's idempotency
//! record kept with it, the node's own index brought up to it before the answer (product.md F4, G2).

use std::sync::Arc;

use claviger_domain::event::{EventBody, NewEvent, Position, Private};
use claviger_domain::id::{Id, Kind};
use claviger_domain::permission::Permission;
use claviger_domain::refusal::{Refusal, User};
use claviger_domain::scope::Place;
use claviger_domain::text::Note;
use claviger_domain::time::Timestamp;
use claviger_store::Tx;
use futures::future::BoxFuture;

use crate::authority::Authority;
use crate::error::Error;
use crate::etag;
use crate::fields::Fields;
use crate::idempotency::Claims;
use crate::request::{Answer, Gone, Outcome, Request, Status, Written};
use crate::state::Service;

/// A transaction of a signed-in actor.
pub(crate) struct Write<'tx, 'env> {
    pub(crate) tx: &'tx mut Tx<'env>,
    pub(crate) service: &'env Service,
    pub(crate) request: &'env Request,
    pub(crate) authority: Authority,
    pub(crate) now: Timestamp,
}

impl std::fmt::Debug for Write<'_, '_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Write").field("actor", &self.authority.actor.id).finish_non_exhaustive()
    }
}

impl Write<'_, '_> {
    pub(crate) fn fresh_id<K: Kind>(&self) -> Id<K> {
        self.service.fresh_id(self.now)
    }

    pub(crate) fn require(&self, see: Permission, act: Permission, place: &Place) -> Result<(), Refusal> {
        self.authority.require(see, act, place)
    }

    /// Appends what happened to a thing at `place`.
    pub(crate) async fn append(&mut self, place: Place, body: EventBody) -> Result<Position, Error> {
        let event = self.event(place, body);
        Ok(self.tx.append(event).await?)
    }

    /// Appends several happenings at one place, for one reason.
    pub(crate) async fn append_all(
        &mut self,
        place: Place,
        reason: Option<&Note>,
        bodies: impl IntoIterator<Item = EventBody> + Send,
    ) -> Result<(), Error> {
        let events: Vec<_> = bodies
            .into_iter()
            .map(|body| NewEvent { reason: reason.cloned(), ..self.event(place, body) })
            .collect();
        for event in events {
            self.tx.append(event).await?;
        }
        Ok(())
    }

    /// Appends the making of a credential, with its digests.
    pub(crate) async fn append_private(
        &mut self,
        place: Place,
        body: EventBody,
        private: Private,
    ) -> Result<Position, Error> {
        let event = NewEvent { private: Some(private), ..self.event(place, body) };
        Ok(self.tx.append(event).await?)
    }

    /// The event as this actor causes it now; change its other members as need be.
    pub(crate) fn event(&self, place: Place, body: EventBody) -> NewEvent {
        NewEvent {
            id: self.fresh_id(),
            at: self.now,
            actor: self.authority.actor.clone(),
            source: self.request.source.map(|source| source.to_string()),
            reason: None,
            place,
            counterpart: None,
            body,
            private: None,
        }
    }

    /// Deletes what nothing uses any more. Of those who use it, only such are named as the actor may read.
    pub(crate) async fn delete(
        &mut self,
        place: Place,
        mut users: Vec<User>,
        body: EventBody,
    ) -> Result<Gone, Error> {
        if !users.is_empty() {
            users.retain(|user| reading(user).is_some_and(|read| self.authority.holds(read)));
            return Err(Refusal::InUse { users }.into());
        }
        self.append(place, body).await?;
        Ok(Gone)
    }

    /// Why the actor acts, as the log keeps it.
    pub(crate) fn reason(&self, typed: Option<&str>) -> Result<Option<Note>, Refusal> {
        let mut fields = Fields::new();
        let reason = fields.note("/reason", typed);
        fields.finish()?;
        Ok(reason)
    }

    /// Refuses if the request's `If-Match` names another state than that of `object`.
    pub(crate) fn check_if_match(&self, object: &impl serde::Serialize) -> Result<(), Error> {
        match &self.request.if_match {
            Some(if_match) if !etag::matches(if_match, &etag::of(object).map_err(Error::internal)?) => {
                Err(Refusal::PreconditionFailed.into())
            }
            _ => Ok(()),
        }
    }
}

/// The permission that shows things of this one's kind.
fn reading(user: &User) -> Option<Permission> {
    match user.id.split_once('_')?.0 {
        "api" => Some(Permission::ApisRead),
        "app" => Some(Permission::ApplicationsRead),
        "ks" => Some(Permission::KeySetsRead),
        // Who administers none sees those that are shared, which these need not be.
        "kp" => Some(Permission::KeyPairsAdminister),
        "mbr" => Some(Permission::MembersRead),
        "sub" => Some(Permission::SubscriptionsRead),
        "shk" => Some(Permission::SharedKeysRead),
        "svk" => Some(Permission::ServiceKeysRead),
        _ => None,
    }
}

impl Service {
    /// Runs `act` as one transaction of the request's actor and answers once the node itself enforces it.
    /// A request that was answered before under the same `Idempotency-Key` gets that answer again.
    pub(crate) async fn write<'env, T, F>(
        &'env self,
        request: &'env Request,
        name: &'static str,
        status: Status,
        act: F,
    ) -> Result<Written<T>, Error>
    where
        T: Answer,
        F: for<'w, 'tx> Fn(&'w mut Write<'tx, 'env>) -> BoxFuture<'w, Result<T, Error>> + Send + Sync + 'env,
    {
        let (written, head) = self.write_unfollowed(request, name, status, act).await?;
        // A replayed answer took effect where it did; a fresh one at the head, which nobody else could move.
        self.follow_to(head).await?;
        Ok(written)
    }

    /// As [`Self::write`], but the node's own index may still be behind it: for whoever has to do something once it is
    /// committed, whether or not the node can follow. They follow then.
    pub(crate) async fn write_unfollowed<'env, T, F>(
        &'env self,
        request: &'env Request,
        name: &'static str,
        status: Status,
        act: F,
    ) -> Result<(Written<T>, Position), Error>
    where
        T: Answer,
        F: for<'w, 'tx> Fn(&'w mut Write<'tx, 'env>) -> BoxFuture<'w, Result<T, Error>> + Send + Sync + 'env,
    {
        let act = Arc::new(act);
        self.state
            .store
            .commit(name, |tx| {
                let act = Arc::clone(&act);
                Box::pin(async move {
                    let now = self.now();
                    let authority = self.authority(tx, request, now).await?;
                    if let Some(kept) = self.kept_answer(tx, request, now).await? {
                        return Ok(kept);
                    }
                    let mut write = Write { tx, service: self, request, authority, now };
                    let answer = act(&mut write).await?;
                    self.keep_answer(tx, request, status, answer).await
                })
            })
            .await
    }

    pub(crate) async fn keep_answer<T: Answer>(
        &self,
        tx: &mut Tx<'_>,
        request: &impl Claims,
        status: Status,
        answer: T,
    ) -> Result<Written<T>, Error> {
        let is_final = answer.is_final();
        let written = Written {
            etag: answer.etag(),
            location: answer.location(),
            status,
            position: tx.head_position(),
            outcome: Outcome::Fresh(answer),
        };
        if is_final {
            self.record_idempotency(tx, request, &written).await?;
        } else {
            self.forget_answer(tx, request).await?;
        }
        Ok(written)
    }
}
