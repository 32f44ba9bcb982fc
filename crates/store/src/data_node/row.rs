//! A row that decides, as a data node is told of it: its kind, a body in JSON, and bytes.

use claviger_domain::apis::{ApiPermission, ApiSettings};
use claviger_domain::applications::ApplicationStatus;
use claviger_domain::id::{
    ApiId, ApplicationId, EnvironmentId, GroupId, KeySetId, OrganizationId, SharedKeyId,
};
use claviger_domain::key_sets::DecidingKey;
use claviger_domain::policy_templates::{CallLimits, Policy, RateLimit};
use claviger_domain::secret::{Digest, DigestKeyId};
use claviger_domain::shared_keys::{SecretOrigin, SharedKeyStatus};
use claviger_domain::text::{Name, Slug};
use ipnet::IpNet;
use serde::Deserialize;

use crate::columns::{Columns, FromRow};
use crate::error::StoreError;
use crate::key_sets::unpack;

const VIEW: &str = "data_node_rows";

/// What a row is about. In this order they are loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum RowKind {
    Environment = 1,
    Api = 2,
    Application = 3,
    /// Of a Key Set, whose Keys follow.
    Limits = 4,
    Key = 5,
    Grant = 6,
    SharedKey = 7,
}

impl RowKind {
    pub const ALL: [Self; 7] = [
        Self::Environment,
        Self::Api,
        Self::Application,
        Self::Limits,
        Self::Key,
        Self::Grant,
        Self::SharedKey,
    ];

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Environment => "environment",
            Self::Api => "api",
            Self::Application => "application",
            Self::Limits => "limits",
            Self::Key => "key",
            Self::Grant => "grant",
            Self::SharedKey => "shared_key",
        }
    }
}

/// One row of the view `data_node_rows`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecidingRow {
    pub kind: RowKind,
    pub body: Option<String>,
    /// What never changes of a Key; the digest of a shared key.
    pub first: Option<Vec<u8>>,
    /// What may change of a Key; the digest of a shared key's secret.
    pub second: Option<Vec<u8>>,
}

/// A row before it is said of which kind it is.
pub(super) struct Unnamed {
    body: Option<String>,
    first: Option<Vec<u8>>,
    second: Option<Vec<u8>>,
}

impl Unnamed {
    pub(super) fn of(self, kind: RowKind) -> DecidingRow {
        DecidingRow { kind, body: self.body, first: self.first, second: self.second }
    }
}

impl FromRow for Unnamed {
    const TABLE: &'static str = VIEW;

    fn from_row(columns: &mut Columns<'_>) -> Result<Self, StoreError> {
        let bytes = |bytes: Option<&[u8]>| bytes.map(ToOwned::to_owned);
        Ok(Self {
            body: columns.optional_text()?.map(ToOwned::to_owned),
            first: bytes(columns.optional_bytes()?),
            second: bytes(columns.optional_bytes()?),
        })
    }
}

/// What a row says.
#[derive(Debug)]
pub enum Fact {
    Environment(Environment),
    Api(Box<Api>),
    Application(Application),
    Limits(KeySetId, CallLimits),
    Key(DecidingKey),
    Grants(Grants),
    SharedKey(Box<SharedKey>),
}

#[derive(Debug, Deserialize)]
pub struct Environment {
    pub id: EnvironmentId,
    pub slug: Slug,
}

#[derive(Debug, Deserialize)]
pub struct Api {
    pub id: ApiId,
    pub slug: Slug,
    pub organization_id: OrganizationId,
    pub group_id: GroupId,
    pub exposed: bool,
    pub settings: ApiSettings,
}

#[derive(Debug, Deserialize)]
pub struct Application {
    pub id: ApplicationId,
    pub name: Name,
    pub organization_id: OrganizationId,
    pub group_id: GroupId,
    pub status: ApplicationStatus,
}

/// A Key Set whose policy limits how often it may call.
#[derive(Deserialize)]
struct Limited {
    key_set_id: KeySetId,
    policy: Policy,
}

/// What one Active Subscription gives, to each of its Key Sets.
#[derive(Debug, Deserialize)]
pub struct Grants {
    pub api_id: ApiId,
    pub key_set_ids: Vec<KeySetId>,
    /// None: all of the API's permissions.
    pub permissions: Option<Vec<ApiPermission>>,
}

#[derive(Debug, Deserialize)]
pub struct SharedKeyTerms {
    pub id: SharedKeyId,
    pub api_id: ApiId,
    pub organization_id: OrganizationId,
    pub group_id: GroupId,
    pub name: Name,
    pub status: SharedKeyStatus,
    pub environment_id: Option<EnvironmentId>,
    pub permissions: Option<Vec<ApiPermission>>,
    pub rate_limit: Option<RateLimit>,
    pub ip_allow_list: Option<Vec<IpNet>>,
    secret_origin: Option<SecretOrigin>,
    secret_digest_key: Option<u32>,
}

#[derive(Debug)]
pub struct SharedKey {
    pub terms: SharedKeyTerms,
    pub digest: Digest,
    pub secret: Option<(SecretOrigin, DigestKeyId, Digest)>,
}

impl DecidingRow {
    /// What the row says, wherever it was kept.
    pub fn fact(&self) -> Result<Fact, StoreError> {
        Ok(match self.kind {
            RowKind::Environment => Fact::Environment(self.json()?),
            RowKind::Api => Fact::Api(self.json()?),
            RowKind::Application => Fact::Application(self.json()?),
            RowKind::Limits => {
                let limited: Limited = self.json()?;
                Fact::Limits(limited.key_set_id, limited.policy.limits())
            }
            RowKind::Key => Fact::Key(self.key()?),
            RowKind::Grant => Fact::Grants(self.json()?),
            RowKind::SharedKey => Fact::SharedKey(Box::new(self.shared_key()?)),
        })
    }

    fn json<'a, T: Deserialize<'a>>(&'a self) -> Result<T, StoreError> {
        let body = self.body.as_deref().ok_or_else(|| self.corrupt("its body is missing"))?;
        serde_json::from_str(body).map_err(|error| self.corrupt(error))
    }

    fn key(&self) -> Result<DecidingKey, StoreError> {
        let parts = self.first.as_deref().zip(self.second.as_deref());
        let key = parts.and_then(|(identity, deciding)| unpack(identity, deciding));
        key.ok_or_else(|| self.corrupt("it is packed in an unknown form"))
    }

    fn shared_key(&self) -> Result<SharedKey, StoreError> {
        let terms: SharedKeyTerms = self.json()?;
        let digest = |bytes: &Option<Vec<u8>>| {
            let bytes: [u8; 32] = bytes.as_deref()?.try_into().ok()?;
            Some(Digest::from_bytes(bytes))
        };
        let key = digest(&self.first).ok_or_else(|| self.corrupt("its digest can't be read"))?;
        let secret = terms.secret_origin.zip(terms.secret_digest_key).zip(digest(&self.second));
        let secret = secret.map(|((origin, id), digest)| (origin, DigestKeyId(id), digest));
        Ok(SharedKey { terms, digest: key, secret })
    }

    fn corrupt(&self, why: impl std::fmt::Display) -> StoreError {
        StoreError::corrupt(VIEW, format!("of the kind {}: {why}", self.kind.as_str()))
    }
}
