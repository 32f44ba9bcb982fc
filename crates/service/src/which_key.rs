//! "Which key is this?": from a pasted value to the thing it belongs to (product.md F7). The value is
//! digested and forgotten.

use claviger_domain::credential::{CredentialKind, WellFormed};
use claviger_domain::permission::Permission;
use claviger_domain::refusal::Refusal;
use claviger_domain::secret::Digest;
use claviger_keeper::keys::DigestKeys;
use claviger_store::Reader;
use claviger_wire::which_key as wire;

use crate::authority::Authority;
use crate::error::Error;
use crate::request::Request;
use crate::state::Service;

/// How many questions a caller has a minute.
const PER_MINUTE: u32 = 30;

impl Service {
    /// What the value is, if the caller may see that thing; else it was never there.
    pub async fn which_key(
        &self,
        request: &Request,
        question: &wire::Question,
    ) -> Result<wire::Identified, Error> {
        let (mut reader, authority) = self.reading(request).await?;
        if !authority.holds(Permission::KeysIdentify) {
            return Err(Error::forbidden(Permission::KeysIdentify));
        }
        let now = self.now();
        if let Err(retry_after_seconds) =
            self.state.identifying.take(request.caller.service_key_id, now, PER_MINUTE)
        {
            return Err(Refusal::TooManyRequests { retry_after_seconds }.into());
        }
        let value = WellFormed::parse(question.value.trim()).ok_or(Refusal::NotFound)?;
        let keys = &self.state.keys;
        let found = match value.kind() {
            CredentialKind::Key => self.key_by(&mut reader, &authority, &keys.digest_key, &value).await?,
            CredentialKind::Secret => {
                self.key_by(&mut reader, &authority, &keys.digest_secret, &value).await?
            }
            CredentialKind::Service => {
                service_key_by(&mut reader, &authority, &keys.digest_control, &value).await?
            }
            CredentialKind::Portal
            | CredentialKind::Setup
            | CredentialKind::Invite
            | CredentialKind::Node => None,
        };
        Ok(found.ok_or(Refusal::NotFound)?)
    }

    async fn key_by(
        &self,
        reader: &mut Reader,
        authority: &Authority,
        digest_keys: &DigestKeys,
        value: &WellFormed<'_>,
    ) -> Result<Option<wire::Identified>, Error> {
        for digest in digests(digest_keys, value) {
            let owner = match value.kind() {
                CredentialKind::Secret => reader.key_by_secret_digest(&digest).await?,
                _ => reader.key_by_digest(&digest).await?,
            };
            let Some(owner) = owner else { continue };
            let Some(set) = reader.key_set(owner.key_set_id).await? else { continue };
            let Some(key) = set.key(owner.key_id) else { continue };
            if !authority.allows(Permission::KeysIdentify, &set.place()) {
                return Ok(None);
            }
            let kind = if value.kind() == CredentialKind::Secret { "secret" } else { "key" };
            return Ok(Some(wire::Identified {
                kind: kind.to_owned(),
                id: key.id.to_string(),
                status: set.key_status(key, self.now()).as_str().to_owned(),
                masked: value.masked().as_str().to_owned(),
            }));
        }
        shared_key_by(reader, authority, digest_keys, value).await
    }
}

async fn shared_key_by(
    reader: &mut Reader,
    authority: &Authority,
    digest_keys: &DigestKeys,
    value: &WellFormed<'_>,
) -> Result<Option<wire::Identified>, Error> {
    for digest in digests(digest_keys, value) {
        let found = match value.kind() {
            CredentialKind::Secret => reader.shared_key_by_secret(&digest).await?,
            _ => reader.shared_key_by_digest(&digest).await?,
        };
        let Some(key) = found.map(|row| row.shared_key) else { continue };
        let visible = authority.allows(Permission::KeysIdentify, &key.place());
        return Ok(visible.then(|| wire::Identified {
            kind: "shared_key".to_owned(),
            id: key.id.to_string(),
            status: key.status.as_str().to_owned(),
            masked: value.masked().as_str().to_owned(),
        }));
    }
    Ok(None)
}

async fn service_key_by(
    reader: &mut Reader,
    authority: &Authority,
    digest_keys: &DigestKeys,
    value: &WellFormed<'_>,
) -> Result<Option<wire::Identified>, Error> {
    for digest in digests(digest_keys, value) {
        if let Some(key) = reader.service_key_by_digest(&digest).await? {
            if !authority.allows(Permission::KeysIdentify, &key.place()) {
                return Ok(None);
            }
            return Ok(Some(wire::Identified {
                kind: "service_key".to_owned(),
                id: key.id.to_string(),
                status: key.status.as_str().to_owned(),
                masked: key.masked.as_str().to_owned(),
            }));
        }
    }
    Ok(None)
}

fn digests(keys: &DigestKeys, value: &WellFormed<'_>) -> Vec<Digest> {
    keys.iter().map(|key| key.digest(value.expose().as_bytes())).collect()
}
