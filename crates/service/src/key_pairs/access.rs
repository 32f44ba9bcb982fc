//! Who may do what with which key pair: a permission somewhere in the pair's Organization, and the level of access
//! to this one pair; the permission alone is not enough (product.md A6).

use claviger_domain::key_pairs::{Holder, KeyPair, KeyPairAct, KeyUse, Level};
use claviger_domain::permission::Permission;
use claviger_domain::refusal::Refusal;
use claviger_store::{Accessible, Reader};

use crate::authority::Authority;
use crate::error::Error;

/// A caller, and as whom access may have been given to them.
#[derive(Debug)]
pub(crate) struct Accessor<'a> {
    authority: &'a Authority,
    holder: Holder,
}

impl<'a> Accessor<'a> {
    /// A service key counts as its member.
    pub(crate) async fn of(reader: &mut Reader, authority: &'a Authority) -> Result<Self, Error> {
        let member = match authority.member_id {
            Some(id) => reader.member(id).await?,
            None => None,
        };
        let holder = Holder {
            organization_id: member.as_ref().map_or(authority.organization_id, |it| it.organization_id),
            member_id: member.as_ref().map(|member| member.id),
            group_ids: member.map(|member| member.group_ids).unwrap_or_default(),
        };
        Ok(Self { authority, holder })
    }

    /// What the caller may do besides.
    pub(crate) const fn authority(&self) -> &'a Authority {
        self.authority
    }

    /// The level on this pair, if it may be seen at all.
    pub(crate) fn level(&self, pair: &KeyPair) -> Option<Level> {
        if !self.authority.allows_within(Permission::KeyPairsRead, pair.organization_id) {
            return None;
        }
        match self.authority.allows(Permission::KeyPairsAdminister, &pair.place()) {
            true => Some(Level::Admin),
            false => pair.level_of(&self.holder),
        }
    }

    /// May the pair be seen, and then, may that be done with it?
    pub(crate) fn require(&self, pair: &KeyPair, act: KeyPairAct) -> Result<Level, Refusal> {
        let level = self.level(pair).ok_or(Refusal::NotFound)?;
        if !self.authority.allows_within(act.permission(), pair.organization_id) {
            return Err(Refusal::Forbidden { missing: act.permission() });
        }
        if level < act.level() {
            return Err(Refusal::AccessTooLow { needs: act.level() });
        }
        Ok(level)
    }

    /// What may be done with the pair, as far as it states the use.
    pub(crate) fn allowed(&self, pair: &KeyPair) -> Vec<KeyPairAct> {
        let fits = |act: &KeyPairAct| match act {
            KeyPairAct::Attach => pair.uses.contains(&KeyUse::Git),
            KeyPairAct::SignJwt | KeyPairAct::Publish => pair.uses.contains(&KeyUse::Jwt),
            _ => true,
        };
        let all = KeyPairAct::ALL.into_iter().filter(fits);
        all.filter(|act| self.require(pair, *act).is_ok()).collect()
    }

    /// What a list may show.
    pub(crate) fn accessible(&self) -> Accessible {
        let scopes = self.authority.visible(Permission::KeyPairsAdminister);
        let whole = scopes.iter().filter(|scope| scope.group_id.is_none() && scope.environment_id.is_none());
        Accessible {
            everything: whole.clone().any(|scope| scope.organization_id.is_none()),
            administered: whole.filter_map(|scope| scope.organization_id).collect(),
            granted: Some((self.holder.organization_id, self.holder.grantees())),
        }
    }
}
