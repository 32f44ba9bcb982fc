//! The ledgers, one for each act that has a ceiling of its own, and what a journal's line adds to them.

use claviger_domain::key_pairs::KeyUse;
use claviger_domain::time::Timestamp;

use crate::journal::{Fact, Opening, Signing};
use crate::ledger::{Ceilings, Ledger};
use crate::place::Purpose;

/// What an hour allows: of each act so much by one actor, and so much by all together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AllCeilings {
    /// Opening what a person may retrieve. 30 and 1,000 if nothing else is configured.
    pub reveals: Ceilings,
    /// Signing in to Git hosts. 1,000 and 10,000.
    pub git_signatures: Ceilings,
    /// Signing JSON Web Tokens. 10,000 and 100,000.
    pub jwt_signatures: Ceilings,
}

impl Default for AllCeilings {
    fn default() -> Self {
        Self {
            reveals: Ceilings { per_actor: 30, together: 1_000 },
            git_signatures: Ceilings { per_actor: 1_000, together: 10_000 },
            jwt_signatures: Ceilings { per_actor: 10_000, together: 100_000 },
        }
    }
}

/// What was done within the last hour, of each act.
pub(crate) struct Ledgers {
    pub(crate) reveals: Ledger,
    git_signatures: Ledger,
    jwt_signatures: Ledger,
}

impl Ledgers {
    pub(crate) fn new(ceilings: AllCeilings) -> Self {
        Self {
            reveals: Ledger::new(ceilings.reveals),
            git_signatures: Ledger::new(ceilings.git_signatures),
            jwt_signatures: Ledger::new(ceilings.jwt_signatures),
        }
    }

    /// The ledger of signatures for that use.
    pub(crate) fn signatures(&mut self, key_use: KeyUse) -> &mut Ledger {
        match key_use {
            KeyUse::Git => &mut self.git_signatures,
            KeyUse::Jwt => &mut self.jwt_signatures,
        }
    }

    /// Counts what a line of the journal says was done.
    pub(crate) fn learn(&mut self, fact: &Fact, at: Timestamp) {
        match fact {
            Fact::Opened(Opening { purpose, actor, .. }) => match Purpose::from_name(purpose) {
                Some(Purpose::Retrievable) => self.reveals.record(actor, at),
                Some(Purpose::KeyPair) | None => {}
            },
            Fact::Signed(Signing { key_use, actor, .. }) => self.signatures(*key_use).record(actor, at),
            Fact::Begun { .. } | Fact::Root { .. } => {}
        }
    }
}
