//! What owners do to a shared key: enable, disable, reset and clear its secret (product.md C6, C7).

use claviger_domain::event::{EventBody, NewEvent};
use claviger_domain::id::SharedKeyId;
use claviger_domain::permission::Permission;
use claviger_domain::refusal::Refusal;
use claviger_domain::shared_keys::{SharedKey, SharedKeyStatus};
use claviger_wire::acts::Act;
use claviger_wire::shared_keys as wire;

use super::values::{Fresh, Part, retrievable};
use crate::enforcement::Fleet;
use crate::error::Error;
use crate::fields::reason_of;
use crate::issuing::replan;
use crate::request::{Request, Status, Written};
use crate::state::Service;
use crate::write::Write;

type Decided = Result<EventBody, Refusal>;

impl Service {
    pub async fn shared_key_enable(
        &self,
        request: &Request,
        id: SharedKeyId,
        act: &Act,
    ) -> Result<Written<wire::SharedKey>, Error> {
        self.write(request, "shared_key_enable", Status::Done, |write| {
            Box::pin(async move {
                let (permission, already) = (Permission::SharedKeysEnable, Some(SharedKeyStatus::Active));
                write.shared_key_act(id, permission, act, already, SharedKey::enable).await
            })
        })
        .await
    }

    /// Every call with it is refused at once.
    pub async fn shared_key_disable(
        &self,
        request: &Request,
        id: SharedKeyId,
        act: &Act,
    ) -> Result<Written<wire::SharedKey>, Error> {
        self.write(request, "shared_key_disable", Status::Done, |write| {
            Box::pin(async move {
                let (permission, already) = (Permission::SharedKeysDisable, Some(SharedKeyStatus::Disabled));
                write.shared_key_act(id, permission, act, already, SharedKey::disable).await
            })
        })
        .await
    }

    /// Clears an outside key's secret, so that whoever holds the portal link can set one again.
    pub async fn shared_key_clear_secret(
        &self,
        request: &Request,
        id: SharedKeyId,
        act: &Act,
    ) -> Result<Written<wire::SharedKey>, Error> {
        self.write(request, "shared_key_clear_secret", Status::Done, |write| {
            Box::pin(async move {
                let permission = Permission::SharedKeysClearSecret;
                write.shared_key_act(id, permission, act, None, SharedKey::clear_secret).await
            })
        })
        .await
    }

    /// Gives an inside key a new generated secret, shown once; the old one dies at once.
    pub async fn shared_key_reset_secret(
        &self,
        request: &Request,
        id: SharedKeyId,
        act: &Act,
    ) -> Result<Written<wire::SharedKey>, Error> {
        let mut attempt = 0;
        loop {
            let api = self.state.store.read().await?.shared_key(id).await?.map(|key| key.api_id);
            let sealed = match api {
                Some(api) => self.seals_values_of(&api.to_string()).await?,
                None => false,
            };
            let fresh = self.fresh_values(Some(id), sealed, self.now()).await?;
            let fresh = &fresh;
            let written = self
                .write(request, "shared_key_reset_secret", Status::Done, |write| {
                    Box::pin(write.shared_key_reset_secret(act, fresh))
                })
                .await;
            if !replan(&mut attempt, &written) {
                return written;
            }
        }
    }
}

impl Write<'_, '_> {
    /// One act that issues nothing. Repeating it while a node has not heard of it wakes the nodes again.
    async fn shared_key_act(
        &mut self,
        id: SharedKeyId,
        permission: Permission,
        act: &Act,
        already: Option<SharedKeyStatus>,
        decide: impl Fn(&SharedKey) -> Decided + Send,
    ) -> Result<wire::SharedKey, Error> {
        let reason = reason_of(act)?;
        let key = self.shared_key_to(id, permission).await?;
        match decide(&key) {
            Ok(event) => self.append_all(key.place(), reason.as_ref(), [event]).await?,
            Err(_) if already == Some(key.status) && self.shared_key_is_waiting(id).await? => {
                self.tx.wake_nodes();
            }
            Err(refusal) => return Err(refusal.into()),
        }
        self.shared_key_now(id).await
    }

    async fn shared_key_is_waiting(&mut self, id: SharedKeyId) -> Result<bool, Error> {
        let fleet = Fleet::read(self.service, self.tx, self.now).await?;
        let changed = self.tx.last_change_of(&id.to_string()).await?;
        Ok(changed.is_some_and(|(position, _)| fleet.is_waiting(position)))
    }

    async fn shared_key_reset_secret(&mut self, act: &Act, fresh: &Fresh) -> Result<wire::SharedKey, Error> {
        let reason = reason_of(act)?;
        let key = self.shared_key_to(fresh.id, Permission::SharedKeysResetSecret).await?;
        let api = self.api_of(&key).await?;
        let keeps = retrievable(self.tx, &api).await?;
        let event = self.event(key.place(), key.reset_secret(keeps)?);
        let private = Some(self.service.digest_of_secret(&fresh.secret.value));
        self.tx.append(NewEvent { reason, private, ..event }).await?;
        match keeps {
            true => self.keep_sealed(fresh, Part::Secret).await?,
            false => self.discard_sealed(fresh.id).await?,
        }
        let shown = self.shared_key_now(fresh.id).await?;
        Ok(wire::SharedKey { secret: Some(fresh.secret.value.expose().to_owned()), ..shown })
    }
}
