//! The acts on a Key Set's life: suspend, activate, regenerate, revoke, issue, and the early end of one Key
//! (product.md D9, D10, D14, D15). The domain decides; here its decision meets authority, the schedule and
//! the log.

use claviger_domain::event::{EventBody, NewEvent};
use claviger_domain::id::{KeyId, KeySetId};
use claviger_domain::key_sets::{Act, Facts, KeySet};
use claviger_domain::refusal::Refusal;
use claviger_domain::text::Note;
use claviger_domain::time::Timestamp;
use claviger_store::Reader;
use claviger_wire::acts as body;
use claviger_wire::key_sets as wire;

use super::view::{facts, last_change};
use crate::authority::Authority;
use crate::credentials::issued;
use crate::enforcement::Fleet;
use crate::error::Error;
use crate::issuing::{Hand, Purse, Wish, append_with_credential, due_wishes, replan};
use crate::request::{Request, Status, Written};
use crate::state::Service;
use crate::write::Write;

/// One act on one set; `key_id` is the Key of `RevokeKey`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    pub(super) id: KeySetId,
    pub(super) act: Act,
    pub(super) key_id: Option<KeyId>,
}

impl Service {
    /// Every living Key of the set is refused at once.
    pub async fn key_set_suspend(
        &self,
        request: &Request,
        id: KeySetId,
        body: &body::Act,
    ) -> Result<Written<wire::KeySet>, Error> {
        self.key_set_act(request, "key_set_suspend", Asked { id, act: Act::Suspend, key_id: None }, body)
            .await
    }

    /// The same secrets work again.
    pub async fn key_set_activate(
        &self,
        request: &Request,
        id: KeySetId,
        body: &body::Act,
    ) -> Result<Written<wire::KeySet>, Error> {
        self.key_set_act(request, "key_set_activate", Asked { id, act: Act::Activate, key_id: None }, body)
            .await
    }

    /// A new Key takes LATEST's place.
    pub async fn key_set_regenerate(
        &self,
        request: &Request,
        id: KeySetId,
        body: &body::Act,
    ) -> Result<Written<wire::KeySet>, Error> {
        let asked = Asked { id, act: Act::Regenerate, key_id: None };
        self.key_set_act(request, "key_set_regenerate", asked, body).await
    }

    /// Final: no Key of the set ever works again.
    pub async fn key_set_revoke(
        &self,
        request: &Request,
        id: KeySetId,
        body: &body::Act,
    ) -> Result<Written<wire::KeySet>, Error> {
        self.key_set_act(request, "key_set_revoke", Asked { id, act: Act::Revoke, key_id: None }, body).await
    }

    /// A new Key on a set whose LATEST is dead.
    pub async fn key_set_issue(
        &self,
        request: &Request,
        id: KeySetId,
        body: &body::Act,
    ) -> Result<Written<wire::KeySet>, Error> {
        self.key_set_act(request, "key_set_issue", Asked { id, act: Act::Issue, key_id: None }, body).await
    }

    /// Ends one living Key that is not LATEST before its time.
    pub async fn key_set_revoke_key(
        &self,
        request: &Request,
        id: KeySetId,
        key_id: KeyId,
        body: &body::Act,
    ) -> Result<Written<wire::KeySet>, Error> {
        let asked = Asked { id, act: Act::RevokeKey, key_id: Some(key_id) };
        self.key_set_act(request, "key_set_revoke_key", asked, body).await
    }

    async fn key_set_act(
        &self,
        request: &Request,
        name: &'static str,
        asked: Asked,
        body: &body::Act,
    ) -> Result<Written<wire::KeySet>, Error> {
        let mut attempt = 0;
        loop {
            let purse = self.purse_for_acts(request, &[asked]).await?;
            let purse = &purse;
            let written = self
                .write(request, name, Status::Done, |write| {
                    Box::pin(async move {
                        let reason = write.reason(body.reason.as_deref())?;
                        let set = write.key_set_to(asked.id, asked.act.permission()).await?;
                        write.check_key_set_match(&set).await?;
                        write.key_set_act(set, asked, reason.as_ref(), &mut purse.hand(), purse).await
                    })
                })
                .await;
            if !replan(&mut attempt, &written) {
                return written;
            }
        }
    }

    /// The credentials that the acts, and the schedules of their sets, may need. What the caller may not
    /// do is refused in the transaction; nothing is made for it here.
    pub(super) async fn purse_for_acts(&self, request: &Request, asked: &[Asked]) -> Result<Purse, Error> {
        let now = self.now();
        let mut wishes = Vec::new();
        {
            let (mut reader, authority) = self.reading(request).await?;
            for asked in asked {
                wishes.extend(wishes_of(&mut reader, &authority, *asked, now).await?);
            }
        }
        self.purse(&wishes, now).await
    }
}

async fn wishes_of(
    reader: &mut Reader,
    authority: &Authority,
    asked: Asked,
    now: Timestamp,
) -> Result<Vec<Wish>, Error> {
    let set = reader.key_set(asked.id).await?;
    let Some(set) = set.filter(|set| authority.allows(asked.act.permission(), &set.place())) else {
        return Ok(Vec::new());
    };
    let mut wishes = due_wishes(&set, now);
    if matches!(asked.act, Act::Regenerate | Act::Issue) {
        wishes.push(Wish { auth_type: set.auth_type, sealed: set.policy.retrievable });
    }
    Ok(wishes)
}

impl Write<'_, '_> {
    /// Decides and records one act. Nothing is appended before all of it is decided, so that a refusal
    /// leaves nothing behind.
    pub(super) async fn key_set_act(
        &mut self,
        set: KeySet,
        asked: Asked,
        reason: Option<&Note>,
        hand: &mut Hand<'_>,
        purse: &Purse,
    ) -> Result<wire::KeySet, Error> {
        if asked.act.is_already(set.status(self.now)) && self.is_waiting(asked.id).await? {
            self.tx.wake_nodes();
            return self.key_set_view(&set).await;
        }
        let settled = hand.settle(set, self.now)?;
        let facts = facts(self.tx, &settled.set, self.now).await?;
        let events = decide(&settled.set, asked, self.now, &facts, hand)?;
        self.service.append_settled(self.tx, &settled, purse, self.now).await?;
        let mut credentials = Vec::new();
        for body in events {
            let shown = issued(&body).filter(|(_, sealed)| !sealed).and_then(|(id, _)| purse.minted(id));
            credentials.extend(shown.map(|minted| minted.credentials(asked.id)));
            let event = self.event(settled.set.place(), body);
            let event = NewEvent { reason: reason.cloned(), ..event };
            append_with_credential(self.tx, event, purse).await?;
        }
        let view = self.key_set_now(asked.id).await?;
        let credentials = Some(credentials).filter(|shown| !shown.is_empty());
        Ok(wire::KeySet { credentials, ..view })
    }

    /// Whether some node has not confirmed the set's last change.
    async fn is_waiting(&mut self, id: KeySetId) -> Result<bool, Error> {
        let fleet = Fleet::read(self.service, self.tx, self.now).await?;
        Ok(fleet.is_waiting(last_change(self.tx, id).await?))
    }
}

fn decide(
    set: &KeySet,
    asked: Asked,
    now: Timestamp,
    facts: &Facts,
    hand: &mut Hand<'_>,
) -> Result<Vec<EventBody>, Error> {
    let decided = match asked.act {
        Act::Suspend => set.suspend(now, facts),
        Act::Activate => set.activate(now, facts),
        Act::Revoke => set.revoke(now, facts),
        Act::RevokeKey => set.revoke_key(asked.key_id.ok_or(Refusal::NotFound)?, now, facts),
        Act::Regenerate | Act::Issue => {
            // The state's word comes first: a refused act takes no credential.
            set.check(asked.act, now, facts)?;
            let fresh = hand.take(set.auth_type, set.policy.retrievable)?;
            match asked.act {
                Act::Issue => set.issue(now, facts, fresh),
                _ => set.regenerate(now, facts, fresh),
            }
        }
        Act::Retrieve => Err(Refusal::NotFound),
    };
    Ok(decided?)
}
