//! Attaching a pair to another thing, and using it through that (product.md A7). Attaching asks for the level
//! `write` on the pair; whoever uses the thing later needs rights on the thing alone.

use claviger_domain::id::{KeyPairId, OrganizationId};
use claviger_domain::key_pairs::{KeyPair, KeyPairAct, KeyUse};
use claviger_domain::refusal::Refusal;
use claviger_domain::secret::Sealed;
use claviger_store::Reader;

use super::Accessor;
use crate::authority::Authority;
use crate::error::Error;

/// A pair with its sealed private half, for the keeper to sign with.
#[derive(Debug)]
pub(crate) struct Usable {
    pub(crate) pair: KeyPair,
    pub(crate) sealed: Sealed,
}

/// The pair that a body names at `pointer`, if the caller may attach it to a thing of that Organization.
pub(crate) async fn for_attaching(
    reader: &mut Reader,
    authority: &Authority,
    organization_id: OrganizationId,
    wanted: KeyUse,
    (pointer, text): (&str, &str),
) -> Result<KeyPair, Error> {
    let unknown = || Refusal::invalid(pointer, "there is no key pair with this id in the Organization");
    let id: KeyPairId = text.parse().map_err(|_| unknown())?;
    let found = reader.key_pair(id).await?.filter(|pair| pair.organization_id == organization_id);
    let pair = found.ok_or_else(unknown)?;
    match Accessor::of(reader, authority).await?.require(&pair, KeyPairAct::Attach) {
        Ok(_) => pair.require_use(wanted)?,
        Err(Refusal::NotFound) => return Err(unknown().into()),
        Err(refusal) => return Err(refusal.into()),
    }
    Ok(pair)
}

/// The pair that a thing has attached, whoever asks.
pub(crate) async fn for_using(reader: &mut Reader, id: KeyPairId) -> Result<Usable, Error> {
    let gone = || Error::internal("an attached key pair is gone");
    let pair = reader.key_pair(id).await?.ok_or_else(gone)?;
    let sealed = reader.sealed_row(&id.to_string()).await?.ok_or_else(gone)?;
    Ok(Usable { pair, sealed })
}
