//! What the actor of a request may do, read from the database in the same transaction as the act
//! (product.md E5). Passing a check is the only way on.

use claviger_domain::event::ActorRef;
use claviger_domain::id::{EnvironmentId, GroupId, MemberId, OrganizationId, ServiceKeyId};
use claviger_domain::permission::Permission;
use claviger_domain::refusal::Refusal;
use claviger_domain::scope::{Held, Place, Scope};
use claviger_domain::service_keys::ServiceKey;
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

/// How long and from where something is good. Where nothing is said, for ever and from everywhere.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Bounds<'a> {
    pub expires_at: Option<Timestamp>,
    pub ip_allow_list: Option<&'a [IpNet]>,
}

impl<'a> Bounds<'a> {
    /// Those of a role: members sign in for ever and from everywhere.
    pub const NONE: Self = Self { expires_at: None, ip_allow_list: None };

    pub fn of(key: &'a ServiceKey) -> Self {
        Self { expires_at: key.expires_at, ip_allow_list: key.ip_allow_list.as_deref() }
    }

    /// Whether what is bound so ends no later, and is good from no other place, than what `outer` binds.
    pub fn within(&self, outer: &Self) -> bool {
        let ends = match (self.expires_at, outer.expires_at) {
            (_, None) => true,
            (None, Some(_)) => false,
            (Some(mine), Some(theirs)) => mine <= theirs,
        };
        let stays = match (self.ip_allow_list, outer.ip_allow_list) {
            (_, None) => true,
            (None, Some(_)) => false,
            (Some(mine), Some(theirs)) => {
                mine.iter().all(|range| theirs.iter().any(|allowed| allowed.contains(range)))
            }
        };
        ends && stays
    }
}

impl Authority {
    /// The bounds of the actor's own credential.
    pub fn bounds(&self) -> Bounds<'_> {
        Bounds { expires_at: self.expires_at, ip_allow_list: self.ip_allow_list.as_deref() }
    }

    pub fn allows(&self, permission: Permission, place: &Place) -> bool {
        self.held.iter().any(|held| held.allows(permission, place))
    }

    /// Whether the permission is held anywhere inside the Organization: enough to read what all its
    /// Groups share (templates, permission groups, members, the catalog). Not if it is held for one
    /// Environment only: these things have none (product.md G5).
    pub fn allows_within(&self, permission: Permission, organization_id: OrganizationId) -> bool {
        self.holding(permission).any(|scope| {
            scope.environment_id.is_none() && scope.organization_id.is_none_or(|mine| mine == organization_id)
        })
    }

    /// Whether the permission is held by an Organization, a Group or for everything: enough to read what
    /// belongs to the instance. Not if it is held for one Environment only, as above.
    pub fn allows_somewhere(&self, permission: Permission) -> bool {
        self.holding(permission).any(|scope| scope.environment_id.is_none())
    }

    /// Whether the permission is held at any scope at all. What it then shows depends on each thing.
    pub fn holds(&self, permission: Permission) -> bool {
        self.holding(permission).next().is_some()
    }

    /// Whether the Environment may be seen: they belong to the instance, but a right for one Environment
    /// shows that one alone.
    pub fn sees_environment(&self, id: EnvironmentId) -> bool {
        self.holding(Permission::EnvironmentsRead)
            .any(|scope| scope.environment_id.is_none_or(|mine| mine == id))
    }

    /// The Environments that a list may show; none of them named: all.
    pub fn listed_environments(&self) -> Result<Vec<EnvironmentId>, Refusal> {
        self.require_held(Permission::EnvironmentsRead)?;
        let limited = self.holding(Permission::EnvironmentsRead).map(|scope| scope.environment_id);
        Ok(limited.collect::<Option<_>>().unwrap_or_default())
    }

    /// Whether the actor is of this Organization, or has rights in it: then it is no news that it exists.
    pub fn knows_organization(&self, id: OrganizationId) -> bool {
        self.organization_id == id || self.held.iter().any(|held| held.scope.organization_id == Some(id))
    }

    /// Whether the actor has rights limited to this Group.
    pub fn knows_group(&self, id: GroupId) -> bool {
        self.held.iter().any(|held| held.scope.group_id == Some(id))
    }

    fn holding(&self, permission: Permission) -> impl Iterator<Item = Scope> {
        self.held.iter().filter(move |held| held.permissions.contains(&permission)).map(|held| held.scope)
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

    /// The scopes at which the permission is held.
    pub fn visible(&self, read: Permission) -> Vec<Scope> {
        self.holding(read).collect()
    }

    /// Is the permission held at any scope at all? Who holds it nowhere is told so, rather than shown a list
    /// that is always empty.
    pub fn require_held(&self, permission: Permission) -> Result<(), Refusal> {
        if self.holds(permission) { Ok(()) } else { Err(Refusal::Forbidden { missing: permission }) }
    }

    /// What a list may show: what stands at the scopes at which the permission is held.
    pub fn listed(&self, read: Permission) -> Result<Visible, Refusal> {
        self.require_held(read)?;
        Ok(Visible::within(self.holding(read)))
    }

    /// What a list of things that all Groups of an Organization share may show: as [`Self::allows_within`].
    pub fn listed_within(&self, read: Permission) -> Result<Visible, Refusal> {
        self.require_held(read)?;
        let widened = |scope: Scope| Scope { organization_id: scope.organization_id, ..Scope::EVERYTHING };
        Ok(Visible::within(self.holding(read).filter(|scope| scope.environment_id.is_none()).map(widened)))
    }

    /// What a list of things that belong to the instance may show: as [`Self::allows_somewhere`].
    pub fn listed_anywhere(&self, read: Permission) -> Result<Visible, Refusal> {
        self.require_held(read)?;
        Ok(if self.allows_somewhere(read) { Visible::everything() } else { Visible::default() })
    }

    /// Nobody gives what they have not: every permission that somebody gains must be held by the actor,
    /// now, at a scope that contains the one at which it is gained, for as long and from wherever it is
    /// gained (product.md E5).
    pub fn require_gain(&self, gained: &[Held], bounds: Bounds<'_>) -> Result<(), Refusal> {
        let lasting = bounds.within(&self.bounds());
        for gain in gained {
            for permission in &gain.permissions {
                let held = self.holding(*permission).any(|mine| mine.contains(&gain.scope));
                if !held || !lasting {
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
            let gained = Held { permissions: Permissions::from([permission]), scope };
            authority.require_gain(&[gained], Bounds::NONE)
        };
        assert_eq!(gain(Permission::ApisRead, own), Ok(()));
        assert_eq!(gain(Permission::ApisRead, narrower), Ok(()));
        let refused = Err(Refusal::Forbidden { missing: Permission::ApisRead });
        assert_eq!(gain(Permission::ApisRead, Scope::EVERYTHING), refused);
        let refused = Err(Refusal::Forbidden { missing: Permission::ApisDelete });
        assert_eq!(gain(Permission::ApisDelete, narrower), refused);
    }

    #[test]
    fn a_limited_credential_gives_nothing_that_is_good_for_longer_or_from_elsewhere() {
        let at = |seconds: i64| Timestamp::from_micros(seconds * 1_000_000);
        let nets =
            |texts: &[&str]| texts.iter().map(|text| text.parse().expect("a range")).collect::<Vec<_>>();
        let wide = nets(&["10.0.0.0/8"]);
        let authority = Authority {
            expires_at: Some(at(2)),
            ip_allow_list: Some(wide),
            ..holding(&[Permission::ApisRead], Scope::EVERYTHING)
        };
        let gain = |expires_at: Option<i64>, list: Option<&[&str]>| {
            let list = list.map(nets);
            let bounds = Bounds { expires_at: expires_at.map(at), ip_allow_list: list.as_deref() };
            let permissions = Permissions::from([Permission::ApisRead]);
            authority.require_gain(&[Held { permissions, scope: Scope::EVERYTHING }], bounds).is_ok()
        };
        let narrow = Some(["10.1.0.0/16", "10.2.3.4/32"].as_slice());
        assert!(gain(Some(2), narrow) && gain(Some(1), Some(&["10.0.0.0/8"])));
        assert!(!gain(Some(3), narrow) && !gain(None, narrow));
        assert!(!gain(Some(1), None) && !gain(Some(1), Some(&["10.1.0.0/16", "11.0.0.0/32"])));
    }

    #[test]
    fn a_right_for_one_environment_gives_nothing_on_what_has_none() {
        let environment = EnvironmentId::from_bytes([1; 16]);
        let scope = Scope { environment_id: Some(environment), ..Scope::EVERYTHING };
        let authority = holding(&[Permission::EnvironmentsRead], scope);
        assert!(authority.holds(Permission::EnvironmentsRead));
        assert!(!authority.allows_somewhere(Permission::EnvironmentsRead));
        assert!(!authority.allows_within(Permission::EnvironmentsRead, organization(1)));
        assert_eq!(authority.listed_within(Permission::EnvironmentsRead), Ok(Visible::default()));
        assert!(authority.sees_environment(environment));
        assert!(!authority.sees_environment(EnvironmentId::from_bytes([2; 16])));
        assert_eq!(authority.listed_environments(), Ok(vec![environment]));
        let missing = Permission::NodesRead;
        assert_eq!(authority.listed_anywhere(missing), Err(Refusal::Forbidden { missing }));
    }
}
