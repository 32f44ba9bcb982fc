//! What decisions are counted by: also a key that was named and not proved, of which callers hear nothing.

use std::net::IpAddr;

use claviger_domain::apis::AuthType;
use claviger_domain::decision::Code;
use claviger_domain::event::EventBody;
use claviger_domain::scope::Scope;
use claviger_domain::usage::UsedKey;
use claviger_verify::{Credential, Measure, Meters, Request, Usage};

use crate::story::{ACME, PRODUCTION, START, Story, schedule, settings};

#[test]
fn calls_are_counted_by_key_and_api_whether_or_not_the_key_was_proved() {
    let mut story = Story::new();
    let api = story.api("orders", settings());
    let closed = story.api("closed", settings());
    story.tell(EventBody::ApiUnexposed { api_id: closed });
    let application = story.application(ACME);
    let set = story.key_set(application, PRODUCTION, AuthType::ApiKeyAndSecret);
    let key = story.issue(set, Some(schedule(START, None)), None);
    story.subscribe(api, &[set], None, false);
    let index = story.told();
    let credentials = &story.credentials[&key];
    let (value, secret) = (credentials.key.as_str(), credentials.secret.as_deref());
    let named = Some(UsedKey::Key { id: key, key_set_id: set });
    let meters = Meters::default();
    let source: Option<IpAddr> = "192.0.2.7".parse().ok();
    let cases = [
        (Some("orders"), Credential::from_parts(Some(value), secret), Code::Valid, Some(api), named),
        (Some("orders"), Credential::from_parts(Some(value), None), Code::SecretRequired, Some(api), named),
        (
            Some("orders"),
            Credential::from_parts(Some(value), Some(value)),
            Code::SecretMismatch,
            Some(api),
            named,
        ),
        (Some("orders"), Credential::from_parts(None, None), Code::Missing, Some(api), None),
        (
            Some("closed"),
            Credential::from_parts(Some(value), secret),
            Code::ApiNotExposed,
            Some(closed),
            None,
        ),
        (Some("no-such"), Credential::from_parts(Some(value), secret), Code::ApiNotExposed, None, None),
        (None, Credential::from_parts(Some(value), secret), Code::Valid, None, named),
    ];
    for (api, credential, code, counted_at, counted_for) in cases {
        let decision = index.decide(&Request { api, ..Request::new(credential) }, START);
        assert_eq!(decision.code(), code);
        assert_eq!(decision.key_id().is_some(), code == Code::Valid, "told only to who proved to hold it");
        meters.observe(&decision, source, START);
        meters.collect(START);
        let measure = Measure::Decided(code);
        let expected = Usage { at: START, api_id: counted_at, key: counted_for, measure, calls: 1, source };
        assert_eq!(meters.take_usage(10), [expected]);
    }
}

#[test]
fn an_asker_counts_nothing_at_an_api_that_it_may_not_know_of() {
    let mut story = Story::new();
    story.api("orders", settings());
    let index = story.told();
    let elsewhere = Scope {
        organization_id: Some(claviger_domain::id::OrganizationId::from_bytes([77; 16])),
        ..Scope::EVERYTHING
    };
    let meters = Meters::default();
    let asked = Request { api: Some("orders"), scope: elsewhere, ..Request::new(Credential::Missing) };
    meters.observe(&index.decide(&asked, START), None, START);
    meters.collect(START);
    let usage = meters.take_usage(10);
    assert!(usage.len() == 1 && usage[0].api_id.is_none(), "{usage:?}");
    assert_eq!(usage[0].measure, Measure::Decided(Code::ApiNotExposed));
}
