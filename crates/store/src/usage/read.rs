//! Reading what was counted: sums by step, and by key, API, Application or code.

use claviger_domain::id::{ApiId, ApplicationId, KeySetId};
use claviger_domain::time::Timestamp;

use super::UsageStep;
use crate::columns::{Columns, FromRow};
use crate::error::StoreError;
use crate::list::{Assembly, PlaceColumns, Visible};
use crate::reader::{Reader, read_all};
use crate::statements::{Fragment, fragments, statements};
use crate::value::values;

macro_rules! grouped {
    () => {
        "usage.start AS start, CASE $4 WHEN 'key' THEN usage.key_id WHEN 'api' THEN usage.api_id \
         WHEN 'application' THEN COALESCE(key_sets.application_id, '') WHEN 'code' THEN usage.code ELSE '' END AS grouped"
    };
}

macro_rules! from_usage {
    () => {
        " FROM usage LEFT JOIN apis ON apis.id = usage.api_id LEFT JOIN key_sets ON key_sets.id = usage.key_set_id \
         WHERE usage.step = $1 AND usage.start >= $2 AND usage.start < $3"
    };
}

statements! {
    // Conditions go where `NARROWED` stands.
    SUMS = concat!(
        "SELECT sums.start, sums.grouped, sums.calls, sums.refused FROM (SELECT ", grouped!(),
        ", CAST(SUM(usage.calls) AS BIGINT) AS calls, \
         CAST(SUM(CASE WHEN usage.code = 'valid' THEN 0 ELSE usage.calls END) AS BIGINT) AS refused",
        from_usage!(), " AND usage.latency = 0 /* narrowed */ GROUP BY usage.start, grouped) AS sums WHERE 1 = 1 /* narrowed */ ORDER BY 1, 2"
    );
    LATENCIES = concat!(
        "SELECT ", grouped!(), ", usage.latency, CAST(SUM(usage.calls) AS BIGINT)",
        from_usage!(), " AND usage.latency > 0 /* narrowed */ GROUP BY usage.start, grouped, usage.latency"
    );
    PASSED = "SELECT CAST(COALESCE(SUM(usage.calls), 0) AS BIGINT) FROM usage \
              WHERE usage.step = $1 AND usage.start >= $2 AND usage.code = 'valid'";
}

fragments! {
    BY_API = "usage.api_id = $1";
    BY_KEY = "usage.key_id = $1";
    BY_KEY_SET = "usage.key_set_id = $1";
    BY_APPLICATION = "usage.key_set_id IN (SELECT of_application.id FROM key_sets AS of_application \
                      WHERE of_application.application_id = $1)";
}

/// Where a page begins.
pub(super) mod pages {
    crate::statements::fragments! {
        AFTER = "(sums.start, sums.grouped) > ($1, $2)";
    }
}

const NARROWED: &str = "/* narrowed */";

/// Where what was counted stands: at its API, and at its Key Set.
const PLACES: &[PlaceColumns] = &[
    PlaceColumns {
        organization: Some("apis.organization_id"),
        group: Some("apis.group_id"),
        environment: None,
    },
    PlaceColumns {
        organization: Some("key_sets.organization_id"),
        group: Some("key_sets.group_id"),
        environment: Some("key_sets.environment_id"),
    },
];

/// What calls are summed up by, besides time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UsageBy {
    Key,
    Api,
    Application,
    Code,
}

impl UsageBy {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Api => "api",
            Self::Application => "application",
            Self::Code => "code",
        }
    }
}

/// Which calls. Several values of one kind: either; different kinds: all of them.
#[derive(Debug, Clone, Default)]
pub struct UsageFilter {
    pub api_ids: Vec<ApiId>,
    /// Of Keys and shared keys.
    pub key_ids: Vec<String>,
    pub key_set_ids: Vec<KeySetId>,
    pub application_ids: Vec<ApplicationId>,
}

/// Which sums.
#[derive(Debug, Clone)]
pub struct UsageQuery {
    pub step: UsageStep,
    /// Included, and excluded.
    pub from: Timestamp,
    pub until: Timestamp,
    pub by: Option<UsageBy>,
    pub filter: UsageFilter,
    pub visible: Visible,
    /// The step and the group after which the page begins.
    pub after: Option<(Timestamp, String)>,
    pub limit: u32,
}

/// The calls of one step and group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageCount {
    pub start: Timestamp,
    /// The id or the code that it was grouped by; empty for calls that have none.
    pub grouped: String,
    pub calls: i64,
    pub refused: i64,
}

/// The calls of one step and group that were answered within a class of latency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LatencyCount {
    pub start: Timestamp,
    pub grouped: String,
    pub latency: i64,
    pub calls: i64,
}

impl FromRow for UsageCount {
    const TABLE: &'static str = "usage";

    fn from_row(columns: &mut Columns<'_>) -> Result<Self, StoreError> {
        Ok(Self {
            start: columns.instant()?,
            grouped: columns.text()?.to_owned(),
            calls: columns.integer()?,
            refused: columns.integer()?,
        })
    }
}

impl FromRow for LatencyCount {
    const TABLE: &'static str = "usage";

    fn from_row(columns: &mut Columns<'_>) -> Result<Self, StoreError> {
        Ok(Self {
            start: columns.instant()?,
            grouped: columns.text()?.to_owned(),
            latency: columns.integer()?,
            calls: columns.integer()?,
        })
    }
}

impl Reader {
    /// Sums in the order of time, then of what they are grouped by; one more than the limit if there are more.
    pub async fn usage(&mut self, query: &UsageQuery) -> Result<Vec<UsageCount>, StoreError> {
        let mut parts = SUMS.sql.split(NARROWED);
        let mut assembly = narrowed(parts.next().unwrap_or_default(), query);
        assembly.text(parts.next().unwrap_or_default());
        if let Some((start, grouped)) = &query.after {
            assembly.and(pages::AFTER, values![*start, grouped]);
        }
        assembly.text(parts.next().unwrap_or_default());
        assembly.text(" LIMIT ");
        assembly.value(i64::from(query.limit) + 1);
        read_all(&self.assembled(assembly).await?)
    }

    /// How long the same calls took.
    pub async fn usage_latencies(&mut self, query: &UsageQuery) -> Result<Vec<LatencyCount>, StoreError> {
        let mut parts = LATENCIES.sql.split(NARROWED);
        let mut assembly = narrowed(parts.next().unwrap_or_default(), query);
        assembly.text(parts.next().unwrap_or_default());
        read_all(&self.assembled(assembly).await?)
    }

    /// How many calls were let through since then, whoever may see them.
    pub async fn calls_passed(&mut self, since: Timestamp, filter: &UsageFilter) -> Result<u64, StoreError> {
        let mut assembly = Assembly::default();
        assembly.fragment(Fragment(PASSED.sql), values![UsageStep::Minute.seconds(), since]);
        and_filter(&mut assembly, filter);
        let rows: Vec<i64> = read_all(&self.assembled(assembly).await?)?;
        Ok(rows.first().map_or(0, |calls| calls.unsigned_abs()))
    }
}

fn narrowed(head: &'static str, query: &UsageQuery) -> Assembly {
    let mut assembly = Assembly::default();
    let by = query.by.map_or("", UsageBy::as_str);
    assembly.fragment(Fragment(head), values![query.step.seconds(), query.from, query.until, by]);
    and_filter(&mut assembly, &query.filter);
    and_visible(&mut assembly, &query.visible);
    assembly
}

fn and_filter(assembly: &mut Assembly, filter: &UsageFilter) {
    assembly.and_either(BY_API, filter.api_ids.iter().copied());
    assembly.and_either(BY_KEY, &filter.key_ids);
    assembly.and_either(BY_KEY_SET, filter.key_set_ids.iter().copied());
    assembly.and_either(BY_APPLICATION, filter.application_ids.iter().copied());
}

/// Rows of APIs and of Key Sets that may be seen.
pub(super) fn and_visible(assembly: &mut Assembly, visible: &Visible) {
    assembly.and_visible(visible, PLACES, &[]);
}
