//! Signing: first the ceiling, then the envelope, then the signature, then the journal on the disk, then the
//! answer. The private half is in memory for as long as the signature takes, and wiped.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use claviger_domain::key_pairs::KeyUse;
use claviger_domain::time::Timestamp;
use sha2::{Digest as _, Sha256};

use super::{Answer, Desk, Order, refuse};
use crate::agent::{Charge, SignIn, key};
use crate::ambient::Ambient;
use crate::envelope;
use crate::journal::{Fact, SignedInTo, Signing};
use crate::jwt;
use crate::pair::{Hash, NoPair, PrivateHalf};
use crate::place::Purpose;
use crate::wire::message::{self, Body, Refusal};
use crate::wire::signing::{AgentRequest, PairRequest, SignRequest};

/// What is signed, and what for.
struct Work<'a> {
    key_use: KeyUse,
    subject: &'a str,
    hash: Hash,
    input: &'a [u8],
    host: Option<SignedInTo>,
}

/// Why nothing is signed.
pub(crate) enum NotSigned {
    Refused(Refusal),
    /// The journal takes no more: its state is known only to the next start.
    NotJournaled,
}

impl From<NoPair> for NotSigned {
    fn from(_: NoPair) -> Self {
        Self::Refused(Refusal::NotOpened)
    }
}

impl From<NotSigned> for Answer {
    fn from(reason: NotSigned) -> Self {
        match reason {
            NotSigned::Refused(refusal) => refuse(refusal),
            NotSigned::NotJournaled => Self::SayAndEnd(message::refused_reply(Refusal::Unavailable)),
        }
    }
}

impl Desk {
    /// The answer to an order, once its pair is made: the private half sealed to its place.
    pub(crate) fn made(
        &self,
        order: &Order,
        pair: &Result<PrivateHalf, NoPair>,
        ambient: &dyn Ambient,
    ) -> Body {
        let halves = pair.as_ref().map(|pair| (pair.to_pkcs8(), pair.public()));
        let Ok((Ok(private), Ok(public))) = halves else {
            return message::refused_reply(Refusal::Unavailable);
        };
        let key = self.started.tree.sealing_key(Purpose::KeyPair);
        match envelope::seal(&key, Purpose::KeyPair.as_str(), order.place.borrow(), &private, ambient) {
            Ok(sealed) => message::made_reply(&sealed, &public),
            Err(_) => message::refused_reply(Refusal::Unavailable),
        }
    }

    pub(super) fn sign_jwt(&mut self, sign: &SignRequest<'_>, now: Timestamp) -> Answer {
        let Some(input) = jwt::signing_input(sign.pair.algorithm, sign.key_id, sign.claims) else {
            return refuse(Refusal::Malformed);
        };
        let work = Work {
            key_use: KeyUse::Jwt,
            subject: sign.key_id,
            hash: Hash::Sha256,
            input: input.as_bytes(),
            host: None,
        };
        match self.sign(&sign.pair, work, now) {
            Ok(signature) => Answer::Say(message::signed_reply(&jwt::token(&input, &signature))),
            Err(reason) => reason.into(),
        }
    }

    /// What an agent is opened for, if its pair opens, and its actor may sign now.
    pub(super) fn charge(&mut self, agent: &AgentRequest<'_>, now: Timestamp) -> Answer {
        let opened = self.may_sign(KeyUse::Git, agent.pair.actor, now).and_then(|()| {
            let public = key::public(&self.private_half(&agent.pair)?);
            Ok(Charge::new(agent, public))
        });
        match opened {
            Ok(charge) => Answer::Agent(Box::new(charge)),
            Err(reason) => reason.into(),
        }
    }

    /// Signs the one request that an agent is for.
    pub(crate) fn sign_in(&mut self, sign_in: &SignIn<'_>, now: Timestamp) -> Result<Vec<u8>, NotSigned> {
        let charge = sign_in.charge;
        let fingerprint = STANDARD_NO_PAD.encode(Sha256::digest(sign_in.host_key));
        let work = Work {
            key_use: KeyUse::Git,
            subject: &charge.attachment,
            hash: sign_in.hash,
            input: sign_in.data,
            host: Some(SignedInTo { user: charge.user.clone(), key: format!("SHA256:{fingerprint}") }),
        };
        self.sign(&charge.pair(), work, now)
    }

    fn may_sign(&mut self, key_use: KeyUse, actor: &str, now: Timestamp) -> Result<(), NotSigned> {
        self.started.ledgers.signatures(key_use).check(actor, now).map_err(|full| {
            let retry_after_seconds = full.retry_after_seconds;
            NotSigned::Refused(Refusal::TooManySignatures { retry_after_seconds })
        })
    }

    /// The one place where anything is signed with a private half.
    fn sign(
        &mut self,
        request: &PairRequest<'_>,
        work: Work<'_>,
        now: Timestamp,
    ) -> Result<Vec<u8>, NotSigned> {
        let Work { key_use, subject, hash, input, host } = work;
        self.may_sign(key_use, request.actor, now)?;
        let signature = self.private_half(request)?.sign(hash, input)?;
        self.started.ledgers.signatures(key_use).record(request.actor, now);
        let signing = Signing {
            key_use,
            actor: request.actor.to_owned(),
            database: request.place.database.to_owned(),
            table: request.place.table.to_owned(),
            row: request.place.row.to_owned(),
            column: request.place.column.to_owned(),
            subject: subject.to_owned(),
            digest: hex::encode(Sha256::digest(input)),
            host,
        };
        match self.started.journal.append(now, Fact::Signed(signing)) {
            Ok(()) => Ok(signature),
            Err(_) => Err(NotSigned::NotJournaled),
        }
    }

    /// Opens a private half. Every failure looks alike.
    fn private_half(&self, request: &PairRequest<'_>) -> Result<PrivateHalf, NoPair> {
        let key = self.started.tree.sealing_key(Purpose::KeyPair);
        let bytes = envelope::open(&key, Purpose::KeyPair.as_str(), request.place, request.sealed)
            .map_err(|_| NoPair)?;
        PrivateHalf::from_pkcs8(request.algorithm, &bytes)
    }
}

#[cfg(test)]
mod tests;
