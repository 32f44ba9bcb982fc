//! A service key of the owner's, for whoever works on the server itself: the way back in when the last key
//! that can do everything is lost or deleted.

use claviger_domain::credential::{CredentialKind, Generated};
use claviger_domain::event::{ActorRef, EventBody, NewEvent, Private, ServiceKeyTerms};
use claviger_domain::id::{MemberId, OrganizationId, PermissionGroupId, ServiceKeyId};
use claviger_domain::scope::{Place, Scope};
use claviger_domain::secret::Plaintext;
use claviger_domain::text::Name;
use claviger_domain::time::Timestamp;

use crate::error::{Error, Unavailable};
use crate::state::Service;

/// Who the log says has acted.
const ACTOR: &str = "claviger owner-key";

/// What was made. The key is shown this once.
#[derive(Debug)]
pub struct OwnerKey {
    pub member_id: MemberId,
    pub service_key_id: ServiceKeyId,
    pub service_key: Plaintext,
}

/// Whose key it is to be, and what makes it one of an owner.
pub(crate) struct Owner {
    pub(crate) organization_id: OrganizationId,
    pub(crate) member_id: MemberId,
    pub(crate) owners: PermissionGroupId,
}

impl Service {
    /// Makes a service key that can do everything, for the first of the owners. Refused on a database that
    /// was not initialised.
    pub async fn owner_key(&self) -> Result<OwnerKey, Error> {
        let now = self.now();
        let key = self.fresh_credential(CredentialKind::Service);
        let (generated, id) = (&key, self.fresh_id(now));
        let commit = self.state.store.commit("owner_key", |tx| {
            Box::pin(async move {
                // The last owner of everything can't be removed: without one nobody has run `init`.
                let owners = tx.owner_grants_of_everything().await?;
                let (grant_id, member_id) =
                    *owners.first().ok_or(Error::Unavailable(Unavailable::NotInitialised))?;
                let member = tx.member(member_id).await?.ok_or_else(|| Error::internal("no owner"))?;
                let grant = member.role_grants.iter().find(|grant| grant.id == grant_id);
                let grant = grant.ok_or_else(|| Error::internal("an owner without the role"))?;
                let owner = Owner {
                    organization_id: member.organization_id,
                    member_id,
                    owners: grant.permission_group_id,
                };
                let name = Name::new("Key made by claviger owner-key").map_err(Error::internal)?;
                tx.append(self.owner_key_event(now, (id, name), &owner, generated, ACTOR)).await?;
                Ok::<_, Error>(member_id)
            })
        });
        let (member_id, head) = commit.await?;
        self.follow_to(head).await?;
        Ok(OwnerKey { member_id, service_key_id: id, service_key: key.value })
    }

    /// The event by which an owner has this key, made on the server itself.
    pub(crate) fn owner_key_event(
        &self,
        now: Timestamp,
        (service_key_id, name): (ServiceKeyId, Name),
        owner: &Owner,
        key: &Generated,
        actor: &'static str,
    ) -> NewEvent {
        let digest_key = self.state.keys.digest_control.newest();
        let private = Private {
            digest_key: digest_key.id(),
            key: digest_key.digest(key.value.expose().as_bytes()),
            secret: None,
        };
        let terms = Box::new(ServiceKeyTerms {
            organization_id: owner.organization_id,
            member_id: Some(owner.member_id),
            created_by: ActorRef::system(actor),
            name,
            masked: key.masked.clone(),
            permission_group_ids: vec![owner.owners],
            scope: Scope::EVERYTHING,
            expires_at: None,
            ip_allow_list: None,
            replaces: None,
        });
        NewEvent {
            id: self.fresh_id(now),
            at: now,
            actor: ActorRef::system(actor),
            source: None,
            reason: None,
            place: Place::organization(owner.organization_id),
            counterpart: None,
            body: EventBody::ServiceKeyCreated { service_key_id, terms },
            private: Some(private),
        }
    }
}
