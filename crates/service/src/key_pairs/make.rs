//! Making key pairs, anew or beside an old one (product.md A1, A8). The keeper makes a pair before the transaction
//! that keeps it; no transaction waits for the keeper.

use std::collections::BTreeSet;

use claviger_domain::event::{EventBody, KeyPairTerms, NewEvent};
use claviger_domain::id::{KeyPairId, OrganizationId};
use claviger_domain::key_pairs::{Algorithm, Grant, Grantee, KeyPair, KeyPairAct, KeyUse, Level, PublicKey};
use claviger_domain::permission::Permission;
use claviger_domain::refusal::Refusal;
use claviger_domain::scope::Place;
use claviger_domain::secret::Sealed;
use claviger_domain::text::{Name, Note};
use claviger_keeper::MakePair;
use claviger_wire::key_pairs as wire;

use super::{Accessor, place_of};
use crate::error::{Error, Unavailable};
use crate::fields::Fields;
use crate::request::{Request, Status, Written};
use crate::state::Service;
use crate::write::Write;

/// A pair that the keeper made, ready to be kept.
#[derive(Debug)]
enum Fresh {
    Made {
        id: KeyPairId,
        sealed: Sealed,
        public_key: PublicKey,
    },
    /// Nothing was made: it is about to be refused, or told again.
    NotNeeded,
    KeeperAway,
}

impl Service {
    pub async fn key_pair_create(
        &self,
        request: &Request,
        body: &wire::Create,
    ) -> Result<Written<wire::KeyPair>, Error> {
        let fresh = match self.is_worth_making(request, body).await? {
            true => self.fresh_pair(body.algorithm.into()).await?,
            false => Fresh::NotNeeded,
        };
        let fresh = &fresh;
        let written = self.write(request, "key_pair_create", Status::Created, |write| {
            Box::pin(write.key_pair_create(body, fresh))
        });
        self.published(written.await).await
    }

    /// Whether a pair would be kept, as far as can be seen before: making one takes the keeper seconds. A repetition is
    /// known by the name, which the first one took.
    async fn is_worth_making(&self, request: &Request, body: &wire::Create) -> Result<bool, Error> {
        let (mut reader, authority) = self.reading(request).await?;
        let organization_id = match &body.organization_id {
            Some(text) => text.parse().ok(),
            None => Some(authority.organization_id),
        };
        let (Some(organization_id), Ok(name)) = (organization_id, Name::new(&body.name)) else {
            return Ok(false);
        };
        let may = authority.allows_within(Permission::KeyPairsCreate, organization_id);
        Ok(may && reader.key_pair_named(organization_id, &name).await?.is_none())
    }

    /// Makes a pair beside the old one, for the same uses and with the same access. The old one stays as it is until
    /// it is deleted, so that the other side can be given the new public half first.
    pub async fn key_pair_replace(
        &self,
        request: &Request,
        id: KeyPairId,
        body: &wire::Replace,
    ) -> Result<Written<wire::KeyPair>, Error> {
        let (mut reader, authority) = self.reading(request).await?;
        let old = reader.key_pair(id).await?;
        let accessor = Accessor::of(&mut reader, &authority).await?;
        let old = old.filter(|old| accessor.require(old, KeyPairAct::Replace).is_ok());
        drop(reader);
        let fresh = match old {
            Some(old) => self.fresh_pair(body.algorithm.map_or(old.algorithm, Into::into)).await?,
            None => Fresh::NotNeeded,
        };
        let fresh = &fresh;
        let written = self.write(request, "key_pair_replace", Status::Created, |write| {
            Box::pin(write.key_pair_replace(id, body, fresh))
        });
        self.published(written.await).await
    }

    async fn fresh_pair(&self, algorithm: Algorithm) -> Result<Fresh, Error> {
        let id: KeyPairId = self.fresh_id(self.now());
        let (database, row) = (self.state.instance_id.clone(), id.to_string());
        let made = self
            .ask_keeper(move |keeper| {
                keeper.make_pair(MakePair { place: place_of(&database, &row), algorithm })
            })
            .await;
        match made {
            Ok(made) => {
                let public_key = PublicKey::from_spki(made.public).map_err(Error::internal)?;
                Ok(Fresh::Made { id, sealed: made.sealed, public_key })
            }
            Err(Error::Unavailable(Unavailable::Keeper)) => Ok(Fresh::KeeperAway),
            Err(error) => Err(error),
        }
    }
}

impl Write<'_, '_> {
    async fn key_pair_create(&mut self, body: &wire::Create, fresh: &Fresh) -> Result<wire::KeyPair, Error> {
        let organization_id = self.organization_named(body.organization_id.as_deref()).await?;
        if !self.authority.allows_within(Permission::KeyPairsCreate, organization_id) {
            return Err(Error::forbidden(Permission::KeyPairsCreate));
        }
        let mut fields = Fields::new();
        let name = fields.name("/name", &body.name);
        let uses: BTreeSet<KeyUse> = match &body.uses {
            Some(uses) => uses.iter().copied().map(Into::into).collect(),
            None => [KeyUse::Git].into(),
        };
        if uses.is_empty() {
            fields.wrong("/uses", "must name at least one use");
        }
        if body.public && !uses.contains(&KeyUse::Jwt) {
            fields.wrong("/public", "needs the use jwt");
        }
        let creator = self.creator(&mut fields);
        let (name, creator) = fields.finish_with(name.zip(creator))?;
        if self.tx.key_pair_named(organization_id, &name).await?.is_some() {
            return Err(Refusal::NameTaken { pointer: "/name".to_owned() }.into());
        }
        let terms = Terms { organization_id, name, uses, public: body.public, grants: vec![creator] };
        self.keep_pair(fresh, terms, None).await
    }

    /// Whoever makes a pair is its admin: the member that the caller counts as.
    fn creator(&self, fields: &mut Fields) -> Option<Grant> {
        let grantee = self.authority.member_id.map(Grantee::Member);
        let grantee = grantee.ok_or("needs a service key that counts as a member: its creator is its admin");
        Some(Grant { grantee: fields.take("", grantee)?, level: Level::Admin })
    }

    async fn key_pair_replace(
        &mut self,
        id: KeyPairId,
        body: &wire::Replace,
        fresh: &Fresh,
    ) -> Result<wire::KeyPair, Error> {
        let old = self.key_pair_to(id, KeyPairAct::Replace).await?;
        if !self.tx.key_pair_replacements(&[id]).await?.is_empty() {
            let allowed = vec!["delete"];
            return Err(Refusal::InvalidTransition { from: "replaced", act: "replace", allowed }.into());
        }
        let mut fields = Fields::new();
        let typed = body.name.as_deref().and_then(|name| fields.name("/name", name));
        let reason = fields.note("/reason", body.reason.as_deref());
        fields.finish()?;
        let name = match typed {
            Some(name) => name,
            None => self.free_name_beside(&old).await?,
        };
        let terms = Terms {
            organization_id: old.organization_id,
            name,
            uses: old.uses.clone(),
            public: old.public,
            grants: old.grants.clone(),
        };
        self.keep_pair(fresh, terms, Some((id, reason))).await
    }

    async fn free_name_beside(&mut self, old: &KeyPair) -> Result<Name, Error> {
        for name in old.names_beside() {
            if self.tx.key_pair_named(old.organization_id, &name).await?.is_none() {
                return Ok(name);
            }
        }
        Err(Refusal::NameTaken { pointer: "/name".to_owned() }.into())
    }

    /// Keeps what was made: the public half in the log, the private half sealed beside it.
    async fn keep_pair(
        &mut self,
        fresh: &Fresh,
        terms: Terms,
        replaces: Option<(KeyPairId, Option<Note>)>,
    ) -> Result<wire::KeyPair, Error> {
        let (key_pair_id, sealed, public_key) = match fresh {
            Fresh::Made { id, sealed, public_key } => (*id, sealed, public_key.clone()),
            Fresh::KeeperAway => return Err(Error::Unavailable(Unavailable::Keeper)),
            // What may be done changed since it was looked at.
            Fresh::NotNeeded => return Err(Refusal::Conflict.into()),
        };
        let (replaces, reason) = replaces.map_or((None, None), |(id, reason)| (Some(id), reason));
        let place = Place::organization(terms.organization_id);
        let terms = KeyPairTerms {
            organization_id: terms.organization_id,
            name: terms.name,
            uses: terms.uses,
            public: terms.public,
            public_key,
            grants: terms.grants,
            replaces,
            created_by: self.authority.actor.clone(),
        };
        let body = EventBody::KeyPairCreated { key_pair_id, terms: Box::new(terms) };
        let event = NewEvent { reason, ..self.event(place, body) };
        self.tx.append(event).await?;
        self.tx.put_sealed_row(&key_pair_id.to_string(), sealed).await?;
        self.key_pair_now(key_pair_id).await
    }
}

/// What was decided about a pair before it is kept.
#[derive(Debug)]
struct Terms {
    organization_id: OrganizationId,
    name: Name,
    uses: BTreeSet<KeyUse>,
    public: bool,
    grants: Vec<Grant>,
}
