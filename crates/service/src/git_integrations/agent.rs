//! Signing in: the keeper's agent for one pair, opened anew for each connection to the host that it names. The
//! private half never leaves the keeper, not even for this process.

use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::time::Duration;

use claviger_domain::git::{GitUser, HostKey};
use claviger_domain::id::KeyPairId;
use claviger_domain::key_pairs::Algorithm;
use claviger_domain::secret::Sealed;
use claviger_git::{Agent, AgentError, AgentLease};
use claviger_keeper::{Keeper, OpenAgent};
use claviger_store::Reader;

use super::first_sight::FirstSight;
use crate::error::Error;
use crate::key_pairs::place_of;
use crate::state::Service;

/// No sign-in takes longer.
const LIFETIME: Duration = Duration::from_secs(60);

/// A pair that signs in for one actor.
pub(super) struct PairAgent {
    keeper: Arc<Keeper>,
    database: String,
    key_pair_id: KeyPairId,
    algorithm: Algorithm,
    sealed: Sealed,
    /// Who asked for it.
    actor: String,
    /// The API whose integration it is attached to.
    attachment: String,
    first_sight: Option<FirstSight>,
}

impl PairAgent {
    /// The agent of a pair that the caller was found to be allowed to use.
    pub(super) async fn of(
        service: &Service,
        reader: &mut Reader,
        key_pair_id: KeyPairId,
        actor: String,
        attachment: String,
    ) -> Result<Self, Error> {
        let gone = || Error::internal("an attached key pair is gone");
        let pair = reader.key_pair(key_pair_id).await?.ok_or_else(gone)?;
        let sealed = reader.sealed_row(&key_pair_id.to_string()).await?.ok_or_else(gone)?;
        Ok(Self {
            keeper: Arc::clone(&service.state.keeper),
            database: service.state.instance_id.clone(),
            key_pair_id,
            algorithm: pair.algorithm,
            sealed,
            actor,
            attachment,
            first_sight: None,
        })
    }

    /// To a host whose key nobody knows, it signs in once that key is pinned.
    pub(super) fn at_first_sight(self, first_sight: FirstSight) -> Self {
        Self { first_sight: Some(first_sight), ..self }
    }
}

impl Agent for PairAgent {
    fn open(
        &self,
        listener: UnixListener,
        user: &GitUser,
        host_key: &HostKey,
    ) -> Result<AgentLease, AgentError> {
        if let Some(first_sight) = &self.first_sight {
            // The engine gives this call a thread of its own, which may wait for the database.
            tokio::runtime::Handle::current().block_on(first_sight.pin(host_key))?;
        }
        let row = self.key_pair_id.to_string();
        let lease = self.keeper.agent(OpenAgent {
            place: place_of(&self.database, &row),
            sealed: &self.sealed,
            algorithm: self.algorithm,
            actor: &self.actor,
            attachment: &self.attachment,
            user: user.as_str(),
            host_keys: &[host_key.blob().to_vec()],
            listener,
            lifetime: LIFETIME,
        })?;
        Ok(Box::new(lease))
    }
}
