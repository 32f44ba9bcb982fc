//! Many read while one writes: no reader waits, and none sees a Key vanish or come back.

use std::sync::atomic::{AtomicBool, Ordering};

use claviger_domain::apis::AuthType;
use claviger_domain::decision::Code;
use claviger_domain::event::{EventBody, Position};
use claviger_domain::key_sets::SuspendedBy;
use claviger_verify::{Credential, Request};

use crate::story::{ACME, PRODUCTION, START, Story, empty_index, schedule, settings};

#[test]
fn a_key_stays_found_while_the_table_grows_around_it() {
    let mut story = Story::new();
    let api = story.api("orders", settings());
    let application = story.application(ACME);
    let set = story.key_set(application, PRODUCTION, AuthType::ApiKeyAndSecret);
    let key = story.issue(set, Some(schedule(START, None)), None);
    story.subscribe(api, &[set], None, false);
    let told = story.events.len();
    for _ in 0..12_000 {
        let set = story.key_set(application, PRODUCTION, AuthType::ApiKey);
        story.issue(set, Some(schedule(START, None)), None);
        story.subscribe(api, &[set], None, false);
    }
    let index = empty_index();
    index.loader(0).finish(Position(0), START).expect("an empty snapshot");
    index.apply_all(&story.events[..told]).expect("the log is of one piece");
    let credentials = &story.credentials[&key];
    let credential = Credential::from_parts(Some(&credentials.key), credentials.secret.as_deref());
    let request = Request { api: Some("orders"), ..Request::new(credential) };
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    let mut decided = 0_u64;
                    while !done.load(Ordering::Relaxed) {
                        assert_eq!(index.decide(&request, START).code(), Code::Valid);
                        decided += 1;
                    }
                    decided
                })
            })
            .collect();
        story.events[told..].chunks(7).for_each(|events| index.apply_all(events).expect("applied"));
        done.store(true, Ordering::Relaxed);
        assert!(readers.into_iter().all(|reader| reader.join().expect("no reader failed") > 0));
    });
    assert_eq!(index.entries(), story.loaded().entries());
}

#[test]
fn what_was_applied_is_known_to_every_decision_that_begins_after() {
    let mut story = Story::new();
    let api = story.api("orders", settings());
    let application = story.application(ACME);
    let set = story.key_set(application, PRODUCTION, AuthType::ApiKey);
    let key = story.issue(set, Some(schedule(START, None)), None);
    story.subscribe(api, &[set], None, false);
    let index = story.told();
    let told = story.events.len();
    for _ in 0..500 {
        story.tell(EventBody::KeySetSuspended { key_set_id: set, by: SuspendedBy::Hand });
        story.tell(EventBody::KeySetActivated { key_set_id: set });
        story.tell(EventBody::ApiUnexposed { api_id: api });
        story.tell(EventBody::ApiExposed { api_id: api });
    }
    let request = Request {
        api: Some("orders"),
        ..Request::new(Credential::from_parts(Some(&story.credentials[&key].key), None))
    };
    let codes = [Code::Suspended, Code::Valid, Code::ApiNotExposed, Code::Valid];
    for (event, code) in story.events[told..].iter().zip(codes.into_iter().cycle()) {
        index.apply(event).expect("applied");
        std::thread::scope(|scope| {
            let decided = scope.spawn(|| index.decide(&request, START));
            let decision = decided.join().expect("decided");
            assert_eq!((decision.code(), decision.as_of()), (code, event.position));
        });
    }
}

#[test]
fn a_position_is_told_only_once_decisions_follow_it() {
    let mut story = Story::new();
    let api = story.api("orders", settings());
    let application = story.application(ACME);
    let set = story.key_set(application, PRODUCTION, AuthType::ApiKey);
    let key = story.issue(set, Some(schedule(START, None)), None);
    story.subscribe(api, &[set], None, false);
    let other = story.api("other", settings());
    let told = story.events.len();
    story.tell(EventBody::ApiUnexposed { api_id: api });
    let closed = story.position();
    // What is shown to readers all at once, at the end of what was applied together.
    for _ in 0..5_000 {
        story.tell(EventBody::ApiUnexposed { api_id: other });
        story.tell(EventBody::ApiExposed { api_id: other });
    }
    let request = Request {
        api: Some("orders"),
        ..Request::new(Credential::from_parts(Some(&story.credentials[&key].key), None))
    };
    for _ in 0..10 {
        let index = empty_index();
        index.loader(0).finish(Position(0), START).expect("an empty snapshot");
        index.apply_all(&story.events[..told]).expect("the log is of one piece");
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while index.as_of() < closed {
                    std::hint::spin_loop();
                }
                assert_eq!(index.decide(&request, START).code(), Code::ApiNotExposed);
            });
            index.apply_all(&story.events[told..]).expect("the log is of one piece");
        });
    }
}
