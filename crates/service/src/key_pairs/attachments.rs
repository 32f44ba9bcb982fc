//! What key pairs are attached to: an API that the caller can't see is one that uses the pair nevertheless (product.md
//! A4, A7).

use std::collections::HashMap;

use claviger_domain::id::{ApiId, KeyPairId};
use claviger_store::Reader;
use claviger_wire::key_pairs as wire;
use claviger_wire::scope::Named;

use super::{Accessor, to_read};
use crate::apis;
use crate::error::Error;
use crate::request::{Read, Request};
use crate::state::Service;

const GIT_INTEGRATION: &str = "git_integration";

impl Service {
    pub async fn key_pair_attachments(
        &self,
        request: &Request,
        id: KeyPairId,
    ) -> Result<Read<wire::Attachments>, Error> {
        let (mut reader, authority) = self.reading(request).await?;
        let pair = to_read(&mut reader, &authority, id).await?;
        let accessor = Accessor::of(&mut reader, &authority).await?;
        let items = of_pairs(&mut reader, &accessor, &[pair.id]).await?.remove(&pair.id).unwrap_or_default();
        Read::of(wire::Attachments { items })
    }
}

/// What each of the pairs is attached to, as the caller sees it.
pub(super) async fn of_pairs(
    reader: &mut Reader,
    accessor: &Accessor<'_>,
    pairs: &[KeyPairId],
) -> Result<HashMap<KeyPairId, Vec<wire::Attachment>>, Error> {
    let attached = reader.attached_apis(pairs).await?;
    let ids: Vec<ApiId> = attached.iter().map(|(_, api)| *api).collect();
    let found = reader.apis_even_deleted(&ids).await?;
    let seen: HashMap<ApiId, Named> = found
        .iter()
        .filter(|api| apis::is_visible(accessor.authority(), api))
        .map(|api| (api.id, Named { id: api.id.to_string(), name: api.settings.name.to_string() }))
        .collect();
    let mut all: HashMap<KeyPairId, Vec<wire::Attachment>> = HashMap::new();
    for (pair, api) in attached {
        let attachment = wire::Attachment { kind: GIT_INTEGRATION.to_owned(), api: seen.get(&api).cloned() };
        all.entry(pair).or_default().push(attachment);
    }
    Ok(all)
}
