//! Members of an Organization, and the roles granted to them.

use crate::aggregate::{Aggregate, Misapplied, absent, present};
use crate::event::{EventBody, Subject};
use crate::id::{GroupId, MemberId, OrganizationId, PermissionGroupId, RoleGrantId};
use crate::scope::{Place, Scope};
use crate::text::{InvalidText, Name};
use crate::time::Timestamp;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    pub id: MemberId,
    pub organization_id: OrganizationId,
    pub name: Name,
    pub email: Email,
    pub group_ids: Vec<GroupId>,
    /// In the order in which they were granted.
    pub role_grants: Vec<RoleGrant>,
    pub created_at: Timestamp,
}

impl Member {
    pub const fn place(&self) -> Place {
        Place::organization(self.organization_id)
    }
}

impl Aggregate for Member {
    fn apply(state: Option<Self>, at: Timestamp, body: &EventBody) -> Result<Option<Self>, Misapplied> {
        if let EventBody::MemberCreated { member_id, organization_id, name, email, group_ids } = body {
            absent(state, body)?;
            return Ok(Some(Self {
                id: *member_id,
                organization_id: *organization_id,
                name: name.clone(),
                email: email.clone(),
                group_ids: group_ids.clone(),
                role_grants: Vec::new(),
                created_at: at,
            }));
        }
        let mut member = present(state, body, |it| body.subject() == Subject::Member(it.id))?;
        match body {
            EventBody::MemberUpdated { name, group_ids, .. } => {
                member.name = name.clone();
                member.group_ids.clone_from(group_ids);
            }
            EventBody::RoleGranted { grant, .. } => {
                if grant.member_id != member.id || member.role_grants.iter().any(|held| held.id == grant.id) {
                    return Err(Misapplied::new(body, "the grant is another's or is held already"));
                }
                member.role_grants.push(grant.clone());
            }
            EventBody::RoleRevoked { role_grant_id, .. } => {
                let before = member.role_grants.len();
                member.role_grants.retain(|held| held.id != *role_grant_id);
                if member.role_grants.len() == before {
                    return Err(Misapplied::new(body, "the grant is not held"));
                }
            }
            EventBody::MemberDeleted { .. } => return Ok(None),
            _ => return Err(Misapplied::new(body, "the event is of another noun")),
        }
        Ok(Some(member))
    }
}

/// A role: a permission group granted to a member at a scope, optionally for one Environment.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct RoleGrant {
    pub id: RoleGrantId,
    pub member_id: MemberId,
    pub permission_group_id: PermissionGroupId,
    pub scope: Scope,
    pub created_at: Timestamp,
}

/// A mail address: one `@` with something on both sides, no spaces, 254 characters at most (RFC 5321).
/// Compared without case.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(transparent)]
pub struct Email(String);

impl Email {
    pub fn new(text: &str) -> Result<Self, InvalidEmail> {
        let text = text.trim();
        let (local, domain) = text.split_once('@').ok_or(InvalidEmail)?;
        let plain = |part: &str| {
            !part.is_empty()
                && !part.contains(['@', '<', '>', '"', ',', ';', ':', '\\', '(', ')', '[', ']'])
                && !part.chars().any(|c| c.is_whitespace() || c.is_control())
        };
        let fits = text.len() <= 254
            && plain(local)
            && plain(domain)
            && !matches!(Name::new(text), Err(InvalidText::Control | InvalidText::LooksLikeASecret));
        if fits { Ok(Self(text.to_lowercase())) } else { Err(InvalidEmail) }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The text is no mail address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a mail address such as ada@example.com")]
pub struct InvalidEmail;

impl<'de> serde::Deserialize<'de> for Email {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::new(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mail_addresses() {
        assert_eq!(
            Email::new(" Ada@Example.com ").map(|email| email.as_str().to_owned()),
            Ok("ada@example.com".into())
        );
        for wrong in ["", "ada", "@example.com", "ada@", "a@b@c", "a b@c", "<a@b>", "a@b\n"] {
            assert_eq!(Email::new(wrong.trim_end_matches('x')).is_err(), wrong != "a@b\n", "{wrong:?}");
        }
        assert!(Email::new(&format!("{}@example.com", "a".repeat(250))).is_err());
    }
}
