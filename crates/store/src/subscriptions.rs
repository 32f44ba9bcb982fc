//! Subscriptions in their tables. Both sides' places stand in the row, so that each side finds its own.

use std::collections::HashMap;

use claviger_domain::event::NewEvent;
use claviger_domain::id::{
    ApiId, ApplicationId, EnvironmentId, GroupId, KeySetId, OrganizationId, SubscriptionId,
};
use claviger_domain::subscriptions::{Subscription, SubscriptionStatus};
use claviger_domain::time::Timestamp;

use crate::columns::{Columns, FromRow};
use crate::error::StoreError;
use crate::list::{Assembly, ListQuery, Listed, Page, PlaceColumns, SortColumn, pattern};
use crate::reader::Reader;
use crate::statements::{fragments, statements};
use crate::stored::{Stored, insert_links, replace_links};
use crate::value::{IntoValue, json, values};

macro_rules! columns {
    () => {
        "subscriptions.id, subscriptions.application_id, subscriptions.organization_id, \
         subscriptions.group_id, subscriptions.api_id, subscriptions.api_organization_id, \
         subscriptions.api_group_id, subscriptions.environment_id, subscriptions.status, \
         subscriptions.permissions, subscriptions.note, subscriptions.key_set_ids, \
         subscriptions.created_at, subscriptions.decided_at, subscriptions.ended_at, \
         subscriptions.lapses_at"
    };
}

statements! {
    BY_ID = concat!("SELECT ", columns!(), " FROM subscriptions WHERE id = $1");
    LIVE = concat!("SELECT ", columns!(), " FROM subscriptions WHERE application_id = $1 AND api_id = $2 \
            AND environment_id = $3 AND status IN ('pending', 'active')");
    LIVE_OF_APPLICATION = concat!("SELECT ", columns!(), " FROM subscriptions WHERE application_id = $1 \
            AND status IN ('pending', 'active') ORDER BY created_at, id");
    LIVE_OF_API = concat!("SELECT ", columns!(), " FROM subscriptions WHERE api_id = $1 \
            AND status IN ('pending', 'active') ORDER BY created_at, id");
    OF_KEY_SET = concat!("SELECT ", columns!(), " FROM subscription_key_sets \
            JOIN subscriptions ON subscriptions.id = subscription_key_sets.subscription_id \
            WHERE subscription_key_sets.key_set_id = $1 ORDER BY subscriptions.created_at, subscriptions.id");
    OF_KEY_SETS = concat!("SELECT ", columns!(), ", subscription_key_sets.key_set_id FROM subscription_key_sets \
            JOIN subscriptions ON subscriptions.id = subscription_key_sets.subscription_id \
            WHERE subscription_key_sets.key_set_id IN ($1) ORDER BY subscriptions.created_at, subscriptions.id");
    PENDING_OF_APPLICATION = "SELECT COUNT(*) FROM subscriptions WHERE application_id = $1 AND status = 'pending'";
    LAPSED = concat!("SELECT ", columns!(), " FROM subscriptions WHERE lapses_at IS NOT NULL AND lapses_at <= $1 \
            ORDER BY lapses_at, id LIMIT $2");
    NEXT_LAPSE = "SELECT lapses_at FROM subscriptions WHERE lapses_at IS NOT NULL ORDER BY lapses_at, id LIMIT 1";
    INSERT = "INSERT INTO subscriptions (id, application_id, organization_id, group_id, api_id, api_organization_id, \
              api_group_id, environment_id, status, permissions, note, key_set_ids, created_at, decided_at, ended_at, \
              lapses_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)";
    UPDATE = "UPDATE subscriptions SET status = $2, permissions = $3, key_set_ids = $4, decided_at = $5, ended_at = $6, \
              lapses_at = $7 WHERE id = $1";
    DELETE_KEY_SETS = "DELETE FROM subscription_key_sets WHERE subscription_id = $1";
    INSERT_KEY_SET = "INSERT INTO subscription_key_sets (subscription_id, key_set_id) VALUES ($1, $2) ON CONFLICT DO NOTHING";
}

fragments! {
    BY_IDS = "subscriptions.id = $1";
    BY_APPLICATION = "subscriptions.application_id = $1";
    BY_API = "subscriptions.api_id = $1";
    BY_ENVIRONMENT = "subscriptions.environment_id = $1";
    BY_STATUS = "subscriptions.status = $1";
    BY_ORGANIZATION = "(subscriptions.organization_id = $1 OR subscriptions.api_organization_id = $1)";
    BY_GROUP = "(subscriptions.group_id = $1 OR subscriptions.api_group_id = $1)";
    BY_KEY_SET = "subscriptions.id IN (SELECT subscription_key_sets.subscription_id FROM subscription_key_sets \
                  WHERE subscription_key_sets.key_set_id = $1)";
    BY_NAME = "(subscriptions.application_id IN (SELECT applications.id FROM applications WHERE applications.folded_name LIKE $1 ESCAPE '\\') \
               OR subscriptions.api_id IN (SELECT apis.id FROM apis WHERE apis.folded_name LIKE $1 ESCAPE '\\'))";
}

/// Which Subscriptions a list shows.
#[derive(Debug, Clone, Default)]
pub struct SubscriptionFilter {
    pub ids: Vec<SubscriptionId>,
    pub application_ids: Vec<ApplicationId>,
    pub api_ids: Vec<ApiId>,
    pub environment_ids: Vec<EnvironmentId>,
    pub statuses: Vec<SubscriptionStatus>,
    pub key_set_ids: Vec<KeySetId>,
    /// On either side.
    pub organization_ids: Vec<OrganizationId>,
    /// On either side.
    pub group_ids: Vec<GroupId>,
    /// In the name of the Application or the API.
    pub q: Option<String>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SubscriptionSort {
    #[default]
    CreatedAt,
}

/// A Subscription, and one of the Key Sets that it uses or used.
struct OfKeySet(Subscription, KeySetId);

impl FromRow for OfKeySet {
    const TABLE: &'static str = "subscriptions";

    fn from_row(columns: &mut Columns<'_>) -> Result<Self, StoreError> {
        Ok(Self(Subscription::from_row(columns)?, columns.id()?))
    }
}

impl FromRow for Subscription {
    const TABLE: &'static str = "subscriptions";

    fn from_row(columns: &mut Columns<'_>) -> Result<Self, StoreError> {
        Ok(Self {
            id: columns.id()?,
            application_id: columns.id()?,
            organization_id: columns.id()?,
            group_id: columns.id()?,
            api_id: columns.id()?,
            api_organization_id: columns.id()?,
            api_group_id: columns.id()?,
            environment_id: columns.id()?,
            status: columns.word()?,
            permissions: columns.optional_json()?,
            note: columns.optional_word()?,
            key_set_ids: columns.json()?,
            created_at: columns.instant()?,
            decided_at: columns.optional_instant()?,
            ended_at: columns.optional_instant()?,
            lapses_at: columns.optional_instant()?,
        })
    }
}

impl Stored for Subscription {
    type Id = SubscriptionId;

    async fn load(reader: &mut Reader, id: SubscriptionId) -> Result<Option<Self>, StoreError> {
        reader.subscription(id).await
    }

    async fn insert(&self, reader: &mut Reader, _: &NewEvent) -> Result<(), StoreError> {
        let values = values![
            self.id,
            self.application_id,
            self.organization_id,
            self.group_id,
            self.api_id,
            self.api_organization_id,
            self.api_group_id,
            self.environment_id,
            self.status.as_str(),
            self.permissions.as_ref().map(json),
            self.note.as_ref(),
            json(&self.key_set_ids),
            self.created_at,
            self.decided_at,
            self.ended_at,
            self.lapses_at,
        ];
        reader.write(INSERT, values).await?;
        insert_links(reader, INSERT_KEY_SET, self.id, self.key_set_ids.clone()).await
    }

    async fn update(&self, before: &Self, reader: &mut Reader, _: &NewEvent) -> Result<(), StoreError> {
        let values = values![
            self.id,
            self.status.as_str(),
            self.permissions.as_ref().map(json),
            json(&self.key_set_ids),
            self.decided_at,
            self.ended_at,
            self.lapses_at,
        ];
        reader.write(UPDATE, values).await?;
        if self.key_set_ids != before.key_set_ids {
            let statements = [DELETE_KEY_SETS, INSERT_KEY_SET];
            replace_links(reader, statements, self.id, self.key_set_ids.clone()).await?;
        }
        Ok(())
    }

    /// Subscriptions end; none is deleted.
    async fn hide(&self, _: &mut Reader, _: &NewEvent) -> Result<(), StoreError> {
        Err(StoreError::corrupt("subscriptions", "a Subscription can't be deleted"))
    }
}

impl Listed for Subscription {
    type Filter = SubscriptionFilter;
    type Sort = SubscriptionSort;
    const COLUMNS: &'static str = columns!();
    const FROM: &'static str = "subscriptions WHERE 1 = 1";
    const ID: &'static str = "subscriptions.id";
    const PLACES: &'static [PlaceColumns] = &[
        PlaceColumns {
            organization: Some("subscriptions.organization_id"),
            group: Some("subscriptions.group_id"),
            environment: Some("subscriptions.environment_id"),
        },
        PlaceColumns {
            organization: Some("subscriptions.api_organization_id"),
            group: Some("subscriptions.api_group_id"),
            environment: Some("subscriptions.environment_id"),
        },
    ];

    fn sort_column(_: SubscriptionSort) -> SortColumn {
        SortColumn::Integer("subscriptions.created_at")
    }

    fn conditions(filter: &SubscriptionFilter, query: &mut Assembly) {
        query.and_either(BY_IDS, filter.ids.iter().copied());
        query.and_either(BY_APPLICATION, filter.application_ids.iter().copied());
        query.and_either(BY_API, filter.api_ids.iter().copied());
        query.and_either(BY_ENVIRONMENT, filter.environment_ids.iter().copied());
        query.and_either(BY_STATUS, filter.statuses.iter().map(|status| status.as_str()));
        query.and_either(BY_KEY_SET, filter.key_set_ids.iter().copied());
        query.and_either(BY_ORGANIZATION, filter.organization_ids.iter().copied());
        query.and_either(BY_GROUP, filter.group_ids.iter().copied());
        if let Some(q) = &filter.q {
            query.and(BY_NAME, values![pattern(q)]);
        }
    }
}

impl Reader {
    pub async fn subscription(&mut self, id: SubscriptionId) -> Result<Option<Subscription>, StoreError> {
        self.optional(BY_ID, values![id]).await
    }

    /// The Pending or Active Subscription; there is one at most.
    pub async fn live_subscription(
        &mut self,
        application_id: ApplicationId,
        api_id: ApiId,
        environment_id: EnvironmentId,
    ) -> Result<Option<Subscription>, StoreError> {
        self.optional(LIVE, values![application_id, api_id, environment_id]).await
    }

    /// Pending and Active ones, oldest first.
    pub async fn live_subscriptions_of_application(
        &mut self,
        id: ApplicationId,
    ) -> Result<Vec<Subscription>, StoreError> {
        self.all(LIVE_OF_APPLICATION, values![id]).await
    }

    /// Pending and Active ones, oldest first.
    pub async fn live_subscriptions_of_api(&mut self, id: ApiId) -> Result<Vec<Subscription>, StoreError> {
        self.all(LIVE_OF_API, values![id]).await
    }

    /// Every Subscription that the Key Set was ever made or reused for, ended ones too, oldest first.
    pub async fn subscriptions_of_key_set(&mut self, id: KeySetId) -> Result<Vec<Subscription>, StoreError> {
        self.all(OF_KEY_SET, values![id]).await
    }

    /// The same for many Key Sets at once.
    pub async fn subscriptions_of_key_sets(
        &mut self,
        ids: &[KeySetId],
    ) -> Result<HashMap<KeySetId, Vec<Subscription>>, StoreError> {
        let ids = ids.iter().copied().map(IntoValue::into_value).collect();
        let mut of_sets = HashMap::<KeySetId, Vec<Subscription>>::new();
        for OfKeySet(subscription, id) in self.all_among(OF_KEY_SETS, values![], ids).await? {
            of_sets.entry(id).or_default().push(subscription);
        }
        Ok(of_sets)
    }

    /// How many Subscriptions of the Application are Pending.
    pub async fn pending_subscriptions(&mut self, id: ApplicationId) -> Result<u32, StoreError> {
        let count: Option<i64> = self.optional(PENDING_OF_APPLICATION, values![id]).await?;
        Ok(count.unwrap_or_default().try_into().unwrap_or(u32::MAX))
    }

    /// Pending Subscriptions that nobody decided on in time, the longest overdue first.
    pub async fn lapsed_subscriptions(
        &mut self,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<Subscription>, StoreError> {
        self.all(LAPSED, values![now, limit]).await
    }

    /// When the next Pending Subscription lapses.
    pub async fn next_lapse(&mut self) -> Result<Option<Timestamp>, StoreError> {
        let next: Option<i64> = self.optional(NEXT_LAPSE, values![]).await?;
        Ok(next.map(Timestamp::from_micros))
    }

    /// One page; a Subscription is visible to either side.
    pub async fn subscriptions(
        &mut self,
        query: &ListQuery<SubscriptionFilter, SubscriptionSort>,
    ) -> Result<Page<Subscription>, StoreError> {
        self.list(query).await
    }
}
