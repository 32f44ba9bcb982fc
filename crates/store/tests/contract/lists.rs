//! Lists: pages, filters, and what nobody may see.

use std::collections::BTreeSet;

use claviger_domain::apis::{AuthType, Visibility};
use claviger_domain::event::{EventBody, NewEvent, Position};
use claviger_domain::id::{ApiId, KeySetId};
use claviger_domain::key_sets::{Facts, KeyStatus};
use claviger_domain::scope::Scope;
use claviger_domain::time::Timestamp;
use claviger_domain::usage::LastUse;
use claviger_store::{
    ApiFilter, ApiSort, ApplicationFilter, ApplicationSort, Between, EventFilter, EventSort, GroupFilter,
    GroupSort, KeySetFilter, KeySetSort, ListQuery, Page, Store, StoreError, SubscriptionFilter,
    SubscriptionSort, Total, Visible,
};

use crate::world::{Place, World, append, event, id, later, name, plain_policy, start, with_private};

type KeySetQuery = ListQuery<KeySetFilter, KeySetSort>;

fn everything(filter: KeySetFilter) -> KeySetQuery {
    ListQuery {
        limit: 50,
        sort: KeySetSort::CreatedAt,
        descending: true,
        cursor: None,
        visible: Visible::everything(),
        filter,
        count: false,
    }
}

/// All pages of a query from its beginning to its end, and back again.
async fn walk(store: &Store, query: &KeySetQuery) -> (Vec<KeySetId>, Vec<KeySetId>) {
    let mut reader = store.read().await.unwrap();
    let (mut on, mut back) = (Vec::new(), Vec::new());
    let mut query = query.clone();
    let mut last: Page<_> = loop {
        let page = reader.key_sets(&query).await.unwrap();
        on.extend(page.items.iter().map(|set| set.id));
        match &page.next {
            Some(next) => query.cursor = Some(next.clone()),
            None => break page,
        }
    };
    loop {
        back.extend(last.items.iter().rev().map(|set| set.id));
        let Some(previous) = last.previous else { break };
        query.cursor = Some(previous);
        last = reader.key_sets(&query).await.unwrap();
        assert!(last.next.is_some(), "a page that was come to from behind goes on");
    }
    back.reverse();
    (on, back)
}

pub(crate) async fn pages_go_on_and_back_without_gap_or_double(place: &Place) {
    let store = place.open().await;
    let world = World::make(&store).await;
    let mut ids = Vec::new();
    for number in 0..23 {
        // Ties in time and in name; some without dates.
        let (pending, at) = (number % 5 == 0, later(&format!("P{}D", number / 4)));
        let terms = world.terms(&format!("Key {}", number % 7), AuthType::ApiKey);
        let (set, events) = world.opened(terms, pending, at);
        append(&store, events).await.unwrap();
        ids.push(set);
    }
    let sorts = [
        KeySetSort::CreatedAt,
        KeySetSort::Name,
        KeySetSort::ProvisionedAt,
        KeySetSort::RotationDueAt,
        KeySetSort::ExpiresAt,
        KeySetSort::RevokedAt,
    ];
    for sort in sorts {
        let mut orders = Vec::new();
        for descending in [false, true] {
            let base = everything(KeySetFilter::at(start()));
            let query = KeySetQuery { limit: 100, sort, descending, ..base.clone() };
            let whole = walk(&store, &query).await.0;
            assert_eq!(whole.iter().collect::<BTreeSet<_>>(), ids.iter().collect(), "{sort:?}");
            for limit in [1, 3, 22, 23, 24] {
                let query = KeySetQuery { limit, sort, descending, ..everything(KeySetFilter::at(start())) };
                let (on, back) = walk(&store, &query).await;
                assert_eq!(on, whole, "{sort:?} by {limit}");
                assert_eq!(back, whole, "{sort:?} by {limit}, back");
            }
            orders.push(whole);
        }
        orders[1].reverse();
        assert_eq!(orders[0], orders[1], "{sort:?}: descending is ascending turned round");
    }
    let by_time = KeySetQuery { descending: false, ..everything(KeySetFilter::at(start())) };
    assert_eq!(walk(&store, &by_time).await.0, ids, "the oldest first, ties by id");
}

pub(crate) async fn totals_are_exact_to_ten_thousand(place: &Place) {
    let store = place.open().await;
    let world = World::make(&store).await;
    let groups = |range: std::ops::Range<usize>| {
        range.map(|number| {
            let (group_id, organization_id) = (id(), world.organization_id);
            let body =
                EventBody::GroupCreated { group_id, organization_id, name: name(&format!("Group {number}")) };
            event(start(), world.place(), body)
        })
    };
    let total = async || {
        let query: ListQuery<GroupFilter, GroupSort> =
            ListQuery { limit: 1, visible: Visible::everything(), count: true, ..ListQuery::default() };
        store.read().await.unwrap().groups(&query).await.unwrap().total.unwrap()
    };
    assert_eq!(total().await, Total::Exact(1));
    append(&store, groups(0..9_999)).await.unwrap();
    assert_eq!(total().await, Total::Exact(10_000));
    append(&store, groups(9_999..10_000)).await.unwrap();
    assert_eq!(total().await, Total::AtLeast(10_000));
}

/// A text that many rows have is looked for in another way than one that few have; the answers are alike, and each
/// change of a text is found at once.
pub(crate) async fn texts_are_found_among_few_and_among_many(place: &Place) {
    const MANY: usize = 2_100;
    let store = place.open().await;
    let (world, other) = (World::make(&store).await, World::make(&store).await);
    let mut sets = Vec::new();
    for numbers in (0..MANY).collect::<Vec<_>>().chunks(300) {
        let opened = numbers.iter().map(|number| {
            let terms = world.terms(&format!("Till \"{number}\""), AuthType::ApiKey);
            world.opened(terms, number % 2 == 0, later(&format!("PT{number}S")))
        });
        let (ids, events): (Vec<_>, Vec<_>) = opened.unzip();
        append(&store, events.into_iter().flatten()).await.unwrap();
        sets.extend(ids);
    }
    let kiosk = other.open_set(&store, "Out of order", start()).await;
    let now = later("P1D");
    let q = |text: &str| everything(KeySetFilter { q: Some(text.to_owned()), ..KeySetFilter::at(now) });
    let page = async |query: KeySetQuery| {
        let page = store.read().await.unwrap().key_sets(&KeySetQuery { count: true, ..query }).await.unwrap();
        let ids: Vec<KeySetId> = page.items.iter().map(|set| set.id).collect();
        (ids, page.total.unwrap())
    };
    let newest: Vec<KeySetId> = sets.iter().rev().take(50).copied().collect();
    assert_eq!(page(q("till")).await, (newest, Total::Exact(MANY as u64)));
    let of_few = sets.iter().enumerate().rev().filter(|(number, _)| (2_000..2_010).contains(number));
    let of_few: Vec<KeySetId> = of_few.map(|(_, id)| *id).collect();
    assert_eq!(page(q("Till \"200")).await, ([&of_few[..], &sets[200..=200]].concat(), Total::Exact(11)));
    let pending =
        KeySetFilter { statuses: vec![KeyStatus::Pending, KeyStatus::Expired], ..q("\"200").filter };
    let even: Vec<KeySetId> = of_few.iter().skip(1).step_by(2).chain(&sets[200..=200]).copied().collect();
    assert_eq!(page(everything(pending)).await, (even, Total::Exact(6)));
    assert_eq!(page(q("till of nobody")).await, (vec![], Total::Exact(0)));
    // By the name of the Application, as it is now.
    let rename = |name: &str| {
        let body = EventBody::ApplicationUpdated {
            application_id: other.application_id,
            name: crate::world::name(name),
        };
        append(&store, [event(now, other.place(), body)])
    };
    rename("Kiosk one").await.unwrap();
    assert_eq!(page(q("KIOSK")).await, (vec![kiosk], Total::Exact(1)));
    rename("Kiösk two").await.unwrap();
    assert_eq!(page(q("kiosk")).await, (vec![], Total::Exact(0)));
    assert_eq!(page(q("iösk t")).await, (vec![kiosk], Total::Exact(1)));
    // Statuses in every order, on and back.
    let statuses = vec![KeyStatus::Pending, KeyStatus::Active, KeyStatus::Expired];
    let query = everything(KeySetFilter { statuses, ..KeySetFilter::at(now) });
    for sort in [KeySetSort::CreatedAt, KeySetSort::Name] {
        let query = KeySetQuery { sort, limit: 500, ..query.clone() };
        let (on, back) = walk(&store, &query).await;
        assert_eq!(on, back);
        assert_eq!(on.iter().collect::<BTreeSet<_>>().len(), MANY + 1);
        assert_eq!(on.len(), MANY + 1);
    }
}

pub(crate) async fn nobody_sees_outside_their_scopes(place: &Place) {
    let store = place.open().await;
    let (mine, other) = (World::make(&store).await, World::make(&store).await);
    for world in [&mine, &other] {
        let set = world.open_set(&store, "Key", start()).await;
        world.subscribe(&store, &[set]).await;
    }
    // The other's API is for everybody.
    let public = other.settings("Public");
    let settings = claviger_domain::apis::ApiSettings { visibility: Visibility::All, ..public };
    let body = EventBody::ApiUpdated { api_id: other.api_id, settings };
    append(&store, [event(start(), other.place(), body)]).await.unwrap();
    let mut reader = store.read().await.unwrap();
    let scope = Scope { organization_id: Some(mine.organization_id), ..Scope::EVERYTHING };
    let in_group = Scope { group_id: Some(mine.group_id), ..scope };
    let in_environment = Scope { environment_id: Some(mine.environment_id), ..scope };
    let elsewhere = Scope { environment_id: Some(other.environment_id), ..scope };
    for (scopes, sets, applications, groups, subscriptions, events) in [
        (vec![], 0, 0, 0, 0, 0),
        (vec![scope], 1, 1, 1, 1, 9),
        (vec![in_group], 1, 1, 1, 1, 9),
        // A right in one Environment gives nothing on things that have none.
        (vec![in_environment], 1, 0, 0, 1, 3),
        (vec![elsewhere], 0, 0, 0, 0, 0),
        (vec![scope, in_group, in_environment], 1, 1, 1, 1, 9),
        (vec![Scope::EVERYTHING], 2, 2, 2, 2, 19),
    ] {
        let visible = Visible::within(scopes);
        let query = KeySetQuery { visible: visible.clone(), ..everything(KeySetFilter::at(start())) };
        let found = reader.key_sets(&query).await.unwrap().items;
        assert_eq!(found.len(), sets, "{visible:?}");
        let query: ListQuery<ApplicationFilter, ApplicationSort> =
            ListQuery { visible: visible.clone(), ..ListQuery::default() };
        assert_eq!(reader.applications(&query).await.unwrap().items.len(), applications, "{visible:?}");
        let query: ListQuery<GroupFilter, GroupSort> =
            ListQuery { visible: visible.clone(), ..ListQuery::default() };
        assert_eq!(reader.groups(&query).await.unwrap().items.len(), groups, "{visible:?}");
        let query: ListQuery<SubscriptionFilter, SubscriptionSort> =
            ListQuery { visible: visible.clone(), ..ListQuery::default() };
        assert_eq!(reader.subscriptions(&query).await.unwrap().items.len(), subscriptions, "{visible:?}");
        let query: ListQuery<EventFilter, EventSort> =
            ListQuery { visible: visible.clone(), ..ListQuery::default() };
        assert_eq!(reader.events(&query).await.unwrap().items.len(), events, "{visible:?}");
    }
    let apis = async |reader: &mut claviger_store::Reader, visible: Visible| {
        let query: ListQuery<ApiFilter, ApiSort> = ListQuery { visible, ..ListQuery::default() };
        let found = reader.apis(&query).await.unwrap().items;
        found.into_iter().map(|api| api.id).collect::<BTreeSet<ApiId>>()
    };
    let nowhere = Visible::default();
    assert_eq!(apis(&mut reader, nowhere.clone()).await, [].into());
    let public = Visible { public: true, ..nowhere.clone() };
    assert_eq!(apis(&mut reader, public).await, [other.api_id].into());
    let catalog = Visible { catalogs: vec![mine.organization_id], ..nowhere.clone() };
    assert_eq!(apis(&mut reader, catalog.clone()).await, [mine.api_id].into());
    let both = Visible { public: true, ..catalog };
    assert_eq!(apis(&mut reader, both).await, [mine.api_id, other.api_id].into());
    // Neither the other's id nor a filter on it makes anything visible.
    for filter in [
        KeySetFilter { organization_ids: vec![other.organization_id], ..KeySetFilter::at(start()) },
        KeySetFilter { application_ids: vec![other.application_id], ..KeySetFilter::at(start()) },
        KeySetFilter { api_ids: vec![other.api_id], ..KeySetFilter::at(start()) },
    ] {
        let query = KeySetQuery { visible: Visible::within([scope]), count: true, ..everything(filter) };
        let page = reader.key_sets(&query).await.unwrap();
        assert_eq!((page.items.len(), page.total), (0, Some(Total::Exact(0))));
    }
}

async fn found(store: &Store, filter: KeySetFilter) -> BTreeSet<KeySetId> {
    let page = store.read().await.unwrap().key_sets(&everything(filter)).await.unwrap();
    page.items.into_iter().map(|set| set.id).collect()
}

pub(crate) async fn key_sets_are_filtered(place: &Place) {
    let store = place.open().await;
    let world = World::make(&store).await;
    let other = World::with_policy(&store, plain_policy("P10D")).await;
    let first = world.open_set(&store, "Alpha 100%", start()).await;
    let (basic, events) = world.opened(world.terms("Beta", AuthType::Basic), false, later("P1D"));
    append(&store, events).await.unwrap();
    let foreign = other.open_set(&store, "Gamma", later("P2D")).await;
    let all: BTreeSet<_> = [first, basic, foreign].into();
    world.subscribe(&store, &[first]).await;
    let renamed = EventBody::ApplicationUpdated { application_id: other.application_id, name: name("Kiosk") };
    append(&store, [event(start(), other.place(), renamed)]).await.unwrap();
    let set = store.read().await.unwrap().key_set(basic).await.unwrap().unwrap();
    let bodies = set.revoke(later("P3D"), &Facts::default()).unwrap();
    append(&store, with_private(bodies, later("P3D"), world.place(), [])).await.unwrap();
    let used = LastUse { at: later("PT30H"), source: None };
    let used = vec![(set.latest().unwrap().id.to_string(), used)];
    let used = &used;
    let marked = store.commit("test", |tx| Box::pin(async move { tx.mark_used(used).await }));
    marked.await.unwrap();
    let at = KeySetFilter::at;
    let now = later("P4D");
    let masked = set.latest().unwrap().masked.as_str().to_owned();
    let from = |at: &str| Between { after: Some(later(at)), before: None };
    let until = |at: &str| Between { after: None, before: Some(later(at)) };
    let within = |after: &str, before: &str| Between { before: Some(later(before)), ..from(after) };
    let q = |text: &str| KeySetFilter { q: Some(text.to_owned()), ..at(now) };
    for (filter, expected) in [
        (at(now), vec![first, basic, foreign]),
        (KeySetFilter { ids: vec![first, foreign], ..at(now) }, vec![first, foreign]),
        (KeySetFilter { statuses: vec![KeyStatus::Active], ..at(now) }, vec![first, foreign]),
        (
            KeySetFilter { statuses: vec![KeyStatus::Active, KeyStatus::Revoked], ..at(now) },
            vec![first, basic, foreign],
        ),
        (KeySetFilter { auth_types: vec![AuthType::Basic], ..at(now) }, vec![basic]),
        (
            KeySetFilter { auth_types: vec![AuthType::Basic, AuthType::ApiKey], ..at(now) },
            vec![first, basic, foreign],
        ),
        (KeySetFilter { api_ids: vec![world.api_id, other.api_id], ..at(now) }, vec![first]),
        (KeySetFilter { application_ids: vec![world.application_id], ..at(now) }, vec![first, basic]),
        (KeySetFilter { environment_ids: vec![other.environment_id], ..at(now) }, vec![foreign]),
        (KeySetFilter { organization_ids: vec![world.organization_id], ..at(now) }, vec![first, basic]),
        (KeySetFilter { group_ids: vec![other.group_id], ..at(now) }, vec![foreign]),
        (KeySetFilter { policy_template_ids: vec![other.policy_template_id], ..at(now) }, vec![foreign]),
        (q("ALPHA"), vec![first]),
        (q("100%"), vec![first]),
        (q("%"), vec![first]),
        (q("a_pha"), vec![]),
        (q("kiosk"), vec![foreign]),
        (q(&foreign.to_string()[5..]), vec![foreign]),
        (q(&masked), vec![basic]),
        (q("nothing of the kind"), vec![]),
        (KeySetFilter { created: from("P1D"), ..at(now) }, vec![basic, foreign]),
        (KeySetFilter { created: until("P1D"), ..at(now) }, vec![first]),
        (KeySetFilter { provisioned: within("P1D", "P2D"), ..at(now) }, vec![basic]),
        (KeySetFilter { rotation_due: from("P0D"), ..at(now) }, vec![first, basic]),
        (KeySetFilter { expires: until("P13D"), ..at(now) }, vec![foreign]),
        (KeySetFilter { expires: from("P12D"), ..at(now) }, vec![first, basic, foreign]),
        (KeySetFilter { revoked: from("P3D"), ..at(now) }, vec![basic]),
        (KeySetFilter { revoked: until("P3D"), ..at(now) }, vec![]),
        (KeySetFilter { last_used: within("PT30H", "PT31H"), ..at(now) }, vec![basic]),
        (KeySetFilter { last_used: from("PT31H"), ..at(now) }, vec![]),
        (KeySetFilter { last_used: until("PT31H"), ..at(now) }, vec![basic]),
        // Different filters: all of them.
        (KeySetFilter { auth_types: vec![AuthType::ApiKey], created: from("P1D"), ..at(now) }, vec![foreign]),
        (KeySetFilter { q: Some("beta".into()), statuses: vec![KeyStatus::Active], ..at(now) }, vec![]),
    ] {
        assert_eq!(found(&store, filter.clone()).await, expected.into_iter().collect(), "{filter:?}");
    }
    assert_eq!(found(&store, at(now)).await, all);
    let query: ListQuery<ApiFilter, ApiSort> = ListQuery {
        filter: ApiFilter { authorized_for: Some(first), ..ApiFilter::default() },
        visible: Visible::everything(),
        ..ListQuery::default()
    };
    let apis = store.read().await.unwrap().apis(&query).await.unwrap().items;
    assert_eq!(apis.iter().map(|api| api.id).collect::<Vec<_>>(), [world.api_id]);
}

pub(crate) async fn statuses_follow_the_clock(place: &Place) {
    let store = place.open().await;
    let world = World::with_policy(&store, plain_policy("P10D")).await;
    let active = world.open_set(&store, "Active", start()).await;
    let suspended = world.open_set(&store, "Suspended", start()).await;
    let (pending, events) = world.opened(world.terms("Pending", AuthType::ApiKey), true, start());
    append(&store, events).await.unwrap();
    let set = store.read().await.unwrap().key_set(suspended).await.unwrap().unwrap();
    let bodies = set.suspend(start(), &Facts::default()).unwrap();
    append(&store, with_private(bodies, start(), world.place(), [])).await.unwrap();
    let with = async |status: KeyStatus, now: Timestamp| {
        found(&store, KeySetFilter { statuses: vec![status], ..KeySetFilter::at(now) }).await
    };
    for now in [start(), later("P9D"), later("P10D"), later("P1Y")] {
        for status in KeyStatus::ALL {
            let mut expected = BTreeSet::new();
            for id in [active, suspended, pending] {
                let set = store.read().await.unwrap().key_set(id).await.unwrap().unwrap();
                if set.status(now) == status {
                    expected.insert(id);
                }
            }
            assert_eq!(with(status, now).await, expected, "{status:?} at {now}");
        }
    }
    assert_eq!(with(KeyStatus::Expired, later("P10D")).await, [active, suspended].into());
}

pub(crate) async fn the_audit_trail_is_filtered(place: &Place) {
    let store = place.open().await;
    let world = World::make(&store).await;
    let member = claviger_domain::event::ActorRef {
        kind: claviger_domain::event::ActorKind::Member,
        id: Some("mbr_1".into()),
        name: "Ada".into(),
    };
    let body = EventBody::ApplicationUpdated { application_id: world.application_id, name: name("Store") };
    let by_ada = NewEvent { actor: member, ..event(later("P1D"), world.place(), body) };
    append(&store, [by_ada]).await.unwrap();
    let last = store.head().await.unwrap();
    let positions = async |filter: EventFilter| {
        let query: ListQuery<EventFilter, EventSort> =
            ListQuery { visible: Visible::everything(), filter, descending: false, ..ListQuery::default() };
        let page = store.read().await?.events(&query).await?;
        Ok::<Vec<i64>, StoreError>(page.items.into_iter().map(|event| event.position.0).collect())
    };
    let none = EventFilter::default;
    for (filter, expected) in [
        (none(), vec![1, 2, 3, 4, 5, 6, 7]),
        (EventFilter { actors: vec!["mbr_1".into()], ..none() }, vec![7]),
        (EventFilter { subjects: vec![world.application_id.to_string()], ..none() }, vec![6, 7]),
        (EventFilter { subject_kinds: vec!["api".into(), "group".into()], ..none() }, vec![2, 5]),
        (EventFilter { kinds: vec!["application.created".into()], ..none() }, vec![6]),
        (EventFilter { at: Between { after: Some(later("P1D")), before: None }, ..none() }, vec![7]),
        (
            EventFilter { at: Between { after: None, before: Some(later("P1D")) }, ..none() },
            vec![1, 2, 3, 4, 5, 6],
        ),
        (EventFilter { after: Some(Position(5)), up_to: Some(Position(6)), ..none() }, vec![6]),
        (EventFilter { actors: vec!["mbr_2".into()], ..none() }, vec![]),
    ] {
        assert_eq!(positions(filter.clone()).await.unwrap(), expected, "{filter:?}");
    }
    assert_eq!(last, Position(7));
}
