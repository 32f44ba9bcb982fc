//! Which policies can be (product.md D16; surface.md, "Bodies").

use claviger_domain::policy_templates::{Policy, Quota, QuotaPeriod, RateLimit, RatePeriod};
use claviger_domain::time::Period;

use crate::support::period;

fn pointers(policy: &Policy) -> Vec<String> {
    policy.validate().into_iter().map(|error| error.pointer).collect()
}

#[test]
fn the_default_can_be() {
    assert_eq!(Policy::default().validate(), []);
    let json = serde_json::to_value(Policy::default()).expect("serialises");
    assert_eq!(
        json,
        serde_json::json!({
            "expires_after": "P1Y", "rotates_every": null, "rotation_lead": "P0D", "overlap": "P0D",
            "manual_regeneration": true, "retrievable": false, "approval": "none",
            "notify_before": ["P7D", "P1D"], "rate_limit": null, "quota": null,
        })
    );
}

#[test]
fn periods_that_do_not_fit_each_other() {
    for (rotates, lead, overlap, expires, wrong) in [
        ("P30D", "P7D", "P3D", Some("P1Y"), vec![]),
        ("P30D", "P30D", "P0D", None, vec!["/rotation_lead"]),
        ("P30D", "P29DT23H59M59S", "P30D", None, vec![]),
        ("P1M", "P28D", "P0D", None, vec!["/rotation_lead"]),
        ("P1M", "P27D", "P28D", None, vec![]),
        ("P1M", "P0D", "P29D", None, vec!["/overlap"]),
        ("P30D", "P0D", "P30DT1S", None, vec!["/overlap"]),
        ("P12M", "P11M", "P1Y", None, vec![]),
        // A rotation on the day of the expiration wins; one that can only come later never will.
        ("P30D", "P0D", "P0D", Some("P30D"), vec![]),
        ("P31D", "P0D", "P0D", Some("P30D"), vec!["/rotates_every"]),
        ("P30DT23H", "P0D", "P0D", Some("P30D"), vec![]),
        ("P30DT24H", "P0D", "P0D", Some("P30D"), vec!["/rotates_every"]),
        ("P1M", "P0D", "P0D", Some("P28D"), vec![]),
        ("P1M", "P0D", "P0D", Some("P27D"), vec!["/rotates_every"]),
        ("P12M", "P0D", "P0D", Some("P1Y"), vec![]),
        ("P1Y", "P0D", "P0D", Some("P365D"), vec![]),
        ("P13M", "P0D", "P0D", Some("P1Y"), vec!["/rotates_every"]),
        ("P1M1D", "P0D", "P0D", Some("P1M"), vec!["/rotates_every"]),
        ("P100Y", "P0D", "P0D", Some("PT1S"), vec!["/rotates_every"]),
        ("PT1S", "P0D", "PT1S", Some("PT1S"), vec![]),
    ] {
        let policy = Policy {
            rotates_every: Some(period(rotates)),
            rotation_lead: period(lead),
            overlap: period(overlap),
            expires_after: expires.map(period),
            ..Policy::default()
        };
        assert_eq!(pointers(&policy), wrong, "{rotates} {lead} {overlap} {expires:?}");
    }
}

#[test]
fn every_value_out_of_range_is_named() {
    let policy = Policy {
        expires_after: Some(Period::zero()),
        rotates_every: Some(Period::zero()),
        notify_before: vec![Period::days(1), Period::zero()],
        rate_limit: Some(RateLimit { limit: 0, per: RatePeriod::Minute, burst: 1_000_000_001 }),
        quota: Some(Quota { limit: 0, per: QuotaPeriod::Day }),
        ..Policy::default()
    };
    assert_eq!(
        pointers(&policy),
        [
            "/expires_after",
            "/rotates_every",
            "/notify_before/1",
            "/rate_limit/limit",
            "/rate_limit/burst",
            "/quota/limit"
        ]
    );
    let most = Policy {
        expires_after: Some(period("P100Y")),
        rate_limit: Some(RateLimit { limit: 1, per: RatePeriod::Hour, burst: 1_000_000_000 }),
        ..Policy::default()
    };
    assert_eq!(most.validate(), []);
    let many = Policy { notify_before: vec![Period::days(1); 21], ..Policy::default() };
    assert_eq!(pointers(&many), ["/notify_before"]);
}
