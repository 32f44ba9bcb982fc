//! Who may do what to one key pair: grants to everyone in the Organization, a Group or a member, each at a level
//! (product.md A6). A permission says that somebody may act on key pairs at all; the level, on which of them.

use std::fmt;
use std::str::FromStr;

use super::KeyPair;
use crate::event::EventBody;
use crate::id::{GroupId, MemberId, OrganizationId};
use crate::permission::Permission;
use crate::refusal::Refusal;

/// How far access goes; each level has what the lesser one has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// See the pair, and who else may.
    Read,
    /// Rename it, attach it, sign with it.
    Write,
    /// Share it, publish it, replace it, delete it.
    Admin,
}

impl Level {
    pub const ALL: [Self; 3] = [Self::Read, Self::Write, Self::Admin];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Admin => "admin",
        }
    }
}

/// To whom access is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Grantee {
    /// Whoever is of the pair's Organization.
    Everyone,
    Group(GroupId),
    Member(MemberId),
}

const EVERYONE: &str = "everyone";

/// How many lines a pair's access list has at most: each change writes it as a whole. More people are a Group.
const MOST_GRANTS: u32 = 100;

/// `everyone`, or the id of the Group or member.
impl fmt::Display for Grantee {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Everyone => formatter.write_str(EVERYONE),
            Self::Group(id) => fmt::Display::fmt(id, formatter),
            Self::Member(id) => fmt::Display::fmt(id, formatter),
        }
    }
}

/// The text names nobody to whom access can be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("everyone, or the id of a Group or member")]
pub struct UnknownGrantee;

impl FromStr for Grantee {
    type Err = UnknownGrantee;

    fn from_str(text: &str) -> Result<Self, UnknownGrantee> {
        if text == EVERYONE {
            return Ok(Self::Everyone);
        }
        let group = text.parse().map(Self::Group).ok();
        group.or_else(|| text.parse().map(Self::Member).ok()).ok_or(UnknownGrantee)
    }
}

impl serde::Serialize for Grantee {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Grantee {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// One line of a pair's access list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Grant {
    pub grantee: Grantee,
    pub level: Level,
}

/// Whom the grants are compared with: a member, as far as the caller counts as one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    pub organization_id: OrganizationId,
    pub member_id: Option<MemberId>,
    pub group_ids: Vec<GroupId>,
}

impl Holder {
    /// All as whom access may have been given to them.
    pub fn grantees(&self) -> Vec<Grantee> {
        let groups = self.group_ids.iter().copied().map(Grantee::Group);
        [Grantee::Everyone].into_iter().chain(groups).chain(self.member_id.map(Grantee::Member)).collect()
    }
}

/// What is done with a key pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyPairAct {
    Read,
    Rename,
    /// Using it for a Git integration or another thing, which then uses it (product.md A7).
    Attach,
    SignJwt,
    /// Showing its public half to everybody, or no more.
    Publish,
    Share,
    Replace,
    Delete,
}

impl KeyPairAct {
    pub const ALL: [Self; 8] = [
        Self::Read,
        Self::Rename,
        Self::Attach,
        Self::SignJwt,
        Self::Publish,
        Self::Share,
        Self::Replace,
        Self::Delete,
    ];

    /// The name of the act, as `can` lists it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Rename => "rename",
            Self::Attach => "attach",
            Self::SignJwt => "sign-jwt",
            Self::Publish => "publish",
            Self::Share => "share",
            Self::Replace => "replace",
            Self::Delete => "delete",
        }
    }

    /// The level that it needs on the pair.
    pub const fn level(self) -> Level {
        match self {
            Self::Read => Level::Read,
            Self::Rename | Self::Attach | Self::SignJwt => Level::Write,
            Self::Publish | Self::Share | Self::Replace | Self::Delete => Level::Admin,
        }
    }

    /// The permission that it needs besides. What a pair is attached to asks for its own.
    pub const fn permission(self) -> Permission {
        match self {
            Self::Read | Self::Attach => Permission::KeyPairsRead,
            Self::Rename | Self::Publish => Permission::KeyPairsUpdate,
            Self::SignJwt => Permission::KeyPairsSignJwt,
            Self::Share => Permission::KeyPairsAcl,
            Self::Replace => Permission::KeyPairsReplace,
            Self::Delete => Permission::KeyPairsDelete,
        }
    }
}

impl KeyPair {
    /// The highest level that any grant gives them.
    pub fn level_of(&self, holder: &Holder) -> Option<Level> {
        let fits = |grantee: &Grantee| match grantee {
            Grantee::Everyone => holder.organization_id == self.organization_id,
            Grantee::Group(id) => holder.group_ids.contains(id),
            Grantee::Member(id) => holder.member_id == Some(*id),
        };
        self.grants.iter().filter(|grant| fits(&grant.grantee)).map(|grant| grant.level).max()
    }

    pub fn grant_of(&self, grantee: Grantee) -> Option<&Grant> {
        self.grants.iter().find(|grant| grant.grantee == grantee)
    }

    /// Gives access, or another level of it. `None`: it is so already.
    pub fn grant(&self, grant: Grant) -> Result<Option<EventBody>, Refusal> {
        match self.grant_of(grant.grantee) {
            Some(present) if present.level == grant.level => return Ok(None),
            Some(present) if present.level == Level::Admin => self.keep_an_admin(grant.grantee)?,
            None if self.grants.len() >= MOST_GRANTS as usize => {
                return Err(Refusal::LimitReached { limit: MOST_GRANTS });
            }
            _ => {}
        }
        Ok(Some(EventBody::KeyPairAccessGranted { key_pair_id: self.id, grant }))
    }

    /// Takes access back from one who has it.
    pub fn revoke(&self, grantee: Grantee) -> Result<EventBody, Refusal> {
        let present = self.grant_of(grantee).ok_or(Refusal::NotFound)?;
        if present.level == Level::Admin {
            self.keep_an_admin(grantee)?;
        }
        Ok(EventBody::KeyPairAccessRevoked { key_pair_id: self.id, grantee })
    }

    /// Refuses unless somebody else is admin: one must remain.
    fn keep_an_admin(&self, leaves: Grantee) -> Result<(), Refusal> {
        let remains = |grant: &Grant| grant.level == Level::Admin && grant.grantee != leaves;
        if self.grants.iter().any(remains) { Ok(()) } else { Err(Refusal::LastAdmin) }
    }
}
