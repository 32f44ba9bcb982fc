//! Key pairs on the wire: the public half, who has access, what they sign (product.md A).

use claviger_domain::id::KeyPairId;
use claviger_domain::key_pairs as domain;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::given::given;
use crate::mirror::mirrored;
use crate::scope::Named;
use crate::service_keys::Creator;

mirrored! {
    /// What a pair may be used for: signing in to Git hosts, signing JSON Web Tokens.
    KeyUse = domain::KeyUse { Git, Jwt, }
    /// How far access goes: `read` (see it, and who else may), `write` (rename, attach, sign), `admin` (share,
    /// publish, replace, delete).
    AccessLevel = domain::Level { Read, Write, Admin, }
}

/// How a pair signs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub enum Algorithm {
    #[default]
    #[serde(rename = "ed25519")]
    Ed25519,
    #[serde(rename = "ecdsa-p256")]
    EcdsaP256,
    #[serde(rename = "rsa-3072")]
    Rsa3072,
    #[serde(rename = "rsa-4096")]
    Rsa4096,
}

impl From<Algorithm> for domain::Algorithm {
    fn from(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Ed25519 => Self::Ed25519,
            Algorithm::EcdsaP256 => Self::EcdsaP256,
            Algorithm::Rsa3072 => Self::Rsa3072,
            Algorithm::Rsa4096 => Self::Rsa4096,
        }
    }
}

impl From<domain::Algorithm> for Algorithm {
    fn from(algorithm: domain::Algorithm) -> Self {
        match algorithm {
            domain::Algorithm::Ed25519 => Self::Ed25519,
            domain::Algorithm::EcdsaP256 => Self::EcdsaP256,
            domain::Algorithm::Rsa3072 => Self::Rsa3072,
            domain::Algorithm::Rsa4096 => Self::Rsa4096,
        }
    }
}

/// An asymmetric pair that the company uses towards others. The private half never leaves the keeper.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct KeyPair {
    pub id: String,
    pub organization_id: String,
    pub name: String,
    pub algorithm: Algorithm,
    pub uses: Vec<KeyUse>,
    /// Whether anybody may read the public half at `/.well-known/jwks.json`; for pairs with the use `jwt`.
    pub public: bool,
    pub public_key: PublicKey,
    /// What it is attached to; empty: not attached.
    pub attachments: Vec<Attachment>,
    /// The pair whose place this one is to take.
    pub replaces: Option<String>,
    /// The pair that is to take this one's place.
    pub replaced_by: Option<String>,
    /// The caller's own level.
    pub access: AccessLevel,
    /// What the caller may do with it.
    pub can: Vec<String>,
    pub created_by: Creator,
    #[schema(format = DateTime)]
    pub created_at: String,
}

/// A thing that uses a pair.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = KeyPairAttachment)]
pub struct Attachment {
    /// `git_integration`.
    pub kind: String,
    /// The API whose thing it is; null: one that the caller can't see.
    pub api: Option<Named>,
}

/// All that uses a pair.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = KeyPairAttachments)]
pub struct Attachments {
    pub items: Vec<Attachment>,
}

/// The public half, as others take it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PublicKey {
    /// One line for `authorized_keys` and Git hosts.
    #[schema(example = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI… Deploy")]
    pub openssh: String,
    /// SubjectPublicKeyInfo.
    pub pem: String,
    pub jwk: Jwk,
    /// Of the key as SSH sends it.
    #[schema(example = "SHA256:YnAN5g8IBco55pOkJhc24XG040+MA+OHsgmr/W3FzYk")]
    pub fingerprint: String,
}

/// A JSON Web Key (RFC 7517).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Jwk {
    pub kty: String,
    /// The pair's id.
    pub kid: String,
    #[serde(rename = "use")]
    #[schema(example = "sig")]
    pub usage: String,
    #[schema(example = "EdDSA")]
    pub alg: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crv: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub x: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub y: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub n: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub e: Option<String>,
}

/// The public halves that check the signatures of tokens (RFC 7517, 5).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JwkSet {
    pub keys: Vec<Jwk>,
}

#[derive(Debug, Clone, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = KeyPairCreate)]
pub struct Create {
    /// 1 to 100 characters, unique in its Organization.
    pub name: String,
    #[serde(default)]
    pub algorithm: Algorithm,
    /// Fixed from then on; left out: `git`.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub uses: Option<Vec<KeyUse>>,
    /// Whether anybody may read the public half; needs the use `jwt`.
    #[serde(default)]
    pub public: bool,
    /// Left out: the caller's own Organization.
    #[serde(default)]
    pub organization_id: Option<String>,
}

#[derive(Debug, Clone, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = KeyPairUpdate)]
pub struct Update {
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Needs the level `admin`.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub public: Option<bool>,
}

#[derive(Debug, Clone, Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = KeyPairReplace)]
pub struct Replace {
    /// Left out: the old one's, with a number.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Left out: the old one's.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub algorithm: Option<Algorithm>,
    /// Why, for the log. Up to 1,000 characters.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// To whom access is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum GranteeKind {
    Everyone,
    Group,
    Member,
}

/// One line of the access list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = KeyPairGrant)]
pub struct Grant {
    pub kind: GranteeKind,
    /// The Group's or member's; null for everyone in the Organization.
    pub id: Option<String>,
    pub name: Option<String>,
    pub level: AccessLevel,
}

/// Who has access to a pair.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = KeyPairAcl)]
pub struct Acl {
    pub items: Vec<Grant>,
}

#[derive(Debug, Clone, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = KeyPairPutGrant)]
pub struct PutGrant {
    pub level: AccessLevel,
}

/// A Group or member to whom access can be given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = KeyPairCandidate)]
pub struct Candidate {
    pub kind: GranteeKind,
    pub id: String,
    pub name: String,
    /// What they have now.
    pub level: Option<AccessLevel>,
}

/// The first of those whose name fits, by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = KeyPairCandidates)]
pub struct Candidates {
    pub items: Vec<Candidate>,
}

#[derive(Debug, Clone, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = KeyPairSignJwt)]
pub struct SignJwt {
    /// The claims; `iat` and `exp` are set from `ttl`. At most 8 KiB.
    #[schema(value_type = Object, example = json!({"iss": "acme", "aud": "https://partner.example"}))]
    pub claims: serde_json::Map<String, serde_json::Value>,
    /// For how long the token is good: an ISO 8601 duration of at most a day.
    #[serde(default = "five_minutes")]
    #[schema(default = "PT5M")]
    pub ttl: String,
}

fn five_minutes() -> String {
    "PT5M".to_owned()
}

/// A signed JSON Web Token.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SignedJwt {
    /// In compact form; its `kid` is the pair's id.
    pub jwt: String,
}

impl std::fmt::Debug for SignedJwt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SignedJwt")
    }
}

/// What one caller may see of a pair besides itself.
#[derive(Debug, Clone)]
pub struct Seen {
    pub access: domain::Level,
    pub can: Vec<domain::KeyPairAct>,
    pub replaced_by: Option<KeyPairId>,
    /// What it is attached to.
    pub attachments: Vec<Attachment>,
}

impl KeyPair {
    pub fn new(pair: &domain::KeyPair, seen: &Seen) -> Self {
        Self {
            id: pair.id.to_string(),
            organization_id: pair.organization_id.to_string(),
            name: pair.name.to_string(),
            algorithm: pair.algorithm.into(),
            uses: pair.uses.iter().copied().map(Into::into).collect(),
            public: pair.public,
            public_key: PublicKey::from(pair),
            attachments: seen.attachments.clone(),
            replaces: pair.replaces.map(|id| id.to_string()),
            replaced_by: seen.replaced_by.map(|id| id.to_string()),
            access: seen.access.into(),
            can: seen.can.iter().map(|act| act.as_str().to_owned()).collect(),
            created_by: Creator { id: pair.created_by.id.clone(), name: pair.created_by.name.clone() },
            created_at: pair.created_at.to_string(),
        }
    }
}

impl From<&domain::KeyPair> for PublicKey {
    fn from(pair: &domain::KeyPair) -> Self {
        Self {
            openssh: pair.public_key.openssh(pair.name.as_str()),
            pem: pair.public_key.pem(),
            jwk: Jwk::from(pair),
            fingerprint: pair.public_key.fingerprint(),
        }
    }
}

impl From<&domain::KeyPair> for Jwk {
    fn from(pair: &domain::KeyPair) -> Self {
        let jwk = pair.public_key.jwk();
        Self {
            kty: jwk.kty.to_owned(),
            kid: pair.id.to_string(),
            usage: "sig".to_owned(),
            alg: jwk.alg.to_owned(),
            crv: jwk.crv.map(str::to_owned),
            x: jwk.x,
            y: jwk.y,
            n: jwk.n,
            e: jwk.e,
        }
    }
}
