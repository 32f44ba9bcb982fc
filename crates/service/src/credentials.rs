//! Fresh credentials for Key Sets: made from the service's entropy, digested under the keeper's digest
//! keys, and where their value may be had again, sealed before the transaction that issues them. No
//! transaction waits for the keeper.

use std::sync::Arc;

use claviger_domain::apis::AuthType;
use claviger_domain::credential::CredentialKind;
use claviger_domain::event::{EventBody, Position, Private};
use claviger_domain::id::{KeyId, KeySetId};
use claviger_domain::key_sets::{Custody, FreshKey};
use claviger_domain::secret::{Plaintext, Sealed};
use claviger_domain::time::Timestamp;
use claviger_keeper::{KeeperError, Open, Place, Purpose, Seal};
use claviger_wire::key_sets::Credentials;

use crate::error::Error;
use crate::state::Service;

/// Where a Key's sealed value belongs.
const TABLE: &str = "keys";
const COLUMN: &str = "value";
/// Between key and secret in what is sealed; credentials have letters, digits and `_` alone.
const SEPARATOR: char = '\n';

/// A credential that is ready to be issued. Its value is wiped when it is dropped.
#[derive(Debug)]
pub(crate) struct Minted {
    pub(crate) id: KeyId,
    pub(crate) auth_type: AuthType,
    fresh: FreshKey,
    private: Private,
    key: Plaintext,
    secret: Option<Plaintext>,
    sealed: Option<Sealed>,
}

/// A Key's value in the clear.
#[derive(Debug)]
pub(crate) struct Value {
    pub(crate) key: Plaintext,
    pub(crate) secret: Option<Plaintext>,
}

impl Minted {
    pub(crate) fn fresh(&self) -> FreshKey {
        self.fresh.clone()
    }

    pub(crate) const fn private(&self) -> Private {
        self.private
    }

    pub(crate) const fn sealed(&self) -> Option<&Sealed> {
        self.sealed.as_ref()
    }

    /// The value as the answer to the act that issued the Key tells it, once.
    pub(crate) fn credentials(&self, key_set_id: KeySetId) -> Credentials {
        Credentials {
            key_set_id: key_set_id.to_string(),
            key_id: self.id.to_string(),
            key: self.key.expose().to_owned(),
            secret: self.secret.as_ref().map(|secret| secret.expose().to_owned()),
        }
    }

    /// What is sealed: the key, and the secret on a line of its own.
    fn to_seal(&self) -> Plaintext {
        let mut text = self.key.expose().to_owned();
        if let Some(secret) = &self.secret {
            text.push(SEPARATOR);
            text.push_str(secret.expose());
        }
        Plaintext::new(text)
    }
}

/// The Key that an event issues, with whether its value must be sealed.
pub(crate) fn issued(body: &EventBody) -> Option<(KeyId, bool)> {
    match body {
        EventBody::KeyIssued { key, .. } => Some((key.key_id, key.custody != Custody::Shown)),
        _ => None,
    }
}

impl Service {
    /// A fresh credential of the auth type, not sealed yet.
    pub(crate) fn mint(&self, auth_type: AuthType, now: Timestamp) -> Minted {
        let keys = &self.state.keys;
        let key = self.fresh_credential(CredentialKind::Key);
        let secret = auth_type.has_secret().then(|| self.fresh_credential(CredentialKind::Secret));
        let digest_key = keys.digest_key.newest();
        let private = Private {
            digest_key: digest_key.id(),
            key: digest_key.digest(key.value.expose().as_bytes()),
            secret: secret
                .as_ref()
                .map(|secret| keys.digest_secret.newest().digest(secret.value.expose().as_bytes())),
        };
        let id = self.fresh_id(now);
        Minted {
            id,
            auth_type,
            fresh: FreshKey { id, masked: key.masked },
            private,
            key: key.value,
            secret: secret.map(|secret| secret.value),
            sealed: None,
        }
    }

    /// Seals the values, each for the row that its Key will have. All or none.
    pub(crate) async fn seal(&self, minted: &mut [Minted]) -> Result<(), Error> {
        if minted.is_empty() {
            return Ok(());
        }
        let database = self.state.instance_id.clone();
        let values: Vec<_> = minted.iter().map(|minted| (minted.id.to_string(), minted.to_seal())).collect();
        let sealed = self
            .ask_keeper(move |keeper| {
                let items = values.iter().map(|(row, value)| Seal {
                    purpose: Purpose::Retrievable,
                    place: place(&database, row),
                    plaintext: value,
                });
                keeper.seal_batch(&items.collect::<Vec<_>>())
            })
            .await?;
        for (minted, sealed) in minted.iter_mut().zip(sealed) {
            minted.sealed = Some(sealed);
        }
        Ok(())
    }

    /// Opens a Key's value for the actor; the event at `position`, which says so, is committed.
    pub(crate) async fn open(
        &self,
        key_id: KeyId,
        sealed: Sealed,
        actor: String,
        position: Position,
    ) -> Result<Value, Error> {
        let database = self.state.instance_id.clone();
        let row = key_id.to_string();
        let opened = self
            .ask_keeper(move |keeper| {
                keeper.open(Open {
                    purpose: Purpose::Retrievable,
                    place: place(&database, &row),
                    sealed: &sealed,
                    actor: &actor,
                    position: position.0.unsigned_abs(),
                })
            })
            .await?;
        let (key, secret) = match opened.expose().split_once(SEPARATOR) {
            Some((key, secret)) => (key, Some(Plaintext::new(secret.to_owned()))),
            None => (opened.expose(), None),
        };
        Ok(Value { key: Plaintext::new(key.to_owned()), secret })
    }

    /// Whether the keeper is there, before something is written that needs it.
    pub(crate) async fn keeper_answers(&self) -> bool {
        self.ask_keeper(|keeper| keeper.health()).await.is_ok()
    }

    /// The keeper's calls block; the runtime's threads don't wait for them.
    pub(crate) async fn ask_keeper<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&claviger_keeper::Keeper) -> Result<T, KeeperError> + Send + 'static,
    ) -> Result<T, Error> {
        let keeper = Arc::clone(&self.state.keeper);
        let asked = tokio::task::spawn_blocking(move || ask(&keeper)).await.map_err(Error::internal)?;
        Ok(asked?)
    }
}

fn place<'a>(database: &'a str, row: &'a str) -> Place<'a> {
    Place { database, table: TABLE, row, column: COLUMN }
}
