//! Service keys in memory, so that a verify call is authenticated without the database. A reader of the
//! log like the index; there are few service keys, so that each change makes a new table.

use std::net::IpAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use claviger_domain::credential::{CredentialKind, WellFormed};
use claviger_domain::event::{Event, EventBody, Position, Private, ServiceKeyTerms};
use claviger_domain::id::{OrganizationId, PermissionGroupId, ServiceKeyId};
use claviger_domain::permission::{Permission, Permissions};
use claviger_domain::permission_groups::PermissionGroup;
use claviger_domain::scope::{Place, Scope};
use claviger_domain::secret::{Digest, DigestKey};
use claviger_domain::service_keys::{ServiceKey, ServiceKeyStatus};
use claviger_domain::time::Timestamp;
use hashbrown::HashMap;
use ipnet::IpNet;
use parking_lot::Mutex;

use crate::follower::{ApplyError, Follower, Freshness, LoadError, Standing};
use crate::index::Contradiction;
use crate::permissions::PermissionBits;

/// One service key, as far as authenticating needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceKeyFacts {
    pub id: ServiceKeyId,
    pub organization_id: OrganizationId,
    pub digest: Digest,
    pub active: bool,
    pub permission_group_ids: Vec<PermissionGroupId>,
    pub scope: Scope,
    pub expires_at: Option<Timestamp>,
    /// `None` lets any address in.
    pub ip_allow_list: Option<Vec<IpNet>>,
}

impl ServiceKeyFacts {
    /// The facts of a service key, with the digest that it does not hold itself.
    pub fn of(key: &ServiceKey, digest: Digest) -> Self {
        Self {
            id: key.id,
            organization_id: key.organization_id,
            digest,
            active: key.status == ServiceKeyStatus::Active,
            permission_group_ids: key.permission_group_ids.clone(),
            scope: key.scope,
            expires_at: key.expires_at,
            ip_allow_list: key.ip_allow_list.clone(),
        }
    }

    fn begun(id: ServiceKeyId, terms: &ServiceKeyTerms, digest: Digest) -> Self {
        Self {
            id,
            organization_id: terms.organization_id,
            digest,
            active: true,
            permission_group_ids: terms.permission_group_ids.clone(),
            scope: terms.scope,
            expires_at: terms.expires_at,
            ip_allow_list: terms.ip_allow_list.clone(),
        }
    }
}

/// One permission group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PermissionGroupFacts {
    pub id: PermissionGroupId,
    pub permissions: Permissions,
}

impl From<&PermissionGroup> for PermissionGroupFacts {
    fn from(group: &PermissionGroup) -> Self {
        Self { id: group.id, permissions: group.permissions.clone() }
    }
}

/// A service key that was authenticated: what it may do, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caller {
    pub id: ServiceKeyId,
    pub organization_id: OrganizationId,
    pub scope: Scope,
    pub permissions: PermissionBits,
    /// Whether what is known of it may be believed. If not, it may be told just that, and acts on nothing.
    pub fresh: bool,
}

impl Caller {
    /// Whether it holds the permission at some place, as each request asks first.
    pub const fn holds(&self, permission: Permission) -> bool {
        self.permissions.contains(permission)
    }

    pub fn allows(&self, permission: Permission, place: &Place) -> bool {
        self.holds(permission) && self.scope.covers(place)
    }
}

/// Why a service key is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotAccepted {
    #[error("the service key is malformed or unknown")]
    Unauthenticated,
    #[error("the service key is inactive")]
    Inactive,
    #[error("the service key has expired")]
    Expired,
    #[error("the service key may not be used from this address")]
    IpDenied,
    /// The log was not heard of for too long, and the service key was not good then.
    #[error("what is known of service keys is too old")]
    Stale,
}

/// All service keys by digest.
#[derive(Debug)]
pub struct Control {
    world: ArcSwap<World>,
    follower: Follower,
    writer: Mutex<Writer>,
}

#[derive(Debug, Default)]
struct World {
    /// The newest first, two at most.
    digest_keys: Vec<DigestKey>,
    callers: HashMap<[u8; 32], Entry>,
}

#[derive(Debug, Clone)]
struct Entry {
    caller: Caller,
    active: bool,
    expires_at: Option<Timestamp>,
    ip_allow_list: Option<Arc<[IpNet]>>,
}

#[derive(Debug, Default)]
struct Writer {
    digest_keys: Vec<DigestKey>,
    keys: HashMap<ServiceKeyId, ServiceKeyFacts>,
    groups: HashMap<PermissionGroupId, Permissions>,
}

impl Control {
    /// Empty: it accepts nobody until it is loaded and digest keys were given.
    pub fn new(max_staleness_seconds: i64) -> Self {
        Self {
            world: ArcSwap::default(),
            follower: Follower::new(max_staleness_seconds),
            writer: Mutex::default(),
        }
    }

    /// The keys under which service keys are looked for: the newest, and the one before while it is in use.
    pub fn use_digest_keys(&self, newest: DigestKey, previous: Option<DigestKey>) {
        let mut writer = self.writer.lock();
        writer.digest_keys = std::iter::once(newest).chain(previous).collect();
        self.publish(&writer);
    }

    /// Takes a snapshot in the place of all that is there.
    pub fn load(
        &self,
        groups: impl IntoIterator<Item = PermissionGroupFacts>,
        keys: impl IntoIterator<Item = ServiceKeyFacts>,
        as_of: Position,
        now: Timestamp,
    ) -> Result<(), LoadError> {
        let mut writer = self.writer.lock();
        self.follower.admits(as_of)?;
        writer.groups = groups.into_iter().map(|group| (group.id, group.permissions)).collect();
        writer.keys = keys.into_iter().map(|key| (key.id, key)).collect();
        self.publish(&writer);
        self.follower.loaded(as_of, now);
        Ok(())
    }

    /// Applies events in their order, up to the first that can't be; those that were applied before are
    /// passed over. When this returns, every call that begins knows of them.
    pub fn apply_all(&self, events: &[Event]) -> Result<(), ApplyError> {
        let mut writer = self.writer.lock();
        let mut changed = false;
        let (reached, applied) = self.follower.follow(events, |event| {
            changed |= writer.apply(&event.event.body, event.event.private.as_ref())?;
            Ok(())
        });
        if changed {
            self.publish(&writer);
        }
        self.follower.reached(reached);
        applied
    }

    /// The position up to which the log is known.
    pub fn as_of(&self) -> Position {
        self.follower.as_of()
    }

    /// The log was heard of at `now`, whether or not it had anything new.
    pub fn contact(&self, now: Timestamp) {
        self.follower.contact(now);
    }

    /// Something in the log can't be understood: nobody is accepted until a snapshot is loaded.
    pub fn stop(&self) {
        self.follower.stop();
    }

    pub fn standing(&self, now: Timestamp) -> Standing {
        self.follower.standing(now)
    }

    /// Who calls, if the value is a service key that is good at `now` and from this address. Whoever was
    /// good when the log was last heard of is told apart from those who still are by [`Caller::fresh`].
    pub fn authenticate(
        &self,
        value: &str,
        ip: Option<IpAddr>,
        now: Timestamp,
    ) -> Result<Caller, NotAccepted> {
        let value = WellFormed::parse(value)
            .filter(|value| value.kind() == CredentialKind::Service)
            .ok_or(NotAccepted::Unauthenticated)?;
        let fresh = self.follower.freshness(now) == Freshness::Fresh;
        let world = self.world.load();
        let remembered = world
            .digest_keys
            .iter()
            .find_map(|key| world.callers.get(key.digest(value.expose().as_bytes()).as_bytes()))
            .ok_or(NotAccepted::Unauthenticated)
            .and_then(|entry| entry.accept(ip, now));
        match fresh {
            true => remembered,
            // Who is refused by old memory may be good by now.
            false => remembered.map(|caller| Caller { fresh, ..caller }).map_err(|_| NotAccepted::Stale),
        }
    }

    fn publish(&self, writer: &Writer) {
        let callers = writer.keys.values().map(|key| (*key.digest.as_bytes(), writer.entry(key))).collect();
        self.world.store(Arc::new(World { digest_keys: writer.digest_keys.clone(), callers }));
    }
}

impl Entry {
    fn accept(&self, ip: Option<IpAddr>, now: Timestamp) -> Result<Caller, NotAccepted> {
        if !self.active {
            return Err(NotAccepted::Inactive);
        }
        if self.expires_at.is_some_and(|expires_at| expires_at <= now) {
            return Err(NotAccepted::Expired);
        }
        let on_list = |list: &Arc<[IpNet]>| {
            ip.is_some_and(|ip| list.iter().any(|network| network.contains(&ip.to_canonical())))
        };
        if !self.ip_allow_list.as_ref().is_none_or(on_list) {
            return Err(NotAccepted::IpDenied);
        }
        Ok(self.caller)
    }
}

impl Writer {
    fn entry(&self, key: &ServiceKeyFacts) -> Entry {
        let groups = key.permission_group_ids.iter().filter_map(|id| self.groups.get(id));
        let permissions =
            groups.map(PermissionBits::from).fold(PermissionBits::default(), PermissionBits::union);
        Entry {
            caller: Caller {
                id: key.id,
                organization_id: key.organization_id,
                scope: key.scope,
                permissions,
                fresh: true,
            },
            active: key.active,
            expires_at: key.expires_at,
            ip_allow_list: key.ip_allow_list.as_deref().map(Arc::from),
        }
    }

    /// Whether anything changed.
    fn apply(&mut self, body: &EventBody, private: Option<&Private>) -> Result<bool, Contradiction> {
        match body {
            EventBody::PermissionGroupCreated { permission_group_id, permissions, .. }
            | EventBody::PermissionGroupUpdated { permission_group_id, permissions, .. } => {
                self.groups.insert(*permission_group_id, permissions.clone());
            }
            EventBody::PermissionGroupDeleted { permission_group_id } => {
                self.groups.remove(permission_group_id);
            }
            EventBody::ServiceKeyCreated { service_key_id, terms } => {
                let digest = private.ok_or(Contradiction::NoDigest)?.key;
                // The key whose place it takes is lost, whoever has it now.
                terms.replaces.map(|replaced| self.keys.remove(&replaced));
                self.keys.insert(*service_key_id, ServiceKeyFacts::begun(*service_key_id, terms, digest));
            }
            EventBody::ServiceKeyActivated { service_key_id } => {
                self.key(*service_key_id)?.active = true;
            }
            EventBody::ServiceKeyDeactivated { service_key_id } => {
                self.key(*service_key_id)?.active = false;
            }
            EventBody::ServiceKeyPermissionGroupsChanged { service_key_id, permission_group_ids } => {
                self.key(*service_key_id)?.permission_group_ids.clone_from(permission_group_ids);
            }
            EventBody::ServiceKeyDeleted { service_key_id } => {
                self.keys.remove(service_key_id);
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn key(&mut self, id: ServiceKeyId) -> Result<&mut ServiceKeyFacts, Contradiction> {
        self.keys.get_mut(&id).ok_or(Contradiction::UnknownKey)
    }
}
