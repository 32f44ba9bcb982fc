//! What the server is asked: one script, which takes from all rules of a call or from none.

use std::fmt::Write as _;

use claviger_domain::policy_templates::{QuotaPeriod, RatePeriod};
use claviger_verify::{Amount, Rule, Rules, Subject};
use redis::{Script, ScriptInvocation};

/// The script as every connection uses it: called by its digest, and sent whole where the server does not know it.
pub(crate) fn script() -> Script {
    Script::new(include_str!("take.lua"))
}

/// One call's question.
pub(crate) fn invocation<'s>(script: &'s Script, rules: &Rules, cost: u32) -> ScriptInvocation<'s> {
    let mut invocation = script.arg(cost);
    for rule in rules.iter() {
        let (period, limit, burst) = match rule.amount {
            Amount::Rate(rate) => (per_rate(rate.per), rate.limit, rate.burst),
            Amount::Quota(quota) => (per_quota(quota.per), quota.limit, quota.limit),
        };
        invocation.key(key(&rule)).arg(period).arg(limit).arg(burst);
    }
    invocation
}

/// Where a rule is counted. All of a call's rules are of one subject, and what stands in braces places them on one
/// server of a cluster.
fn key(rule: &Rule) -> String {
    let mut key = String::with_capacity(120);
    let _ = match rule.subject {
        Subject::KeySet(id) => write!(key, "claviger:limits:{{{id}}}:"),
        Subject::SharedKey(id) => write!(key, "claviger:limits:{{{id}}}:"),
    };
    let _ = match rule.api {
        Some(api) => write!(key, "{api}:"),
        None => write!(key, "own:"),
    };
    // Another rate is counted anew; another quota of the same period keeps what was used.
    let _ = match rule.amount {
        Amount::Rate(rate) => write!(key, "{}:{}:{}", per_rate(rate.per), rate.limit, rate.burst),
        Amount::Quota(quota) => write!(key, "{}", per_quota(quota.per)),
    };
    key
}

const fn per_rate(period: RatePeriod) -> &'static str {
    match period {
        RatePeriod::Second => "second",
        RatePeriod::Minute => "minute",
        RatePeriod::Hour => "hour",
    }
}

const fn per_quota(period: QuotaPeriod) -> &'static str {
    match period {
        QuotaPeriod::Day => "day",
        QuotaPeriod::Month => "month",
    }
}
