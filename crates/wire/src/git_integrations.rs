//! Git integrations on the wire: where an API's OpenAPI document is pulled from and pushed to (product.md B).

use claviger_domain::apis::DocumentDigest;
use claviger_domain::git as words;
use claviger_domain::git_integrations as domain;
use claviger_domain::key_pairs::KeyPair;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::mirror::mirrored;

mirrored! {
    /// What a pull or push does where the other side would lose something: `abort` fails with `out_of_sync`,
    /// `overwrite` goes on.
    OutOfSync = domain::OutOfSync { Abort, Overwrite, }
}

/// Where an API's OpenAPI document is pulled from and pushed to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GitIntegration {
    /// Whether anything is pulled or pushed.
    pub enabled: bool,
    #[schema(example = "git@github.com:acme/orders.git")]
    pub address: String,
    #[schema(example = "main")]
    pub branch: String,
    /// Where in the repository the document is.
    #[schema(example = "api/openapi.yaml")]
    pub path: String,
    /// The id of the pair that signs in to the host; null: a key that the caller can't see.
    pub key_pair_id: Option<String>,
    /// That pair, as far as the caller sees it.
    pub key_pair: Option<GitKeyPair>,
    /// The key by which the host is known; null until it was met first.
    pub host_key: Option<GitHostKey>,
    /// When both sides were equal last; null: never.
    pub synced: Option<Synced>,
    /// Whether the API's document is another than that which was pulled or pushed last. A pull would lose it.
    pub edited: bool,
    /// What the caller may do now.
    pub can: Vec<String>,
    #[schema(format = DateTime)]
    pub created_at: String,
    #[schema(format = DateTime)]
    pub updated_at: String,
}

/// A key pair as an integration shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GitKeyPair {
    pub id: String,
    pub name: String,
    /// The line that the Git host is given, as an access key or a deploy key.
    #[schema(example = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI… Deploy")]
    pub public_key: String,
    #[schema(example = "SHA256:YnAN5g8IBco55pOkJhc24XG040+MA+OHsgmr/W3FzYk")]
    pub fingerprint: String,
}

/// The key by which a host is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GitHostKey {
    #[serde(rename = "type")]
    #[schema(example = "ssh-ed25519")]
    pub kind: String,
    /// To be compared with what the host publishes.
    #[schema(example = "SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU")]
    pub fingerprint: String,
    /// Null: it was shown, and is not pinned.
    #[schema(format = DateTime)]
    pub pinned_at: Option<String>,
}

/// When both sides were equal last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = GitSynced)]
pub struct Synced {
    pub commit: String,
    #[schema(format = DateTime)]
    pub at: String,
}

/// What an integration is to be.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = GitIntegrationPut)]
pub struct Put {
    /// Whether anything is pulled or pushed.
    #[serde(default = "enabled")]
    pub enabled: bool,
    /// `git@host:path` or `ssh://git@host[:port]/path`.
    #[schema(example = "git@github.com:acme/orders.git")]
    pub address: String,
    #[schema(example = "main")]
    pub branch: String,
    /// Where in the repository the document is.
    #[schema(example = "api/openapi.yaml")]
    pub path: String,
    /// A pair of the API's Organization with the use `git`. Attaching it needs write access to it.
    pub key_pair_id: String,
}

const fn enabled() -> bool {
    true
}

/// How a pull or push is to be done; an empty body is the same as `{}`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = GitIntegrationStart)]
pub struct Start {
    #[serde(default)]
    pub out_of_sync: OutOfSync,
}

impl Default for OutOfSync {
    fn default() -> Self {
        domain::OutOfSync::default().into()
    }
}

/// What came of trying an integration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = GitIntegrationTest)]
pub struct Tested {
    pub ok: bool,
    /// Why not; null if all is well.
    #[schema(example = "auth_failed")]
    pub code: Option<String>,
    pub detail: String,
    /// The key that the host proved to have, if it came so far.
    pub host_key: Option<GitHostKey>,
}

impl From<&domain::PinnedHostKey> for GitHostKey {
    fn from(pinned: &domain::PinnedHostKey) -> Self {
        Self { pinned_at: Some(pinned.pinned_at.to_string()), ..Self::from(&pinned.key) }
    }
}

impl From<&words::HostKey> for GitHostKey {
    fn from(key: &words::HostKey) -> Self {
        Self { kind: key.kind().to_owned(), fingerprint: key.fingerprint(), pinned_at: None }
    }
}

impl From<&KeyPair> for GitKeyPair {
    fn from(pair: &KeyPair) -> Self {
        Self {
            id: pair.id.to_string(),
            name: pair.name.to_string(),
            public_key: pair.public_key.openssh(pair.name.as_str()),
            fingerprint: pair.public_key.fingerprint(),
        }
    }
}

impl GitIntegration {
    /// The integration as one sees it who may see this pair, beside the API's document.
    pub fn new(
        integration: &domain::GitIntegration,
        pair: Option<&KeyPair>,
        document: Option<&DocumentDigest>,
        can: Vec<String>,
    ) -> Self {
        let settings = &integration.settings;
        let synced = integration.synced.as_ref().zip(integration.synced_at);
        Self {
            enabled: settings.enabled,
            address: settings.address.to_string(),
            branch: settings.branch.to_string(),
            path: settings.path.to_string(),
            key_pair_id: pair.map(|pair| pair.id.to_string()),
            key_pair: pair.map(GitKeyPair::from),
            host_key: integration.host_key.as_ref().map(GitHostKey::from),
            synced: synced.map(|(sync, at)| Synced { commit: sync.commit.to_string(), at: at.to_string() }),
            edited: integration.has_local_edits(document),
            can,
            created_at: integration.created_at.to_string(),
            updated_at: integration.updated_at.to_string(),
        }
    }
}
