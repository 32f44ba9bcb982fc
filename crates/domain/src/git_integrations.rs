//! Git integrations: the file of a repository that an API's OpenAPI document is pulled from and pushed to
//! (product.md B). An API has one at most, which is known by the API's id.

use std::fmt;

use crate::aggregate::{Aggregate, Misapplied, absent, present};
use crate::apis::DocumentDigest;
use crate::event::{EventBody, Subject};
use crate::git::{Branch, DocumentPath, Failure, GitAddress, GitFailure, HostKey, ObjectId};
use crate::id::{ApiId, GroupId, KeyPairId, OrganizationId};
use crate::refusal::Refusal;
use crate::scope::Place;
use crate::time::Timestamp;

/// The integration of this API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct IntegrationOf(pub ApiId);

impl fmt::Display for IntegrationOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What people say of an integration.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct GitSettings {
    /// Whether anything is pulled or pushed.
    pub enabled: bool,
    pub address: GitAddress,
    pub branch: Branch,
    pub path: DocumentPath,
    /// The pair that signs in to the host.
    pub key_pair_id: KeyPairId,
}

impl GitSettings {
    /// Whether both speak to one host, which has one key.
    pub fn same_host(&self, other: &Self) -> bool {
        self.address.host() == other.address.host() && self.address.port() == other.address.port()
    }

    /// Whether both are about one file of one branch.
    pub fn same_file(&self, other: &Self) -> bool {
        self.address == other.address && self.branch == other.branch && self.path == other.path
    }

    /// Whether the same pair is used for the same thing: then it is no attaching (product.md A7).
    pub fn same_attachment(&self, other: &Self) -> bool {
        self.same_file(other) && self.key_pair_id == other.key_pair_id
    }
}

/// The key that the host proved to have when it was met first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PinnedHostKey {
    pub key: HostKey,
    pub pinned_at: Timestamp,
}

/// What both sides had when they were equal last.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct SyncPoint {
    pub commit: ObjectId,
    /// The file at the host.
    pub blob: ObjectId,
    /// The API's document.
    pub document: DocumentDigest,
}

/// What is done where both sides have changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutOfSync {
    /// Nothing; the job fails with `out_of_sync`.
    #[default]
    Abort,
    Overwrite,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GitIntegration {
    pub api_id: ApiId,
    /// Where its API stands.
    pub organization_id: OrganizationId,
    pub group_id: GroupId,
    pub settings: GitSettings,
    /// None until the host was met.
    pub host_key: Option<PinnedHostKey>,
    /// None until the file was pulled or pushed.
    pub synced: Option<SyncPoint>,
    pub synced_at: Option<Timestamp>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

impl GitIntegration {
    pub const fn place(&self) -> Place {
        Place::group(self.organization_id, self.group_id)
    }

    /// Nothing is pulled or pushed by one that is turned off.
    pub fn require_enabled(&self, act: &'static str) -> Result<(), Refusal> {
        if self.settings.enabled {
            return Ok(());
        }
        Err(Refusal::InvalidTransition { from: "disabled", act, allowed: vec!["update"] })
    }

    /// Whether the key that the host of `settings` shows is to be pinned, when it was known by none as the job began.
    /// Of several who meet it first, one pins its key; the others must have met the same.
    pub fn pins_at_first_sight(&self, settings: &GitSettings, shown: &HostKey) -> Result<bool, Failure> {
        if !self.settings.same_host(settings) {
            let detail = "The Git integration was changed while the job ran. Start it again.";
            return Err(Failure::new(GitFailure::OutOfSync, detail));
        }
        match &self.host_key {
            None => Ok(true),
            Some(pinned) if pinned.key == *shown => Ok(false),
            Some(pinned) => {
                let detail = format!(
                    "The host shows {}, and {} was pinned meanwhile. Somebody may stand in between, so nothing was \
                     sent. Ask the host's operators; if theirs is the other one, remove the pinned one and test again.",
                    shown.fingerprint(),
                    pinned.key.fingerprint()
                );
                Err(Failure::new(GitFailure::HostKeyChanged, detail))
            }
        }
    }

    /// Whether the API's document is another than that which was pulled or pushed last. None is no edit.
    pub fn has_local_edits(&self, document: Option<&DocumentDigest>) -> bool {
        document
            .is_some_and(|document| self.synced.as_ref().is_none_or(|synced| synced.document != *document))
    }

    /// May what the host has take the place of the API's document (product.md B4)?
    pub fn allow_pull(
        &self,
        document: Option<&DocumentDigest>,
        fetched: &DocumentDigest,
        out_of_sync: OutOfSync,
    ) -> Result<(), Failure> {
        let conflict = self.has_local_edits(document) && document != Some(fetched);
        if !conflict || out_of_sync == OutOfSync::Overwrite {
            return Ok(());
        }
        let detail = "The API's document was edited since it was last pulled or pushed. Push it, or pull with \
                      `overwrite` to lose the edits.";
        Err(Failure::new(GitFailure::OutOfSync, detail))
    }

    /// What the host must have at the path, so that a push loses nothing of others: a file, or none. None: a push
    /// may lose it.
    pub fn expected_at_host(&self, out_of_sync: OutOfSync) -> Option<Option<&ObjectId>> {
        match out_of_sync {
            OutOfSync::Abort => Some(self.synced.as_ref().map(|synced| &synced.blob)),
            OutOfSync::Overwrite => None,
        }
    }

    /// What is known of the old place says nothing of the new one.
    fn change(&mut self, settings: &GitSettings) {
        if !self.settings.same_host(settings) {
            self.host_key = None;
        }
        if !self.settings.same_file(settings) {
            self.synced = None;
            self.synced_at = None;
        }
        self.settings = settings.clone();
    }
}

impl Aggregate for GitIntegration {
    fn apply(state: Option<Self>, at: Timestamp, body: &EventBody) -> Result<Option<Self>, Misapplied> {
        if let EventBody::GitIntegrationCreated { api_id, organization_id, group_id, settings } = body {
            absent(state, body)?;
            return Ok(Some(Self {
                api_id: api_id.0,
                organization_id: *organization_id,
                group_id: *group_id,
                settings: (**settings).clone(),
                host_key: None,
                synced: None,
                synced_at: None,
                created_at: at,
                updated_at: at,
            }));
        }
        let is_subject = |it: &Self| body.subject() == Subject::GitIntegration(IntegrationOf(it.api_id));
        let mut integration = present(state, body, is_subject)?;
        match body {
            EventBody::GitIntegrationUpdated { settings, .. } => {
                integration.change(settings);
                integration.updated_at = at;
            }
            EventBody::GitIntegrationHostKeyPinned { host_key, .. } => {
                integration.host_key = Some(PinnedHostKey { key: host_key.clone(), pinned_at: at });
            }
            EventBody::GitIntegrationHostKeyRemoved { .. } => integration.host_key = None,
            EventBody::GitIntegrationPulled { sync, .. } | EventBody::GitIntegrationPushed { sync, .. } => {
                integration.synced = Some((**sync).clone());
                integration.synced_at = Some(at);
            }
            EventBody::GitIntegrationDeleted { .. } => return Ok(None),
            _ => return Err(Misapplied::new(body, "the event is of another noun")),
        }
        Ok(Some(integration))
    }
}
