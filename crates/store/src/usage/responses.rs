//! The last responses of each key at each API (product.md C10): a hundred, no bodies.

use std::collections::BTreeSet;
use std::net::IpAddr;

use claviger_domain::decision::Code;
use claviger_domain::id::ApiId;
use claviger_domain::time::Timestamp;
use claviger_domain::usage::UsedKey;

use super::Responded;
use super::read::and_visible;
use crate::columns::{Columns, FromRow};
use crate::commit::Tx;
use crate::error::StoreError;
use crate::list::{Assembly, Visible};
use crate::reader::{Reader, read_all};
use crate::statements::{Fragment, statements};
use crate::value::values;
use crate::write::Write;

statements! {
    KEEP = "INSERT INTO usage_responses (id, subject, at, api_id, key_id, key_set_id, code, status, method, path, source, \
            micros, received, sent, request_id) \
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)";
    // The hundred last ones of each subject stay.
    CUT = "DELETE FROM usage_responses WHERE id IN (SELECT ranked.id FROM (SELECT usage_responses.id, \
           ROW_NUMBER() OVER (PARTITION BY subject ORDER BY at DESC, id DESC) AS place \
           FROM usage_responses WHERE subject IN ($1)) AS ranked WHERE ranked.place > 100) RETURNING status";
    LAST = "SELECT usage_responses.at, usage_responses.api_id, usage_responses.key_id, usage_responses.key_set_id, \
            usage_responses.code, usage_responses.status, usage_responses.method, usage_responses.path, \
            usage_responses.source, usage_responses.micros, usage_responses.received, usage_responses.sent, \
            usage_responses.request_id FROM usage_responses \
            LEFT JOIN apis ON apis.id = usage_responses.api_id \
            LEFT JOIN key_sets ON key_sets.id = usage_responses.key_set_id WHERE usage_responses.api_id = $1";
}

/// Conditions of [`LAST`], and its end.
pub(super) mod parts {
    crate::statements::fragments! {
        OF_KEY = "usage_responses.key_id = $1";
        WITH_CODE = "usage_responses.code = $1";
        IN_ORDER = "1 = 1 ORDER BY usage_responses.at DESC, usage_responses.id DESC LIMIT $1";
    }
}

/// A response as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResponseRow {
    pub at: Timestamp,
    pub key_id: Option<String>,
    pub key_set_id: Option<String>,
    pub code: Code,
    pub status: u32,
    pub method: String,
    pub path: String,
    pub source: Option<IpAddr>,
    pub micros: i64,
    pub received: i64,
    pub sent: i64,
    pub request_id: String,
}

/// Which of an API's last responses.
#[derive(Debug, Clone)]
pub struct ResponseFilter {
    pub api_id: ApiId,
    pub key_ids: Vec<String>,
    pub codes: Vec<Code>,
    pub visible: Visible,
    pub limit: u32,
}

impl FromRow for ResponseRow {
    const TABLE: &'static str = "usage_responses";

    fn from_row(columns: &mut Columns<'_>) -> Result<Self, StoreError> {
        let at = columns.instant()?;
        columns.text()?;
        let mut named = || columns.text().map(|text| (!text.is_empty()).then(|| text.to_owned()));
        let (key_id, key_set_id) = (named()?, named()?);
        Ok(Self {
            at,
            key_id,
            key_set_id,
            code: columns.word()?,
            status: columns.count()?,
            method: columns.text()?.to_owned(),
            path: columns.text()?.to_owned(),
            source: match columns.optional_text()? {
                Some(text) => Some(text.parse().map_err(|error| columns.corrupt(error))?),
                None => None,
            },
            micros: columns.integer()?,
            received: columns.integer()?,
            sent: columns.integer()?,
            request_id: columns.text()?.to_owned(),
        })
    }
}

impl Reader {
    /// The last responses of an API, the latest first.
    pub async fn last_responses(&mut self, filter: &ResponseFilter) -> Result<Vec<ResponseRow>, StoreError> {
        let mut query = Assembly::default();
        query.fragment(Fragment(LAST.sql), values![filter.api_id]);
        and_visible(&mut query, &filter.visible);
        query.and_either(parts::OF_KEY, &filter.key_ids);
        query.and_either(parts::WITH_CODE, filter.codes.iter().map(|code| code.as_str()));
        query.and(parts::IN_ORDER, values![filter.limit]);
        read_all(&self.assembled(query).await?)
    }
}

impl Tx<'_> {
    /// Keeps the responses of a batch, and lets go of those that are no longer among the last.
    pub(super) async fn keep_responses(
        &mut self,
        counter: &str,
        number: i64,
        responses: &[Responded],
    ) -> Result<(), StoreError> {
        let mut subjects = BTreeSet::new();
        let mut rows = Vec::with_capacity(responses.len());
        for (at, response) in responses.iter().enumerate() {
            let subject = subject(response.api_id, response.key);
            rows.push(values![
                format!("{counter} {number} {at:05}"),
                &subject,
                response.at,
                response.api_id.map(|id| id.to_string()).unwrap_or_default(),
                response.key.map(|key| key.id()).unwrap_or_default(),
                response.key.and_then(|key| key.key_set_id()).map(|id| id.to_string()).unwrap_or_default(),
                response.code.as_str(),
                u32::from(response.status),
                &response.method,
                &response.path,
                response.source.map(|source| source.to_string()),
                response.micros,
                response.received,
                response.sent,
                &response.request_id,
            ]);
            subjects.insert(subject);
        }
        self.connection.write(vec![Write::of(KEEP, rows)]).await?;
        let among = subjects.into_iter().flat_map(|subject| values![subject]).collect();
        self.all_among::<i64>(CUT, Vec::new(), among).await.map(drop)
    }
}

fn subject(api_id: Option<ApiId>, key: Option<UsedKey>) -> String {
    let id = |id: Option<String>| id.unwrap_or_else(|| "-".to_owned());
    format!("{} {}", id(api_id.map(|id| id.to_string())), id(key.map(|key| key.id())))
}
