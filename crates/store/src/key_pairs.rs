//! Key pairs in their table, and beside it who has access.

use claviger_domain::event::{ActorRef, NewEvent};
use claviger_domain::id::{GroupId, KeyPairId, MemberId, OrganizationId};
use claviger_domain::key_pairs::{Grantee, KeyPair, PublicKey};
use claviger_domain::text::Name;

use crate::columns::{Columns, FromRow};
use crate::error::StoreError;
use crate::list::{Assembly, ListQuery, Listed, Page, PlaceColumns, SortColumn, pattern};
use crate::reader::Reader;
use crate::statements::{Fragment, fragments, statements};
use crate::stored::Stored;
use crate::value::{IntoValue, Value, json, values, word};

macro_rules! columns {
    () => {
        "key_pairs.id, key_pairs.organization_id, key_pairs.name, key_pairs.algorithm, key_pairs.uses, \
         key_pairs.public_since, key_pairs.public_key, key_pairs.grants, key_pairs.replaces, \
         key_pairs.created_by_kind, key_pairs.created_by_id, key_pairs.created_by_name, key_pairs.created_at"
    };
}

statements! {
    BY_ID = concat!("SELECT ", columns!(), " FROM key_pairs WHERE id = $1 AND deleted_at IS NULL");
    NAMED = concat!("SELECT ", columns!(), " FROM key_pairs WHERE organization_id = $1 AND folded_name = $2 AND deleted_at IS NULL");
    PUBLIC = concat!("SELECT ", columns!(), " FROM key_pairs WHERE public_since IS NOT NULL AND deleted_at IS NULL ORDER BY id");
    GRANTED_TO = concat!("SELECT ", columns!(), " FROM key_pairs WHERE deleted_at IS NULL \
              AND id IN (SELECT key_pair_id FROM key_pair_grants WHERE grantee = $1) ORDER BY id");
    REPLACEMENTS = "SELECT key_pairs.replaces, key_pairs.id FROM key_pairs \
              WHERE key_pairs.deleted_at IS NULL AND key_pairs.replaces IN ($1)";
    INSERT = "INSERT INTO key_pairs (id, organization_id, name, folded_name, algorithm, uses, public_since, public_key, grants, \
              replaces, created_by_kind, created_by_id, created_by_name, created_at) \
              VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)";
    // A pair that stays public keeps the instant from which it was.
    UPDATE = "UPDATE key_pairs SET name = $2, folded_name = $3, grants = $4, public_since = \
              CASE WHEN CAST($5 AS BIGINT) IS NULL THEN NULL ELSE COALESCE(public_since, $5) END WHERE id = $1";
    HIDE = "UPDATE key_pairs SET deleted_at = $2 WHERE id = $1";
    DELETE_GRANTS = "DELETE FROM key_pair_grants WHERE key_pair_id = $1";
    INSERT_GRANT = "INSERT INTO key_pair_grants (key_pair_id, grantee, level) VALUES ($1, $2, $3)";
    CANDIDATE_GROUPS = "SELECT id, name FROM groups WHERE organization_id = $1 AND deleted_at IS NULL \
              AND folded_name LIKE $2 ESCAPE '\\' ORDER BY folded_name, id LIMIT $3";
    CANDIDATE_MEMBERS = "SELECT id, name FROM members WHERE organization_id = $1 AND deleted_at IS NULL \
              AND folded_name LIKE $2 ESCAPE '\\' ORDER BY folded_name, id LIMIT $3";
}

fragments! {
    BY_IDS = "key_pairs.id = $1";
    BY_ORGANIZATION = "key_pairs.organization_id = $1";
    BY_ALGORITHM = "key_pairs.algorithm = $1";
    BY_NAME = "key_pairs.folded_name LIKE $1 ESCAPE '\\'";
    TO_EVERYONE = "(key_pairs.organization_id = $1 AND key_pairs.id IN \
                   (SELECT key_pair_grants.key_pair_id FROM key_pair_grants WHERE key_pair_grants.grantee = 'everyone'))";
    TO_GRANTEE = "key_pairs.id IN (SELECT key_pair_grants.key_pair_id FROM key_pair_grants WHERE key_pair_grants.grantee = $1)";
    TO_NOBODY = "1 = 0";
}

/// Which key pairs a list shows.
#[derive(Debug, Clone, Default)]
pub struct KeyPairFilter {
    pub ids: Vec<KeyPairId>,
    pub organization_ids: Vec<OrganizationId>,
    pub algorithms: Vec<claviger_domain::key_pairs::Algorithm>,
    pub q: Option<String>,
    pub accessible: Accessible,
}

/// Which pairs there is access to: those of any of these. By default none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Accessible {
    /// To every pair there is.
    pub everything: bool,
    /// To all pairs of these Organizations.
    pub administered: Vec<OrganizationId>,
    /// As whom access may have been given, and the Organization in which they are among everyone.
    pub granted: Option<(OrganizationId, Vec<Grantee>)>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum KeyPairSort {
    #[default]
    CreatedAt,
    Name,
}

impl FromRow for KeyPair {
    const TABLE: &'static str = "key_pairs";

    fn from_row(columns: &mut Columns<'_>) -> Result<Self, StoreError> {
        Ok(Self {
            id: columns.id()?,
            organization_id: columns.id()?,
            name: columns.word()?,
            algorithm: columns.word()?,
            uses: columns.json()?,
            public: columns.optional_instant()?.is_some(),
            public_key: {
                let spki = columns.bytes()?.to_vec();
                PublicKey::from_spki(spki).map_err(|error| columns.corrupt(error))?
            },
            grants: columns.json()?,
            replaces: columns.optional_id()?,
            created_by: ActorRef {
                kind: columns.word()?,
                id: columns.optional_text()?.map(ToOwned::to_owned),
                name: columns.text()?.to_owned(),
            },
            created_at: columns.instant()?,
        })
    }
}

/// A pair, and the one that is to take its place.
struct Replacement(KeyPairId, KeyPairId);

impl FromRow for Replacement {
    const TABLE: &'static str = "key_pairs";

    fn from_row(columns: &mut Columns<'_>) -> Result<Self, StoreError> {
        Ok(Self(columns.id()?, columns.id()?))
    }
}

impl Stored for KeyPair {
    type Id = KeyPairId;

    async fn load(reader: &mut Reader, id: KeyPairId) -> Result<Option<Self>, StoreError> {
        reader.key_pair(id).await
    }

    async fn insert(&self, reader: &mut Reader, event: &NewEvent) -> Result<(), StoreError> {
        let values = values![
            self.id,
            self.organization_id,
            &self.name,
            self.name.folded(),
            self.algorithm.as_str(),
            json(&self.uses),
            self.public.then_some(event.at),
            self.public_key.spki(),
            json(&self.grants),
            self.replaces,
            word(&self.created_by.kind),
            self.created_by.id.as_deref(),
            &self.created_by.name,
            self.created_at,
        ];
        reader.write(INSERT, values).await?;
        insert_grants(reader, self).await
    }

    async fn update(&self, before: &Self, reader: &mut Reader, event: &NewEvent) -> Result<(), StoreError> {
        let public_since = self.public.then_some(event.at);
        let values = values![self.id, &self.name, self.name.folded(), json(&self.grants), public_since];
        reader.write(UPDATE, values).await?;
        if self.grants != before.grants {
            reader.write(DELETE_GRANTS, values![self.id]).await?;
            insert_grants(reader, self).await?;
        }
        Ok(())
    }

    /// Access goes with the pair: what nobody sees is shared with nobody.
    async fn hide(&self, reader: &mut Reader, event: &NewEvent) -> Result<(), StoreError> {
        reader.write(DELETE_GRANTS, values![self.id]).await?;
        reader.write(HIDE, values![self.id, event.at]).await
    }
}

async fn insert_grants(reader: &mut Reader, pair: &KeyPair) -> Result<(), StoreError> {
    for grant in &pair.grants {
        let values = values![pair.id, grant.grantee.to_string(), grant.level.as_str()];
        reader.write(INSERT_GRANT, values).await?;
    }
    Ok(())
}

impl Listed for KeyPair {
    type Filter = KeyPairFilter;
    type Sort = KeyPairSort;
    const COLUMNS: &'static str = columns!();
    const FROM: &'static str = "key_pairs WHERE key_pairs.deleted_at IS NULL";
    const ID: &'static str = "key_pairs.id";
    const PLACES: &'static [PlaceColumns] =
        &[PlaceColumns { organization: Some("key_pairs.organization_id"), ..PlaceColumns::INSTANCE }];

    fn sort_column(sort: KeyPairSort) -> SortColumn {
        match sort {
            KeyPairSort::CreatedAt => SortColumn::Integer("key_pairs.created_at"),
            KeyPairSort::Name => SortColumn::Text("key_pairs.folded_name"),
        }
    }

    fn conditions(filter: &KeyPairFilter, query: &mut Assembly) {
        query.and_either(BY_IDS, filter.ids.iter().copied());
        query.and_either(BY_ORGANIZATION, filter.organization_ids.iter().copied());
        query.and_either(BY_ALGORITHM, filter.algorithms.iter().map(|algorithm| algorithm.as_str()));
        if let Some(q) = &filter.q {
            query.and(BY_NAME, values![pattern(q)]);
        }
        if !filter.accessible.everything {
            query.and_any(filter.accessible.alternatives());
        }
    }
}

impl Accessible {
    /// Any of these gives access; there is always one, so that none given shows nothing.
    fn alternatives(&self) -> Vec<(Fragment, Vec<Value>)> {
        let mut any = vec![(TO_NOBODY, values![])];
        any.extend(self.administered.iter().map(|id| (BY_ORGANIZATION, values![*id])));
        if let Some((organization_id, grantees)) = &self.granted {
            any.extend(grantees.iter().map(|grantee| match grantee {
                Grantee::Everyone => (TO_EVERYONE, values![*organization_id]),
                _ => (TO_GRANTEE, values![grantee.to_string()]),
            }));
        }
        any
    }
}

impl Reader {
    pub async fn key_pair(&mut self, id: KeyPairId) -> Result<Option<KeyPair>, StoreError> {
        self.optional(BY_ID, values![id]).await
    }

    /// The pair of that name, compared in NFC and without case.
    pub async fn key_pair_named(
        &mut self,
        organization_id: OrganizationId,
        name: &Name,
    ) -> Result<Option<KeyPair>, StoreError> {
        self.optional(NAMED, values![organization_id, name.folded()]).await
    }

    /// Those whose public half anybody may read, of all Organizations, in the order of their making.
    pub async fn public_key_pairs(&mut self) -> Result<Vec<KeyPair>, StoreError> {
        self.all(PUBLIC, values![]).await
    }

    /// Those to which a grantee has access by a grant of their own.
    pub async fn key_pairs_granted_to(&mut self, grantee: Grantee) -> Result<Vec<KeyPair>, StoreError> {
        self.all(GRANTED_TO, values![grantee.to_string()]).await
    }

    /// Of the pairs, those that another one is to take the place of, with that one.
    pub async fn key_pair_replacements(
        &mut self,
        ids: &[KeyPairId],
    ) -> Result<Vec<(KeyPairId, KeyPairId)>, StoreError> {
        let ids = ids.iter().copied().map(IntoValue::into_value).collect();
        let found: Vec<Replacement> = self.all_among(REPLACEMENTS, values![], ids).await?;
        Ok(found.into_iter().map(|Replacement(old, new)| (old, new)).collect())
    }

    pub async fn key_pairs(
        &mut self,
        query: &ListQuery<KeyPairFilter, KeyPairSort>,
    ) -> Result<Page<KeyPair>, StoreError> {
        self.list(query).await
    }

    /// Groups of the Organization whose name has the text, by name.
    pub async fn candidate_groups(
        &mut self,
        organization_id: OrganizationId,
        text: &str,
        limit: u32,
    ) -> Result<Vec<(GroupId, Name)>, StoreError> {
        self.all(CANDIDATE_GROUPS, values![organization_id, pattern(text), limit]).await
    }

    /// The same of its members.
    pub async fn candidate_members(
        &mut self,
        organization_id: OrganizationId,
        text: &str,
        limit: u32,
    ) -> Result<Vec<(MemberId, Name)>, StoreError> {
        self.all(CANDIDATE_MEMBERS, values![organization_id, pattern(text), limit]).await
    }
}
