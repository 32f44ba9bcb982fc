//! Who uses a thing that is to be deleted (surface.md, `in_use`): its users by id and name.

use claviger_domain::id::{
    ApiId, ApplicationId, EnvironmentId, GroupId, KeyPairId, MemberId, OrganizationId, PermissionGroupId,
    PolicyTemplateId,
};
use claviger_domain::refusal::User;
use claviger_domain::time::Timestamp;

use crate::columns::{Columns, FromRow};
use crate::error::StoreError;
use crate::reader::Reader;
use crate::statements::statements;
use crate::value::values;

/// How many users an answer names.
macro_rules! at_most {
    () => {
        " LIMIT 100"
    };
}

/// Key Sets that live at `$2`.
macro_rules! living {
    () => {
        "key_sets.removed_at IS NULL AND key_sets.latest_status IN ('pending', 'active', 'suspended') \
         AND (key_sets.latest_stops_at IS NULL OR key_sets.latest_stops_at > $2)"
    };
}

statements! {
    OF_ORGANIZATION = concat!(
        "SELECT id, name FROM applications WHERE organization_id = $1 AND deleted_at IS NULL \
         UNION ALL SELECT id, name FROM apis WHERE organization_id = $1 AND deleted_at IS NULL \
         UNION ALL SELECT id, name FROM members WHERE organization_id = $1 AND deleted_at IS NULL \
         UNION ALL SELECT id, name FROM service_keys WHERE organization_id = $1 AND deleted_at IS NULL \
         UNION ALL SELECT id, name FROM key_pairs WHERE organization_id = $1 AND deleted_at IS NULL",
        at_most!());
    OF_GROUP = concat!(
        "SELECT id, name FROM applications WHERE group_id = $1 AND deleted_at IS NULL \
         UNION ALL SELECT id, name FROM apis WHERE group_id = $1 AND deleted_at IS NULL \
         UNION ALL SELECT id, name FROM members WHERE deleted_at IS NULL AND (id IN \
             (SELECT member_id FROM member_groups WHERE group_id = $1) OR id IN \
             (SELECT member_id FROM role_grants WHERE group_id = $1)) \
             AND organization_id = (SELECT organization_id FROM groups WHERE id = $1) \
         UNION ALL SELECT id, name FROM service_keys WHERE scope_group_id = $1 AND deleted_at IS NULL",
        at_most!());
    OF_ENVIRONMENT = concat!(
        "SELECT apis.id, apis.name FROM api_environments JOIN apis ON apis.id = api_environments.api_id \
             WHERE api_environments.environment_id = $1 AND apis.deleted_at IS NULL \
         UNION ALL SELECT id, name FROM key_sets WHERE environment_id = $1 AND ", living!(),
        " UNION ALL SELECT subscriptions.id, applications.name FROM subscriptions \
             JOIN applications ON applications.id = subscriptions.application_id \
             WHERE subscriptions.environment_id = $1 AND subscriptions.status IN ('pending', 'active') \
         UNION ALL SELECT id, name FROM members WHERE deleted_at IS NULL AND id IN \
             (SELECT member_id FROM role_grants WHERE environment_id = $1) \
         UNION ALL SELECT id, name FROM service_keys WHERE scope_environment_id = $1 AND deleted_at IS NULL \
         UNION ALL SELECT id, name FROM shared_keys WHERE environment_id = $1 AND deleted_at IS NULL",
        at_most!());
    OF_MEMBER = concat!(
        "SELECT id, name FROM service_keys WHERE member_id = $1 AND deleted_at IS NULL", at_most!());
    OF_PERMISSION_GROUP = concat!(
        "SELECT id, name FROM members WHERE deleted_at IS NULL AND id IN \
             (SELECT member_id FROM role_grants WHERE permission_group_id = $1) \
         UNION ALL SELECT service_keys.id, service_keys.name FROM service_key_permission_groups \
             JOIN service_keys ON service_keys.id = service_key_permission_groups.service_key_id \
             WHERE service_key_permission_groups.permission_group_id = $1 AND service_keys.deleted_at IS NULL",
        at_most!());
    OF_POLICY_TEMPLATE = concat!(
        "SELECT id, name FROM apis WHERE policy_template_id = $1 AND deleted_at IS NULL", at_most!());
    OF_API = concat!(
        "SELECT subscriptions.id, applications.name FROM subscriptions \
             JOIN applications ON applications.id = subscriptions.application_id \
             WHERE subscriptions.api_id = $1 AND subscriptions.status IN ('pending', 'active') \
         UNION ALL SELECT id, name FROM shared_keys WHERE api_id = $1 AND deleted_at IS NULL", at_most!());
    OF_KEY_PAIR = concat!(
        "SELECT apis.id, apis.name FROM git_integrations JOIN apis ON apis.id = git_integrations.api_id \
             WHERE git_integrations.key_pair_id = $1", at_most!());
    OF_APPLICATION = concat!(
        "SELECT id, name FROM key_sets WHERE application_id = $1 AND ", living!(),
        " UNION ALL SELECT subscriptions.id, apis.name FROM subscriptions JOIN apis ON apis.id = subscriptions.api_id \
             WHERE subscriptions.application_id = $1 AND subscriptions.status IN ('pending', 'active')",
        at_most!());
}

/// A row of these queries.
struct UserRow(User);

impl FromRow for UserRow {
    const TABLE: &'static str = "the users of a thing";

    fn from_row(columns: &mut Columns<'_>) -> Result<Self, StoreError> {
        Ok(Self(User { id: columns.text()?.to_owned(), name: columns.text()?.to_owned() }))
    }
}

macro_rules! users {
    ($($(#[$doc:meta])* $function:ident($id:ty $(, $now:ident)?) = $statement:ident;)*) => {
        impl Reader {$(
            $(#[$doc])*
            pub async fn $function(&mut self, id: $id $(, $now: Timestamp)?) -> Result<Vec<User>, StoreError> {
                let rows: Vec<UserRow> = self.all($statement, values![id $(, $now)?]).await?;
                Ok(rows.into_iter().map(|UserRow(user)| user).collect())
            }
        )*}
    };
}

users! {
    /// Applications, APIs, members, service keys and key pairs of the Organization.
    users_of_organization(OrganizationId) = OF_ORGANIZATION;
    /// Applications, APIs, members of its Organization in it or with a role in it, service keys limited to
    /// it. A role that a member of another Organization has in it shows to nobody here, and dies with it.
    users_of_group(GroupId) = OF_GROUP;
    /// APIs offered in it, Key Sets that live at `now`, live Subscriptions (by their Application's name),
    /// members with a role in it, service keys limited to it, shared keys made for it.
    users_of_environment(EnvironmentId, now) = OF_ENVIRONMENT;
    /// Service keys that count as the member.
    users_of_member(MemberId) = OF_MEMBER;
    /// Members who hold it and service keys that have it.
    users_of_permission_group(PermissionGroupId) = OF_PERMISSION_GROUP;
    /// APIs that have it; Key Sets have a copy of their own.
    users_of_policy_template(PolicyTemplateId) = OF_POLICY_TEMPLATE;
    /// Live Subscriptions, by their Application's name, and shared keys.
    users_of_api(ApiId) = OF_API;
    /// APIs whose Git integrations sign in with it.
    users_of_key_pair(KeyPairId) = OF_KEY_PAIR;
    /// Key Sets that live at `now`, and live Subscriptions, by their API's name.
    users_of_application(ApplicationId, now) = OF_APPLICATION;
}
