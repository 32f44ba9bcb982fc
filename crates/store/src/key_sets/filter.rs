//! Lists of Key Sets (product.md D5). The dates are those of the LATEST Key; the status is what the clock
//! says, whether or not the scheduler recorded it yet.

use std::collections::BTreeMap;

use claviger_domain::apis::AuthType;
use claviger_domain::id::{
    ApiId, ApplicationId, EnvironmentId, GroupId, KeySetId, OrganizationId, PolicyTemplateId,
};
use claviger_domain::key_sets::{KeySet, KeyStatus};
use claviger_domain::time::Timestamp;

use super::rows::set_columns;
use crate::dialect::Dialect;
use crate::list::{Alternative, Assembly, Between, Listed, PlaceColumns, Selection, SortColumn, pattern};
use crate::statements::fragments;
use crate::value::values;

fragments! {
    BY_IDS = "key_sets.id = $1";
    BY_AUTH_TYPE = "key_sets.auth_type = $1";
    BY_APPLICATION = "key_sets.application_id = $1";
    BY_ENVIRONMENT = "key_sets.environment_id = $1";
    BY_ORGANIZATION = "key_sets.organization_id = $1";
    BY_GROUP = "key_sets.group_id = $1";
    BY_TEMPLATE = "key_sets.template_id = $1";
    BY_API = "EXISTS (SELECT 1 FROM subscription_key_sets \
              JOIN subscriptions ON subscriptions.id = subscription_key_sets.subscription_id \
              WHERE subscription_key_sets.key_set_id = key_sets.id AND subscriptions.api_id = $1 \
              AND subscriptions.status IN ('pending', 'active'))";
    // The recorded status holds until the clock ends the Key.
    STATUS_BEFORE_STOP = "(key_sets.latest_status = $1 AND (key_sets.latest_stops_at IS NULL OR key_sets.latest_stops_at > $2))";
    STATUS_RECORDED = "key_sets.latest_status = $1";
    STATUS_BY_CLOCK = "(key_sets.latest_status IN ('pending', 'active', 'suspended') AND key_sets.latest_stops_at <= $2 AND key_sets.latest_stops_as = $1)";
    TEXT = "(key_sets.search LIKE $1 ESCAPE '\\' OR 0 < (SELECT COUNT(*) FROM applications \
            WHERE applications.id = key_sets.application_id AND applications.folded_name LIKE $1 ESCAPE '\\'))";
    CREATED_FROM = "key_sets.latest_created_at >= $1";
    CREATED_UNTIL = "key_sets.latest_created_at < $1";
    PROVISIONED_FROM = "(COALESCE(key_sets.latest_provisioned_at, 9223372036854775807) >= $1 AND key_sets.latest_provisioned_at IS NOT NULL)";
    PROVISIONED_UNTIL = "COALESCE(key_sets.latest_provisioned_at, 9223372036854775807) < $1";
    ROTATION_DUE_FROM = "(COALESCE(key_sets.latest_rotation_due_at, 9223372036854775807) >= $1 AND key_sets.latest_rotation_due_at IS NOT NULL)";
    ROTATION_DUE_UNTIL = "COALESCE(key_sets.latest_rotation_due_at, 9223372036854775807) < $1";
    EXPIRES_FROM = "(COALESCE(key_sets.latest_expires_at, 9223372036854775807) >= $1 AND key_sets.latest_expires_at IS NOT NULL)";
    EXPIRES_UNTIL = "COALESCE(key_sets.latest_expires_at, 9223372036854775807) < $1";
    REVOKED_FROM = "(COALESCE(key_sets.latest_revoked_at, 9223372036854775807) >= $1 AND key_sets.latest_revoked_at IS NOT NULL)";
    REVOKED_UNTIL = "COALESCE(key_sets.latest_revoked_at, 9223372036854775807) < $1";
    LAST_USED_FROM = "key_sets.latest_key_id IN (SELECT last_used.id FROM last_used WHERE last_used.used_at >= $1)";
    LAST_USED_UNTIL = "key_sets.latest_key_id IN (SELECT last_used.id FROM last_used WHERE last_used.used_at < $1)";
    LAST_USED_WITHIN = "key_sets.latest_key_id IN (SELECT last_used.id FROM last_used WHERE last_used.used_at >= $1 AND last_used.used_at < $2)";
}

/// What finds the ids of all rows that a condition leaves: queries, not conditions.
pub(crate) mod selections {
    crate::statements::fragments! {
        OF_API = "SELECT subscription_key_sets.key_set_id AS id FROM subscriptions \
                  JOIN subscription_key_sets ON subscription_key_sets.subscription_id = subscriptions.id \
                  WHERE subscriptions.api_id = $1 AND subscriptions.status IN ('pending', 'active')";
    }
}

/// Which Key Sets a list shows. Several values of one kind: either; different kinds: all of them.
#[derive(Debug, Clone)]
pub struct KeySetFilter {
    /// The instant at which `statuses` are meant.
    pub now: Timestamp,
    pub ids: Vec<KeySetId>,
    pub statuses: Vec<KeyStatus>,
    pub auth_types: Vec<AuthType>,
    /// Those that a live Subscription to the API uses.
    pub api_ids: Vec<ApiId>,
    pub application_ids: Vec<ApplicationId>,
    pub environment_ids: Vec<EnvironmentId>,
    pub organization_ids: Vec<OrganizationId>,
    pub group_ids: Vec<GroupId>,
    pub policy_template_ids: Vec<PolicyTemplateId>,
    /// In the set's name, its Application's name, its id or the masked ends of its Keys.
    pub q: Option<String>,
    pub created: Between,
    pub provisioned: Between,
    pub rotation_due: Between,
    pub expires: Between,
    pub revoked: Between,
    pub last_used: Between,
}

impl KeySetFilter {
    /// All Key Sets, as they are at `now`.
    pub fn at(now: Timestamp) -> Self {
        Self {
            now,
            ids: Vec::new(),
            statuses: Vec::new(),
            auth_types: Vec::new(),
            api_ids: Vec::new(),
            application_ids: Vec::new(),
            environment_ids: Vec::new(),
            organization_ids: Vec::new(),
            group_ids: Vec::new(),
            policy_template_ids: Vec::new(),
            q: None,
            created: Between::default(),
            provisioned: Between::default(),
            rotation_due: Between::default(),
            expires: Between::default(),
            revoked: Between::default(),
            last_used: Between::default(),
        }
    }
}

/// What Key Sets are sorted by. Dates are those of the LATEST Key, but for `CreatedAt`, which is the set's
/// own and never changes; sets without the date stand after all others in ascending order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum KeySetSort {
    #[default]
    CreatedAt,
    Name,
    ProvisionedAt,
    RotationDueAt,
    ExpiresAt,
    RevokedAt,
}

impl Listed for KeySet {
    type Filter = KeySetFilter;
    type Sort = KeySetSort;
    const COLUMNS: &'static str = set_columns!();
    const FROM: &'static str = "key_sets WHERE key_sets.removed_at IS NULL";
    const ID: &'static str = "key_sets.id";
    const PLACES: &'static [PlaceColumns] = &[PlaceColumns {
        organization: Some("key_sets.organization_id"),
        group: Some("key_sets.group_id"),
        environment: Some("key_sets.environment_id"),
    }];

    fn sort_column(sort: KeySetSort) -> SortColumn {
        match sort {
            KeySetSort::CreatedAt => SortColumn::Integer("key_sets.created_at"),
            KeySetSort::Name => SortColumn::Text("key_sets.folded_name"),
            KeySetSort::ProvisionedAt => {
                SortColumn::Integer("COALESCE(key_sets.latest_provisioned_at, 9223372036854775807)")
            }
            KeySetSort::RotationDueAt => {
                SortColumn::Integer("COALESCE(key_sets.latest_rotation_due_at, 9223372036854775807)")
            }
            KeySetSort::ExpiresAt => {
                SortColumn::Integer("COALESCE(key_sets.latest_expires_at, 9223372036854775807)")
            }
            KeySetSort::RevokedAt => {
                SortColumn::Integer("COALESCE(key_sets.latest_revoked_at, 9223372036854775807)")
            }
        }
    }

    fn conditions(filter: &KeySetFilter, query: &mut Assembly) {
        query.and_either(BY_IDS, filter.ids.iter().copied());
        query.and_either(BY_AUTH_TYPE, filter.auth_types.iter().map(|auth_type| auth_type.as_str()));
        query.and_either(BY_API, filter.api_ids.iter().copied());
        query.and_either(BY_APPLICATION, filter.application_ids.iter().copied());
        query.and_either(BY_ENVIRONMENT, filter.environment_ids.iter().copied());
        query.and_either(BY_ORGANIZATION, filter.organization_ids.iter().copied());
        query.and_either(BY_GROUP, filter.group_ids.iter().copied());
        query.and_either(BY_TEMPLATE, filter.policy_template_ids.iter().copied());
        if let Some(q) = &filter.q {
            query.and(TEXT, values![pattern(q)]);
        }
        query.and_between(filter.created, CREATED_FROM, CREATED_UNTIL);
        query.and_between(filter.provisioned, PROVISIONED_FROM, PROVISIONED_UNTIL);
        query.and_between(filter.rotation_due, ROTATION_DUE_FROM, ROTATION_DUE_UNTIL);
        query.and_between(filter.expires, EXPIRES_FROM, EXPIRES_UNTIL);
        query.and_between(filter.revoked, REVOKED_FROM, REVOKED_UNTIL);
        match filter.last_used {
            Between { after: Some(after), before: Some(before) } => {
                query.and(LAST_USED_WITHIN, values![after, before]);
            }
            range => query.and_between(range, LAST_USED_FROM, LAST_USED_UNTIL),
        }
    }

    fn alternatives(filter: &KeySetFilter) -> Vec<Alternative> {
        // Each once: no row may be found by two.
        let statuses: BTreeMap<_, _> =
            filter.statuses.iter().map(|status| (status.as_str(), *status)).collect();
        statuses.into_values().flat_map(|status| alternatives(status, filter.now)).collect()
    }

    fn selections(filter: &KeySetFilter, dialect: Dialect) -> Vec<Selection> {
        let of = |queries| Selection { queries, among: dialect.among };
        let parts = filter.q.as_ref().and_then(|q| dialect.parts_of(q));
        let text = parts.map(|parts| of(vec![(dialect.key_sets_with_text, vec![parts])]));
        let apis = filter.api_ids.iter().map(|id| (selections::OF_API, values![*id]));
        let apis = (!filter.api_ids.is_empty()).then(|| of(apis.collect()));
        text.into_iter().chain(apis).collect()
    }
}

/// The ways in which a set can have the status at `now`.
fn alternatives(status: KeyStatus, now: Timestamp) -> Vec<Alternative> {
    let values = values![status.as_str(), now];
    if status.is_living() {
        return vec![Alternative { condition: STATUS_BEFORE_STOP, values, few: false }];
    }
    vec![
        Alternative { condition: STATUS_RECORDED, values: values![status.as_str()], few: false },
        // What the clock ended and the scheduler did not record yet.
        Alternative { condition: STATUS_BY_CLOCK, values, few: true },
    ]
}
