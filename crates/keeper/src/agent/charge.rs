//! What an agent is for: one pair, one user, one host.

use std::time::Duration;

use claviger_domain::key_pairs::Algorithm;

use crate::place::OwnedPlace;
use crate::wire::signing::{AgentRequest, PairRequest};

/// All that an agent knows. The private half is not among it: that stays sealed between two signatures.
pub(crate) struct Charge {
    pub(crate) place: OwnedPlace,
    pub(crate) algorithm: Algorithm,
    pub(crate) sealed: Vec<u8>,
    pub(crate) actor: String,
    pub(crate) attachment: String,
    pub(crate) user: String,
    /// As SSH writes them.
    pub(crate) host_keys: Vec<Vec<u8>>,
    pub(crate) lifetime: Duration,
    /// The public half, as SSH writes it.
    pub(crate) public: Vec<u8>,
}

impl Charge {
    pub(crate) fn new(request: &AgentRequest<'_>, public: Vec<u8>) -> Self {
        Self {
            place: request.pair.place.into(),
            algorithm: request.pair.algorithm,
            sealed: request.pair.sealed.to_vec(),
            actor: request.pair.actor.to_owned(),
            attachment: request.attachment.to_owned(),
            user: request.user.to_owned(),
            host_keys: request.host_keys.iter().map(|key| key.to_vec()).collect(),
            lifetime: request.lifetime,
            public,
        }
    }

    /// The pair, as a signature is asked for.
    pub(crate) fn pair(&self) -> PairRequest<'_> {
        PairRequest {
            place: self.place.borrow(),
            algorithm: self.algorithm,
            sealed: &self.sealed,
            actor: &self.actor,
        }
    }
}
