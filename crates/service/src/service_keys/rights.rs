//! What a service key can do, and whether somebody else can do all of that.

use claviger_domain::event::ActorKind;
use claviger_domain::id::ServiceKeyId;
use claviger_domain::permission::Permission;
use claviger_domain::permission_groups::PermissionGroup;
use claviger_domain::refusal::Refusal;
use claviger_domain::scope::{Held, Scope};
use claviger_domain::service_keys::{ServiceKey, ServiceKeyStatus};
use claviger_domain::time::Timestamp;
use claviger_store::Reader;
use ipnet::IpNet;

use crate::error::Error;
use crate::permission_groups::allowed;
use crate::write::Write;

/// What the groups allow at the scope.
pub(crate) fn held(groups: &[PermissionGroup], scope: &Scope) -> Vec<Held> {
    groups.iter().map(|group| Held { permissions: allowed(group), scope: *scope }).collect()
}

pub(crate) async fn groups_of(reader: &mut Reader, key: &ServiceKey) -> Result<Vec<PermissionGroup>, Error> {
    let mut groups = Vec::with_capacity(key.permission_group_ids.len());
    for id in &key.permission_group_ids {
        groups.extend(reader.permission_group(*id).await?);
    }
    Ok(groups)
}

impl Write<'_, '_> {
    /// The actor must be able to do all that the key can do, for as long and from everywhere it can.
    pub(super) async fn require_all_it_can_do(
        &mut self,
        key: &ServiceKey,
        act: Permission,
    ) -> Result<(), Error> {
        let groups = groups_of(self.tx, key).await?;
        self.authority.require_gain(&held(&groups, &key.scope))?;
        self.require_span(key, act)
    }

    /// The key may not outlive the actor's own credential, nor be good from other places.
    pub(super) fn require_span(&self, key: &ServiceKey, act: Permission) -> Result<(), Error> {
        let lives = within_time(key.expires_at, self.authority.expires_at);
        let stays = within_addresses(key.ip_allow_list.as_deref(), self.authority.ip_allow_list.as_deref());
        if lives && stays { Ok(()) } else { Err(Refusal::Forbidden { missing: act }.into()) }
    }
}

/// Whether what ends at `inner` ends no later than `outer`.
pub(super) fn within_time(inner: Option<Timestamp>, outer: Option<Timestamp>) -> bool {
    match (inner, outer) {
        (_, None) => true,
        (None, Some(_)) => false,
        (Some(inner), Some(outer)) => inner <= outer,
    }
}

/// Whether every address of `inner` is in `outer`.
pub(super) fn within_addresses(inner: Option<&[IpNet]>, outer: Option<&[IpNet]>) -> bool {
    match (inner, outer) {
        (_, None) => true,
        (None, Some(_)) => false,
        (Some(inner), Some(outer)) => {
            inner.iter().all(|range| outer.iter().any(|allowed| allowed.contains(range)))
        }
    }
}

/// Whether the key can do more than its maker can now (product.md E5). What the system made exceeds nobody.
pub(super) async fn exceeds_creator(
    reader: &mut Reader,
    key: &ServiceKey,
    groups: &[PermissionGroup],
    now: Timestamp,
) -> Result<bool, Error> {
    let makers = match (key.created_by.kind, key.created_by.id.as_deref()) {
        (ActorKind::System, _) | (_, None) => return Ok(false),
        (ActorKind::ServiceKey, Some(id)) => match id.parse::<ServiceKeyId>() {
            Ok(id) => held_by_service_key(reader, id, now).await?,
            Err(_) => Vec::new(),
        },
        (ActorKind::Member, Some(id)) => match id.parse() {
            Ok(id) => held_by_member(reader, id).await?,
            Err(_) => Vec::new(),
        },
    };
    let covered = |permission: &Permission| {
        makers.iter().any(|mine| mine.permissions.contains(permission) && mine.scope.contains(&key.scope))
    };
    Ok(!groups.iter().flat_map(allowed).all(|permission| covered(&permission)))
}

async fn held_by_service_key(
    reader: &mut Reader,
    id: ServiceKeyId,
    now: Timestamp,
) -> Result<Vec<Held>, Error> {
    let maker = reader.service_key(id).await?.filter(|maker| {
        maker.status == ServiceKeyStatus::Active && maker.expires_at.is_none_or(|expires_at| expires_at > now)
    });
    let Some(maker) = maker else { return Ok(Vec::new()) };
    let groups = groups_of(reader, &maker).await?;
    Ok(held(&groups, &maker.scope))
}

async fn held_by_member(reader: &mut Reader, id: claviger_domain::id::MemberId) -> Result<Vec<Held>, Error> {
    let mut all = Vec::new();
    let grants = reader.member(id).await?.map(|member| member.role_grants).unwrap_or_default();
    for grant in grants {
        if let Some(group) = reader.permission_group(grant.permission_group_id).await? {
            all.push(Held { permissions: allowed(&group), scope: grant.scope });
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_and_addresses_only_narrow() {
        let at = |seconds: i64| Some(Timestamp::from_micros(seconds * 1_000_000));
        assert!(within_time(at(1), at(2)) && within_time(at(1), None) && within_time(None, None));
        assert!(!within_time(None, at(2)) && !within_time(at(3), at(2)));
        let nets =
            |texts: &[&str]| texts.iter().map(|text| text.parse().expect("a range")).collect::<Vec<_>>();
        let (wide, narrow) = (nets(&["10.0.0.0/8"]), nets(&["10.1.0.0/16", "10.2.3.4/32"]));
        assert!(within_addresses(Some(&narrow), Some(&wide)) && within_addresses(None, None));
        assert!(!within_addresses(Some(&wide), Some(&narrow)) && !within_addresses(None, Some(&wide)));
    }
}
