//! What a service key can do, and whether somebody else can do all of that.

use claviger_domain::id::MemberId;
use claviger_domain::permission::Permission;
use claviger_domain::permission_groups::PermissionGroup;
use claviger_domain::refusal::Refusal;
use claviger_domain::scope::{Held, Scope};
use claviger_domain::service_keys::ServiceKey;
use claviger_store::Reader;

use crate::authority::Bounds;
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
    /// The actor must be able to do all that the key can do, for as long and from everywhere it can, and to
    /// act for the member whom it counts as.
    pub(super) async fn require_all_it_can_do(&mut self, key: &ServiceKey) -> Result<(), Error> {
        let groups = groups_of(self.tx, key).await?;
        self.require_all_that(&groups, key).await
    }

    /// The same, of the key with these permission groups in place of its own.
    pub(super) async fn require_all_that(
        &mut self,
        groups: &[PermissionGroup],
        key: &ServiceKey,
    ) -> Result<(), Error> {
        self.authority.require_gain(&held(groups, &key.scope), Bounds::of(key))?;
        self.require_to_act_for(key.member_id).await
    }

    /// What counts as a member can be given by a key of that member, or with `service_keys:act_for`.
    pub(super) async fn require_to_act_for(&mut self, id: Option<MemberId>) -> Result<(), Error> {
        let Some(id) = id.filter(|id| self.authority.member_id != Some(*id)) else { return Ok(()) };
        let member = self.tx.member(id).await?.ok_or(Refusal::NotFound)?;
        Ok(self.authority.require_act(Permission::ServiceKeysActFor, &member.place())?)
    }
}
