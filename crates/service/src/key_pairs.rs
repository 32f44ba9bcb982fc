//! Key pairs: asymmetric pairs that the company uses towards others (product.md A). The public half is shown; the
//! private half is sealed, and only the keeper signs with it.

mod access;
mod acl;
mod attachments;
mod make;
mod tokens;

use std::collections::HashMap;

use claviger_domain::event::EventBody;
use claviger_domain::id::KeyPairId;
use claviger_domain::key_pairs::{KeyPair, KeyPairAct, KeyUse};
use claviger_domain::permission::Permission;
use claviger_domain::refusal::Refusal;
use claviger_keeper::Place;
use claviger_store::{KeyPairFilter, KeyPairSort, Reader};
use claviger_wire::Page;
use claviger_wire::key_pairs as wire;

use crate::authority::Authority;
use crate::error::Error;
use crate::etag;
use crate::fields::Fields;
use crate::lists::{ListParameters, Parameters};
use crate::request::{Answer, Gone, Read, Request, Status, Written};
use crate::state::Service;
use crate::write::Write;

pub(crate) use access::Accessor;
pub(crate) use tokens::Published;

/// Where a sealed private half belongs.
const TABLE: &str = "key_pairs";
const COLUMN: &str = "private_key";

/// The cell of a sealed private half; the row is the pair's id.
pub(crate) fn place_of<'a>(database: &'a str, row: &'a str) -> Place<'a> {
    Place { database, table: TABLE, row, column: COLUMN }
}

impl Answer for wire::KeyPair {
    fn etag(&self) -> Option<String> {
        etag::of(self).ok()
    }

    fn location(&self) -> Option<String> {
        Some(format!("/v1/key-pairs/{}", self.id))
    }
}

impl Service {
    /// The pairs to which the caller has access.
    pub async fn key_pair_list(
        &self,
        request: &Request,
        given: &ListParameters,
    ) -> Result<Page<wire::KeyPair>, Error> {
        let (mut reader, authority) = self.reading(request).await?;
        let visible = authority.listed_within(Permission::KeyPairsRead)?;
        let accessor = Accessor::of(&mut reader, &authority).await?;
        let mut parameters = Parameters::new(given)?;
        let filter = KeyPairFilter {
            organization_ids: parameters.all("organization_id")?,
            algorithms: parameters.words("algorithm")?,
            q: parameters.text("q")?,
            accessible: accessor.accessible(),
            ..KeyPairFilter::default()
        };
        let sorts = [("created_at", KeyPairSort::CreatedAt), ("name", KeyPairSort::Name)];
        let query = parameters.finish(self, request, &sorts, filter, visible)?;
        let page = reader.key_pairs(&query).await?;
        let items = views(&mut reader, &accessor, &page.items).await?;
        self.page(request, given, page.with_items(items))
    }

    pub async fn key_pair_read(
        &self,
        request: &Request,
        id: KeyPairId,
    ) -> Result<Read<wire::KeyPair>, Error> {
        let (mut reader, authority) = self.reading(request).await?;
        let pair = to_read(&mut reader, &authority, id).await?;
        Read::of(view(&mut reader, &authority, &pair).await?)
    }

    /// Renames the pair, or publishes its public half.
    pub async fn key_pair_update(
        &self,
        request: &Request,
        id: KeyPairId,
        body: &wire::Update,
    ) -> Result<Written<wire::KeyPair>, Error> {
        let written = self.write(request, "key_pair_update", Status::Done, |write| {
            Box::pin(write.key_pair_update(id, body))
        });
        self.published(written.await).await
    }

    /// Deletes a pair that nothing uses. Its private half is wiped.
    pub async fn key_pair_delete(&self, request: &Request, id: KeyPairId) -> Result<Written<Gone>, Error> {
        let written = self.write(request, "key_pair_delete", Status::Deleted, |write| {
            Box::pin(async move {
                let pair = write.key_pair_to(id, KeyPairAct::Delete).await?;
                let users = write.tx.users_of_key_pair(id).await?;
                write.tx.discard_sealed_row(&id.to_string()).await?;
                let event = EventBody::KeyPairDeleted { key_pair_id: id };
                write.delete(pair.place(), users, event).await
            })
        });
        self.published(written.await).await
    }

    /// What may have changed what is published is seen at this node at once.
    async fn published<T>(&self, written: Result<Written<T>, Error>) -> Result<Written<T>, Error> {
        if written.is_ok() {
            self.forget_published().await;
        }
        written
    }
}

impl Write<'_, '_> {
    /// The pair, if the actor may see it and do `act` to it; `If-Match` is checked.
    pub(crate) async fn key_pair_to(&mut self, id: KeyPairId, act: KeyPairAct) -> Result<KeyPair, Error> {
        let pair = self.tx.key_pair(id).await?.ok_or(Refusal::NotFound)?;
        Accessor::of(self.tx, &self.authority).await?.require(&pair, act)?;
        if self.request.if_match.is_some() {
            let shown = view(self.tx, &self.authority, &pair).await?;
            self.check_if_match(&shown)?;
        }
        Ok(pair)
    }

    async fn key_pair_now(&mut self, id: KeyPairId) -> Result<wire::KeyPair, Error> {
        let pair = self.tx.key_pair(id).await?.ok_or(Refusal::NotFound)?;
        view(self.tx, &self.authority, &pair).await
    }

    async fn key_pair_update(&mut self, id: KeyPairId, body: &wire::Update) -> Result<wire::KeyPair, Error> {
        let publishes = body.public.is_some();
        let act = if publishes { KeyPairAct::Publish } else { KeyPairAct::Rename };
        let pair = self.key_pair_to(id, act).await?;
        let mut fields = Fields::new();
        let name = body.name.as_deref().and_then(|name| fields.name("/name", name));
        if body.public == Some(true) && !pair.uses.contains(&KeyUse::Jwt) {
            fields.wrong("/public", "needs the use jwt");
        }
        fields.finish()?;
        let name = name.unwrap_or_else(|| pair.name.clone());
        let public = body.public.unwrap_or(pair.public);
        if name != pair.name || public != pair.public {
            let event = EventBody::KeyPairUpdated { key_pair_id: id, name, public };
            self.append(pair.place(), event).await?;
        }
        self.key_pair_now(id).await
    }
}

/// The pair, if it may be seen.
async fn to_read(reader: &mut Reader, authority: &Authority, id: KeyPairId) -> Result<KeyPair, Error> {
    let pair = reader.key_pair(id).await?.ok_or(Refusal::NotFound)?;
    Accessor::of(reader, authority).await?.require(&pair, KeyPairAct::Read)?;
    Ok(pair)
}

/// The pair as this caller sees it.
async fn view(reader: &mut Reader, authority: &Authority, pair: &KeyPair) -> Result<wire::KeyPair, Error> {
    let accessor = Accessor::of(reader, authority).await?;
    let mut shown = views(reader, &accessor, std::slice::from_ref(pair)).await?;
    shown.pop().ok_or_else(Error::not_found)
}

/// Those of the pairs that the caller sees, as they see them.
async fn views(
    reader: &mut Reader,
    accessor: &Accessor<'_>,
    pairs: &[KeyPair],
) -> Result<Vec<wire::KeyPair>, Error> {
    let ids: Vec<_> = pairs.iter().map(|pair| pair.id).collect();
    let replaced: HashMap<_, _> = reader.key_pair_replacements(&ids).await?.into_iter().collect();
    let attached = attachments::of_pairs(reader, accessor, &ids).await?;
    let seen = |pair: &KeyPair| {
        let access = accessor.level(pair)?;
        let replaced_by = replaced.get(&pair.id).copied();
        let attachments = attached.get(&pair.id).cloned().unwrap_or_default();
        let seen = wire::Seen { access, can: accessor.allowed(pair), replaced_by, attachments };
        Some(wire::KeyPair::new(pair, &seen))
    };
    Ok(pairs.iter().filter_map(seen).collect())
}
