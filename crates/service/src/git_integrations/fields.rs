//! Reading an integration as people typed it, and whether they may have this pair sign in there.

use claviger_domain::apis::Api;
use claviger_domain::git_integrations::GitSettings;
use claviger_domain::key_pairs::{KeyPairAct, KeyUse};
use claviger_domain::refusal::Refusal;
use claviger_store::Reader;
use claviger_wire::git_integrations as wire;

use crate::authority::Authority;
use crate::error::Error;
use crate::fields::Fields;
use crate::key_pairs::Accessor;

/// The settings as words that can mean nothing else to Git, ssh or a shell.
pub(super) fn settings(body: &wire::Put) -> Result<GitSettings, Refusal> {
    let mut fields = Fields::new();
    let address = fields.word("/address", &body.address);
    let branch = fields.word("/branch", &body.branch);
    let path = fields.word("/path", &body.path);
    let key_pair_id = fields.id("/key_pair_id", &body.key_pair_id);
    let read = address.zip(branch).zip(path).zip(key_pair_id);
    let (((address, branch), path), key_pair_id) = fields.finish_with(read)?;
    Ok(GitSettings { enabled: body.enabled, address, branch, path, key_pair_id })
}

/// Attaching a pair needs write access to it, and so does having an attached one sign in for something else: it
/// would do for one person what another let it do elsewhere. What is attached already is used by right on the API
/// (product.md A7).
pub(super) async fn check_pair(
    reader: &mut Reader,
    authority: &Authority,
    api: &Api,
    settings: &GitSettings,
    attached: Option<&GitSettings>,
) -> Result<(), Error> {
    if attached.is_some_and(|attached| attached.same_attachment(settings)) {
        return Ok(());
    }
    let unknown = || Refusal::invalid("/key_pair_id", "there is no key pair with this id that one may see");
    let pair = reader.key_pair(settings.key_pair_id).await?.ok_or_else(unknown)?;
    let accessor = Accessor::of(reader, authority).await?;
    if accessor.level(&pair).is_none() {
        return Err(unknown().into());
    }
    accessor.require(&pair, KeyPairAct::Attach)?;
    if pair.organization_id != api.organization_id {
        let detail = "is a key pair of another Organization than the API's";
        return Err(Refusal::invalid("/key_pair_id", detail).into());
    }
    Ok(pair.require_use(KeyUse::Git)?)
}
