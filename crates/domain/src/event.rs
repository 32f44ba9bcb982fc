//! Events: the lines of the append-only log, and the only cause of every change of state. Their shapes
//! are a published contract; an old one stays loadable for ever.

use std::collections::BTreeSet;

use crate::apis::{ApiDocument, ApiPermission, ApiSettings, AuthType};
use crate::credential::Masked;
use crate::git::HostKey;
use crate::git_integrations::{GitSettings, IntegrationOf, SyncPoint};
use crate::id::{
    ApiId, ApplicationId, EnvironmentId, EventId, GroupId, KeyId, KeyPairId, KeySetId, MemberId, NodeId,
    OrganizationId, PermissionGroupId, PolicyTemplateId, RoleGrantId, ServiceKeyId, SharedKeyId,
    SubscriptionId,
};
use crate::key_pairs::{Grant, Grantee, KeyUse, PublicKey};
use crate::key_sets::{Custody, Ended, IssueCause, KeyStatus, Retirement, Schedule, SuspendedBy};
use crate::members::{Email, RoleGrant};
use crate::organizations::OrganizationKind;
use crate::permission::Permissions;
use crate::permission_groups::DefaultRole;
use crate::policy_templates::{Policy, RateLimit, TemplateVersion};
use crate::scope::{Place, Scope};
use crate::secret::{Digest, DigestKeyId};
use crate::shared_keys::{Audience, SecretOrigin};
use crate::text::{Name, Note, Slug};
use crate::time::Timestamp;

/// The version of the shapes below, kept with each row; a reader that meets a greater one stops closed.
pub const EVENT_VERSION: i64 = 1;

/// Where an event stands in the log: 1 for the first, without gaps, in the order of commits. 0 is the
/// place before all events.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(transparent)]
pub struct Position(pub i64);

/// Who acted.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ActorRef {
    pub kind: ActorKind,
    /// None for the system itself.
    pub id: Option<String>,
    /// The name that the actor had then.
    pub name: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActorKind {
    /// The scheduler, or `init` on the server itself.
    System,
    Member,
    ServiceKey,
    /// Whoever holds a shared key's portal link.
    Portal,
}

impl ActorKind {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Member => "member",
            Self::ServiceKey => "service_key",
            Self::Portal => "portal",
        }
    }
}

impl ActorRef {
    pub fn system(name: &str) -> Self {
        Self { kind: ActorKind::System, id: None, name: name.to_owned() }
    }
}

/// An event about to be appended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEvent {
    pub id: EventId,
    pub at: Timestamp,
    pub actor: ActorRef,
    /// The address that the request came from.
    pub source: Option<String>,
    pub reason: Option<Note>,
    /// Where the subject stands: who may read the event.
    pub place: Place,
    /// The other side's place, of what two sides share (Subscriptions).
    pub counterpart: Option<Place>,
    pub body: EventBody,
    /// What deciding needs and nobody reads: never shown, but hashed into the chain.
    pub private: Option<Private>,
}

/// An event as the log keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    pub position: Position,
    pub event: NewEvent,
    /// SHA-256 of the row; the next row carries it as `previous_hash`.
    pub hash: [u8; 32],
    pub previous_hash: [u8; 32],
}

/// An event as a data node reads it: who did it, from where and why is not told to one that only decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecidingEvent {
    pub position: Position,
    pub at: Timestamp,
    /// None: of a kind that deciding does not look at.
    pub content: Option<(EventBody, Option<Private>)>,
}

/// The digests of what the event issues.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Private {
    pub digest_key: DigestKeyId,
    /// Of the key, or of the one value that is issued: a service key, a new secret, a portal link's token.
    pub key: Digest,
    pub secret: Option<Digest>,
}

/// The members of one kind's `data`, for documentation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventShape {
    pub kind: &'static str,
    pub fields: &'static [&'static str],
}

macro_rules! events {
    ($($variant:ident($subject:ident: $subject_id:ty) = $kind:literal { $($field:ident: $type:ty,)* })*) => {
        /// What happened. Each shape carries the values after the change. What gives or takes a
        /// Subscription's right to call names the API and all the Key Sets concerned, so that the
        /// verifier need not remember Subscriptions.
        #[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
        #[serde(tag = "kind", content = "data")]
        pub enum EventBody {
            $(
                #[serde(rename = $kind)]
                $variant { $subject: $subject_id, $($field: $type,)* },
            )*
        }

        impl EventBody {
            /// All kinds, for documentation and filters.
            pub const KINDS: &'static [&'static str] = &[$($kind),*];

            /// What each kind carries, in the order of [`Self::KINDS`].
            pub const SHAPES: &'static [EventShape] = &[$(EventShape {
                kind: $kind,
                fields: &[stringify!($subject), $(stringify!($field)),*],
            }),*];

            /// `noun.past_participle`.
            pub const fn kind(&self) -> &'static str {
                match self { $(Self::$variant { .. } => $kind,)* }
            }

            /// The thing that changed.
            pub fn subject(&self) -> Subject {
                match self { $(Self::$variant { $subject, .. } => Subject::from(*$subject),)* }
            }
        }
    };
}

events! {
    OrganizationCreated(organization_id: OrganizationId) = "organization.created" { name: Name, organization_kind: OrganizationKind, }
    OrganizationUpdated(organization_id: OrganizationId) = "organization.updated" { name: Name, }
    OrganizationDeleted(organization_id: OrganizationId) = "organization.deleted" {}
    GroupCreated(group_id: GroupId) = "group.created" { organization_id: OrganizationId, name: Name, }
    GroupUpdated(group_id: GroupId) = "group.updated" { name: Name, }
    GroupDeleted(group_id: GroupId) = "group.deleted" {}
    MemberCreated(member_id: MemberId) = "member.created" { organization_id: OrganizationId, name: Name, email: Email, group_ids: Vec<GroupId>, }
    MemberUpdated(member_id: MemberId) = "member.updated" { name: Name, group_ids: Vec<GroupId>, }
    MemberDeleted(member_id: MemberId) = "member.deleted" {}
    RoleGranted(member_id: MemberId) = "member.role_granted" { grant: RoleGrant, }
    RoleRevoked(member_id: MemberId) = "member.role_revoked" { role_grant_id: RoleGrantId, }
    EnvironmentCreated(environment_id: EnvironmentId) = "environment.created" { slug: Slug, name: Name, }
    EnvironmentUpdated(environment_id: EnvironmentId) = "environment.updated" { name: Name, }
    EnvironmentDeleted(environment_id: EnvironmentId) = "environment.deleted" {}
    PermissionGroupCreated(permission_group_id: PermissionGroupId) = "permission_group.created" { organization_id: OrganizationId, name: Name, default_role: Option<DefaultRole>, permissions: Permissions, }
    PermissionGroupUpdated(permission_group_id: PermissionGroupId) = "permission_group.updated" { name: Name, permissions: Permissions, }
    PermissionGroupDeleted(permission_group_id: PermissionGroupId) = "permission_group.deleted" {}
    PolicyTemplateCreated(policy_template_id: PolicyTemplateId) = "policy_template.created" { organization_id: OrganizationId, name: Name, policy: Policy, }
    PolicyTemplateUpdated(policy_template_id: PolicyTemplateId) = "policy_template.updated" { name: Name, version: u32, policy: Policy, }
    PolicyTemplateDeleted(policy_template_id: PolicyTemplateId) = "policy_template.deleted" {}
    ApiCreated(api_id: ApiId) = "api.created" { organization_id: OrganizationId, group_id: GroupId, slug: Slug, settings: ApiSettings, exposed: bool, }
    ApiUpdated(api_id: ApiId) = "api.updated" { settings: ApiSettings, }
    ApiExposed(api_id: ApiId) = "api.exposed" {}
    ApiUnexposed(api_id: ApiId) = "api.unexposed" {}
    ApiDocumentUpdated(api_id: ApiId) = "api.document_updated" { document: Box<ApiDocument>, }
    ApiDeleted(api_id: ApiId) = "api.deleted" {}
    ApplicationCreated(application_id: ApplicationId) = "application.created" { organization_id: OrganizationId, group_id: GroupId, name: Name, }
    ApplicationUpdated(application_id: ApplicationId) = "application.updated" { name: Name, }
    ApplicationSuspended(application_id: ApplicationId) = "application.suspended" {}
    ApplicationActivated(application_id: ApplicationId) = "application.activated" {}
    ApplicationDeleted(application_id: ApplicationId) = "application.deleted" {}
    SubscriptionCreated(subscription_id: SubscriptionId) = "subscription.created" { terms: Box<SubscriptionTerms>, }
    SubscriptionAccepted(subscription_id: SubscriptionId) = "subscription.accepted" { api_id: ApiId, permissions: Option<Vec<ApiPermission>>, key_set_ids: Vec<KeySetId>, }
    SubscriptionRejected(subscription_id: SubscriptionId) = "subscription.rejected" {}
    SubscriptionLapsed(subscription_id: SubscriptionId) = "subscription.lapsed" { planned_at: Timestamp, }
    SubscriptionEnded(subscription_id: SubscriptionId) = "subscription.ended" { api_id: ApiId, key_set_ids: Vec<KeySetId>, }
    SubscriptionUpdated(subscription_id: SubscriptionId) = "subscription.updated" { api_id: ApiId, permissions: Option<Vec<ApiPermission>>, key_set_ids: Vec<KeySetId>, }
    SubscriptionRenewed(subscription_id: SubscriptionId) = "subscription.renewed" { api_id: ApiId, permissions: Option<Vec<ApiPermission>>, key_set_ids: Vec<KeySetId>, }
    KeySetCreated(key_set_id: KeySetId) = "key_set.created" { terms: Box<KeySetTerms>, }
    KeySetUpdated(key_set_id: KeySetId) = "key_set.updated" { name: Name, }
    KeySetProvisioned(key_set_id: KeySetId) = "key_set.provisioned" { key_id: KeyId, schedule: Schedule, status: KeyStatus, }
    KeySetSuspended(key_set_id: KeySetId) = "key_set.suspended" { by: SuspendedBy, }
    KeySetActivated(key_set_id: KeySetId) = "key_set.activated" {}
    KeySetRevoked(key_set_id: KeySetId) = "key_set.revoked" {}
    KeySetPolicyChanged(key_set_id: KeySetId) = "key_set.policy_changed" { policy: Policy, template: TemplateVersion, schedule: Option<Schedule>, }
    KeySetRetrieved(key_set_id: KeySetId) = "key_set.retrieved" { key_id: KeyId, }
    KeySetRemoved(key_set_id: KeySetId) = "key_set.removed" {}
    KeyIssued(key_set_id: KeySetId) = "key.issued" { key: Box<IssuedKey>, }
    KeyRetirementPlanned(key_set_id: KeySetId) = "key.retirement_planned" { key_id: KeyId, retirement: Retirement, }
    KeyRevoked(key_set_id: KeySetId) = "key.revoked" { key_id: KeyId, ended: Ended, }
    KeyExpired(key_set_id: KeySetId) = "key.expired" { key_id: KeyId, ended: Ended, }
    ServiceKeyCreated(service_key_id: ServiceKeyId) = "service_key.created" { terms: Box<ServiceKeyTerms>, }
    ServiceKeyUpdated(service_key_id: ServiceKeyId) = "service_key.updated" { name: Name, }
    ServiceKeyActivated(service_key_id: ServiceKeyId) = "service_key.activated" {}
    ServiceKeyDeactivated(service_key_id: ServiceKeyId) = "service_key.deactivated" {}
    ServiceKeyPermissionGroupsChanged(service_key_id: ServiceKeyId) = "service_key.permission_groups_changed" { permission_group_ids: Vec<PermissionGroupId>, }
    ServiceKeyDeleted(service_key_id: ServiceKeyId) = "service_key.deleted" {}
    SharedKeyCreated(shared_key_id: SharedKeyId) = "shared_key.created" { terms: Box<SharedKeyTerms>, }
    SharedKeyUpdated(shared_key_id: SharedKeyId) = "shared_key.updated" { name: Name, permissions: Option<Vec<ApiPermission>>, rate_limit: Option<RateLimit>, ip_allow_list: Option<Vec<ipnet::IpNet>>, }
    SharedKeyEnabled(shared_key_id: SharedKeyId) = "shared_key.enabled" {}
    SharedKeyDisabled(shared_key_id: SharedKeyId) = "shared_key.disabled" {}
    SharedKeySecretReset(shared_key_id: SharedKeyId) = "shared_key.secret_reset" { retrievable: bool, }
    SharedKeySecretSet(shared_key_id: SharedKeyId) = "shared_key.secret_set" { origin: SecretOrigin, }
    SharedKeySecretCleared(shared_key_id: SharedKeyId) = "shared_key.secret_cleared" {}
    SharedKeyPortalLinkCreated(shared_key_id: SharedKeyId) = "shared_key.portal_link_created" { expires_at: Option<Timestamp>, }
    SharedKeyPortalLinkDeleted(shared_key_id: SharedKeyId) = "shared_key.portal_link_deleted" {}
    SharedKeyRetrieved(shared_key_id: SharedKeyId) = "shared_key.retrieved" {}
    SharedKeyDeleted(shared_key_id: SharedKeyId) = "shared_key.deleted" {}
    KeyPairCreated(key_pair_id: KeyPairId) = "key_pair.created" { terms: Box<KeyPairTerms>, }
    KeyPairUpdated(key_pair_id: KeyPairId) = "key_pair.updated" { name: Name, public: bool, }
    KeyPairAccessGranted(key_pair_id: KeyPairId) = "key_pair.access_granted" { grant: Grant, }
    KeyPairAccessRevoked(key_pair_id: KeyPairId) = "key_pair.access_revoked" { grantee: Grantee, }
    KeyPairDeleted(key_pair_id: KeyPairId) = "key_pair.deleted" {}
    GitIntegrationCreated(api_id: IntegrationOf) = "git_integration.created" { organization_id: OrganizationId, group_id: GroupId, settings: Box<GitSettings>, }
    GitIntegrationUpdated(api_id: IntegrationOf) = "git_integration.updated" { settings: Box<GitSettings>, }
    GitIntegrationHostKeyPinned(api_id: IntegrationOf) = "git_integration.host_key_pinned" { host_key: HostKey, fingerprint: String, }
    GitIntegrationHostKeyRemoved(api_id: IntegrationOf) = "git_integration.host_key_removed" {}
    GitIntegrationPulled(api_id: IntegrationOf) = "git_integration.pulled" { sync: Box<SyncPoint>, }
    GitIntegrationPushed(api_id: IntegrationOf) = "git_integration.pushed" { sync: Box<SyncPoint>, }
    GitIntegrationDeleted(api_id: IntegrationOf) = "git_integration.deleted" {}
    NodeTokenIssued(node_id: NodeId) = "node.token_issued" { name: Name, expires_at: Timestamp, }
    NodeEnrolled(node_id: NodeId) = "node.enrolled" { name: Name, }
    NodeRemoved(node_id: NodeId) = "node.removed" {}
    LogExported(organization_id: OrganizationId) = "log.exported" { from_position: Position, to_position: Position, }
}

/// The kinds that deciding looks at: all that a data node is told of. Beside what the verifier's index applies it is
/// the end of an enrolment.
pub const DECIDING_KINDS: &[&str] = &[
    "environment.created",
    "environment.deleted",
    "api.created",
    "api.updated",
    "api.exposed",
    "api.unexposed",
    "api.deleted",
    "application.created",
    "application.updated",
    "application.suspended",
    "application.activated",
    "application.deleted",
    "subscription.created",
    "subscription.accepted",
    "subscription.ended",
    "subscription.updated",
    "subscription.renewed",
    "key_set.created",
    "key_set.provisioned",
    "key_set.suspended",
    "key_set.activated",
    "key_set.revoked",
    "key_set.policy_changed",
    "key_set.removed",
    "key.issued",
    "key.retirement_planned",
    "key.revoked",
    "key.expired",
    "shared_key.created",
    "shared_key.updated",
    "shared_key.enabled",
    "shared_key.disabled",
    "shared_key.secret_reset",
    "shared_key.secret_set",
    "shared_key.secret_cleared",
    "shared_key.deleted",
    "node.removed",
];

/// What a Subscription begins with.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct SubscriptionTerms {
    pub application_id: ApplicationId,
    pub organization_id: OrganizationId,
    pub group_id: GroupId,
    pub api_id: ApiId,
    pub api_organization_id: OrganizationId,
    pub api_group_id: GroupId,
    pub environment_id: EnvironmentId,
    /// Whether it waits for the provider.
    pub pending: bool,
    pub lapses_at: Option<Timestamp>,
    pub permissions: Option<Vec<ApiPermission>>,
    pub note: Option<Note>,
    pub key_set_ids: Vec<KeySetId>,
}

/// What a Key Set begins with; its first Key follows as `key.issued`.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct KeySetTerms {
    pub name: Name,
    pub organization_id: OrganizationId,
    pub group_id: GroupId,
    pub application_id: ApplicationId,
    pub environment_id: EnvironmentId,
    pub auth_type: AuthType,
    pub policy: Policy,
    pub template: TemplateVersion,
}

/// A Key as it is issued: it becomes LATEST of its set.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct IssuedKey {
    pub key_id: KeyId,
    pub generation: u32,
    pub masked: Masked,
    pub issued_by: IssueCause,
    pub custody: Custody,
    pub planned_at: Option<Timestamp>,
    /// None: Pending.
    pub schedule: Option<Schedule>,
    /// The set's suspension from now on; a Key issued on a dead set sets it anew.
    pub suspended_by: Option<SuspendedBy>,
}

/// What a service key begins with.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ServiceKeyTerms {
    pub organization_id: OrganizationId,
    pub member_id: Option<MemberId>,
    pub created_by: ActorRef,
    pub name: Name,
    pub masked: Masked,
    pub permission_group_ids: Vec<PermissionGroupId>,
    pub scope: Scope,
    pub expires_at: Option<Timestamp>,
    pub ip_allow_list: Option<Vec<ipnet::IpNet>>,
    /// The service key whose place it takes, if it replaces a lost one.
    pub replaces: Option<ServiceKeyId>,
}

/// What a shared key begins with.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct SharedKeyTerms {
    pub api_id: ApiId,
    /// Where its API stands.
    pub organization_id: OrganizationId,
    pub group_id: GroupId,
    pub name: Name,
    pub audience: Audience,
    pub masked: Masked,
    pub environment_id: Option<EnvironmentId>,
    pub permissions: Option<Vec<ApiPermission>>,
    pub rate_limit: Option<RateLimit>,
    pub ip_allow_list: Option<Vec<ipnet::IpNet>>,
    /// Whether the API's policy template lets its value be shown again.
    pub retrievable: bool,
}

/// What a key pair begins with. The private half is in no event.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct KeyPairTerms {
    pub organization_id: OrganizationId,
    pub name: Name,
    pub uses: BTreeSet<KeyUse>,
    /// Whether anybody may read the public half.
    pub public: bool,
    pub public_key: PublicKey,
    pub grants: Vec<Grant>,
    /// The pair whose place it is to take.
    pub replaces: Option<KeyPairId>,
    pub created_by: ActorRef,
}

macro_rules! subjects {
    ($($variant:ident($id:ty) = $kind:literal,)*) => {
        /// A thing that events happen to.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Subject {
            $($variant($id),)*
        }

        impl Subject {
            pub const fn kind(&self) -> &'static str {
                match self { $(Self::$variant(_) => $kind,)* }
            }

            pub fn id(&self) -> String {
                match self { $(Self::$variant(id) => id.to_string(),)* }
            }
        }

        $(impl From<$id> for Subject {
            fn from(id: $id) -> Self {
                Self::$variant(id)
            }
        })*
    };
}

subjects! {
    Organization(OrganizationId) = "organization",
    Group(GroupId) = "group",
    Member(MemberId) = "member",
    Environment(EnvironmentId) = "environment",
    PermissionGroup(PermissionGroupId) = "permission_group",
    PolicyTemplate(PolicyTemplateId) = "policy_template",
    Api(ApiId) = "api",
    Application(ApplicationId) = "application",
    Subscription(SubscriptionId) = "subscription",
    KeySet(KeySetId) = "key_set",
    ServiceKey(ServiceKeyId) = "service_key",
    SharedKey(SharedKeyId) = "shared_key",
    KeyPair(KeyPairId) = "key_pair",
    GitIntegration(IntegrationOf) = "git_integration",
    Node(NodeId) = "node",
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_kind_and_data_and_reads_back() {
        let id = OrganizationId::from_bytes([1; 16]);
        let body =
            EventBody::OrganizationUpdated { organization_id: id, name: Name::new("Acme").expect("a name") };
        let json = serde_json::to_value(&body).expect("serialises");
        assert_eq!(json["kind"], body.kind());
        assert_eq!(json["data"]["name"], "Acme");
        assert_eq!(serde_json::from_value::<EventBody>(json).expect("reads back"), body);
        assert_eq!(body.subject(), Subject::Organization(id));
    }

    #[test]
    fn kinds_are_noun_and_past_participle() {
        for kind in EventBody::KINDS {
            let (noun, verb) = kind.split_once('.').expect("a full stop");
            // The participle of `set` is its own.
            let participle = verb.ends_with('d') || verb.ends_with("_set") || verb.ends_with("_reset");
            assert!(!noun.is_empty() && participle, "{kind}");
        }
    }
}
