//! Appending: positions, refusals, and what followers see.

use std::sync::Arc;
use std::time::Duration;

use claviger_domain::event::{Event, EventBody, NewEvent, Position};
use claviger_domain::id::{ApplicationId, GroupId};
use claviger_domain::refusal::Refusal;
use claviger_domain::scope::Place as Where;
use claviger_domain::text::Note;
use claviger_store::{StoreError, Tx};

use crate::world::{Place, World, append, event, fresh_key, id, later, name, start, with_private};

/// As services have it: the domain's refusal or the store's fault.
#[derive(Debug)]
enum Error {
    Refused(Refusal),
    Store(#[expect(dead_code, reason = "shown when a test fails")] StoreError),
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

fn group(world: &World, group_name: &str) -> NewEvent {
    let group_id: GroupId = id();
    let body =
        EventBody::GroupCreated { group_id, organization_id: world.organization_id, name: name(group_name) };
    event(start(), Where::group(world.organization_id, group_id), body)
}

pub(crate) async fn positions_are_gapless_with_eight_writers(place: &Place) {
    const WRITERS: usize = 8;
    const EACH: usize = 12;
    let store = Arc::new(place.open().await);
    let world = Arc::new(World::make(&store).await);
    let begun = store.head().await.unwrap().0;
    let writers = (0..WRITERS).map(|writer| {
        let (store, world) = (Arc::clone(&store), Arc::clone(&world));
        tokio::spawn(async move {
            let mut positions = Vec::new();
            for number in 0..EACH {
                let pair = ["a", "b"].map(|half| group(&world, &format!("{writer} {number} {half}")));
                positions.push(append(&store, pair).await.unwrap().0);
            }
            positions
        })
    });
    let mut positions: Vec<i64> =
        futures::future::join_all(writers).await.into_iter().flat_map(Result::unwrap).collect();
    positions.sort_unstable();
    let expected: Vec<i64> = (1..=(WRITERS * EACH) as i64).map(|number| begun + 2 * number).collect();
    assert_eq!(positions, expected, "each transaction ends two positions after another one");
    let mut reader = store.read().await.unwrap();
    let events = reader.events_after(Position(0), 10_000).await.unwrap();
    let tailed: Vec<i64> = events.iter().map(|event| event.position.0).collect();
    assert_eq!(tailed, (1..=begun + (2 * WRITERS * EACH) as i64).collect::<Vec<_>>());
    assert_eq!(reader.verify_chain().await.unwrap().fault, None);
}

pub(crate) async fn a_refusal_writes_nothing(place: &Place) {
    let store = place.open().await;
    let world = World::make(&store).await;
    let before = store.head().await.unwrap();
    let event = &group(&world, "Payments");
    let refused = store
        .commit("test", |tx| {
            Box::pin(async move {
                tx.append(event.clone()).await?;
                Err::<(), _>(Error::Refused(Refusal::Conflict))
            })
        })
        .await;
    assert!(matches!(refused, Err(Error::Refused(Refusal::Conflict))), "{refused:?}");
    assert_eq!(store.head().await.unwrap(), before);
    let named = store.read().await.unwrap().group_named(world.organization_id, &name("Payments")).await;
    assert_eq!(named.unwrap(), None);
    // The place in the log was not used up.
    assert_eq!(append(&store, [event.clone()]).await.unwrap(), Position(before.0 + 1));
}

pub(crate) async fn a_failed_statement_is_never_committed(place: &Place) {
    let store = place.open().await;
    let world = World::make(&store).await;
    let before = store.head().await.unwrap();
    let (good, doubled) = (&group(&world, "Payments"), &group(&world, "DEFAULT"));
    let lightly = store
        .commit("test", |tx: &mut Tx<'_>| {
            Box::pin(async move {
                tx.append(good.clone()).await?;
                // A careless caller that goes on after an error.
                let _ = tx.append(doubled.clone()).await;
                Ok::<_, Error>(())
            })
        })
        .await;
    assert!(matches!(lightly, Err(Error::Store(_))), "{lightly:?}");
    // Nor one that did not fit.
    let twice = &group(&world, "Once");
    let lightly = store
        .commit("test", |tx| {
            Box::pin(async move {
                tx.append(twice.clone()).await?;
                let _ = tx.append(NewEvent { id: id(), ..twice.clone() }).await;
                Ok::<_, Error>(())
            })
        })
        .await;
    assert!(matches!(lightly, Err(Error::Store(_))), "{lightly:?}");
    assert_eq!(store.head().await.unwrap(), before);
}

pub(crate) async fn what_was_appended_reads_back(place: &Place) {
    let store = place.open().await;
    let world = World::make(&store).await;
    let (_, mut events) =
        world.opened(world.terms("Key", claviger_domain::apis::AuthType::ApiKey), false, start());
    events[0].reason = Some(Note::new("as asked\nby phone").unwrap());
    events[0].counterpart = Some(Where::group(id(), id()));
    let position = append(&store, events.clone()).await.unwrap();
    let mut reader = store.read().await.unwrap();
    let read = reader.events_after(Position(position.0 - 2), 10).await.unwrap();
    assert_eq!(read.iter().map(|event| event.event.clone()).collect::<Vec<_>>(), events);
    let chained: Vec<&Event> = read.iter().collect();
    assert_eq!(chained[1].previous_hash, chained[0].hash);
    assert_eq!(reader.position_and_hash().await.unwrap(), (position, chained[1].hash));
    assert_eq!(reader.event(events[1].id).await.unwrap().as_ref(), Some(chained[1]));
    let subject = events[0].body.subject().id();
    assert_eq!(reader.events_of(&subject).await.unwrap(), read);
    assert_eq!(reader.last_change_of(&subject).await.unwrap(), Some((position, start())));
}

pub(crate) async fn followers_are_woken(place: &Place) {
    let (writer, follower) = (place.open().await, place.open().await);
    let world = World::make(&writer).await;
    let mut changes = if place.is_sqlite() { writer.changes() } else { follower.changes() };
    // The listener has reached PostgreSQL when the first call comes through.
    let deadline = tokio::time::timeout(Duration::from_secs(20), async {
        for number in 0.. {
            append(&writer, [group(&world, &format!("Group {number}"))]).await.unwrap();
            let woken = tokio::time::timeout(Duration::from_millis(250), changes.changed()).await;
            if woken.is_ok() && number > 3 {
                break;
            }
        }
    });
    deadline.await.expect("a follower is woken");
}

pub(crate) async fn an_event_that_does_not_fit_is_refused(place: &Place) {
    let store = place.open().await;
    let world = World::make(&store).await;
    let before = store.head().await.unwrap();
    let application_id: ApplicationId = id();
    for body in [
        EventBody::ApplicationUpdated { application_id, name: name("Nobody") },
        EventBody::ApplicationCreated {
            application_id: world.application_id,
            organization_id: world.organization_id,
            group_id: world.group_id,
            name: name("Twice"),
        },
    ] {
        let appended = append(&store, [event(start(), world.place(), body)]).await;
        assert!(matches!(appended, Err(StoreError::Misapplied(_))), "{appended:?}");
    }
    // A Key without its digest could never be recognised.
    let (_, events) =
        world.opened(world.terms("Key", claviger_domain::apis::AuthType::ApiKey), false, start());
    let bare = events.into_iter().map(|event| NewEvent { private: None, ..event });
    assert!(matches!(append(&store, bare).await, Err(StoreError::Corrupt { .. })));
    assert_eq!(store.head().await.unwrap(), before);
    // The same set twice: in two transactions, and in one.
    let (set, events) =
        world.opened(world.terms("Key", claviger_domain::apis::AuthType::ApiKey), false, start());
    let twice = || {
        let again = |event: &NewEvent| NewEvent { id: id(), ..event.clone() };
        events.iter().map(again).collect::<Vec<_>>()
    };
    let in_one = append(&store, events.iter().cloned().chain(twice())).await;
    assert!(matches!(in_one, Err(StoreError::Misapplied(_))), "{in_one:?}");
    assert_eq!(store.head().await.unwrap(), before);
    let after = append(&store, events.clone()).await.unwrap();
    let in_two = append(&store, twice()).await;
    assert!(matches!(in_two, Err(StoreError::Taken(_))), "{in_two:?}");
    assert_eq!(store.head().await.unwrap(), after);
    assert!(store.read().await.unwrap().key_set(set).await.unwrap().is_some());
}

pub(crate) async fn unique_names_are_held_by_the_database(place: &Place) {
    let store = place.open().await;
    let world = World::make(&store).await;
    // Compared in NFC, without case.
    let taken = append(&store, [group(&world, "DeFault")]).await;
    assert!(matches!(taken, Err(StoreError::Taken(_))), "{taken:?}");
    let set = world.open_set(&store, "One", later("P1D")).await;
    let (fresh, private) = fresh_key(start());
    let reader = &mut store.read().await.unwrap();
    let known = reader.digests_of_key_set(set).await.unwrap();
    let twice = claviger_domain::event::Private { key: known[0].key, ..private };
    let other = id();
    let opening = claviger_domain::key_sets::Opening { pending: false, application_suspended: false };
    let terms = world.terms("Two", claviger_domain::apis::AuthType::ApiKey);
    let bodies = claviger_domain::key_sets::KeySet::open(other, terms, opening, fresh, start());
    let taken = append(&store, with_private(bodies, start(), world.place(), [twice])).await;
    assert!(matches!(taken, Err(StoreError::Taken(_))), "no two Keys share a digest: {taken:?}");
}
