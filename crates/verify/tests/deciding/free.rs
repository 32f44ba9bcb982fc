//! A call costs the program nothing that lasts: no decision allocates, whatever it says.

use claviger_domain::apis::AuthType;
use claviger_domain::decision::Code;
use claviger_domain::event::EventBody;
use claviger_domain::usage::UsedKey;
use claviger_verify::{Credential, Measure, Meters, Places, Request, Scratch, extract};

use crate::story::{ACME, PRODUCTION, START, Story, schedule, settings};

#[test]
fn no_decision_allocates() {
    let mut story = Story::new();
    let api = story.api("orders", settings());
    let application = story.application(ACME);
    let sets =
        [AuthType::ApiKey, AuthType::ApiKeyAndSecret].map(|it| story.key_set(application, PRODUCTION, it));
    let keys = sets.map(|set| story.issue(set, Some(schedule(START, None)), None));
    story.subscribe(api, &sets, None, false);
    let revoked = story.key_set(application, PRODUCTION, AuthType::ApiKey);
    let dead = story.issue(revoked, None, None);
    story.tell(EventBody::KeySetRevoked { key_set_id: revoked });
    let index = story.told();
    let meters = Meters::default();
    let expected =
        [(sets[0], keys[0], Code::Valid), (sets[1], keys[1], Code::Valid), (revoked, dead, Code::Revoked)];
    for (set, key, code) in expected {
        let credentials = &story.credentials[&key];
        let mut fields = vec![("accept", "*/*".as_bytes()), ("x-api-key", credentials.key.as_bytes())];
        fields.extend(credentials.secret.as_ref().map(|secret| ("x-api-secret", secret.as_bytes())));
        let ask = || {
            let mut scratch = Scratch::new();
            let credential = extract(&Places::STANDARD, fields.iter().copied(), &mut scratch).credential;
            let request = Request {
                api: Some("orders"),
                environment: Some("production"),
                permissions: &["orders:read"],
                ..Request::new(credential)
            };
            let decision = index.decide(&request, START);
            assert_eq!(decision.code(), code);
            meters.observe(&decision, None, START);
            let application = decision.application().map(|it| it.name.as_str());
            assert!(application.is_some() && decision.environment().is_some());
            assert_eq!(decision.permissions().count(), if code == Code::Valid { 2 } else { 0 });
        };
        // The first call of a thread makes room for all that it will count.
        ask();
        assert_eq!(allocation_counter::measure(ask).count_total, 0, "{code}");
        meters.collect(START);
        let usage = meters.take_usage(10);
        let counted = usage.iter().map(|it| (it.key, it.measure, it.calls));
        let of_key = Some(UsedKey::Key { id: key, key_set_id: set });
        assert!(counted.eq([(of_key, Measure::Decided(code), 2)]), "{usage:?}");
    }
    let malformed =
        Request { api: Some("orders"), ..Request::new(Credential::from_parts(Some("clv_key_x"), None)) };
    let counted = allocation_counter::measure(|| {
        assert_eq!(index.decide(&malformed, START).code(), Code::Malformed);
    });
    assert_eq!(counted.count_total, 0);
}
