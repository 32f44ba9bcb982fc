//! What binds one call: the rates and quotas of policy, API and key, and for whom each counts.

use std::hash::{Hash, Hasher};

use claviger_domain::id::{ApiId, KeySetId, SharedKeyId};
use claviger_domain::policy_templates::{CallLimits, Quota, QuotaPeriod, RateLimit};

/// For whom calls are counted: both living Keys of a set together, or a shared key (surface.md, "Bodies").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    KeySet(KeySetId),
    SharedKey(SharedKeyId),
}

/// One limit on a subject's calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    pub subject: Subject,
    /// The API whose rule it is, and whose calls alone it counts. `None`: the policy's, or the shared key's own.
    pub api: Option<ApiId>,
    pub amount: Amount,
}

/// How much is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Amount {
    Rate(RateLimit),
    Quota(Quota),
}

/// What is counted under one number. Another rate is counted anew; another quota of the same period keeps what was
/// used of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Counted {
    subject: Subject,
    api: Option<ApiId>,
    pub(super) what: What,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    Rate(RateLimit),
    Quota(QuotaPeriod),
}

/// The ends of ids are chance, so that a word of them is enough to find a counter by.
impl Hash for Counted {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let subject = match self.subject {
            Subject::KeySet(id) => id.as_u128(),
            Subject::SharedKey(id) => id.as_u128(),
        };
        let api = self.api.map_or(0, |api| api.as_u128()) as u64;
        let kind = match self.what {
            What::Rate(_) => 0,
            What::Quota(_) => 1,
        };
        state.write_u64(subject as u64 ^ api.rotate_left(32) ^ kind);
    }
}

impl Rule {
    pub(super) const fn counted(&self) -> Counted {
        let what = match self.amount {
            Amount::Rate(rate) => What::Rate(rate),
            Amount::Quota(quota) => What::Quota(quota.per),
        };
        Counted { subject: self.subject, api: self.api, what }
    }
}

/// A policy or a shared key, and an API, have a rate and a quota each.
pub(super) const MOST_RULES: usize = 4;

/// All rules that bind one call.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    subject: Subject,
    of_api: Option<(ApiId, CallLimits)>,
    own: CallLimits,
}

impl Rules {
    pub const fn new(subject: Subject, of_api: Option<(ApiId, CallLimits)>, own: CallLimits) -> Self {
        Self { subject, of_api, own }
    }

    /// Those of the API come first: they count a part of what the others count, so that whoever is refused by a wider
    /// one finds the narrower one used up only by calls that the wider one refuses too.
    pub fn iter(&self) -> impl Iterator<Item = Rule> + '_ {
        let of = |api: Option<ApiId>, limits: CallLimits| {
            let amounts = [limits.rate_limit.map(Amount::Rate), limits.quota.map(Amount::Quota)];
            let subject = self.subject;
            amounts.into_iter().flatten().map(move |amount| Rule { subject, api, amount })
        };
        let of_api = self.of_api.into_iter().flat_map(move |(api, limits)| of(Some(api), limits));
        of_api.chain(of(None, self.own))
    }
}
