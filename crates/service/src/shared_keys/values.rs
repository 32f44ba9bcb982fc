//! Fresh values of shared keys: made from the service's entropy, digested, and where the API's policy template
//! lets them be shown again, sealed before the transaction that issues them. No transaction waits for the keeper.

use claviger_domain::apis::Api;
use claviger_domain::credential::{CredentialKind, Generated};
use claviger_domain::event::Private;
use claviger_domain::id::SharedKeyId;
use claviger_domain::secret::{Plaintext, Sealed};
use claviger_domain::time::Timestamp;
use claviger_keeper::{Place, Purpose, Seal};
use claviger_store::Reader;

use crate::error::{Error, Unavailable};
use crate::state::Service;
use crate::write::Write;

/// Where a shared key's sealed values belong; the row names the part.
pub(super) const TABLE: &str = "shared_keys";
pub(super) const COLUMN: &str = "value";

/// The two parts of a shared key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Key,
    Secret,
}

impl Part {
    /// The row that this part of the key is sealed for.
    pub(super) fn row(self, id: SharedKeyId) -> String {
        match self {
            Self::Key => format!("{id}.key"),
            Self::Secret => format!("{id}.secret"),
        }
    }
}

/// A key and a secret that are ready to be issued. Their values are wiped when they are dropped.
#[derive(Debug)]
pub(super) struct Fresh {
    pub(super) id: SharedKeyId,
    pub(super) key: Generated,
    pub(super) secret: Generated,
    /// The sealed key and secret; `None`: nobody asked for them, or the keeper is away.
    sealed: Option<[Sealed; 2]>,
    keeper_away: bool,
}

impl Fresh {
    /// The sealed part. An act that needs it waits for the keeper's return; if the policy changed meanwhile, it
    /// is done again.
    pub(super) fn sealed(&self, part: Part) -> Result<&Sealed, Error> {
        match &self.sealed {
            Some([key, secret]) => Ok(if part == Part::Key { key } else { secret }),
            None if self.keeper_away => Err(Error::Unavailable(Unavailable::Keeper)),
            None => Err(claviger_domain::refusal::Refusal::Conflict.into()),
        }
    }
}

impl Service {
    /// Fresh values for a key that is about to be made, or for one that is there.
    pub(super) async fn fresh_values(
        &self,
        id: Option<SharedKeyId>,
        sealed: bool,
        now: Timestamp,
    ) -> Result<Fresh, Error> {
        let mut fresh = Fresh {
            id: id.unwrap_or_else(|| self.fresh_id(now)),
            key: self.fresh_credential(CredentialKind::Key),
            secret: self.fresh_credential(CredentialKind::Secret),
            sealed: None,
            keeper_away: false,
        };
        if sealed {
            match self.seal_values(&fresh).await {
                Ok(sealed) => fresh.sealed = Some(sealed),
                Err(Error::Unavailable(Unavailable::Keeper)) => fresh.keeper_away = true,
                Err(error) => return Err(error),
            }
        }
        Ok(fresh)
    }

    async fn seal_values(&self, fresh: &Fresh) -> Result<[Sealed; 2], Error> {
        let database = self.state.instance_id.clone();
        let parts = [(Part::Key, fresh.key.value.clone()), (Part::Secret, fresh.secret.value.clone())];
        let values = parts.map(|(part, value)| (part.row(fresh.id), value));
        let sealed = self
            .ask_keeper(move |keeper| {
                let items = values.iter().map(|(row, plaintext)| Seal {
                    purpose: Purpose::Retrievable,
                    place: Place { database: &database, table: TABLE, row, column: COLUMN },
                    plaintext,
                });
                keeper.seal_batch(&items.collect::<Vec<_>>())
            })
            .await?;
        sealed.try_into().map_err(|_| Error::internal("the keeper sealed another number of values"))
    }

    /// The digests that a new key is known by.
    pub(super) fn digests_of_key(&self, fresh: &Fresh, with_secret: bool) -> Private {
        let keys = &self.state.keys;
        let digest_key = keys.digest_key.newest();
        Private {
            digest_key: digest_key.id(),
            key: digest_key.digest(fresh.key.value.expose().as_bytes()),
            secret: with_secret.then(|| self.digest_of_secret(&fresh.secret.value).key),
        }
    }

    /// The digest that a generated secret is known by.
    pub(crate) fn digest_of_secret(&self, secret: &Plaintext) -> Private {
        let digest_key = self.state.keys.digest_secret.newest();
        let key = digest_key.digest(secret.expose().as_bytes());
        Private { digest_key: digest_key.id(), key, secret: None }
    }
}

/// Whether the API's policy template lets credentials be shown again.
pub(super) async fn retrievable(reader: &mut Reader, api: &Api) -> Result<bool, Error> {
    let template = reader.policy_template(api.settings.policy_template_id).await?;
    let template = template.ok_or_else(|| Error::internal("an API's policy template is gone"))?;
    Ok(template.policy.retrievable)
}

impl Write<'_, '_> {
    /// Keeps the sealed part of a key in the transaction that issues it.
    pub(super) async fn keep_sealed(&mut self, fresh: &Fresh, part: Part) -> Result<(), Error> {
        let sealed = fresh.sealed(part)?;
        Ok(self.tx.put_sealed_row(&part.row(fresh.id), sealed).await?)
    }

    /// Wipes what can be shown no more.
    pub(super) async fn discard_sealed(&mut self, id: SharedKeyId) -> Result<(), Error> {
        for part in [Part::Key, Part::Secret] {
            self.tx.discard_sealed_row(&part.row(id)).await?;
        }
        Ok(())
    }
}
