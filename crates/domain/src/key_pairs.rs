//! Key pairs: asymmetric pairs that the company uses towards others. The public half is shown; the private
//! half is sealed, and never leaves the keeper (product.md A).

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use crate::aggregate::{Aggregate, Misapplied, absent, present};
use crate::event::{ActorRef, EventBody, KeyPairTerms, Subject};
use crate::id::{KeyPairId, OrganizationId};
use crate::refusal::Refusal;
use crate::scope::Place;
use crate::text::Name;
use crate::time::Timestamp;

mod access;
mod claims;
mod public_key;

pub use access::{Grant, Grantee, Holder, KeyPairAct, Level, UnknownGrantee};
pub use claims::token_claims;
pub use public_key::{InvalidPublicKey, Jwk, PublicKey};

/// A key pair, without its private half.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyPair {
    pub id: KeyPairId,
    pub organization_id: OrganizationId,
    pub name: Name,
    pub algorithm: Algorithm,
    pub uses: BTreeSet<KeyUse>,
    /// Whether anybody may read the public half, at the address where all such keys stand.
    pub public: bool,
    pub public_key: PublicKey,
    /// Who may do what, in the order in which it was given.
    pub grants: Vec<Grant>,
    /// The pair whose place it is to take.
    pub replaces: Option<KeyPairId>,
    pub created_by: ActorRef,
    pub created_at: Timestamp,
}

impl KeyPair {
    pub const fn place(&self) -> Place {
        Place::organization(self.organization_id)
    }

    /// Refuses a use that was not stated when the pair was made.
    pub fn require_use(&self, wanted: KeyUse) -> Result<(), Refusal> {
        if self.uses.contains(&wanted) {
            return Ok(());
        }
        let uses = self.uses.iter().map(|known| known.as_str()).collect();
        Err(Refusal::NotForThisUse { wanted: wanted.as_str(), uses })
    }

    /// Whether others find its public half by its id, to check what it signed.
    pub fn is_published(&self) -> bool {
        self.public && self.uses.contains(&KeyUse::Jwt)
    }

    /// Names for a pair that is to take this one's place, until one is free.
    pub fn names_beside(&self) -> impl Iterator<Item = Name> {
        let name = self.name.as_str();
        let numbered = name.strip_suffix(')').and_then(|rest| rest.rsplit_once(" ("));
        let counted = numbered.and_then(|(base, number)| Some((base, number.parse::<u32>().ok()?)));
        let (base, from) = counted.map_or((name, 2), |(base, number)| (base, number.saturating_add(1)));
        let base = base.to_owned();
        (from..from.saturating_add(1_000)).filter_map(move |number| {
            let end = format!(" ({number})");
            let kept: String = base.chars().take(Name::MAX - end.len()).collect();
            Name::new(&format!("{}{end}", kept.trim_end())).ok()
        })
    }

    fn begun(id: KeyPairId, at: Timestamp, terms: &KeyPairTerms) -> Self {
        Self {
            id,
            organization_id: terms.organization_id,
            name: terms.name.clone(),
            algorithm: terms.public_key.algorithm(),
            uses: terms.uses.clone(),
            public: terms.public,
            public_key: terms.public_key.clone(),
            grants: terms.grants.clone(),
            replaces: terms.replaces,
            created_by: terms.created_by.clone(),
            created_at: at,
        }
    }

    fn put_grant(&mut self, grant: Grant) {
        match self.grants.iter_mut().find(|present| present.grantee == grant.grantee) {
            Some(present) => present.level = grant.level,
            None => self.grants.push(grant),
        }
    }
}

impl Aggregate for KeyPair {
    fn apply(state: Option<Self>, at: Timestamp, body: &EventBody) -> Result<Option<Self>, Misapplied> {
        if let EventBody::KeyPairCreated { key_pair_id, terms } = body {
            absent(state, body)?;
            return Ok(Some(Self::begun(*key_pair_id, at, terms)));
        }
        let mut pair = present(state, body, |it| body.subject() == Subject::KeyPair(it.id))?;
        match body {
            EventBody::KeyPairUpdated { name, public, .. } => {
                pair.name = name.clone();
                pair.public = *public;
            }
            EventBody::KeyPairAccessGranted { grant, .. } => pair.put_grant(*grant),
            EventBody::KeyPairAccessRevoked { grantee, .. } => {
                if pair.grant_of(*grantee).is_none() {
                    return Err(Misapplied::new(body, "the access was not given"));
                }
                pair.grants.retain(|grant| grant.grantee != *grantee);
            }
            EventBody::KeyPairDeleted { .. } => return Ok(None),
            _ => return Err(Misapplied::new(body, "the event is of another noun")),
        }
        Ok(Some(pair))
    }
}

/// How a pair signs (product.md A1).
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
pub enum Algorithm {
    #[default]
    #[serde(rename = "ed25519")]
    Ed25519,
    #[serde(rename = "ecdsa-p256")]
    EcdsaP256,
    #[serde(rename = "rsa-3072")]
    Rsa3072,
    #[serde(rename = "rsa-4096")]
    Rsa4096,
}

impl Algorithm {
    pub const ALL: &'static [Self] = &[Self::Ed25519, Self::EcdsaP256, Self::Rsa3072, Self::Rsa4096];

    /// The name that people and programs write.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ed25519 => "ed25519",
            Self::EcdsaP256 => "ecdsa-p256",
            Self::Rsa3072 => "rsa-3072",
            Self::Rsa4096 => "rsa-4096",
        }
    }

    /// The name of its signatures in JSON Web Tokens (RFC 7518, 3.1; RFC 8037, 3.1).
    pub const fn jws(self) -> &'static str {
        match self {
            Self::Ed25519 => "EdDSA",
            Self::EcdsaP256 => "ES256",
            Self::Rsa3072 | Self::Rsa4096 => "RS256",
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// The text names no algorithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("one of ed25519, ecdsa-p256, rsa-3072, rsa-4096")]
pub struct UnknownAlgorithm;

impl FromStr for Algorithm {
    type Err = UnknownAlgorithm;

    fn from_str(text: &str) -> Result<Self, UnknownAlgorithm> {
        Self::ALL.iter().copied().find(|algorithm| algorithm.as_str() == text).ok_or(UnknownAlgorithm)
    }
}

/// What a pair may be used for; any other use is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyUse {
    /// Signing in to Git hosts over SSH.
    Git,
    /// Signing JSON Web Tokens.
    Jwt,
}

impl KeyUse {
    pub const ALL: &'static [Self] = &[Self::Git, Self::Jwt];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Git => "git",
            Self::Jwt => "jwt",
        }
    }
}
