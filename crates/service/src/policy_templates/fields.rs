//! Reading a policy as people typed it.

use claviger_domain::policy_templates::{MAX_LIMIT, Policy, Quota, RateLimit};
use claviger_domain::time::Period;
use claviger_wire::policy_templates as wire;

use crate::fields::Fields;

/// `base` with the members that the body names, checked as a whole.
pub(super) fn policy(fields: &mut Fields, base: Policy, change: &wire::PolicyChange<'_>) -> Policy {
    let mut policy = base;
    let nullable =
        |fields: &mut Fields, pointer, typed: Option<Option<&str>>, target: &mut Option<Period>| {
            if let Some(text) = typed {
                *target = text.and_then(|text| fields.period(pointer, text));
            }
        };
    nullable(fields, "/expires_after", change.expires_after, &mut policy.expires_after);
    nullable(fields, "/rotates_every", change.rotates_every, &mut policy.rotates_every);
    for (pointer, typed, target) in [
        ("/rotation_lead", change.rotation_lead, &mut policy.rotation_lead),
        ("/overlap", change.overlap, &mut policy.overlap),
    ] {
        if let Some(period) = typed.and_then(|text| fields.period(pointer, text)) {
            *target = period;
        }
    }
    if let Some(typed) = change.notify_before {
        let read = |(at, text): (usize, &String)| fields.period(&format!("/notify_before/{at}"), text);
        policy.notify_before = typed.iter().enumerate().filter_map(read).collect();
    }
    if let Some(limit) = change.rate_limit {
        policy.rate_limit = limit.and_then(|limit| rate_limit(fields, "/rate_limit", &limit));
    }
    if let Some(typed) = change.quota {
        policy.quota = typed.and_then(|typed| quota(fields, "/quota", &typed));
    }
    policy.manual_regeneration = change.manual_regeneration.unwrap_or(policy.manual_regeneration);
    policy.retrievable = change.retrievable.unwrap_or(policy.retrievable);
    policy.approval = change.approval.map_or(policy.approval, Into::into);
    // Whether periods fit each other is a question only once each of them can be read.
    if fields.is_fine() {
        policy.validate().into_iter().for_each(|error| fields.wrong(&error.pointer, error.detail));
    }
    policy
}

/// A rate limit in range; a burst left out is as great as the limit.
pub(crate) fn rate_limit(fields: &mut Fields, pointer: &str, typed: &wire::RateLimit) -> Option<RateLimit> {
    let limit = within_range(fields, &format!("{pointer}/limit"), typed.limit);
    let burst = match typed.burst {
        Some(burst) => within_range(fields, &format!("{pointer}/burst"), burst),
        None => limit,
    };
    Some(RateLimit { limit: limit?, per: typed.per.into(), burst: burst? })
}

/// A quota in range.
pub(crate) fn quota(fields: &mut Fields, pointer: &str, typed: &wire::Quota) -> Option<Quota> {
    let limit = within_range(fields, &format!("{pointer}/limit"), typed.limit)?;
    Some(Quota { limit, per: typed.per.into() })
}

fn within_range(fields: &mut Fields, pointer: &str, value: i64) -> Option<u32> {
    let fits = u32::try_from(value).ok().filter(|value| (1..=MAX_LIMIT).contains(value));
    fields.take(pointer, fits.ok_or("must be 1 to 1000000000"))
}

#[cfg(test)]
mod tests {
    use claviger_domain::refusal::Refusal;

    use super::*;

    fn read(change: &wire::PolicyChange<'_>) -> Result<Policy, Vec<String>> {
        let mut fields = Fields::new();
        let policy = policy(&mut fields, Policy::default(), change);
        match fields.finish() {
            Ok(()) => Ok(policy),
            Err(Refusal::Invalid(errors)) => Err(errors.into_iter().map(|error| error.pointer).collect()),
            Err(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_is_left_out_is_as_in_the_template_default() {
        let policy = read(&wire::PolicyChange::default()).expect("a policy");
        assert_eq!(policy, Policy::default());
        let change = wire::PolicyChange { expires_after: Some(None), ..Default::default() };
        assert_eq!(read(&change).expect("a policy").expires_after, None);
    }

    #[test]
    fn d16_refuses_a_policy_whose_periods_do_not_fit() {
        let every = |lead, overlap| wire::PolicyChange {
            rotates_every: Some(Some("P30D")),
            rotation_lead: Some(lead),
            overlap: Some(overlap),
            ..Default::default()
        };
        assert!(read(&every("P7D", "P3D")).is_ok());
        assert_eq!(read(&every("P30D", "P31D")), Err(vec!["/rotation_lead".into(), "/overlap".into()]));
        let late = wire::PolicyChange {
            rotates_every: Some(Some("P2Y")),
            expires_after: Some(Some("P1Y")),
            ..Default::default()
        };
        assert_eq!(read(&late), Err(vec!["/rotates_every".into()]));
    }

    #[test]
    fn every_value_out_of_range_is_named() {
        let limits = wire::PolicyChange {
            rate_limit: Some(Some(wire::RateLimit {
                limit: 0,
                per: wire::RatePeriod::Second,
                burst: Some(1_000_000_001),
            })),
            quota: Some(Some(wire::Quota { limit: -1, per: wire::QuotaPeriod::Day })),
            expires_after: Some(Some("P101Y")),
            ..Default::default()
        };
        let named = ["/expires_after", "/rate_limit/limit", "/rate_limit/burst", "/quota/limit"];
        assert_eq!(read(&limits), Err(named.map(String::from).to_vec()));
    }
}
