//! Service keys as callers see them: with the names of their permission groups, when they were last used,
//! and whether they can do more than their maker. What several share is looked up once.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use claviger_domain::event::{ActorKind, ActorRef};
use claviger_domain::id::{MemberId, PermissionGroupId, ServiceKeyId};
use claviger_domain::permission_groups::PermissionGroup;
use claviger_domain::refusal::Refusal;
use claviger_domain::scope::Held;
use claviger_domain::service_keys::{ServiceKey, ServiceKeyStatus};
use claviger_domain::time::Timestamp;
use claviger_store::Reader;
use claviger_wire::scope::Named;
use claviger_wire::service_keys as wire;

use crate::error::Error;

/// One service key.
pub(super) async fn of(
    reader: &mut Reader,
    key: &ServiceKey,
    now: Timestamp,
) -> Result<wire::ServiceKey, Error> {
    of_all(reader, std::slice::from_ref(key), now).await?.pop().ok_or_else(|| Refusal::NotFound.into())
}

/// Service keys in their order.
pub(super) async fn of_all(
    reader: &mut Reader,
    keys: &[ServiceKey],
    now: Timestamp,
) -> Result<Vec<wire::ServiceKey>, Error> {
    let ids: Vec<_> = keys.iter().map(|key| key.id.to_string()).collect();
    let last_used = reader.last_used(&ids).await?;
    let mut known = Known { now, groups: HashMap::new(), makers: HashMap::new() };
    let mut shown = Vec::with_capacity(keys.len());
    for (key, id) in keys.iter().zip(&ids) {
        let groups = known.groups_of(reader, &key.permission_group_ids).await?;
        let exceeds_creator = known.exceeds_creator(reader, key, &groups).await?;
        let names =
            groups.iter().map(|group| Named { id: group.id.to_string(), name: group.name.to_string() });
        let last_used = last_used.get(id).copied();
        shown.push(wire::ServiceKey::new(key, names.collect(), last_used, exceeds_creator));
    }
    Ok(shown)
}

/// What was looked up so far.
struct Known {
    now: Timestamp,
    groups: HashMap<PermissionGroupId, Option<PermissionGroup>>,
    /// What those who made keys can do now, by their id.
    makers: HashMap<String, Vec<Held>>,
}

impl Known {
    async fn groups_of(
        &mut self,
        reader: &mut Reader,
        ids: &[PermissionGroupId],
    ) -> Result<Vec<PermissionGroup>, Error> {
        let mut groups = Vec::with_capacity(ids.len());
        for id in ids {
            let group = match self.groups.entry(*id) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(unknown) => unknown.insert(reader.permission_group(*id).await?),
            };
            groups.extend(group.clone());
        }
        Ok(groups)
    }

    /// Whether the key can do more than its maker can now (product.md E5). What the system made exceeds
    /// nobody.
    async fn exceeds_creator(
        &mut self,
        reader: &mut Reader,
        key: &ServiceKey,
        groups: &[PermissionGroup],
    ) -> Result<bool, Error> {
        let ActorRef { kind: ActorKind::Member | ActorKind::ServiceKey, id: Some(maker), .. } =
            &key.created_by
        else {
            return Ok(false);
        };
        if !self.makers.contains_key(maker) {
            let held = match key.created_by.kind {
                ActorKind::ServiceKey => self.held_by_service_key(reader, maker).await?,
                ActorKind::Member | ActorKind::System | ActorKind::Portal => {
                    self.held_by_member(reader, maker).await?
                }
            };
            self.makers.insert(maker.clone(), held);
        }
        let held = self.makers.get(maker).map(Vec::as_slice).unwrap_or_default();
        let can_do = super::rights::held(groups, &key.scope);
        Ok(!can_do.iter().all(|can| {
            can.permissions.iter().all(|permission| {
                held.iter()
                    .any(|mine| mine.permissions.contains(permission) && mine.scope.contains(&can.scope))
            })
        }))
    }

    async fn held_by_service_key(&mut self, reader: &mut Reader, id: &str) -> Result<Vec<Held>, Error> {
        let maker = match id.parse::<ServiceKeyId>() {
            Ok(id) => reader.service_key(id).await?,
            Err(_) => None,
        };
        let now = self.now;
        let maker = maker.filter(|maker| {
            maker.status == ServiceKeyStatus::Active
                && maker.expires_at.is_none_or(|expires_at| expires_at > now)
        });
        let Some(maker) = maker else { return Ok(Vec::new()) };
        let groups = self.groups_of(reader, &maker.permission_group_ids).await?;
        Ok(super::rights::held(&groups, &maker.scope))
    }

    async fn held_by_member(&mut self, reader: &mut Reader, id: &str) -> Result<Vec<Held>, Error> {
        let member = match id.parse::<MemberId>() {
            Ok(id) => reader.member(id).await?,
            Err(_) => None,
        };
        let mut held = Vec::new();
        for grant in member.map(|member| member.role_grants).unwrap_or_default() {
            let groups = self.groups_of(reader, &[grant.permission_group_id]).await?;
            held.extend(super::rights::held(&groups, &grant.scope));
        }
        Ok(held)
    }
}
