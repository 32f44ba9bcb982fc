//! The first state of a new database: one Organization with all that one begins with, two Environments,
//! the owner, and one service key, in one transaction (surface.md, `claviger init`).

use claviger_domain::credential::{CredentialKind, Generated};
use claviger_domain::event::{ActorRef, EventBody, NewEvent};
use claviger_domain::id::{EnvironmentId, Id, Kind, MemberId, OrganizationId};
use claviger_domain::members::{Email, RoleGrant};
use claviger_domain::organizations::OrganizationKind;
use claviger_domain::permission_groups::DefaultRole;
use claviger_domain::refusal::Refusal;
use claviger_domain::scope::{Place, Scope};
use claviger_domain::secret::Plaintext;
use claviger_domain::text::{Name, Slug};
use claviger_domain::time::Timestamp;
use claviger_store::Instance;

use crate::error::Error;
use crate::organizations::{FreshIds, beginnings};
use crate::owner_key::Owner;
use crate::state::Service;

/// Who the log says has acted.
const ACTOR: &str = "claviger init";
/// The Environments that an instance begins with: slug and name.
const ENVIRONMENTS: [(&str, &str); 2] = [("sandbox", "Sandbox"), ("production", "Production")];

/// Who begins, as `claviger init` was told.
#[derive(Debug, Clone)]
pub struct Beginning {
    pub owner: Email,
    pub organization: Name,
}

/// What was made. The key is shown this once.
#[derive(Debug)]
pub struct Initialised {
    pub organization_id: OrganizationId,
    pub member_id: MemberId,
    pub service_key: Plaintext,
}

struct Ids<'a>(&'a Service, Timestamp);

impl FreshIds for Ids<'_> {
    fn fresh<K: Kind>(&mut self) -> Id<K> {
        self.0.fresh_id(self.1)
    }
}

impl Service {
    /// Initialises an empty database. Refused on one that was initialised before.
    pub async fn init(&self, beginning: &Beginning) -> Result<Initialised, Error> {
        let now = self.now();
        let key = self.fresh_credential(CredentialKind::Service);
        let first = First {
            now,
            organization_id: self.fresh_id(now),
            member_id: self.fresh_id(now),
            events: Vec::new(),
            service: self,
        };
        let first = &first.lay(beginning, &key)?;
        let (_, head) = self
            .state
            .store
            .commit("init", |tx| {
                Box::pin(async move {
                    let instance = tx.instance().await?.ok_or_else(|| Error::internal("no instance"))?;
                    if instance.initialised_at.is_some() {
                        return Err(Error::Refused(Refusal::AlreadyInitialised));
                    }
                    tx.put_instance(&Instance { initialised_at: Some(now), ..instance }).await?;
                    for event in &first.events {
                        tx.append(event.clone()).await?;
                    }
                    Ok(())
                })
            })
            .await?;
        self.follow_to(head).await?;
        Ok(Initialised {
            organization_id: first.organization_id,
            member_id: first.member_id,
            service_key: key.value,
        })
    }
}

/// The first events, being laid.
struct First<'a> {
    service: &'a Service,
    now: Timestamp,
    organization_id: OrganizationId,
    member_id: MemberId,
    events: Vec<NewEvent>,
}

impl First<'_> {
    fn lay(mut self, beginning: &Beginning, key: &Generated) -> Result<Self, Error> {
        for (slug, name) in ENVIRONMENTS {
            let environment_id: EnvironmentId = self.service.fresh_id(self.now);
            let slug = Slug::new(slug).map_err(Error::internal)?;
            let name = Name::new(name).map_err(Error::internal)?;
            self.push(Place::INSTANCE, EventBody::EnvironmentCreated { environment_id, slug, name });
        }
        let organization = self.organization_id;
        let place = Place::organization(organization);
        let mut ids = Ids(self.service, self.now);
        let bodies =
            beginnings(organization, beginning.organization.clone(), OrganizationKind::Internal, &mut ids)?;
        let owners = bodies.iter().find_map(|body| match body {
            EventBody::PermissionGroupCreated { permission_group_id, default_role, .. } => {
                (*default_role == Some(DefaultRole::Owner)).then_some(*permission_group_id)
            }
            _ => None,
        });
        let owners = owners.ok_or_else(|| Error::internal("an Organization begins with owners"))?;
        for body in bodies {
            self.push(place, body);
        }
        self.owner(beginning, owners);
        self.service_key(owners, key)?;
        Ok(self)
    }

    fn owner(&mut self, beginning: &Beginning, owners: claviger_domain::id::PermissionGroupId) {
        let (member_id, organization_id) = (self.member_id, self.organization_id);
        let place = Place::organization(organization_id);
        let email = beginning.owner.clone();
        let name = Name::cut(email.as_str()).unwrap_or_else(|_| beginning.organization.clone());
        let created =
            EventBody::MemberCreated { member_id, organization_id, name, email, group_ids: Vec::new() };
        self.push(place, created);
        let grant = RoleGrant {
            id: self.service.fresh_id(self.now),
            member_id,
            permission_group_id: owners,
            scope: Scope::EVERYTHING,
            created_at: self.now,
        };
        self.push(place, EventBody::RoleGranted { member_id, grant });
    }

    fn service_key(
        &mut self,
        owners: claviger_domain::id::PermissionGroupId,
        key: &Generated,
    ) -> Result<(), Error> {
        let owner = Owner { organization_id: self.organization_id, member_id: self.member_id, owners };
        let name = Name::new("First key of the owner").map_err(Error::internal)?;
        let id = self.service.fresh_id(self.now);
        self.events.push(self.service.owner_key_event(self.now, (id, name), &owner, key, ACTOR));
        Ok(())
    }

    fn push(&mut self, place: Place, body: EventBody) {
        self.events.push(NewEvent {
            id: self.service.fresh_id(self.now),
            at: self.now,
            actor: ActorRef::system(ACTOR),
            source: None,
            reason: None,
            place,
            counterpart: None,
            body,
            private: None,
        });
    }
}
