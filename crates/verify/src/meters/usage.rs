//! What is counted: so many calls of a key at an API, in a minute, with a code, or answered within a time.

use std::net::IpAddr;

use claviger_domain::decision::Code;
use claviger_domain::id::ApiId;
use claviger_domain::time::Timestamp;
use claviger_domain::usage::UsedKey;

use super::latency::Latency;
use crate::index::Decision;

const MICROS_PER_MINUTE: i64 = 60_000_000;
const MINUTES_PER_HOUR: i64 = 60;

/// So many calls that had all of this in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// The beginning of the minute; of the hour, where there was no room for minutes.
    pub at: Timestamp,
    /// The API that was called, as far as it is one.
    pub api_id: Option<ApiId>,
    /// The key that was presented, proved or not.
    pub key: Option<UsedKey>,
    pub measure: Measure,
    pub calls: u64,
    /// From where the first of them came.
    pub source: Option<IpAddr>,
}

/// What was counted about a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Measure {
    /// It was decided on with this code.
    Decided(Code),
    /// It was answered within this time.
    Answered(Latency),
    /// It came to Claviger's own API, and its key was good.
    SignedIn,
}

/// What calls are counted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Seen {
    pub(super) minute: Minute,
    pub(super) api_id: Option<ApiId>,
    pub(super) key: Option<UsedKey>,
    pub(super) measure: Measure,
}

/// Minutes since 1970, as far as 32 bits go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Minute(pub(super) u32);

impl Minute {
    pub(super) fn of(at: Timestamp) -> Self {
        Self(u32::try_from(at.as_micros().div_euclid(MICROS_PER_MINUTE).max(0)).unwrap_or(u32::MAX))
    }

    pub(super) fn begins(self) -> Timestamp {
        Timestamp::from_micros(i64::from(self.0) * MICROS_PER_MINUTE)
    }

    /// The first minute of the hour.
    pub(super) fn hour(self) -> Self {
        Self(self.0 - self.0 % MINUTES_PER_HOUR as u32)
    }
}

impl Usage {
    pub(super) fn of_code(minute: Minute, code: Code, calls: u64) -> Self {
        let seen = Seen { minute, api_id: None, key: None, measure: Measure::Decided(code) };
        seen.calls(calls, None)
    }

    pub(super) fn seen(&self) -> Seen {
        Seen { minute: Minute::of(self.at), api_id: self.api_id, key: self.key, measure: self.measure }
    }
}

impl Seen {
    pub(super) fn decided(decision: &Decision, now: Timestamp) -> Self {
        Self {
            minute: Minute::of(now),
            api_id: decision.met_api(),
            key: decision.met_key(),
            measure: Measure::Decided(decision.code()),
        }
    }

    pub(super) fn calls(self, calls: u64, source: Option<IpAddr>) -> Usage {
        let Self { minute, api_id, key, measure } = self;
        Usage { at: minute.begins(), api_id, key, measure, calls, source }
    }
}
