//! Reading what was counted about calls: of the APIs and of the Key Sets that the caller may see the usage of.

use std::collections::HashMap;

use claviger_domain::apis::Api;
use claviger_domain::id::ApiId;
use claviger_domain::permission::Permission;
use claviger_domain::refusal::Refusal;
use claviger_domain::time::Timestamp;
use claviger_store::{
    LatencyCount, Reader, ResponseFilter, ResponseRow, UsageBy, UsageCount, UsageFilter, UsageQuery,
    UsageStep, Visible,
};
use claviger_verify::Latency;
use claviger_wire::Page;
use claviger_wire::usage as wire;

use crate::apis::{self, api_ids};
use crate::authority::Authority;
use crate::error::Error;
use crate::lists::{INSTANT, ListParameters, Parameters, bad};
use crate::portal::Visit;
use crate::request::Request;
use crate::state::Service;

/// A range has so many steps at most: a day of minutes, two months of hours.
const MOST_STEPS: i64 = 1_500;
const DEFAULT_LIMIT: u32 = 200;
const MAX_LIMIT: u32 = 1_500;
/// How many responses are kept of a key at an API, and shown at once.
const MOST_RESPONSES: u32 = 100;

impl Service {
    /// What was counted, of all APIs and Key Sets or of those asked for.
    pub async fn usage(&self, request: &Request, given: &ListParameters) -> Result<Page<wire::Count>, Error> {
        let (mut reader, authority) = self.reading(request).await?;
        let visible = authority.listed(Permission::UsageRead)?;
        let mut parameters = Parameters::new(given)?;
        let api_ids = api_ids(&mut reader, &parameters.many("api_id")).await?;
        let filter = filter(&mut parameters, api_ids)?;
        let binding = request.caller.service_key_id.to_string();
        self.counts(&mut reader, &binding, given, parameters, filter, visible).await
    }

    /// What was counted at one API.
    pub async fn api_usage(
        &self,
        request: &Request,
        api: &str,
        given: &ListParameters,
    ) -> Result<Page<wire::Count>, Error> {
        let (mut reader, authority) = self.reading(request).await?;
        let (api, visible) = usage_of(&mut reader, &authority, api).await?;
        let mut parameters = Parameters::new(given)?;
        let filter = filter(&mut parameters, vec![api.id])?;
        let binding = request.caller.service_key_id.to_string();
        self.counts(&mut reader, &binding, given, parameters, filter, visible).await
    }

    /// The last responses of an API, the latest first.
    pub async fn api_calls(
        &self,
        request: &Request,
        api: &str,
        given: &ListParameters,
    ) -> Result<Page<wire::Response>, Error> {
        let (mut reader, authority) = self.reading(request).await?;
        let (api, visible) = usage_of(&mut reader, &authority, api).await?;
        let mut parameters = Parameters::new(given)?;
        let filter = ResponseFilter {
            api_id: api.id,
            key_ids: parameters.owned("key_id"),
            codes: parameters.words("code")?,
            visible,
            limit: parameters.limit(MOST_RESPONSES, MOST_RESPONSES)?,
        };
        parameters.all_read()?;
        let rows = reader.last_responses(&filter).await?;
        Ok(Page::whole(rows.into_iter().map(response).collect()))
    }

    /// What was counted of the one key that a portal link opens.
    pub async fn portal_usage(
        &self,
        visit: &Visit,
        given: &ListParameters,
    ) -> Result<Page<wire::Count>, Error> {
        let mut reader = self.state.store.read().await?;
        let binding = visit.key_id().to_string();
        let filter = UsageFilter { key_ids: vec![binding.clone()], ..UsageFilter::default() };
        let parameters = Parameters::new(given)?;
        self.counts(&mut reader, &binding, given, parameters, filter, Visible::everything()).await
    }

    async fn counts(
        &self,
        reader: &mut Reader,
        caller: &str,
        given: &ListParameters,
        mut parameters: Parameters<'_>,
        filter: UsageFilter,
        visible: Visible,
    ) -> Result<Page<wire::Count>, Error> {
        let range = range(&mut parameters, self.now())?;
        let by = by(&mut parameters)?;
        let limit = parameters.limit(DEFAULT_LIMIT, MAX_LIMIT)?;
        let binding = given.binding(caller);
        let after = match parameters.one("cursor")? {
            Some(text) => Some(self.state.cursors.open(&binding, text).ok_or_else(bad_cursor)?),
            None => None,
        };
        parameters.all_read()?;
        let Range { step, from, until } = range;
        let query = UsageQuery { step, from, until, by, filter, visible, after, limit };
        let mut rows = reader.usage(&query).await?;
        let more = rows.len() > limit as usize;
        rows.truncate(limit as usize);
        let latencies = latencies(reader, &query, &rows).await?;
        let last = rows.last().filter(|_| more).map(|last| (last.start, last.grouped.clone()));
        let next =
            last.map(|last| self.state.cursors.seal(&binding, &last)).transpose().map_err(Error::internal)?;
        let items = rows.into_iter().map(|row| count(row, by, &latencies)).collect();
        Ok(Page::new(items, next, None, None))
    }
}

pub(crate) fn bad_cursor() -> Error {
    bad("cursor", "is not a cursor of this list; begin without one")
}

/// The API, if it may be seen, and where the caller may see usage.
async fn usage_of(reader: &mut Reader, authority: &Authority, api: &str) -> Result<(Api, Visible), Error> {
    let api = apis::by_id_or_slug(reader, api).await?;
    let api = api.filter(|api| apis::is_visible(authority, api)).ok_or(Refusal::NotFound)?;
    // Whoever may see the usage of nothing is not told that the API has any.
    let visible = authority.listed(Permission::UsageRead).map_err(|_| Refusal::NotFound)?;
    Ok((api, visible))
}

struct Range {
    step: UsageStep,
    from: Timestamp,
    until: Timestamp,
}

fn range(parameters: &mut Parameters<'_>, now: Timestamp) -> Result<Range, Error> {
    let step = match parameters.one("step")? {
        None | Some("hour") => UsageStep::Hour,
        Some("minute") => UsageStep::Minute,
        Some("day") => UsageStep::Day,
        Some(_) => return Err(bad("step", "must be minute, hour or day")),
    };
    // The step that is running is a part of what there is by now.
    let running = || step.begins(now).plus_seconds(step.seconds());
    let until: Timestamp = parameters.parsed("to", INSTANT)?.unwrap_or_else(running);
    let day_before = until.plus_seconds(-super::DAY_SECONDS);
    let from: Timestamp = parameters.parsed("from", INSTANT)?.unwrap_or(day_before);
    if from >= until {
        return Err(bad("from", "must be before `to`"));
    }
    let from = step.begins(from);
    if until.seconds_since(from) / step.seconds() > MOST_STEPS {
        let detail =
            format!("is more than {MOST_STEPS} steps before `to`: choose a longer step or a shorter range");
        return Err(bad("from", detail));
    }
    Ok(Range { step, from, until })
}

fn by(parameters: &mut Parameters<'_>) -> Result<Option<UsageBy>, Error> {
    Ok(Some(match parameters.one("by")? {
        None => return Ok(None),
        Some("key") => UsageBy::Key,
        Some("api") => UsageBy::Api,
        Some("application") => UsageBy::Application,
        Some("code") => UsageBy::Code,
        Some(_) => return Err(bad("by", "must be key, api, application or code")),
    }))
}

/// By step and group.
type Latencies = HashMap<(Timestamp, String), Vec<(Latency, u64)>>;

/// How long the calls of these rows took.
async fn latencies(reader: &mut Reader, query: &UsageQuery, rows: &[UsageCount]) -> Result<Latencies, Error> {
    let mut latencies = Latencies::new();
    let (Some(first), Some(last)) = (rows.first(), rows.last()) else { return Ok(latencies) };
    if query.by == Some(UsageBy::Code) {
        return Ok(latencies);
    }
    let until = last.start.plus_seconds(query.step.seconds());
    let query = UsageQuery { from: first.start, until, after: None, ..query.clone() };
    for LatencyCount { start, grouped, latency, calls } in reader.usage_latencies(&query).await? {
        let class = Latency::from_number(latency).ok_or_else(|| Error::internal("a class of latency"))?;
        latencies.entry((start, grouped)).or_default().push((class, calls.unsigned_abs()));
    }
    latencies.values_mut().for_each(|classes| classes.sort_unstable());
    Ok(latencies)
}

fn count(row: UsageCount, by: Option<UsageBy>, latencies: &Latencies) -> wire::Count {
    let group = (!row.grouped.is_empty()).then(|| row.grouped.clone());
    let grouped = |wanted| (by == Some(wanted)).then(|| group.clone());
    let (key_id, api_id) = (grouped(UsageBy::Key), grouped(UsageBy::Api));
    let (application_id, code) = (grouped(UsageBy::Application), grouped(UsageBy::Code).flatten());
    let classes = latencies.get(&(row.start, row.grouped));
    wire::Count {
        start: row.start.to_string(),
        key_id,
        api_id,
        application_id,
        code,
        calls: row.calls.unsigned_abs(),
        refused: row.refused.unsigned_abs(),
        latency: classes.map(|classes| summary(classes)),
    }
}

/// Median and 99th percentile of classes in their order.
fn summary(classes: &[(Latency, u64)]) -> wire::Latency {
    let answers: u64 = classes.iter().map(|(_, calls)| calls).sum();
    let at = |percent: u64| {
        let mut left = (answers * percent).div_ceil(100).max(1);
        let within = classes.iter().find(|(_, calls)| {
            let found = left <= *calls;
            left = left.saturating_sub(*calls);
            found
        });
        within.map_or(0.0, |(class, _)| milliseconds(class.micros()))
    };
    wire::Latency { answers, median_ms: at(50), p99_ms: at(99) }
}

#[expect(clippy::cast_precision_loss, reason = "half an hour in microseconds is far below 2^52")]
fn milliseconds(micros: u64) -> f64 {
    micros as f64 / 1_000.0
}

fn response(row: ResponseRow) -> wire::Response {
    wire::Response {
        at: row.at.to_string(),
        status: row.status,
        code: row.code.as_str().to_owned(),
        method: row.method,
        path: row.path,
        key_id: row.key_id,
        key_set_id: row.key_set_id,
        source: row.source.map(|source| source.to_string()),
        latency_ms: milliseconds(row.micros.unsigned_abs()),
        received_bytes: row.received.unsigned_abs(),
        sent_bytes: row.sent.unsigned_abs(),
        request_id: row.request_id,
    }
}

/// Which counts are asked for, of these APIs or of all.
fn filter(parameters: &mut Parameters<'_>, api_ids: Vec<ApiId>) -> Result<UsageFilter, Error> {
    Ok(UsageFilter {
        api_ids,
        key_ids: parameters.owned("key_id"),
        key_set_ids: parameters.all("key_set_id")?,
        application_ids: parameters.all("application_id")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_those_of_the_calls_not_of_the_classes() {
        let class = |micros| Latency::of(micros);
        let shown = summary(&[(class(1_000), 98), (class(50_000), 1), (class(2_000_000), 1)]);
        assert_eq!(shown.answers, 100);
        assert!((shown.median_ms - 1.0).abs() < 0.2, "{shown:?}");
        assert!((shown.p99_ms - 50.0).abs() < 7.0, "{shown:?}");
        let one = summary(&[(class(8_000), 1)]);
        assert!(one.median_ms.to_bits() == one.p99_ms.to_bits() && (one.p99_ms - 8.0).abs() < 1.1, "{one:?}");
    }
}
