//! Sharing a key pair: who has access, giving it, taking it back, and to whom it could be given (product.md A6).

use claviger_domain::event::EventBody;
use claviger_domain::id::{GroupId, KeyPairId, MemberId};
use claviger_domain::key_pairs::{Grant, Grantee, KeyPair, KeyPairAct};
use claviger_domain::refusal::{Refusal, User};
use claviger_store::Reader;
use claviger_wire::key_pairs as wire;

use super::Accessor;
use crate::error::Error;
use crate::lists::{ListParameters, Parameters};
use crate::request::{Answer, Gone, Request, Status, Written};
use crate::state::Service;
use crate::write::Write;

/// How many candidates of each kind an answer has.
const CANDIDATES: u32 = 20;

impl Answer for wire::Grant {}

impl Service {
    /// Who has access; whoever may see the pair may see that.
    pub async fn key_pair_acl(&self, request: &Request, id: KeyPairId) -> Result<wire::Acl, Error> {
        let (mut reader, authority) = self.reading(request).await?;
        let pair = super::to_read(&mut reader, &authority, id).await?;
        let mut items = Vec::with_capacity(pair.grants.len());
        for grant in &pair.grants {
            items.push(shown(&mut reader, grant).await?);
        }
        Ok(wire::Acl { items })
    }

    /// Groups and members of the pair's Organization whose name has the text.
    pub async fn key_pair_candidates(
        &self,
        request: &Request,
        id: KeyPairId,
        given: &ListParameters,
    ) -> Result<wire::Candidates, Error> {
        let (mut reader, authority) = self.reading(request).await?;
        let pair = reader.key_pair(id).await?.ok_or(Refusal::NotFound)?;
        Accessor::of(&mut reader, &authority).await?.require(&pair, KeyPairAct::Share)?;
        let mut parameters = Parameters::new(given)?;
        let text = parameters.text("q")?.unwrap_or_default();
        parameters.all_read()?;
        let groups = reader.candidate_groups(pair.organization_id, &text, CANDIDATES).await?;
        let members = reader.candidate_members(pair.organization_id, &text, CANDIDATES).await?;
        let candidate = |kind, grantee: Grantee, name: String| wire::Candidate {
            kind,
            id: grantee.to_string(),
            name,
            level: pair.grant_of(grantee).map(|grant| grant.level.into()),
        };
        let groups = groups
            .into_iter()
            .map(|(id, name)| candidate(wire::GranteeKind::Group, Grantee::Group(id), name.to_string()));
        let members = members
            .into_iter()
            .map(|(id, name)| candidate(wire::GranteeKind::Member, Grantee::Member(id), name.to_string()));
        Ok(wire::Candidates { items: groups.chain(members).collect() })
    }

    /// Gives access, or another level of it.
    pub async fn key_pair_grant(
        &self,
        request: &Request,
        id: KeyPairId,
        grantee: Grantee,
        body: &wire::PutGrant,
    ) -> Result<Written<wire::Grant>, Error> {
        self.write(request, "key_pair_grant", Status::Done, |write| {
            Box::pin(async move {
                let pair = write.key_pair_to(id, KeyPairAct::Share).await?;
                if !write.is_of_organization(&pair, grantee).await? {
                    return Err(Error::not_found());
                }
                let grant = Grant { grantee, level: body.level.into() };
                if let Some(event) = pair.grant(grant)? {
                    write.append(pair.place(), event).await?;
                }
                shown(write.tx, &grant).await
            })
        })
        .await
    }

    /// Takes access back.
    pub async fn key_pair_revoke(
        &self,
        request: &Request,
        id: KeyPairId,
        grantee: Grantee,
    ) -> Result<Written<Gone>, Error> {
        self.write(request, "key_pair_revoke", Status::Deleted, |write| {
            Box::pin(async move {
                let pair = write.key_pair_to(id, KeyPairAct::Share).await?;
                let event: EventBody = pair.revoke(grantee)?;
                write.append(pair.place(), event).await?;
                Ok(Gone)
            })
        })
        .await
    }
}

impl Write<'_, '_> {
    /// Whether the Group or member is of the pair's Organization; everyone is.
    async fn is_of_organization(&mut self, pair: &KeyPair, grantee: Grantee) -> Result<bool, Error> {
        let organization_id = match grantee {
            Grantee::Everyone => return Ok(true),
            Grantee::Group(id) => self.tx.group(id).await?.map(|group| group.organization_id),
            Grantee::Member(id) => self.tx.member(id).await?.map(|member| member.organization_id),
        };
        Ok(organization_id == Some(pair.organization_id))
    }

    /// Takes all access from a Group or member that is about to go. The pairs that would be without an admin then
    /// are the answer; they keep it.
    pub(crate) async fn take_access_from(&mut self, grantee: Grantee) -> Result<Vec<User>, Error> {
        let mut without_admin = Vec::new();
        for pair in self.tx.key_pairs_granted_to(grantee).await? {
            match pair.revoke(grantee) {
                Ok(event) => {
                    self.append(pair.place(), event).await?;
                }
                Err(Refusal::LastAdmin) => {
                    without_admin.push(User { id: pair.id.to_string(), name: pair.name.to_string() });
                }
                Err(refusal) => return Err(refusal.into()),
            }
        }
        Ok(without_admin)
    }
}

async fn shown(reader: &mut Reader, grant: &Grant) -> Result<wire::Grant, Error> {
    let (kind, id, name) = match grant.grantee {
        Grantee::Everyone => (wire::GranteeKind::Everyone, None, None),
        Grantee::Group(id) => (wire::GranteeKind::Group, Some(id.to_string()), group_name(reader, id).await?),
        Grantee::Member(id) => {
            (wire::GranteeKind::Member, Some(id.to_string()), member_name(reader, id).await?)
        }
    };
    Ok(wire::Grant { kind, id, name, level: grant.level.into() })
}

async fn group_name(reader: &mut Reader, id: GroupId) -> Result<Option<String>, Error> {
    Ok(reader.group(id).await?.map(|group| group.name.to_string()))
}

async fn member_name(reader: &mut Reader, id: MemberId) -> Result<Option<String>, Error> {
    Ok(reader.member(id).await?.map(|member| member.name.to_string()))
}
