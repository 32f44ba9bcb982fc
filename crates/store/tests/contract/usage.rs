//! What is counted about calls: once, whoever hands it in and however often, and shown to whom it concerns.

use claviger_domain::decision::Code;
use claviger_domain::id::{ApiId, KeyId, KeySetId, SharedKeyId};
use claviger_domain::scope::Scope;
use claviger_domain::time::Timestamp;
use claviger_domain::usage::UsedKey;
use claviger_store::{
    AddedUp, BatchNumber, Counted, CountedAs, LatencyCount, Responded, ResponseFilter, Store, TakesUsage,
    UsageBatch, UsageBy, UsageCount, UsageEnds, UsageFilter, UsageQuery, UsageStep, Used, Visible,
};

use crate::world::{Place, World, id, later, start};

fn counted(at: &str, api_id: Option<ApiId>, key: Option<UsedKey>, code: Code, calls: u32) -> Counted {
    let source = "192.0.2.7".parse().ok();
    Counted { at: later(at), api_id, key, measure: CountedAs::Decided(code), calls, source }
}

fn of(counts: Vec<Counted>) -> UsageBatch {
    UsageBatch { counts, ..UsageBatch::default() }
}

async fn hand_in(store: &Store, counter: &str, number: i64, batch: &UsageBatch) {
    store.hand_in_usage(BatchNumber { counter, number }, batch, later("PT1H")).await.unwrap();
}

async fn add_up(store: &Store) -> AddedUp {
    let added = store.commit("test", |tx| Box::pin(async move { tx.add_up_usage(100).await }));
    added.await.unwrap().0
}

fn all(step: UsageStep, by: Option<UsageBy>) -> UsageQuery {
    UsageQuery {
        step,
        from: Timestamp::MIN,
        until: Timestamp::MAX,
        by,
        filter: UsageFilter::default(),
        visible: Visible::everything(),
        after: None,
        limit: 1_000,
    }
}

async fn read(store: &Store, query: &UsageQuery) -> Vec<UsageCount> {
    store.read().await.unwrap().usage(query).await.unwrap()
}

async fn total(store: &Store, step: UsageStep) -> i64 {
    read(store, &all(step, None)).await.iter().map(|count| count.calls).sum()
}

pub(crate) async fn a_batch_counts_once_however_often_it_is_handed_in(place: &Place) {
    let store = place.open().await;
    let key = UsedKey::Shared(id());
    let batch = of(vec![counted("PT30S", None, Some(key), Code::Valid, 3)]);
    hand_in(&store, "one", 1, &batch).await;
    hand_in(&store, "one", 1, &batch).await;
    assert_eq!(add_up(&store).await, AddedUp { batches: 1, unreadable: 0 });
    // The answer to the first was lost, and it was added up meanwhile.
    hand_in(&store, "one", 1, &batch).await;
    assert_eq!(add_up(&store).await.batches, 1);
    assert_eq!(total(&store, UsageStep::Minute).await, 3);
    hand_in(&store, "one", 2, &batch).await;
    hand_in(&store, "two", 1, &batch).await;
    add_up(&store).await;
    assert_eq!(total(&store, UsageStep::Minute).await, 9);
    assert_eq!(add_up(&store).await, AddedUp::default());
    let marks = store.read().await.unwrap().last_used(&[key.id()]).await.unwrap();
    assert_eq!(marks[&key.id()].at, later("PT30S"));
    assert_eq!(marks[&key.id()].source, "192.0.2.7".parse().ok());
}

pub(crate) async fn a_batch_of_two_key_sets_for_one_key_holds_nothing_up(place: &Place) {
    let store = place.open().await;
    let key_id: KeyId = id();
    let [one, other] = [id(), id()].map(|key_set_id: KeySetId| UsedKey::Key { id: key_id, key_set_id });
    let batch = of(vec![
        counted("PT30S", None, Some(one), Code::Valid, 3),
        counted("PT31S", None, Some(other), Code::Valid, 4),
    ]);
    hand_in(&store, "one", 1, &batch).await;
    hand_in(&store, "two", 1, &of(vec![counted("PT30S", None, None, Code::Missing, 5)])).await;
    assert_eq!(add_up(&store).await, AddedUp { batches: 2, unreadable: 0 });
    let by_key = read(&store, &all(UsageStep::Minute, Some(UsageBy::Key))).await;
    let calls: Vec<(String, i64)> = by_key.into_iter().map(|count| (count.grouped, count.calls)).collect();
    assert_eq!(calls, [(String::new(), 5), (key_id.to_string(), 7)]);
}

pub(crate) async fn nodes_add_up_and_minutes_hours_and_days_agree(place: &Place) {
    let store = place.open().await;
    let api_id: Option<ApiId> = Some(id());
    let key = Some(UsedKey::Key { id: id(), key_set_id: id() });
    let mut expected = 0;
    for node in ["a", "b"] {
        for (number, at) in [(1, "PT10M"), (2, "PT10M"), (3, "PT59M"), (4, "PT61M"), (5, "P2D")] {
            let batch = of(vec![
                counted(at, api_id, key, Code::Valid, 5),
                counted(at, api_id, key, Code::Suspended, 2),
                counted(at, api_id, None, Code::Missing, 1),
            ]);
            hand_in(&store, node, number, &batch).await;
            expected += 8;
        }
    }
    add_up(&store).await;
    // It comes late, from a node that was cut off.
    hand_in(&store, "c", 1, &of(vec![counted("PT10M", api_id, key, Code::Valid, 100)])).await;
    add_up(&store).await;
    let count = |at: &str, step: UsageStep, calls, refused| UsageCount {
        start: step.begins(later(at)),
        grouped: String::new(),
        calls,
        refused,
    };
    for (step, counts) in [
        (UsageStep::Minute, vec![("PT10M", 132, 12), ("PT59M", 16, 6), ("PT61M", 16, 6), ("P2D", 16, 6)]),
        (UsageStep::Hour, vec![("PT10M", 148, 18), ("PT61M", 16, 6), ("P2D", 16, 6)]),
        (UsageStep::Day, vec![("PT10M", 164, 24), ("P2D", 16, 6)]),
    ] {
        let counts: Vec<_> =
            counts.into_iter().map(|(at, calls, refused)| count(at, step, calls, refused)).collect();
        assert_eq!(read(&store, &all(step, None)).await, counts);
        assert_eq!(total(&store, step).await, expected + 100);
    }
    let filter = UsageFilter { api_ids: api_id.into_iter().collect(), ..UsageFilter::default() };
    let mut reader = store.read().await.unwrap();
    assert_eq!(reader.calls_passed(later("PT30M"), &filter).await.unwrap(), 30);
}

/// Calls of a set of the world's, of one elsewhere, of a shared key, and of nobody.
async fn counted_in(store: &Store, world: &World, other: &World) -> [KeySetId; 2] {
    let own = world.open_set(store, "Own", start()).await;
    let foreign = other.open_set(store, "Foreign", start()).await;
    let key = |key_set_id: KeySetId| {
        Some(UsedKey::Key { id: KeyId::from_bytes(*key_set_id.as_bytes()), key_set_id })
    };
    let shared = Some(UsedKey::Shared(SharedKeyId::from_bytes([7; 16])));
    let (here, there) = (Some(world.api_id), Some(other.api_id));
    let batch = of(vec![
        counted("PT1M", here, key(own), Code::Valid, 1),
        counted("PT1M", here, key(foreign), Code::NotSubscribed, 10),
        counted("PT1M", there, key(own), Code::Valid, 100),
        counted("PT1M", there, key(foreign), Code::Valid, 1_000),
        counted("PT1M", here, shared, Code::Valid, 10_000),
        counted("PT1M", None, None, Code::ApiNotExposed, 100_000),
    ]);
    hand_in(store, "node", 1, &batch).await;
    add_up(store).await;
    [own, foreign]
}

pub(crate) async fn nobody_sees_what_was_counted_elsewhere(place: &Place) {
    let store = place.open().await;
    let (world, other) = (World::make(&store).await, World::make(&store).await);
    let [own, _] = counted_in(&store, &world, &other).await;
    let sum = async |scope: Scope, filter: UsageFilter| {
        let visible = Visible::within([scope]);
        let counts = read(&store, &UsageQuery { visible, filter, ..all(UsageStep::Hour, None) }).await;
        counts.iter().map(|count| count.calls).sum::<i64>()
    };
    let everything = UsageFilter::default;
    assert_eq!(sum(Scope::EVERYTHING, everything()).await, 111_111);
    let organization = Scope { organization_id: Some(world.organization_id), ..Scope::EVERYTHING };
    assert_eq!(sum(organization, everything()).await, 10_111, "its API, and its Key Set wherever it called");
    let group = Scope { group_id: Some(world.group_id), ..organization };
    assert_eq!(sum(group, everything()).await, 10_111);
    let environment = Scope { environment_id: Some(world.environment_id), ..organization };
    assert_eq!(sum(environment, everything()).await, 101, "an API stands in no one Environment");
    let elsewhere = Scope { organization_id: Some(id()), ..Scope::EVERYTHING };
    assert_eq!(sum(elsewhere, everything()).await, 0);
    let at_api = UsageFilter { api_ids: vec![world.api_id], ..everything() };
    let by_set = UsageFilter { key_set_ids: vec![own], ..everything() };
    let by_application = UsageFilter { application_ids: vec![world.application_id], ..everything() };
    let by_key = UsageFilter { key_ids: vec![SharedKeyId::from_bytes([7; 16]).to_string()], ..everything() };
    for (filter, calls) in [(at_api, 10_011), (by_set, 101), (by_application, 101), (by_key, 10_000)] {
        assert_eq!(sum(organization, filter).await, calls);
    }
    let by = async |by| {
        let counts = read(&store, &all(UsageStep::Day, Some(by))).await;
        counts.into_iter().map(|count| (count.grouped, count.calls)).collect::<Vec<_>>()
    };
    let sorted = |mut groups: Vec<(String, i64)>| {
        groups.sort();
        groups
    };
    assert_eq!(
        sorted(by(UsageBy::Code).await),
        [
            ("api_not_exposed".to_owned(), 100_000),
            ("not_subscribed".to_owned(), 10),
            ("valid".to_owned(), 11_101),
        ]
    );
    let applications = [world.application_id, other.application_id].map(|id| id.to_string());
    let [first, second] = applications;
    assert_eq!(
        sorted(by(UsageBy::Application).await),
        sorted(vec![(String::new(), 110_000), (first, 101), (second, 1_010)])
    );
    let apis = [world.api_id, other.api_id].map(|id| id.to_string());
    let [first, second] = apis;
    assert_eq!(
        sorted(by(UsageBy::Api).await),
        sorted(vec![(String::new(), 100_000), (first, 10_011), (second, 1_100)])
    );
    assert_eq!(by(UsageBy::Key).await.len(), 4);
}

pub(crate) async fn sums_are_read_in_pages(place: &Place) {
    let store = place.open().await;
    let api_id: Option<ApiId> = Some(id());
    let keys: Vec<_> = (0..7).map(|_| UsedKey::Shared(id())).collect();
    let mut counts = Vec::new();
    for minute in 0..5 {
        for (n, key) in (1..).zip(&keys) {
            counts.push(counted(&format!("PT{minute}M"), api_id, Some(*key), Code::Valid, n));
            let answered = CountedAs::Answered(40 + u8::try_from(n).unwrap());
            let measure = counted(&format!("PT{minute}M"), api_id, Some(*key), Code::Valid, 2);
            counts.push(Counted { measure: answered, ..measure });
        }
    }
    hand_in(&store, "node", 1, &of(counts)).await;
    add_up(&store).await;
    let whole = all(UsageStep::Minute, Some(UsageBy::Key));
    let all_counts = read(&store, &whole).await;
    assert_eq!(all_counts.len(), 35);
    let mut paged: Vec<UsageCount> = Vec::new();
    loop {
        let after = paged.last().map(|count| (count.start, count.grouped.clone()));
        let mut page = read(&store, &UsageQuery { after, limit: 4, ..whole.clone() }).await;
        let more = page.len() > 4;
        page.truncate(4);
        paged.extend(page);
        if !more {
            break;
        }
    }
    assert_eq!(paged, all_counts);
    let part = UsageQuery { from: later("PT1M"), until: later("PT3M"), ..whole };
    assert_eq!(read(&store, &part).await.len(), 14);
    let mut reader = store.read().await.unwrap();
    let latencies = reader.usage_latencies(&part).await.unwrap();
    assert_eq!(latencies.len(), 14);
    let first = LatencyCount { start: later("PT1M"), grouped: keys[0].id(), latency: 41, calls: 2 };
    assert!(latencies.contains(&first), "{latencies:?}");
}

fn responded(api_id: ApiId, key: Option<UsedKey>, n: i64) -> Responded {
    Responded {
        at: start().plus_seconds(n),
        api_id: Some(api_id),
        key,
        code: if n % 2 == 0 { Code::Valid } else { Code::Suspended },
        status: 200,
        method: "GET".to_owned(),
        path: format!("/orders/{n}"),
        source: "2001:db8::7".parse().ok(),
        micros: n,
        received: 0,
        sent: n,
        request_id: format!("r-{n}"),
    }
}

pub(crate) async fn of_each_key_at_each_api_a_hundred_responses_are_kept(place: &Place) {
    let store = place.open().await;
    let world = World::make(&store).await;
    let (busy, quiet) = (UsedKey::Shared(id()), UsedKey::Shared(id()));
    for number in 0..3 {
        let busy = (0..70).map(|n| responded(world.api_id, Some(busy), number * 70 + n));
        let rest =
            [responded(world.api_id, Some(quiet), number), responded(world.api_id, None, 1_000 + number)];
        let batch = UsageBatch { responses: busy.chain(rest).collect(), ..UsageBatch::default() };
        hand_in(&store, "node", number + 1, &batch).await;
        add_up(&store).await;
    }
    let filter = ResponseFilter {
        api_id: world.api_id,
        key_ids: Vec::new(),
        codes: Vec::new(),
        visible: Visible::everything(),
        limit: 1_000,
    };
    let mut reader = store.read().await.unwrap();
    let kept = reader.last_responses(&filter).await.unwrap();
    assert_eq!(kept.len(), 106);
    assert!(kept.is_sorted_by_key(|row| std::cmp::Reverse(row.at)), "the latest first");
    assert_eq!((kept[0].key_id.as_deref(), kept[0].path.as_str()), (None, "/orders/1002"));
    let of_busy = ResponseFilter { key_ids: vec![busy.id()], ..filter.clone() };
    let kept = reader.last_responses(&of_busy).await.unwrap();
    let paths: Vec<_> = kept.iter().map(|row| row.sent).collect();
    assert_eq!(paths, (110..210).rev().collect::<Vec<_>>());
    assert_eq!(kept[0].source, "2001:db8::7".parse().ok());
    let refused = ResponseFilter { codes: vec![Code::Suspended], limit: 7, ..of_busy };
    assert_eq!(reader.last_responses(&refused).await.unwrap().len(), 7);
    let elsewhere = Visible::within([Scope { organization_id: Some(id()), ..Scope::EVERYTHING }]);
    let hidden = ResponseFilter { visible: elsewhere, ..filter };
    assert_eq!(reader.last_responses(&hidden).await.unwrap(), []);
}

pub(crate) async fn what_is_old_is_forgotten_in_steps(place: &Place) {
    let store = place.open().await;
    let world = World::make(&store).await;
    let key = UsedKey::Shared(id());
    let counts =
        (0..10).map(|minute| counted(&format!("PT{minute}M"), None, Some(key), Code::Valid, 1)).collect();
    let responses = (0..10).map(|n| responded(world.api_id, Some(key), n)).collect();
    let batch = UsageBatch { counts, responses, used: Vec::new() };
    hand_in(&store, "node", 1, &batch).await;
    add_up(&store).await;
    let ends = &UsageEnds {
        minutes: later("PT8M"),
        hours: start(),
        days: Timestamp::MIN,
        responses: start().plus_seconds(7),
        counters: later("PT2H"),
    };
    let mut steps = 1;
    while store.commit("test", |tx| Box::pin(async move { tx.forget_usage(ends, 3).await })).await.unwrap().0
    {
        steps += 1;
    }
    assert_eq!(steps, 3);
    assert_eq!(total(&store, UsageStep::Minute).await, 2);
    assert_eq!((total(&store, UsageStep::Hour).await, total(&store, UsageStep::Day).await), (10, 10));
    assert_eq!(place.count("SELECT COUNT(*) FROM usage_responses").await, 3);
    assert_eq!(place.count("SELECT COUNT(*) FROM usage_counters").await, 0);
}

pub(crate) async fn what_nobody_of_ours_wrote_is_left_out(place: &Place) {
    let store = place.open().await;
    place
        .tamper(
            "INSERT INTO usage_batches (counter, number, at, batch) VALUES ('x', 1, 0, '{\"counts\": 7}')",
        )
        .await;
    let key = UsedKey::Shared(id());
    let used = vec![Used { id: "svk_1".to_owned(), at: later("PT1M"), source: None }];
    let batch = UsageBatch { used, ..of(vec![counted("PT1M", None, Some(key), Code::Suspended, 4)]) };
    hand_in(&store, "node", 1, &batch).await;
    assert_eq!(add_up(&store).await, AddedUp { batches: 2, unreadable: 1 });
    assert_eq!(total(&store, UsageStep::Day).await, 4);
    let mut reader = store.read().await.unwrap();
    let marks = reader.last_used(&["svk_1".to_owned(), key.id()]).await.unwrap();
    assert_eq!(marks.into_keys().collect::<Vec<_>>(), ["svk_1"], "a refused call is no use");
}

pub(crate) async fn what_a_newer_program_wrote_waits_for_one(place: &Place) {
    let store = place.open().await;
    let newer = "INSERT INTO usage_batches (counter, number, at, batch, format) VALUES ('newer', 1, 0, '{\"new\": 7}', 2)";
    place.tamper(newer).await;
    let of_an_older_one =
        "INSERT INTO usage_batches (counter, number, at, batch) VALUES ('older', 1, 0, '{}')";
    place.tamper(of_an_older_one).await;
    let batch = of(vec![counted("PT1M", None, None, Code::Missing, 4)]);
    hand_in(&store, "node", 1, &batch).await;
    assert_eq!(add_up(&store).await, AddedUp { batches: 2, unreadable: 0 });
    assert_eq!(add_up(&store).await, AddedUp::default());
    assert_eq!(total(&store, UsageStep::Day).await, 4);
    assert_eq!(place.count("SELECT COUNT(*) FROM usage_batches WHERE counter = 'newer'").await, 1);
}
