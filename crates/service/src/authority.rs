//! What the actor of a request may do, read from the database in the same transaction as the act
//! (product.md E5). Passing a check is the only way on.

use claviger_domain::event::ActorRef;
use claviger_domain::id::{MemberId, OrganizationId, ServiceKeyId};
use claviger_domain::permission::Permission;
use claviger_domain::refusal::Refusal;
use claviger_domain::scope::{Held, Place, Scope};
use claviger_domain::time::Timestamp;
use claviger_store::Visible;
use ipnet::IpNet;

/// The rights of one actor at one moment.
#[derive(Debug, Clone)]
pub struct Authority {
    pub actor: ActorRef,
    pub service_key_id: Option<ServiceKeyId>,
    pub member_id: Option<MemberId>,
    /// The actor's own Organization.
    pub organization_id: OrganizationId,
    pub held: Vec<Held>,
    /// When the actor's own credential ends; what it makes ends no later.
    pub expires_at: Option<Timestamp>,
    /// From where the actor's own credential is good; what it makes inherits it.
    pub ip_allow_list: Option<Vec<IpNet>>,
}

impl Authority {
    pub fn allows(&self, permission: Permission, place: &Place) -> bool {
        self.held.iter().any(|held| held.allows(permission, place))
    }

    /// Whether the permission is held anywhere inside the Organization: enough to read what all its
    /// Groups share (templates, permission groups, the catalog).
    pub fn allows_within(&self, permission: Permission, organization_id: OrganizationId) -> bool {
        self.held.iter().any(|held| {
            held.permissions.contains(&permission)
                && held.scope.organization_id.is_none_or(|mine| mine == organization_id)
        })
    }

    /// Whether the permission is held at any scope at all: enough to read what belongs to the instance.
    pub fn allows_somewhere(&self, permission: Permission) -> bool {
        self.held.iter().any(|held| held.permissions.contains(&permission))
    }

    /// May the thing at `place` be seen, and then, may the act be done? What may not be seen was never
    /// there (surface.md, 404).
    pub fn require(&self, see: Permission, act: Permission, place: &Place) -> Result<(), Refusal> {
        if !self.allows(see, place) {
            return Err(Refusal::NotFound);
        }
        self.require_act(act, place)
    }

    /// May the act be done at a place whose existence the caller may know?
    pub fn require_act(&self, act: Permission, place: &Place) -> Result<(), Refusal> {
        if self.allows(act, place) { Ok(()) } else { Err(Refusal::Forbidden { missing: act }) }
    }

    /// The scopes at which the permission is held: what a list may show.
    pub fn visible(&self, read: Permission) -> Vec<Scope> {
        self.held.iter().filter(|held| held.permissions.contains(&read)).map(|held| held.scope).collect()
    }

    /// What a list of things that all Groups of an Organization share may show: as [`Self::allows_within`].
    pub fn visible_within(&self, read: Permission) -> Visible {
        let widened = |scope: Scope| Scope { organization_id: scope.organization_id, ..Scope::EVERYTHING };
        Visible::within(self.visible(read).into_iter().map(widened))
    }

    /// What a list of things that belong to the instance may show: as [`Self::allows_somewhere`].
    pub fn visible_anywhere(&self, read: Permission) -> Visible {
        if self.allows_somewhere(read) { Visible::everything() } else { Visible::default() }
    }

    /// Nobody gives what they have not: every permission that somebody gains must be held by the actor,
    /// now, at a scope that contains the one at which it is gained (product.md E5).
    pub fn require_gain(&self, gained: &[Held]) -> Result<(), Refusal> {
        for gain in gained {
            for permission in &gain.permissions {
                let held = self
                    .held
                    .iter()
                    .any(|mine| mine.permissions.contains(permission) && mine.scope.contains(&gain.scope));
                if !held {
                    return Err(Refusal::Forbidden { missing: *permission });
                }
            }
        }
        Ok(())
    }

    /// The one Group that the actor is limited to, if there is just one (surface.md, `group_id` left out).
    pub fn own_group(&self) -> Option<Scope> {
        let mut scopes = self.held.iter().map(|held| held.scope);
        let first = scopes.next()?;
        (first.group_id.is_some() && scopes.all(|scope| scope.group_id == first.group_id)).then_some(first)
    }
}

#[cfg(test)]
mod tests {
    use claviger_domain::id::GroupId;
    use claviger_domain::permission::Permissions;

    use super::*;

    fn organization(n: u8) -> OrganizationId {
        OrganizationId::from_bytes([n; 16])
    }

    fn holding(permissions: &[Permission], scope: Scope) -> Authority {
        Authority {
            actor: ActorRef::system("test"),
            service_key_id: None,
            member_id: None,
            organization_id: organization(1),
            held: vec![Held { permissions: permissions.iter().copied().collect(), scope }],
            expires_at: None,
            ip_allow_list: None,
        }
    }

    #[test]
    fn what_may_not_be_seen_is_not_found_and_what_may_not_be_done_is_forbidden() {
        let scope = Scope { organization_id: Some(organization(1)), ..Scope::EVERYTHING };
        let authority = holding(&[Permission::KeySetsRead], scope);
        let (mine, theirs) = (Place::organization(organization(1)), Place::organization(organization(2)));
        let check = |place| authority.require(Permission::KeySetsRead, Permission::KeySetsRevoke, place);
        assert_eq!(check(&mine), Err(Refusal::Forbidden { missing: Permission::KeySetsRevoke }));
        assert_eq!(check(&theirs), Err(Refusal::NotFound));
    }

    #[test]
    fn nobody_gives_what_they_have_not() {
        let own = Scope { organization_id: Some(organization(1)), ..Scope::EVERYTHING };
        let narrower = Scope { group_id: Some(GroupId::from_bytes([1; 16])), ..own };
        let authority = holding(&[Permission::ApisRead], own);
        let gain = |permission, scope| {
            authority.require_gain(&[Held { permissions: Permissions::from([permission]), scope }])
        };
        assert_eq!(gain(Permission::ApisRead, own), Ok(()));
        assert_eq!(gain(Permission::ApisRead, narrower), Ok(()));
        let refused = Err(Refusal::Forbidden { missing: Permission::ApisRead });
        assert_eq!(gain(Permission::ApisRead, Scope::EVERYTHING), refused);
        let refused = Err(Refusal::Forbidden { missing: Permission::ApisDelete });
        assert_eq!(gain(Permission::ApisDelete, narrower), refused);
    }
}
