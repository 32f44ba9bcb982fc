//! Permissions: the atoms `<collection>:<act>` of which permission groups are made (surface.md,
//! "Permissions"). Not an API's own permissions, which are the provider's words.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

macro_rules! permissions {
    ($($variant:ident = $text:literal, $does:literal;)*) => {
        /// One right on one collection.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Permission {
            $(#[doc = $does] $variant,)*
        }

        impl Permission {
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The name as people and programs write it.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            /// What it allows, in one sentence for people.
            pub const fn description(self) -> &'static str {
                match self { $(Self::$variant => $does,)* }
            }
        }
    };
}

permissions! {
    OrganizationsRead = "organizations:read", "See Organizations.";
    OrganizationsCreate = "organizations:create", "Add an Organization.";
    OrganizationsUpdate = "organizations:update", "Rename an Organization.";
    OrganizationsDelete = "organizations:delete", "Delete an Organization that nothing uses.";
    GroupsRead = "groups:read", "See Groups.";
    GroupsCreate = "groups:create", "Add a Group.";
    GroupsUpdate = "groups:update", "Rename a Group.";
    GroupsDelete = "groups:delete", "Delete a Group that nothing uses.";
    MembersRead = "members:read", "See members and their roles.";
    MembersCreate = "members:create", "Add a member.";
    MembersUpdate = "members:update", "Rename a member and change their Groups.";
    MembersDelete = "members:delete", "Remove a member.";
    RoleGrantsCreate = "role_grants:create", "Give a member a role at a scope.";
    RoleGrantsDelete = "role_grants:delete", "Take a role from a member.";
    EnvironmentsRead = "environments:read", "See Environments.";
    EnvironmentsCreate = "environments:create", "Add an Environment.";
    EnvironmentsUpdate = "environments:update", "Rename an Environment.";
    EnvironmentsDelete = "environments:delete", "Delete an Environment that nothing uses.";
    ApisRead = "apis:read", "See APIs.";
    ApisCreate = "apis:create", "Add an API to the catalog.";
    ApisUpdate = "apis:update", "Change an API.";
    ApisDelete = "apis:delete", "Delete an API that nothing uses.";
    ApisExposure = "apis:exposure", "Expose an API or take it back.";
    ApisOpenapi = "apis:openapi", "Change the OpenAPI document of an API.";
    ApplicationsRead = "applications:read", "See Applications.";
    ApplicationsCreate = "applications:create", "Add an Application.";
    ApplicationsUpdate = "applications:update", "Rename an Application.";
    ApplicationsDelete = "applications:delete", "Delete an Application that nothing uses.";
    ApplicationsSuspend = "applications:suspend", "Suspend an Application and its Key Sets.";
    ApplicationsActivate = "applications:activate", "Activate a Suspended Application.";
    SubscriptionsRead = "subscriptions:read", "See Subscriptions.";
    SubscriptionsCreate = "subscriptions:create", "Subscribe an Application to an API.";
    SubscriptionsUpdate = "subscriptions:update", "Change what a Subscription to an API may do there.";
    SubscriptionsAccept = "subscriptions:accept", "Accept a Pending Subscription to an API.";
    SubscriptionsReject = "subscriptions:reject", "Reject a Pending Subscription to an API.";
    SubscriptionsEnd = "subscriptions:end", "End a Subscription.";
    SubscriptionsRenew = "subscriptions:renew", "Give a Subscription living Key Sets again.";
    PolicyTemplatesRead = "policy_templates:read", "See policy templates.";
    PolicyTemplatesCreate = "policy_templates:create", "Add a policy template.";
    PolicyTemplatesUpdate = "policy_templates:update", "Make a new version of a policy template.";
    PolicyTemplatesDelete = "policy_templates:delete", "Delete a policy template that nothing uses.";
    KeySetsRead = "key_sets:read", "See Key Sets, without their credentials.";
    KeySetsUpdate = "key_sets:update", "Rename a Key Set.";
    KeySetsSuspend = "key_sets:suspend", "Suspend a Key Set.";
    KeySetsActivate = "key_sets:activate", "Activate a Suspended Key Set.";
    KeySetsRegenerate = "key_sets:regenerate", "Replace the LATEST Key of a Key Set.";
    KeySetsRevoke = "key_sets:revoke", "Revoke a Key Set or one of its Keys.";
    KeySetsIssue = "key_sets:issue", "Issue a new Key on a Key Set whose LATEST is dead.";
    KeySetsRetrieve = "key_sets:retrieve", "Retrieve the credentials of a Key Set.";
    KeySetsPolicy = "key_sets:policy", "Put another policy on a Key Set.";
    PermissionGroupsRead = "permission_groups:read", "See permission groups.";
    PermissionGroupsCreate = "permission_groups:create", "Add a permission group.";
    PermissionGroupsUpdate = "permission_groups:update", "Change a permission group.";
    PermissionGroupsDelete = "permission_groups:delete", "Delete a permission group that nothing uses.";
    ServiceKeysRead = "service_keys:read", "See service keys, masked.";
    ServiceKeysCreate = "service_keys:create", "Add a service key.";
    ServiceKeysUpdate = "service_keys:update", "Rename a service key.";
    ServiceKeysDelete = "service_keys:delete", "Delete a service key.";
    ServiceKeysActivate = "service_keys:activate", "Activate a service key.";
    ServiceKeysDeactivate = "service_keys:deactivate", "Deactivate a service key.";
    ServiceKeysReplace = "service_keys:replace", "Replace a lost service key.";
    ServiceKeysPermissionGroups = "service_keys:permission_groups", "Change the permission groups of a service key.";
    ServiceKeysActFor = "service_keys:act_for", "Make a service key for another member.";
    SharedKeysRead = "shared_keys:read", "See the shared keys of an API, without their credentials.";
    SharedKeysCreate = "shared_keys:create", "Add a shared key to an API.";
    SharedKeysUpdate = "shared_keys:update", "Rename a shared key and change what it holds.";
    SharedKeysDelete = "shared_keys:delete", "Delete a shared key.";
    SharedKeysEnable = "shared_keys:enable", "Enable a disabled shared key.";
    SharedKeysDisable = "shared_keys:disable", "Disable a shared key.";
    SharedKeysResetSecret = "shared_keys:reset_secret", "Give an inside key a new secret.";
    SharedKeysClearSecret = "shared_keys:clear_secret", "Clear the secret of an outside key.";
    SharedKeysPortalLink = "shared_keys:portal_link", "Make or withdraw the portal link of an outside key.";
    SharedKeysRetrieve = "shared_keys:retrieve", "Retrieve the credentials of a shared key.";
    GitIntegrationsRead = "git_integrations:read", "See the Git integrations of APIs.";
    GitIntegrationsUpdate = "git_integrations:update", "Set up or change the Git integration of an API.";
    GitIntegrationsDelete = "git_integrations:delete", "Remove the Git integration of an API.";
    GitIntegrationsTest = "git_integrations:test", "Try a Git integration before it is saved.";
    GitIntegrationsPull = "git_integrations:pull", "Pull the OpenAPI document of an API from Git.";
    GitIntegrationsPush = "git_integrations:push", "Push the OpenAPI document of an API to Git.";
    GitIntegrationsHostKey = "git_integrations:host_key", "Forget the pinned key of a Git host.";
    JobsRead = "jobs:read", "See the jobs of APIs, such as pulls and pushes, and how they ended.";
    KeyPairsRead = "key_pairs:read", "See the key pairs that one has access to.";
    KeyPairsCreate = "key_pairs:create", "Make a key pair.";
    KeyPairsUpdate = "key_pairs:update", "Rename or publish a key pair, as far as one has access to it.";
    KeyPairsDelete = "key_pairs:delete", "Delete a key pair that nothing uses, as far as one has access to it.";
    KeyPairsAcl = "key_pairs:acl", "Share a key pair, as far as one has access to it.";
    KeyPairsReplace = "key_pairs:replace", "Make a key pair beside an old one, as far as one has access to that.";
    KeyPairsSignJwt = "key_pairs:sign_jwt", "Have a key pair sign JSON Web Tokens, as far as one has access to it.";
    KeyPairsAdminister = "key_pairs:administer", "Have access as admin to every key pair of the Organization.";
    UsageRead = "usage:read", "See how often APIs are called, by whom, and what was answered.";
    EventsRead = "events:read", "Read the log.";
    EventsExport = "events:export", "Export the log.";
    NodesRead = "nodes:read", "See the nodes and how far behind each is.";
    NodesEnroll = "nodes:enroll", "Make the token by which a data node enrols.";
    NodesDelete = "nodes:delete", "Remove a node.";
    VerifyCall = "verify:call", "Ask whether a credential opens the door.";
    KeysIdentify = "keys:identify", "Ask which key a pasted value is.";
}

/// A set of permissions, in their order.
pub type Permissions = BTreeSet<Permission>;

/// The text names no permission.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no permission has this name; GET /v1/permissions lists them")]
pub struct UnknownPermission;

impl FromStr for Permission {
    type Err = UnknownPermission;

    fn from_str(text: &str) -> Result<Self, UnknownPermission> {
        Self::ALL.iter().copied().find(|permission| permission.as_str() == text).ok_or(UnknownPermission)
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl serde::Serialize for Permission {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> serde::Deserialize<'de> for Permission {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_permission_reads_back_from_its_name_and_no_two_share_one() {
        let names: BTreeSet<_> = Permission::ALL.iter().map(|permission| permission.as_str()).collect();
        assert_eq!(names.len(), Permission::ALL.len());
        for permission in Permission::ALL {
            assert_eq!(permission.as_str().parse(), Ok(*permission));
        }
        assert!("key_sets:fly".parse::<Permission>().is_err());
    }
}
